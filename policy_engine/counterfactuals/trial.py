"""What a task would come to with some facts changed: the rules that read them are asked, and the outcomes combined.

INVARIANT: `Trial.reply` gives the verdict, the recommendation, the statuses and the provisional option that
`Judge.judge` gives on the changed case; `tests/property/test_counterfactuals.py` holds it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any

from policy_engine.counterfactuals.beside import Fallback
from policy_engine.counterfactuals.bits import Bits, bits_of
from policy_engine.counterfactuals.changed import CHOSEN, Changed, World
from policy_engine.counterfactuals.grounds import Beside, Came, Grades, Grounds, Reply
from policy_engine.counterfactuals.index import Conflict, Delta, Index
from policy_engine.counterfactuals.settling import Settling
from policy_engine.counterfactuals.waived import asked_all, lifting_of
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPTIONS

EVIDENCE = "evidence."
#: With these the grounds may be others though no outcome is.
_GROUNDS = CHOSEN | {"proposal.present", "proposal.deployment", "proposal.model"}


class Trial:
    """One task, to be asked what it would come to."""

    def __init__(self, index: Index, result: TaskResult) -> None:
        self.index, self.result = index, result
        case, read = result.case, index.readers.keys()
        self.world = World(index.judge, case, result.facts, result.outcomes, result.models, result.inputs, read)
        found = tuple(result.standings[option].status for option in OPTIONS)
        self.before = Reply(result.verdict, result.ranking.recommended, found, result.ranking.provisional)
        self._bits = bits_of(result.outcomes)
        self._fallback = Fallback(index, result, self.world) if result.fallback_inference is not None else None
        self._settling = Settling(index, result, self.world, self._bits, self._fallback)
        self.tries = 0
        #: The options whose costs the last reply rested on, and those whose licences.
        self.weighed: set[str] = set()
        self.licensed: set[str] = set()

    def reply(self, changes: Mapping[str, Any]) -> Reply | None:
        """Return what the task comes to with these facts, and grades of evidence; None where rules contradict so."""
        came = self.ask(changes)
        return None if came is None else came.reply

    def ask(self, changes: Mapping[str, Any]) -> Came | None:
        """Return what the task comes to, and what that rests on; None where rules contradict each other so."""
        self.tries += 1
        if len(changes) == 1 and not self.world.case.waivers:
            ((name, value),) = changes.items()
            if name in self.index.alone and (self._fallback is None or not self._fallback.hangs_on(name)):
                return self._of_one(name, value)
        facts, grades = _sorted(changes)
        changed = Changed(self.world, facts)
        try:
            came = (
                self._waived(changed, facts, grades) if self.world.case.waivers else self._asked(changed, facts, grades)
            )
        except Conflict:
            return None
        self.weighed, self.licensed = changed.weighed, changed.licensed
        return came

    def _of_one(self, name: str, value: Any) -> Came:
        """Ask with one fact changed of which nothing else is computed: only rules that read it come to anything else.

        INVARIANT: it is what `_asked` says of such a fact; the grounds are those of the task as it is but for outcomes.
        """
        get, now = {**self.world.facts, name: value}.get, self.now
        delta = self.index.delta_of_one(name, get, self.world.outcomes)
        if not delta and name not in self.index.waited_on:
            return now
        bits = self._bits.moved(delta) if delta else self._bits
        return self._with_waiting(Grounds(bits, *now.grounds[1:]), {name}, get, None)

    def _asked(self, changed: Changed, facts: Mapping[str, Any], grades: Grades) -> Came:
        delta = self.index.delta(changed, self.world.outcomes)
        beside = self._fallback.grounds(facts, changed) if self._fallback is not None else None
        bits = self._bits.moved(delta) if delta else self._bits
        same = not delta and not grades and changed.needs is None
        same = same and changed.names.isdisjoint(_GROUNDS) and changed.names.isdisjoint(self.index.waited_on)
        if same and facts and (self._fallback is None or beside is self._fallback.now):
            return self.now
        grounds = _grounds(changed, bits, grades, beside)
        return self._with_waiting(grounds, changed.names, changed.get, changed)

    def _with_waiting(
        self, grounds: Grounds, names: AbstractSet[str], get: Callable[[str], Any], changed: Changed | None
    ) -> Came:
        """Settle the grounds, asking of the rules that only oblige those that do so on what is judged then."""
        came = self._settling.came(grounds, changed)
        if came.judged is None:
            return came
        # what is owed on other options decides nothing
        waited = self.index.waited(came.judged, names, get, grounds.bits)
        return self._settling.came(grounds._replace(bits=grounds.bits.moved(waited)), changed) if waited else came

    def _waived(self, changed: Changed, facts: Mapping[str, Any], grades: Grades) -> Came:
        """Ask where waivers are on record: what they lift hangs on the facts themselves, and is not remembered."""
        outcomes = asked_all(self.index, self.world, changed)
        evidence = self._settling.evidence(grades)
        lifting = lifting_of(self.index, self.world, changed, outcomes, evidence, self.result.enforcement)
        beside = self._fallback.waived(facts, changed, evidence) if self._fallback is not None else None
        return self._settling.waived(_grounds(changed, bits_of(outcomes), grades, None), changed, lifting, beside)

    @cached_property
    def now(self) -> Came:
        """What the task comes to as it is."""
        facts, world = self.world.facts, self.world
        if world.case.waivers:
            found = self.ask({})
            assert found is not None  # noqa: S101 - it was judged
            return found
        beside = self._fallback.now if self._fallback is not None else None
        proposed = facts["proposal.deployment"] if facts["proposal.present"] else None
        model = world.holds() if proposed is not None else None
        return self._settling.came(Grounds(self._bits, world.available, proposed, model, (), beside), None)

    def together(self, one: Came, two: Came, delta: Delta) -> Came | None:
        """Return what two changes come to, given the outcomes of the rules that read both.

        None where costs decide, which have to be asked.
        """
        return self._settling.together(self.now, one, two, delta)


def _sorted(changes: Mapping[str, Any]) -> tuple[Mapping[str, Any], Grades]:
    """Return what is changed of the facts, and of the evidence."""
    graded = [name for name in changes if name.startswith(EVIDENCE)]
    if not graded:
        return changes, ()
    facts = {name: value for name, value in changes.items() if name not in graded}
    return facts, tuple([(name.removeprefix(EVIDENCE), changes[name]) for name in graded])


def _grounds(changed: Changed, bits: Bits, grades: Grades, beside: Beside | None) -> Grounds:
    available, get = changed.available(), changed.plain
    if not get("proposal.present"):
        return Grounds(bits, available, None, None, grades, beside)
    return Grounds(bits, available, get("proposal.deployment"), changed.model_holds(), grades, beside)
