"""The fallback of a proposal beside the changes of its task: a world in which it is what is proposed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from policy_engine.counterfactuals.bits import PLACES, Bits, bits_of, both
from policy_engine.counterfactuals.changed import NEEDED, VOLUME, Changed, World
from policy_engine.counterfactuals.grounds import Beside
from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.waived import asked_all, lifting_of
from policy_engine.facts import PROPOSED
from policy_engine.lifting import bearing, waives
from policy_engine.model.task_case import EvidenceStatus, TaskResult, Verdict
from policy_engine.model.waiver import NO_LIFTING, Lifting

_FALLBACK = "proposal.fallback."
_PRESENT = "proposal.fallback.present"
_OF_PROPOSAL = frozenset({"proposal.deployment", "proposal.model"})


class Fallback:
    """What is asked of a task's fallback: the forbids alone, and whether its model is there."""

    def __init__(self, index: Index, result: TaskResult, world: World) -> None:
        self._index, self._enforcement = index, result.enforcement
        self._world = _world_of(result, index, world)
        self._forbids = sum(1 << each for each in index.forbids)
        #: The facts that forbids rest on, or whether an option has a model: a fallback is judged by no others.
        self._beyond = index.forbids_on | (NEEDED - set(VOLUME)) | _OF_PROPOSAL
        self._bits = bits_of(self._world.outcomes)
        self._known: dict[Beside, Verdict] = {}

    @cached_property
    def now(self) -> Beside:
        """The fallback as it is."""
        return self._beside(Changed(self._world, {}), self._bits)

    def _beside(self, changed: Changed, bits: Bits) -> Beside:
        kept = Bits(bits.fired & self._forbids, bits.unknown & self._forbids)
        return Beside(kept, changed.available(), changed["proposal.deployment"], changed.model_holds())

    def hangs_on(self, name: str) -> bool:
        """Whether the verdict on it may be another where this fact is."""
        return name in self._beyond

    def grounds(self, changes: Mapping[str, Any], like: Changed) -> Beside | None:
        """Return what the verdict on it rests on under changes of the task; None where there is none any more.

        Raises:
            Conflict: two derivations disagree.
        """
        if changes.get(_PRESENT) is False:
            return None
        own = _own(changes)
        if self._beyond.isdisjoint(own):
            return self.now
        changed = Changed(self._world, own, like)
        delta = self._index.delta(changed, self._world.outcomes, True)
        return self._beside(changed, self._bits.moved(delta))

    def waived(
        self, changes: Mapping[str, Any], like: Changed, evidence: Mapping[str, EvidenceStatus]
    ) -> Verdict | None:
        """Return the verdict where waivers are on record, which may lift what forbids; None where there is none.

        Raises:
            Conflict: two derivations disagree.
        """
        if changes.get(_PRESENT) is False:
            return None
        changed = Changed(self._world, _own(changes), like)
        outcomes = asked_all(self._index, self._world, changed)
        lifting = lifting_of(self._index, self._world, changed, outcomes, evidence, self._enforcement)
        return self._verdict(self._beside(changed, bits_of(outcomes)), lifting)

    def verdict(self, beside: Beside) -> Verdict:
        """Return the verdict on it."""
        found = self._known.get(beside)
        if found is None:
            found = self._known[beside] = self._verdict(beside, NO_LIFTING)
        return found

    def _verdict(self, beside: Beside, lifting: Lifting) -> Verdict:
        whole = self._index.force(self._enforcement)
        force = whole.less(lifting.pairs, beside.option)
        status = force.statuses(beside.bits, beside.available)[PLACES[beside.option]]
        ruled = both(force.holds(beside.bits), beside.model)
        if status in ("forbidden", "unavailable") or ruled is False:
            return "deny"
        if status == "uncertain" or ruled is None:
            return "review"
        warned = whole.warns(beside.bits, beside.option, True)
        if lifting is not NO_LIFTING:
            warned = warned or waives(bearing(lifting, None), beside.option)
        return "allow_with_conditions" if warned else "allow"


def _own(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes as the fallback sees them: of the proposal, those of the fallback itself."""
    own = {}
    for name, value in changes.items():
        if name.startswith(_FALLBACK):
            own[f"proposal.{name.removeprefix(_FALLBACK)}"] = value
        elif not name.startswith("proposal."):
            own[name] = value
    return own


def _world_of(result: TaskResult, index: Index, world: World) -> World:
    assert result.fallback_inference is not None  # noqa: S101 - there is a fallback
    facts, outcomes = result.fallback_inference
    case = world.case
    declared = {name: value for name, value in case.facts.items() if not name.startswith("proposal.")}
    for name in ("present", "fallback.present", "quantization", *PROPOSED):
        if f"proposal.{name}" in facts:
            declared[f"proposal.{name}"] = facts[f"proposal.{name}"]
    other = replace(case, facts=declared)
    return World(world.judge, other, facts, outcomes, world.models, world.inputs, index.readers.keys())
