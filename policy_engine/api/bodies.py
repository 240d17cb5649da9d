"""JSON bodies as what a route takes: checked, with the place of what is wrong by its path."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from policy_engine.api.requests import JSON, body_of, check_media_type
from policy_engine.errors import InputError, PolicyError, Problem, UsageError
from policy_engine.wording import printable

T = TypeVar("T")
_SEEN = 60
#: An object of so many bytes has a name, and so a quote.
_LONG = 64


async def json_of(
    request: Request,
    kind: type[T],
    refusal: type[PolicyError] = InputError,
    within: Callable[[T], bytes] = lambda _: b"",
) -> T:
    """Return the request's JSON body as `kind`; what is not of that kind is the error `refusal`.

    `within`: gives the bytes of a value in the body that is read by itself later, and refused there for what is refused
    here.

    Raises:
        InputError: it is of another media type, too large, or not what the route takes.
        UsageError: it is no JSON.
    """
    check_media_type(request, JSON)
    body = await body_of(request)
    try:
        found = msgspec.json.decode(body, type=kind)
        json.loads(_without(body, within(found)), object_pairs_hook=_once_each)
    except msgspec.ValidationError as error:
        text = str(error)
        raise refusal(Problem("body", text[:1].lower() + text[1:], help="see /openapi.json")) from None
    except (ValueError, RecursionError):  # the decoder's own error is a ValueError
        raise UsageError(Problem("json", "the body is not JSON in UTF-8")) from None
    return found


def _without(body: bytes, inner: bytes) -> bytes:
    """Return the body with `null` in place of a long object within.

    The first place where its bytes stand is the same value, unless its own keys are made of what stands between two
    strings; such an object is no workload, and is refused as one.
    """
    return body.replace(inner, b"null", 1) if len(inner) >= _LONG and inner[:1] == b"{" else body


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object with a key twice: readers differ in which one counts (RFC 8259, 4)."""
    if len(dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(each for place, each in enumerate(names) if each in names[:place])
        message = f"the key `{printable(name[:_SEEN])}` stands twice in an object"
        raise UsageError(Problem("json", message, help="send it once"))
