"""JSON bodies as what a route takes: checked, with the place of what is wrong by its path."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from policy_engine.api.requests import JSON, body_of, check_media_type
from policy_engine.errors import InputError, PolicyError, Problem, UsageError
from policy_engine.loading.json_source import load_json
from policy_engine.wording import printable

T = TypeVar("T")
_SEEN = 60
#: An object of so many bytes has a name, and so a quote.
_LONG = 64
#: What is remembered: so many bodies, of so many bytes each, for so long.
_MOST, _MOST_BYTES, _KEPT_SECONDS = 256, 8 << 10, 60.0
_AS_JSON = "send it as /openapi.json has it"


async def json_of(
    request: Request,
    kind: type[T],
    refusal: type[PolicyError] = InputError,
    within: Callable[[T], bytes] = lambda _: b"",
    again: bool = False,
) -> T:
    """Return the request's JSON body as `kind`; what is not of that kind is the error `refusal`. Nobody may change it.

    `within`: gives the bytes of a value in the body that is read by itself later, and refused there for what is refused
    here. `again`: the same body may well be sent again, so that what came of it is remembered for a minute.

    Raises:
        InputError: it is of another media type, too large, or not what the route takes.
        UsageError: it is no JSON.
    """
    check_media_type(request, JSON)
    body = await body_of(request)
    try:
        found: T = _RECENT.read(body, kind, within) if again else _parsed(body, kind, within)
    except msgspec.ValidationError as error:
        text = str(error)
        raise refusal(Problem("body", text[:1].lower() + text[1:], help="see /openapi.json")) from None
    except (ValueError, RecursionError):  # the decoder's own error is a ValueError
        raise UsageError(_broken(body)) from None
    return found


def _broken(body: bytes) -> Problem:
    """Say where a body is no JSON, or holds what no document may, as of a workload's."""
    found = load_json(body, "body")
    first = found.problems[0] if isinstance(found, InputError) else None
    if first is None:
        return Problem("json", "the body cannot be read as JSON", help=_AS_JSON)
    return Problem("json", f"the body cannot be read as JSON: {first.message}", first.span, first.help or _AS_JSON)


def _parsed(body: bytes, kind: Any, within: Callable[[Any], bytes]) -> Any:
    found = msgspec.json.decode(body, type=kind)
    json.loads(_without(body, within(found)), object_pairs_hook=_once_each)
    return found


class RecentBodies:
    """Bodies that were read a moment ago, by their bytes: few, short and for a minute, for they may name persons."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._found, self._until = clock, dict[Any, Any](), 0.0

    def __len__(self) -> int:
        return len(self._found)

    def read(self, body: bytes, kind: Any, within: Callable[[Any], bytes]) -> Any:
        """Read a body, or return what was read of the same bytes.

        Raises:
            ValueError: as whoever reads it says; what is refused is not remembered.
        """
        moment = self._clock()
        if moment >= self._until or len(self._found) >= _MOST:
            self._found, self._until = {}, moment + _KEPT_SECONDS
        key = body, kind, within
        found = self._found.get(key)
        if found is None:
            found = _parsed(body, kind, within)
            if len(body) <= _MOST_BYTES:
                self._found[key] = found
        return found


_RECENT = RecentBodies()


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
