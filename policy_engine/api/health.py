"""`/healthz` and `/readyz`: is the process alive; can it decide and record."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.documents import json_bytes
from policy_engine.api.openapi import PUBLIC, answers, problems
from policy_engine.api.requests import service_of
from policy_engine.api.schemas import STRING, TIME, closed

router = APIRouter()


@router.get("/healthz", responses=answers(closed({"status": {"const": "alive"}}), "It is."), openapi_extra=PUBLIC)
async def alive() -> Response:
    """Say that the process answers."""
    return Response(json_bytes({"status": "alive"}), media_type="application/json")


_FAILED = closed({"status": {"const": "failed"}, "since": TIME})
_READY = closed({"status": {"const": "ready"}, "policy": STRING}, {"reload": _FAILED})


@router.get("/readyz", responses={**answers(_READY, "They are."), **problems(503)}, openapi_extra=PUBLIC)
async def ready(request: Request) -> Response:
    """Say whether rules and ledger are usable, and the keys are the ledger's own; 503 where they are not.

    What the last commit was refused with, a full disk say, counts until one succeeds, or for 15 seconds.

    `reload` is there as long as older rules are in force than were given: those could not be loaded.
    """
    service = service_of(request)
    await service.readiness.check()
    found: dict[str, Any] = {"status": "ready", "policy": service.policy.digest}
    if service.rules.failed is not None:
        found["reload"] = {"status": "failed", "since": service.rules.failed.since}
    return Response(json_bytes(found), media_type="application/json")
