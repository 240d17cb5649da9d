"""Forms as plain data: fields with labels, what was given, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Field(Struct, frozen=True):
    """A field: `kind` is `text`, `date`, `number`, `select`, `checks` (any of the options), `check` or `area`.

    `options` are pairs of value and label. `value` is text; of `checks` the values that are ticked.
    """

    name: str
    label: str
    kind: str = "text"
    value: Any = ""
    options: Sequence[tuple[str, str]] = ()
    hint: str | None = None
    error: str | None = None
    required: bool = False
    rows: int = 24
    """Of an `area`."""
    complete: str = "off"
    """What a browser may fill in; see HTML's `autocomplete`."""

    @property
    def id(self) -> str:
        """The id of the element."""
        return f"field-{self.name}"

    @property
    def input(self) -> str:
        """The type of an input; a date's field that was given something else shows it as text."""
        return "text" if self.kind == "date" and self.value and not DATE.fullmatch(self.value) else self.kind


def filled(fields: Sequence[Field], given: Sequence[tuple[str, str]]) -> list[Field]:
    """Return the fields with what a query or a form has for them."""
    found: dict[str, list[str]] = {}
    for name, value in given:
        found.setdefault(name, []).append(value)
    shown = []
    for field in fields:
        values = found.get(field.name, [])
        if field.kind == "checks":
            shown.append(replace(field, value=tuple(values)))
        else:
            shown.append(replace(field, value=values[-1] if values else field.value))
    return shown


def with_error(fields: Sequence[Field], name: str, message: str) -> list[Field]:
    """Return the fields with what is wrong with one of them."""
    return [replace(field, error=message) if field.name == name else field for field in fields]


def sentence(text: str) -> str:
    """Return an error's message as a sentence of a page."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"
