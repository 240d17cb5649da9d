"""The stylesheet, under a name that holds its digest: a browser keeps it for ever, and never an old one."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from policy_engine.errors import Problem
from policy_engine.service.errors import NotFoundError

router = APIRouter(include_in_schema=False)
_FILE = Path(__file__).parent / "html" / "console.css"
_FOR_EVER = "public, max-age=31536000, immutable"


@cache
def stylesheet() -> tuple[str, bytes]:
    """Return the path of the stylesheet, and its bytes."""
    content = _FILE.read_bytes()
    return f"/console/{sha256(content).hexdigest()[:16]}.css", content


@router.get("/console/{name}")
async def style(request: Request, name: str) -> Response:
    """Give the stylesheet; one of another version leads to it."""
    path, content = stylesheet()
    if not name.endswith(".css"):
        raise NotFoundError(Problem("page-missing", "there is no such file"))
    if request.url.path != path:
        return RedirectResponse(path, 307, headers={"Cache-Control": "no-store"})
    return Response(content, headers={"Cache-Control": _FOR_EVER}, media_type="text/css; charset=utf-8")
