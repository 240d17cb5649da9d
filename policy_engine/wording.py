"""Values and messages as people read them; numbers are rounded here and nowhere else."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_FIELD = re.compile(r"\{([^{}]+)\}")


def number(value: float) -> str:
    """Write a number with thousands marked; money and ratios keep two digits at most."""
    if isinstance(value, float) and not value.is_integer():
        text = f"{value:,.2f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{int(value):,}"


def price_text(value: float) -> str:
    """Write a price in dollars: with cents, and below these with four digits, never as nothing."""
    if value == 0 or not math.isfinite(value) or abs(round(value, 2) - value) < 1e-9 * abs(value):
        return f"{value:,.2f}"
    digits = max(2, 3 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}".rstrip("0")


def usd(value: float | None) -> str:
    """Write dollars a month; None is unknown."""
    if value is None:
        return "unknown"
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def value_text(value: Any) -> str:
    """Write a fact's value."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list | tuple):
        return listed([str(item) for item in value]) or "none"
    return str(value)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Join words as a sentence does."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


class Template:
    """A rule's text with `{fact}`, `{param.name}` and `{option}` in it, split once and filled often."""

    __slots__ = ("_fields", "_parts")

    def __init__(self, text: str, parameters: Mapping[str, Any]) -> None:
        # split gives literal, field, literal, ..., literal
        self._parts = _FIELD.split(text)
        self._fields: list[tuple[int, str]] = []
        for place in range(1, len(self._parts), 2):
            name = self._parts[place]
            if name.startswith("param."):
                self._parts[place] = value_text(parameters.get(name.removeprefix("param.")))
            else:
                self._fields.append((place, name))

    def fill(self, facts: Mapping[str, Any], options: Sequence[str]) -> str:
        """Put values in the place of the fields."""
        out = list(self._parts)
        for place, name in self._fields:
            out[place] = (listed(options, "or") or "the option") if name == "option" else value_text(facts.get(name))
        return "".join(out)


def printable(text: str) -> str:
    """Return `text` with what is neither printable nor a line break as an escape: controls, bidi, zero width."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def runs_in(provider: str | None) -> str:
    """Return how the sentence begins that says of a provider in which regions it runs."""
    return f"the catalog has the provider `{provider}` running in"
