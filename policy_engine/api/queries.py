"""Query parameters, none of which is passed over in silence."""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request

from policy_engine.errors import Problem, UsageError, did_you_mean


def check_query(request: Request, known: Collection[str]) -> None:
    """Refuse parameters that a route does not take: who asks for less must not be answered as if they had not.

    Raises:
        UsageError: with the first of them.
    """
    for name in request.query_params:
        if name not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            hint = did_you_mean(name, sorted(known)) or takes
            raise UsageError(Problem("parameter", f"there is no parameter `{name[:80]}` here", help=hint))


def one(request: Request, name: str) -> str | None:
    """Return a parameter that is given once at most.

    Raises:
        UsageError: it is given several times.
    """
    found = request.query_params.getlist(name)
    if len(found) > 1:
        raise UsageError(Problem("parameter", f"`{name}` is given {len(found)} times, and is taken once"))
    return found[0] if found else None


def chosen(request: Request, name: str, choices: Collection[str]) -> str | None:
    """Return a parameter that is one of `choices`.

    Raises:
        UsageError: it is none of them.
    """
    value = one(request, name)
    if value is not None and value not in choices:
        message = f"`{name}` is one of {', '.join(choices)}"
        raise UsageError(Problem("parameter", message, help=did_you_mean(value, list(choices))))
    return value


def whole(request: Request, name: str, least: int, most: int) -> int | None:
    """Return a parameter that is a whole number from `least` to `most`.

    Raises:
        UsageError: it is none.
    """
    value = one(request, name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 18 and least <= int(value) <= most):
        raise UsageError(Problem("parameter", f"`{name}` is a whole number from {least:,} to {most:,}"))
    return int(value)
