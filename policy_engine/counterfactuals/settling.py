"""From the grounds of a reply to the reply: each is settled once within one search.

INVARIANT: it says what `combining` says; `tests/property/test_counterfactuals.py` holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from policy_engine.combining import OptionInput, obligations, worst
from policy_engine.counterfactuals.beside import Fallback
from policy_engine.counterfactuals.bits import PLACES, Bits, Force, Points, both
from policy_engine.counterfactuals.changed import Changed, World
from policy_engine.counterfactuals.grounds import Available, Beside, Came, Grades, Grounds, Reply
from policy_engine.counterfactuals.index import Delta, Index
from policy_engine.counterfactuals.order import Costs, Order, costs_of, order
from policy_engine.lifting import bearing, waives
from policy_engine.model.task_case import EvidenceStatus, Obligation, TaskResult, Verdict
from policy_engine.model.waiver import NO_LIFTING, Lifting

_Any = TypeVar("_Any")
Owed = tuple[Obligation, ...]


class _Stand(NamedTuple):
    """How the options stand, and which comes first."""

    statuses: tuple[str, ...]
    order: Order


class Settling:
    """Settles the grounds of one task's replies."""

    def __init__(self, index: Index, result: TaskResult, world: World, bits: Bits, fallback: Fallback | None) -> None:
        self._index, self._result, self._world, self._fallback = index, result, world, fallback
        self._enforcement, self._bits = result.enforcement, bits
        self._force = index.force(result.enforcement)
        self._counted = index.scores.of(bits)
        self._known: dict[tuple[Grounds, bool], Came] = {}
        self._owed: dict[tuple[str, int, int, Grades], Owed] = {}
        self._statuses: dict[tuple[int, int, Available], tuple[str, ...]] = {}
        self._orders: dict[tuple[tuple[str, ...], Points], Order] = {}
        self._costs: Costs = costs_of(world.inputs)

    def came(self, grounds: Grounds, changed: Changed | None) -> Came:
        """Return what the task comes to; costs are asked of `changed` where they decide, and are as before for None."""
        needs = changed is not None and changed.needs is not None
        found = self._known.get((grounds, needs))
        if found is None:
            stand, kept = self._stand(grounds, self._force, changed if needs else None)
            found = self._came(grounds, stand, needs)
            if kept:
                self._known[grounds, needs] = found
        return found

    def waived(self, grounds: Grounds, changed: Changed, lifting: Lifting, beside: Verdict | None) -> Came:
        """Return what the task comes to where waivers lift something; `beside` is the verdict on its fallback."""
        force = self._force.less(lifting.pairs, grounds.option)
        needs = changed.needs is not None
        stand, _ = self._stand(grounds, force, changed if needs else None)
        found = self._own(grounds, stand, force, lifting)
        verdict = found.own if beside is None else worst([found.own, beside])
        reply = found.reply._replace(verdict=verdict)
        return found._replace(reply=reply, beside=beside, needs=needs, lifted=lifting.pairs)

    def together(self, now: Came, one: Came, two: Came, delta: Delta) -> Came | None:
        """Return what two changes come to, with the outcomes of what reads both; None where costs decide."""
        grounds, needs = _both(now.grounds, one.grounds, two.grounds, delta), one.needs or two.needs
        found = self._known.get((grounds, needs))
        if found is None:
            stand, kept = self._stand(grounds, self._force, None, needs)
            if not kept:
                return None
            found = self._known[grounds, needs] = self._came(grounds, stand, needs)
        return found

    def evidence(self, grades: Grades) -> Mapping[str, EvidenceStatus]:
        """Return the evidence with other grades."""
        found = self._result.case.evidence
        for key, grade in grades:
            found = {name: status for name, status in found.items() if name != key}
            if grade is not None:
                found[key] = EvidenceStatus(key, grade)
        return found

    def _came(self, grounds: Grounds, stand: _Stand, needs: bool) -> Came:
        found = self._own(grounds, stand, self._force, NO_LIFTING)
        if self._fallback is None or grounds.beside is None:
            return found._replace(needs=True) if needs else found
        beside = self._fallback.verdict(grounds.beside)
        reply = found.reply._replace(verdict=worst([found.own, beside]))
        return found._replace(reply=reply, beside=beside, needs=needs)

    def _stand(
        self, grounds: Grounds, force: Force, changed: Changed | None, needs: bool = False
    ) -> tuple[_Stand, bool]:
        """Return how the options stand, and whether that is so at any costs.

        `needs`: costs are others than those of the task as it is. They are had from `changed`.
        """
        statuses = self._status(grounds, force)
        points = self._index.scores.moved(self._counted, grounds.bits)
        tied, found = self._index.ranking(statuses, points, grounds.option is not None)
        if found is not None:  # whatever the costs are
            return _Stand(statuses, found), True
        if changed is None and not needs:
            return _Stand(statuses, self._ordered(statuses, points)), True
        inputs: dict[str, OptionInput] = {} if changed is None else {option: changed.input(option) for option in tied}
        return _Stand(statuses, order(statuses, points, costs_of(inputs))), False

    def _status(self, grounds: Grounds, force: Force) -> tuple[str, ...]:
        if force is not self._force:
            return force.statuses(grounds.bits, grounds.available)
        bits, mask = grounds.bits, force.every
        key = (bits.fired & mask, bits.unknown & mask, grounds.available)
        found = self._statuses.get(key)
        if found is None:
            found = self._statuses[key] = force.statuses(bits, grounds.available)
        return found

    def _ordered(self, statuses: tuple[str, ...], points: Points) -> Order:
        """Return the order at the costs of the task as it is."""
        found = self._orders.get((statuses, points))
        if found is None:
            found = self._orders[statuses, points] = order(statuses, points, self._costs)
        return found

    def _own(self, grounds: Grounds, stand: _Stand, force: Force, lifting: Lifting) -> Came:
        """Return what the task comes to without its fallback."""
        statuses, (recommended, firm, provisional) = stand
        proposed = grounds.option is not None
        judged = grounds.option if proposed else recommended
        ruling = both(force.holds(grounds.bits), grounds.model) if proposed else None
        owed = self._obligations(judged, grounds, lifting) if judged is not None else ()
        found: Verdict = "review"
        if judged is not None:
            waived = lifting is not NO_LIFTING and waives(bearing(lifting, judged, owed), judged)
            warned = waived or self._force.warns(grounds.bits, judged, proposed)
            found = _verdict(statuses[PLACES[judged]], ruling, proposed, firm, owed, warned)
        return Came(Reply(found, recommended, statuses, provisional), grounds, judged, ruling, owed, found)

    def _obligations(self, judged: str, grounds: Grounds, lifting: Lifting) -> Owed:
        mask, bits = self._index.obliging[judged], grounds.bits
        key = (judged, bits.fired & mask, bits.unknown & mask, grounds.grades)
        found = self._owed.get(key) if lifting is NO_LIFTING else None
        if found is None:
            outcomes = list(self._result.outcomes)
            for index in self._index.judge.effects.requiring:
                outcomes[index] = bits.outcome(index)
            effects, evidence = self._index.judge.effects, self.evidence(grounds.grades)
            found = obligations(effects, outcomes, self._enforcement, judged, evidence, lifting.pairs)
            if lifting is NO_LIFTING:
                self._owed[key] = found
        return found


def _verdict(status: str, ruling: bool | None, proposed: bool, firm: bool, owed: Owed, warned: bool) -> Verdict:
    """Return the verdict on the judged option, as `combining.verdict` does."""
    if status in ("forbidden", "unavailable") or (proposed and ruling is False):
        return "deny"
    if status == "uncertain" or (ruling is None if proposed else not firm):
        return "review"
    duties = [each.enforcement for each in owed if each.status != "satisfied" and not each.waived]
    if any(each != "advisory" for each in duties):
        return "review"
    return "allow_with_conditions" if duties or warned else "allow"


def _both(now: Grounds, one: Grounds, two: Grounds, delta: Delta) -> Grounds:
    """Return the grounds of two changes at once: but for `delta`, each moves only what the other leaves as it is."""
    beside = None
    if now.beside is not None and one.beside is not None and two.beside is not None:
        beside = Beside(
            _bits(now.beside.bits, one.beside.bits, two.beside.bits),
            _either(now.beside.available, one.beside.available, two.beside.available),
            _either(now.beside.option, one.beside.option, two.beside.option),
            _either(now.beside.model, one.beside.model, two.beside.model),
        )
    return Grounds(
        _bits(now.bits, one.bits, two.bits).moved(delta) if delta else _bits(now.bits, one.bits, two.bits),
        _either(now.available, one.available, two.available),
        _either(now.option, one.option, two.option),
        _either(now.model, one.model, two.model),
        one.grades + two.grades,
        beside,
    )


def _bits(now: Bits, one: Bits, two: Bits) -> Bits:
    return Bits(now.fired ^ one.fired ^ two.fired, now.unknown ^ one.unknown ^ two.unknown)


def _either(now: _Any, one: _Any, two: _Any) -> _Any:
    return two if one == now else one
