"""The application of one worker, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from policy_engine import __version__
from policy_engine.api import decisions, health, metrics
from policy_engine.api.problems import problem_response
from policy_engine.errors import PolicyError
from policy_engine.service.meter import Meter
from policy_engine.service.service import Service
from policy_engine.service.settings import Settings
from policy_engine.serving.counting import counting
from policy_engine.serving.logs import Log
from policy_engine.serving.observed import Observed


def create_app(settings: Settings, log: Log | None = None) -> FastAPI:
    """Return the application; its service starts with it and ends with it. `log`: where its requests are written."""
    meter = Meter()
    service = Service(settings, meter)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with counting(app, settings, meter, log):
            await service.start()
            yield
            await service.stop()

    app = FastAPI(title="policy-engine", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    for module in (decisions, health, metrics):
        app.include_router(module.router)
    app.add_exception_handler(PolicyError, _refuse)
    app.add_middleware(Observed, meter=meter, log=log)  # the last one is the outermost
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, PolicyError)  # noqa: S101 - it is registered for these alone
    return problem_response(error)
