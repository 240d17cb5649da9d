"""Long answers of the reading API, packed with gzip for clients that take it."""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST_BYTES = 4096
_LEVEL = 5
#: Not the pages: what is packed together with a form's secret gives something of it away by its length.
_PATHS = ("/v1/", "/openapi.json")


class CompressedReads:
    """Packs what GET answers below `/v1`; a decision that is made is sent as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packing = GZipMiddleware(app, minimum_size=_LEAST_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        reads = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(_PATHS)
        await (self._packing if reads else self._plain)(scope, receive, send)
