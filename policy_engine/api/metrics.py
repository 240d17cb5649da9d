"""`/metrics`: what this host's workers counted, for Prometheus."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.openapi import answers, problems
from policy_engine.api.requests import authorization_of, service_of

router = APIRouter()
_KINDS = ("text/plain", "application/openmetrics-text")


@router.get(
    "/metrics",
    responses={
        **answers({"type": "string"}, "The counts, in Prometheus' format or as OpenMetrics.", media_types=_KINDS),
        **problems(400, 401, 403, 429, 503),
    },
)
async def metrics(request: Request) -> Response:
    """Answer the counts of all workers of this host, whichever of them is asked."""
    service = service_of(request)
    if not service.settings.public_metrics:
        # by what was known last: the counts are wanted most while the ledger is away, and hold nothing of anybody
        address = request.client.host if request.client is not None else ""
        principal = await service.acquainted(authorization_of(request), address)
        principal.require("read")
        principal.require_everywhere()
    text, kind = await asyncio.to_thread(request.app.state.exposition, request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": kind, "Cache-Control": "no-store"})
