"""Routes answered before the application's router: what is asked most often spares its way through the framework.

The routes stay in the application, and with it in the OpenAPI document. Whatever wraps the application sees a request
as it sees all others: `scope["route"]` is the route, and errors are answered as the application answers them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from policy_engine.errors import PolicyError

Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Direct:
    """The innermost middleware. INVARIANT: the endpoints of `routes`, by method and path, take the request alone."""

    def __init__(self, app: ASGIApp, routes: Mapping[tuple[str, str], Route], refuse: Refuse) -> None:
        self._app, self._refuse, self._routes = app, refuse, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the routes' requests, and hand on all others."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except PolicyError as error:
            response = await self._refuse(request, error)
        await response(scope, receive, send)
