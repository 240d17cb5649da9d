"""The application of one worker, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from policy_engine import __version__
from policy_engine.api import (
    authzen,
    decisions,
    exports,
    fallbacks,
    health,
    in_force,
    log,
    metrics,
    openapi_document,
    recorded,
    reports,
    waivers,
)
from policy_engine.api.compressing import CompressedReads
from policy_engine.api.problems import problem_response, told_to
from policy_engine.console.pages import ROUTERS
from policy_engine.console.routing import is_for_people, missing_page, page_for_form
from policy_engine.errors import PolicyError
from policy_engine.service.meter import Meter
from policy_engine.service.service import Service
from policy_engine.service.settings import Settings
from policy_engine.serving.counting import counting
from policy_engine.serving.direct import Direct
from policy_engine.serving.front import Front
from policy_engine.serving.logs import Log
from policy_engine.serving.observed import Observed
from policy_engine.serving.refusals import Refusals

#: The modules whose routes `/openapi.json` describes.
API = (decisions, recorded, log, in_force, waivers, reports, exports, authzen, health, metrics, openapi_document)


class Application(FastAPI):
    """The application; what is asked most goes straight to the first middleware of ours (`Observed`).

    Those that the framework has around it limit nothing here, trace nothing, and answer errors that `Front` answers.
    """

    #: By method and path.
    asked_most: Mapping[tuple[str, str], Route] = {}
    _ours: ASGIApp | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Build the stack, and find ours in it."""
        stack = super().build_middleware_stack()
        found: ASGIApp | None = stack
        while found is not None and not isinstance(found, Observed):
            found = getattr(found, "app", None)
        self._ours = found
        return stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        asked = scope["type"] == "http" and (scope["method"], scope["path"]) in self.asked_most
        if self._ours is None or not asked:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._ours(scope, receive, send)


def create_app(settings: Settings, log: Log | None = None, started: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the application; its service starts with it and ends with it.

    `log`: where its requests are written. `started` is called once it has, and whenever other rules came into force.
    """
    meter = Meter()
    service = Service(settings, meter)
    service.rules.changed = started

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with counting(app, settings, meter, log):
            await service.start()
            started()
            yield
            await service.stop()

    app = Application(
        version=__version__,
        openapi_url=None,
        lifespan=lifespan,
        # a redirect would be made of whatever `Host` says
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.refusals = Refusals(meter, log)
    app.state.documented = [module.router for module in API]
    fallbacks.answer_head([*app.state.documented, *ROUTERS])
    for module in API:
        app.include_router(module.router)
    for router in ROUTERS:
        app.include_router(router)
    app.asked_most = _asked_most()
    app.add_middleware(Direct, routes=app.asked_most, refuse=_refuse)
    app.add_middleware(CompressedReads)
    app.add_exception_handler(PolicyError, _refuse)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_middleware(Front, service=service)
    app.add_middleware(Observed, meter=meter, log=log)  # the last one is the outermost
    return app


def _asked_most() -> dict[tuple[str, str], Route]:
    """Return the routes that are asked for most, by method and path."""
    wanted = (decisions.decide, authzen.access_evaluation)
    routes = [each for each in (*decisions.router.routes, *authzen.router.routes) if isinstance(each, Route)]
    return {(method, each.path): each for each in routes if each.endpoint in wanted for method in each.methods or ()}


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, PolicyError)  # noqa: S101 - it is registered for these alone
    return problem_response(told_to(request, error))


async def _unrouted(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 404 and is_for_people(request):
        return await missing_page(request)
    if isinstance(error, HTTPException) and error.status_code == 405 and is_for_people(request):
        return await page_for_form(request)
    return await fallbacks.refuse(request, error)
