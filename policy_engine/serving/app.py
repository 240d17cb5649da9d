"""The application of one worker, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from policy_engine import __version__
from policy_engine.api import decisions, health
from policy_engine.api.problems import problem_response
from policy_engine.errors import PolicyError
from policy_engine.service.service import Service
from policy_engine.service.settings import Settings
from policy_engine.serving.direct import Direct


def create_app(settings: Settings, started: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the application; its service starts with it and ends with it. `started` is called once it has."""
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        started()
        yield
        await service.stop()

    app = FastAPI(title="policy-engine", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    for module in (decisions, health):
        app.include_router(module.router)
    app.add_exception_handler(PolicyError, _refuse)
    app.add_middleware(Direct, route=decisions.ROUTE, endpoint=decisions.decide, refuse=_refuse)
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, PolicyError)  # noqa: S101 - it is registered for these alone
    return problem_response(error)
