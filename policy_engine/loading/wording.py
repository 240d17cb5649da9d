"""How messages quote what a user wrote: in backticks, on one line, never too long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policy_engine.errors import did_you_mean

_LONGEST = 60


def quoted(text: object) -> str:
    """Return `text` in backticks, on one line and cut at 60 characters."""
    shown = str(text)
    if len(shown) > _LONGEST:
        shown = shown[:_LONGEST] + "..."
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
    return f"`{shown.replace('`', chr(39))}`"


def listed(words: Iterable[object], last: str = "or") -> str:
    """Return `words` quoted and joined: `a`, `b` or `c`."""
    shown = [quoted(word) for word in words]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def among(word: str, words: Sequence[str]) -> str:
    """Return the help line for a `word` that is none of `words`."""
    return did_you_mean(word, words) or f"one of {listed(words)}"


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as it is shown to a user: `spec.tasks[0].name`."""
    shown = ""
    for step in path:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else step
    return shown
