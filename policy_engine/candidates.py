"""The values of a fact that are worth trying: those at which some rule, or the catalog, turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.facts import DAYS_PER_MONTH
from policy_engine.language.tree import Compare, Const, Member, Node, facts_read, walk
from policy_engine.loading.policy import Policy
from policy_engine.lowering.conditions import with_parameters
from policy_engine.model.origins import ORIGINS
from policy_engine.model.vocabulary import OPTIONS, Fact
from policy_engine.model.workload import ANYWHERE

_DECADES = tuple(10**power for power in range(13))
_STEP = 0.001  # of a cut point that is no whole number


class Candidates:
    """Finds candidate values under one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        conditions = with_parameters(policy.rules)
        self._cuts: dict[str, dict[Any, None]] = {}
        for index in range(len(policy.rules.rules)):
            for node in walk(conditions.of(index)):
                self._read(node)

    def _read(self, node: Node) -> None:
        """Note the constants that facts are compared with."""
        if isinstance(node, Compare | Member):
            constants = [each.value for each in walk(node) if isinstance(each, Const)]
            for name in facts_read(node):
                self._cuts.setdefault(name, {}).update(dict.fromkeys(constants))

    def of(self, fact: Fact, facts: Mapping[str, Any]) -> list[Any]:
        """Return values for `fact` of a task with these `facts`, in a fixed order, each once."""
        found: list[Any] = []
        for value in self._values(fact, facts):
            if value not in found:
                found.append(value)
        return found

    def _values(self, fact: Fact, facts: Mapping[str, Any]) -> Iterator[Any]:
        if fact.name in _STRUCTURES:
            yield from _STRUCTURES[fact.name](self.policy)
        elif fact.type == "bool":
            yield from (True, False)
        elif fact.type in ("int", "double"):
            yield from self._numbers(fact, facts)
        elif fact.type == "list<string>":
            yield from self._lists(fact, facts)
        elif fact.values is not None:
            yield from fact.values
        else:
            yield from self._strings(fact)

    def _numbers(self, fact: Fact, facts: Mapping[str, Any]) -> Iterator[int | float]:
        """Yield the bounds, the values just below, at and above each cut point, and the orders of magnitude."""
        low = fact.minimum if fact.minimum is not None else 0
        high = fact.maximum if fact.maximum is not None else float("inf")
        cuts = sorted({*self._own_cuts(fact), *self._cuts_behind(fact, facts)})
        around = [each for cut in cuts for each in _around(cut, fact.type == "int")]
        for value in (low, *around, *_DECADES):
            if low <= value <= high:
                yield int(value) if fact.type == "int" else float(value)

    def _own_cuts(self, fact: Fact) -> Iterator[float]:
        for cut in self._cuts.get(fact.name, ()):
            if isinstance(cut, int | float) and not isinstance(cut, bool):
                yield cut

    def _cuts_behind(self, fact: Fact, facts: Mapping[str, Any]) -> Iterator[float]:
        """Yield the cut points of what is computed from the fact, less what is known of its other parts."""
        for computed, origins in ORIGINS.items():
            if fact.name not in origins:
                continue
            scale = DAYS_PER_MONTH if computed == "volume.tokens_per_day" else 1.0
            others = sum(facts[name] for name in origins if name.startswith("volume.") and name in facts)
            for cut in self._cuts.get(computed, ()):
                if isinstance(cut, int | float) and not isinstance(cut, bool):
                    yield cut * scale - others

    def _lists(self, fact: Fact, facts: Mapping[str, Any]) -> Iterator[list[str]]:
        if fact.name == "data.residency":
            yield [ANYWHERE]
            regions = self.policy.catalog.regions.by_name
            near = [facts[name] for name in ("proposal.region", "hardware.region") if name in facts]
            # the widest regions and those that something is said to run in
            yield from ([name] for name in dict.fromkeys([*near, *regions]) if name in near or _is_wide(regions[name]))
            return
        members = list(fact.values or (self.policy.vocabulary.regulations if fact.name == "data.regulations" else ()))
        members += [cut for cut in self._cuts.get(fact.name, ()) if isinstance(cut, str) and cut not in members]
        if fact.values is None:
            yield []
        yield from ([each] for each in members)
        yield members

    def _strings(self, fact: Fact) -> Iterator[str]:
        leaf = fact.name.rpartition(".")[2]
        catalog = self.policy.catalog
        known = {"model": catalog.models, "provider": catalog.providers, "region": catalog.regions.by_name}
        if fact.name == "hardware.gpus.name":
            yield from catalog.gpus
        elif leaf == "region":
            yield from (name for name, region in catalog.regions.by_name.items() if _is_wide(region))
        else:
            yield from known.get(leaf, ())
        yield from (cut for cut in self._cuts.get(fact.name, ()) if isinstance(cut, str))


def _is_wide(region: Any) -> bool:
    """Whether a region lies in none, or in the world alone."""
    return region.parent is None or region.parent == "world"


def _around(cut: float, whole: bool) -> tuple[float, float, float]:
    if whole:
        return (int(cut) - 1, int(cut), int(cut) + 1)
    step = abs(cut) * _STEP or _STEP
    return (cut - step, cut, cut + step)


def _migrations(policy: Policy) -> Iterator[Any]:
    yield "none"
    yield from ({"from": {"deployment": option}} for option in OPTIONS)


def _claims(policy: Policy) -> Iterator[Any]:
    yield [{"name": "cpu"}]
    yield from ([{"name": name, "count": count}] for name in policy.catalog.gpus for count in (1, 8))


def _floors(policy: Policy) -> Iterator[Any]:
    yield {}
    yield from ({name: floor} for name in policy.catalog.benchmarks for floor in (50, 80, 95))


_STRUCTURES = {"migration": _migrations, "hardware.gpus": _claims, "task.min_scores": _floors}
