"""One route answered before the application's router: what is asked most often spares its way through the framework.

The route stays in the application, and with it in the OpenAPI document. Whatever wraps the application sees the request
as it sees all others: `scope["route"]` is the route, and errors are answered as the application answers them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from policy_engine.errors import PolicyError

Endpoint = Callable[[Request], Awaitable[Response]]
Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Direct:
    """The innermost middleware. INVARIANT: `endpoint` takes nothing but the request, and `route` is its route."""

    def __init__(self, app: ASGIApp, route: Route, endpoint: Endpoint, refuse: Refuse) -> None:
        self._app, self._route, self._endpoint, self._refuse = app, route, endpoint, refuse
        self._path, self._methods = route.path, frozenset(route.methods or ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the route's requests, and hand on all others."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] not in self._methods:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        request = Request(scope, receive)
        try:
            response = await self._endpoint(request)
        except PolicyError as error:
            response = await self._refuse(request, error)
        await response(scope, receive, send)
