"""`GET /checkpoint` and `/tile/...`: the log as C2SP tlog-tiles, for any client or witness."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.principal import ForbiddenError
from policy_engine.access.routes import KNOWN
from policy_engine.api import parameters as given
from policy_engine.api.openapi import answers, in_path, parameters, problems
from policy_engine.api.requests import principal_with, service_of
from policy_engine.errors import Problem

router = APIRouter()
_REFUSED = problems(400, 401, 403, 404, 429, 503)
_BYTES = {"type": "string", "format": "binary"}
_YEAR = 31_536_000


@router.get(
    "/checkpoint",
    responses={**answers({"type": "string"}, "The signed note.", media_types=("text/plain",)), **_REFUSED},
)
async def checkpoint(request: Request) -> Response:
    """Give the latest signed checkpoint (C2SP tlog-checkpoint)."""
    await _admit(request, entries=False)
    note = await service_of(request).read(lambda ledger: service_of(request).tiles(ledger).checkpoint)
    headers = {"Cache-Control": f"{_who(request)}, no-cache"}
    return Response(note, media_type="text/plain", headers=headers)


@router.get(
    "/tile/{path:path}",
    responses={
        **answers(_BYTES, "The tile's bytes.", media_types=("application/octet-stream",)),
        **_REFUSED,
    },
    openapi_extra=parameters(
        in_path("path", "`<L>/<N>[.p/<W>]`, or `entries/<N>[.p/<W>]` (C2SP tlog-tiles).", example="0/000.p/1")
    ),
)
async def tile(request: Request, path: str) -> Response:
    """Give a tile of hashes, or a bundle of entries (C2SP tlog-tiles).

    A tile never changes, and may be kept. Entries name no person, but workloads: a token of some namespaces does not
    reach the bundles.
    """
    await _admit(request, entries=path.startswith("entries"))
    data = await service_of(request).read(lambda ledger: service_of(request).tiles(ledger).tile(f"tile/{path}"))
    headers = {"Cache-Control": f"{_who(request)}, max-age={_YEAR}, immutable"}
    return Response(data, media_type="application/octet-stream", headers=headers)


async def _admit(request: Request, *, entries: bool) -> None:
    """Let in who may see the log.

    Raises:
        UnauthenticatedError, ForbiddenError: they may not.
    """
    if not service_of(request).settings.public_log:
        principal = await principal_with(request, *(("read",) if entries else KNOWN))
        if entries and principal.namespaces is not None:
            message = "entries of all namespaces stand in a bundle, and your token does not reach all"
            raise ForbiddenError(Problem("namespace", message, help="`/v1/decisions/{id}/entry` gives a single one"))
    given.read(request, ())


def _who(request: Request) -> str:
    return "public" if service_of(request).settings.public_log else "private"
