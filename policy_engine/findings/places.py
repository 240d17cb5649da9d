"""Where in a workload file a fact stands: the line that a finding points at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from policy_engine.errors import Span
from policy_engine.language.tree import facts_read
from policy_engine.loading.yaml_source import Document
from policy_engine.model.origins import ORIGINS
from policy_engine.model.rule import Rule

Path = tuple[str | int, ...]
_SECTIONS = frozenset({"data", "volume", "budget", "team", "needs", "hardware", "migration", "custom"})
_METADATA = {"namespace": "namespace", "name": "name", "owner_present": "owner"}
_COSTS = ("task.tokens_per_month",)
_WHOLE = {"task_count": ("spec", "tasks")}


def derivations(rules: Iterable[Rule]) -> dict[str, tuple[str, ...]]:
    """Return, for each fact that rules derive, the facts that they derive it from."""
    found: dict[str, dict[str, None]] = {}
    for rule in rules:
        for derivation in rule.derive:
            behind = (*in_order(rule.when, rule.reads), *sorted(facts_read(derivation.expression)))
            found.setdefault(derivation.fact, {}).update(dict.fromkeys(behind))
    return {name: tuple(behind) for name, behind in found.items()}


def in_order(condition: str, names: Iterable[str]) -> list[str]:
    """Return `names` in the order in which the text of a condition has them."""
    return sorted(names, key=lambda name: (condition.find(name), name))


class Places:
    """Finds the facts of one task in the document that states them."""

    def __init__(self, document: Document, task: int, derived: Mapping[str, Sequence[str]]) -> None:
        self._document, self._task, self._derived = document, task, derived

    @property
    def task(self) -> Span:
        """Where the task begins."""
        return self._document.span("spec", "tasks", self._task)

    def of(self, names: Iterable[str], fallback: bool = False) -> Span:
        """Return where the first of the facts `names` that the file states stands, else where the task begins.

        A computed fact stands where what it is computed from stands. Of a `fallback` the proposal's facts are its own.
        """
        for name in names:
            for origin in self.origins(name):
                path = self._path(origin, fallback)
                if path is not None and self._is_there(path):
                    return self._document.key_span(*path)
        return self.task

    def evidence(self, name: str) -> Span | None:
        """Return where the evidence `name` stands; None where the file has none."""
        path = ("spec", "evidence", name)
        return self._document.key_span(*path) if self._is_there(path) else None

    def origins(self, name: str) -> list[str]:
        """Return `name` and the facts that it is computed or derived from, the nearest first."""
        found: dict[str, None] = {}
        ahead = [name]
        while ahead:
            each = ahead.pop(0)
            if each not in found:
                found[each] = None
                costs = _COSTS if each.startswith("cost.") else ()
                ahead += [*ORIGINS.get(each, costs), *self._derived.get(each, ())]
        return list(found)

    def _path(self, name: str, fallback: bool) -> Path | None:
        section, _, rest = name.partition(".")
        steps = tuple(rest.split(".")) if rest and rest != "present" else ()
        task: Path = ("spec", "tasks", self._task)
        if section == "task":
            return (*task, *steps)
        if section == "proposal":
            within = ("fallback",) if fallback and steps[:1] != ("fallback",) else ()
            return (*task, "proposal", *within, *(step for step in steps if step != "present"))
        if section == "workload":
            if rest in _METADATA:
                return ("metadata", _METADATA[rest])
            return _WHOLE.get(rest, ("spec", *steps))
        if name == "migration.champion_present":
            return ("spec", "migration", "champion")
        return ("spec", section, *steps) if section in _SECTIONS else None

    def _is_there(self, path: Path) -> bool:
        """Whether the file states what stands at `path`, if only as null; of a list of things any of them does."""
        value: Any = self._document.value
        for step in path:
            if isinstance(value, list) and isinstance(step, str):
                return bool(value)
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return False
        return True
