"""JSON bodies as what a route takes: checked, with the place of what is wrong by its path."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from policy_engine.api.requests import JSON, body_of, check_media_type
from policy_engine.errors import InputError, PolicyError, Problem, UsageError
from policy_engine.wording import printable

T = TypeVar("T")
_SEEN = 60


async def json_of(request: Request, kind: type[T], refusal: type[PolicyError] = InputError) -> T:
    """Return the request's JSON body as `kind`; what is not of that kind is the error `refusal`.

    Raises:
        InputError: it is of another media type, too large, or not what the route takes.
        UsageError: it is no JSON.
    """
    check_media_type(request, JSON)
    body = await body_of(request)
    try:
        found = msgspec.json.decode(body, type=kind)
        json.loads(body, object_pairs_hook=_once_each)
    except msgspec.ValidationError as error:
        text = str(error)
        raise refusal(Problem("body", text[:1].lower() + text[1:], help="see /openapi.json")) from None
    except (ValueError, RecursionError):  # the decoder's own error is a ValueError
        raise UsageError(Problem("json", "the body is not JSON in UTF-8")) from None
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object with a key twice: readers differ in which one counts (RFC 8259, 4)."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        name = next(each for place, each in enumerate(names) if each in names[:place])
        message = f"the key `{printable(name[:_SEEN])}` stands twice in an object"
        raise UsageError(Problem("json", message, help="send it once"))
