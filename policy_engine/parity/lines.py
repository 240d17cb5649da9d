"""One line of JSON, read strictly: no key twice, no NaN, no half of a character."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

_MOST_DIGITS = 400
#: What walks over a value calls itself at each level.
_DEEPEST = 100


class LineError(Exception):
    """A line is not what it should be; `column` counts from 1, in characters."""

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


def read_json(text: str) -> Any:
    """Return the value that the text holds.

    Raises:
        LineError: it is no JSON, or says something twice.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_int=_whole, parse_float=_real)
        json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise LineError(f"it is no JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.colno) from None
    except UnicodeEncodeError:
        raise LineError("it holds half of a character") from None
    except RecursionError:
        raise _deep() from None
    level, depth = [found], 0
    while level := [each for of in level if isinstance(of, dict | list) for each in _parts(of)]:
        depth += 1
        if depth > _DEEPEST:
            raise _deep()
    return found


def _deep() -> LineError:
    return LineError(f"it is nested too deep: more than {_DEEPEST} levels")


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise LineError(f"the key `{twice[:60]}` stands there twice")
    return found


def _refuse(name: str) -> Any:
    raise LineError(f"`{name}` is no number of JSON")


def _whole(text: str) -> int:
    # to read more digits takes longer with each
    if len(text) > _MOST_DIGITS:
        raise LineError(f"a number has more than {_MOST_DIGITS} digits")
    return int(text)


def _real(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise LineError(f"the number `{text[:30]}` is too large")
    return found
