"""What waivers lift of a changed task: that hangs on the facts that they were signed for, and on every outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from policy_engine.counterfactuals.changed import Changed, World
from policy_engine.counterfactuals.index import Index
from policy_engine.model.rule import Enforcement
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.waiver import Lifting


def asked_all(index: Index, world: World, changed: Changed) -> list[bool | None]:
    """Return the outcomes of all rules.

    Raises:
        Conflict: two derivations disagree.
    """
    outcomes = list(world.outcomes)
    delta = index.delta(changed, world.outcomes)
    for place in range(len(outcomes)):
        if place in delta:
            outcomes[place] = delta[place]
        elif not changed.names.isdisjoint(index.reads(place)):
            outcomes[place] = index.outcome(place, changed)
    return outcomes


def lifting_of(
    index: Index,
    world: World,
    changed: Changed,
    outcomes: list[bool | None],
    evidence: Mapping[str, EvidenceStatus],
    enforcement: Sequence[Enforcement],
) -> Lifting:
    """Return what the waivers on record lift of these outcomes."""
    return index.judge.lifting(replace(world.case, evidence=evidence), outcomes, tuple(enforcement), changed)
