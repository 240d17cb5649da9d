"""`/healthz` and `/readyz`: is the process alive; can it decide and record."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.documents import json_bytes
from policy_engine.api.openapi import PUBLIC, answers, problems
from policy_engine.api.requests import service_of
from policy_engine.api.schemas import STRING, closed

router = APIRouter()


@router.get("/healthz", responses=answers(closed({"status": {"const": "alive"}}), "It is."), openapi_extra=PUBLIC)
async def alive() -> Response:
    """Say that the process answers."""
    return Response(json_bytes({"status": "alive"}), media_type="application/json")


@router.get(
    "/readyz",
    responses={**answers(closed({"status": {"const": "ready"}, "policy": STRING}), "They are."), **problems(503)},
    openapi_extra=PUBLIC,
)
async def ready(request: Request) -> Response:
    """Say whether rules and ledger are usable; 503 where they are not."""
    service = service_of(request)
    await service.read(lambda ledger: ledger.checkpoint())
    found = {"status": "ready", "policy": service.policy.digest}
    return Response(json_bytes(found), media_type="application/json")
