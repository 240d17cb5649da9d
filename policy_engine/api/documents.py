"""Documents as bytes: JSON, or YAML where that is asked for; answers that a client may already have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"
YAML = "application/yaml"
_YAMLS = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
#: What depends on who asks, or names somebody, is kept by nobody.
NO_STORE = {"Cache-Control": "no-store"}
_ANSWERED = {"Vary": "Accept"}


def json_bytes(value: Any) -> bytes:
    """Return `value` as JSON."""
    return orjson.dumps(value)


async def answer(request: Request, value: Any, headers: Mapping[str, str] = NO_STORE) -> Response:
    """Return the answer that a document is: JSON, or YAML where the client would rather have that."""
    if not wants_yaml(request.headers.get("accept", "")):
        return Response(json_bytes(value), media_type=JSON, headers={**_ANSWERED, **headers})
    from policy_engine.loading.yaml_writing import to_yaml

    # a long document takes a while to write
    text = await asyncio.to_thread(to_yaml, orjson.loads(json_bytes(value)))
    return Response(text.encode(), media_type=YAML, headers={**_ANSWERED, **headers})


def wants_yaml(accept: str) -> bool:
    """Whether an Accept header likes YAML better than JSON, which is what is answered to everything else."""
    likes: dict[str, float] = {}
    for part in accept.lower().split(","):
        kind, *details = (each.strip() for each in part.split(";"))
        likes[kind] = max(likes.get(kind, 0.0), _quality(details))
    json = next((likes[kind] for kind in (JSON, "application/*", "*/*") if kind in likes), 0.0)
    return max((likes.get(kind, 0.0) for kind in _YAMLS), default=0.0) > json


def _quality(details: list[str]) -> float:
    for each in details:
        name, _, value = each.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def tag_of(request: Request, *parts: str) -> str:
    """Return the entity tag of what `parts` (digests, a day) and the question determine."""
    asked = [request.url.path, *sorted(f"{name}={value}" for name, value in request.query_params.multi_items())]
    whole = "\0".join([*parts, str(wants_yaml(request.headers.get("accept", ""))), *asked])
    return f'W/"{sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def names_anything(request: Request) -> bool:
    """Whether `If-None-Match` is `*`, by which a client has whatever there is: if there is something (RFC 9110)."""
    return "*" in (each.strip() for each in request.headers.get("if-none-match", "").split(","))


def unchanged(request: Request, tag: str) -> Response | None:
    """Return 304 where the client says that it has what `tag` stands for; None where it has to be answered."""
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if "*" in known or tag.removeprefix("W/") in known:
        return Response(status_code=304, headers=kept(tag))
    return None


def kept(tag: str) -> dict[str, str]:
    """Return the headers of an answer that a client may keep, and asks for again by its tag."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", **_ANSWERED}
