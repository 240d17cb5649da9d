"""Read a mapping of a rules file key by key, gathering every problem with its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from policy_engine.errors import Problem, did_you_mean
from policy_engine.loading.yaml_source import Document

Path = tuple[str | int, ...]


class Reader:
    """One mapping of a document, at `path`; wrong values become problems and come back as None."""

    def __init__(self, document: Document, problems: list[Problem], path: Path = ()) -> None:
        self.document, self.problems, self.path = document, problems, path
        value: Any = document.value
        for step in path:
            value = value[step]
        self.value: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.problem("not-a-mapping", "a mapping of keys to values is needed here")

    def problem(self, code: str, message: str, *path: str | int, help_: str | None = None, key: bool = False) -> None:
        where = self.document.key_span if key else self.document.span
        self.problems.append(Problem(code, message, where(*self.path, *path), help_))

    def only(self, allowed: Sequence[str]) -> None:
        """Report every key that is not in `allowed`."""
        for key in self.value:
            if key not in allowed:
                hint = did_you_mean(key, allowed) or f"the keys here are {', '.join(allowed)}"
                self.problem("unknown-key", f"`{key}` is not a key here", key, help_=hint, key=True)

    def _get(self, key: str, kinds: type | tuple[type, ...], wanted: str, required: bool) -> Any:
        if key not in self.value:
            if required:
                self.problem("missing-key", f"`{key}` is missing")
            return None
        value = self.value[key]
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self.problem("wrong-type", f"`{key}` must be {wanted}", key)
            return None
        return value

    def text(self, key: str, required: bool = False) -> str | None:
        found: str | None = self._get(key, str, "a string", required)
        if found is not None and not found.strip():
            self.problem("empty", f"`{key}` is empty", key)
        return found

    def flag(self, key: str) -> bool:
        return bool(self._get(key, bool, "true or false", False))

    def mapping(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self._get(key, dict, "a mapping", False)
        return found or {}

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        found = self._get(key, list, "a list of strings", False) or []
        for index, item in enumerate(found):
            if not isinstance(item, str):
                self.problem("wrong-type", f"`{key}` must hold strings", key, index)
        return tuple(item for item in found if isinstance(item, str))

    def items(self, key: str) -> list[Reader]:
        """A reader for every entry of the list of mappings at `key`."""
        found = self._get(key, list, "a list of mappings", False) or []
        return [Reader(self.document, self.problems, (*self.path, key, index)) for index in range(len(found))]

    def number(self, key: str) -> float | None:
        found: float | None = self._get(key, (int, float), "a number", False)
        return found

    def choice(self, key: str, allowed: Sequence[str], required: bool = False) -> str | None:
        found = self.text(key, required)
        return found if found is None or self.known(found, allowed, key) else None

    def known(
        self, word: str, allowed: Sequence[str], *path: str | int, what: str = "value", key: bool = False
    ) -> bool:
        """Report `word` unless it is one of `allowed`."""
        if word in allowed:
            return True
        hint = did_you_mean(word, allowed) or f"one of {', '.join(allowed)}"
        self.problem("unknown-value", f"`{word}` is not a {what} here", *path, help_=hint, key=key)
        return False

    def day(self, key: str, required: bool = False) -> date | None:
        found = self.text(key, required)
        if found is None:
            return None
        try:
            return date.fromisoformat(found)
        except ValueError:
            self.problem("not-a-date", f"`{key}` must be a date such as 2027-06-30", key)
            return None

    def each(self, key: str, read: Callable[[Reader, str], None]) -> None:
        """Call `read` with a reader for every entry of the mapping at `key`."""
        for name in self.mapping(key):
            read(Reader(self.document, self.problems, (*self.path, key, name)), name)
