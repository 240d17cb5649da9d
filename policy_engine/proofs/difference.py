"""Whether the verdict of any workload changes from one policy to another, and how: an example of each kind, or proof.

The verdict is that of one task. Waivers may be there of whatever rule a policy lets them lift: one that is there counts
under both policies, though a waiver of a rule that was changed has to be granted anew. Who may grant one is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any

from policy_engine.decide import Decider
from policy_engine.errors import PolicyError
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_z3 import NotLoweredError
from policy_engine.lowering.to_z3.formulas import Formula, both, every, neg, same
from policy_engine.model.task_case import TaskResult, Verdict
from policy_engine.proofs.concrete import Found, concrete
from policy_engine.proofs.confirming import Confirmer, Counterexample, replace_workload, smaller, with_hardware
from policy_engine.proofs.encoding import Encoding, Shared
from policy_engine.proofs.prover import loose, preferences, search, wishes
from policy_engine.proofs.solving import Model, Session
from policy_engine.proofs.unstated import Unstated, told_apart

#: Changes from the one that matters most: what was denied and is allowed, down to what is held up now.
KINDS: tuple[tuple[Verdict, Verdict], ...] = (
    ("deny", "allow"),
    ("deny", "allow_with_conditions"),
    ("review", "allow"),
    ("review", "allow_with_conditions"),
    ("deny", "review"),
    ("allow_with_conditions", "allow"),
    ("allow", "allow_with_conditions"),
    ("review", "deny"),
    ("allow_with_conditions", "review"),
    ("allow", "review"),
    ("allow_with_conditions", "deny"),
    ("allow", "deny"),
)
#: Of later days on which rules come to bind.
_MOST_DAYS = 6


@dataclass(frozen=True)
class Example:
    """A workload that the engine decides otherwise under the new policy, and what it says under both."""

    workload: dict[str, Any]
    before: Counterexample
    after: Counterexample
    leave_out: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def text(self) -> str:
        """Return the workload file; `leave_out` has the entries of it that the old, and the new, policy refuses."""
        sides = zip(("OLD", "NEW"), self.leave_out, strict=True)
        lines = [
            f"# under {side}, which does not know it, leave out {name}\n" for side, names in sides for name in names
        ]
        return "".join(lines) + self.after.text()


@dataclass(frozen=True)
class Change:
    """One kind of change: `example` shows it; without one it is proved that there is none, unless it is `undecided`.

    `at` is when it is so.
    """

    before: Verdict
    after: Verdict
    example: Example | None = None
    undecided: str | None = None
    at: datetime | None = None

    @property
    def possible(self) -> bool:
        """Whether it is there, or not known not to be."""
        return self.example is not None or self.undecided is not None


@dataclass(frozen=True)
class Differences:
    """What came out for each of `KINDS`, in their order."""

    changes: tuple[Change, ...]

    @property
    def found(self) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.example is not None)

    @property
    def undecided(self) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.undecided is not None)

    @property
    def none(self) -> bool:
        """Whether it is proved that no verdict changes."""
        return not any(each.possible for each in self.changes)


def differences(old: Policy, new: Policy, at: datetime, timeout_s: float) -> Differences:
    """Return how verdicts change from `old` to `new` for decisions made at `at`, and once more is enforced.

    Each kind has `timeout_s` seconds, and as long for each later day on which a rule of either policy comes to bind.

    A workload counts where it is valid under both policies; custom facts and evidence that one of them does not know
    are left out where that one decides.
    """
    if old.digest == new.digest and old.catalog.digest == new.catalog.digest:
        return Differences(tuple(Change(*kind) for kind in KINDS))
    found = {kind: Change(*kind) for kind in KINDS}
    days = _days(old, new, at)
    for moment in [at, *days[:_MOST_DAYS]]:
        try:
            comparing = _Comparing(old, new, moment, timeout_s)
        except NotLoweredError as error:
            return Differences(tuple(Change(*kind, undecided=str(error)) for kind in KINDS))
        for kind in [each for each, change in found.items() if change.example is None]:
            change = comparing.change(*kind)
            if change.example is not None or not found[kind].possible:
                found[kind] = replace(change, at=moment)
    if len(days) > _MOST_DAYS:
        why = f"rules come to bind on {len(days)} days, of which {_MOST_DAYS} are asked about"
        found = {kind: each if each.possible else Change(*kind, undecided=why) for kind, each in found.items()}
    return Differences(tuple(found.values()))


def _days(old: Policy, new: Policy, at: datetime) -> list[datetime]:
    """Return each later day on which a rule of either policy comes to bind."""
    days = {rule.enforce_from for policy in (old, new) for rule in policy.rules.rules}
    later = sorted(day for day in days if day is not None and day > at.date())
    return [at.replace(year=day.year, month=day.month, day=day.day) for day in later]


class _Comparing:
    def __init__(self, old: Policy, new: Policy, at: datetime, timeout_s: float) -> None:
        self.policies, self.at, self.timeout_s = (old, new), at, timeout_s
        old, new, names = told_apart(old, new)
        self.unstated = Unstated(old, new, names)
        self.shared = Shared.of((old, new), twins=names)
        # what is not encoded hangs on the catalog, and on the parameters that it is built with
        alike = old.catalog.digest == new.catalog.digest and old.catalog.rules == new.catalog.rules
        self.old = Encoding(old, self.shared, at)
        self.new = Encoding(new, self.shared, at, tag=" (new)", variant="" if alike else " (new)", like=self.old)
        # everything is made before it is asked, so that what cannot be said is found at once
        _ = self.old.verdict, self.new.verdict
        self.session = Session(self.shared, [self.old, self.new])
        self.session.add(self.unstated.domain(self.shared.symbols, self.shared.knowledge))
        self.confirmers = tuple(Confirmer(Decider(each), at) for each in self.policies)
        self.facts = {name: each for policy in self.policies[::-1] for name, each in policy.vocabulary.facts.items()}
        self._alike = self._unchanged()

    def _unchanged(self) -> bool:
        """Whether the verdicts are one and the same formula, so that nothing needs to be asked."""
        pairs = zip(self.old.verdict.values(), self.new.verdict.values(), strict=True)
        return every(same(one, other) for one, other in pairs) is True

    def change(self, before: Verdict, after: Verdict) -> Change:
        """Return an example of the change: of proposals first, which no ranking is needed for."""
        if self._alike:
            return Change(before, after)
        until = monotonic() + self.timeout_s
        proposed = self.old.proposed
        parts = (
            both(proposed, self.old.of_proposal[before], self.new.of_proposal[after]),
            both(neg(proposed), self.old.verdict[before], self.new.verdict[after]),
        )
        for question in parts:
            found = self._search(question, before, after, until - monotonic())
            if isinstance(found, str):
                return Change(before, after, undecided=found)
            if found is not None:
                return Change(before, after, found)
        return Change(before, after)

    def _search(self, question: Formula, before: Verdict, after: Verdict, timeout_s: float) -> Example | str | None:
        return search(
            self.session,
            question,
            timeout_s,
            preferences(self.old),
            lambda: (each for encoding in (self.old, self.new) for each in loose(encoding)),
            lambda model: self._confirm(model, before, after),
            self.timeout_s,
            wishes(self.old, self.new),
        )

    def _confirm(self, model: Model, before: Verdict, after: Verdict) -> Example | None:
        found = concrete(model, self.shared, self.facts, self.unstated.left_out)

        def still(workload: dict[str, Any]) -> bool:
            results = self._results(replace_workload(found, workload), workload)
            return results is not None and [each.verdict for each in results] == [before, after]

        for workload in with_hardware(found):
            if still(workload):
                small = smaller(workload, still)
                one, other = (
                    self._shown(place, replace_workload(found, small), small) for place in range(len(self.policies))
                )
                names = tuple(tuple(self._unknown_to(place, small)) for place in range(len(self.policies)))
                return Example(small, one, other, (names[0], names[1]))
        return None

    def _results(self, found: Found, workload: dict[str, Any]) -> list[TaskResult] | None:
        """Return the decisions under both policies; None where one of them refuses the workload."""
        results = []
        for place in range(len(self.policies)):
            try:
                result = self.confirmers[place].result(self._known_to(place, workload), found)
            except PolicyError:
                return None
            if result is None:
                return None
            results.append(result)
        return results

    def _known_to(self, place: int, workload: dict[str, Any]) -> dict[str, Any]:
        """Return the workload without the custom facts and evidence that the policy does not know."""
        copied = deepcopy(workload)
        for path in self._unknown_to(place, workload):
            _, section, name = path.split(".", maxsplit=2)
            del copied["spec"][section][name]
        return copied

    def _unknown_to(self, place: int, workload: dict[str, Any]) -> Iterator[str]:
        """Yield the places of the custom facts and evidence that the policy does not know."""
        vocabulary, spec = self.policies[place].vocabulary, workload["spec"]
        yield from (f"spec.custom.{n}" for n in spec.get("custom", {}) if f"custom.{n}" not in vocabulary.facts)
        yield from (f"spec.evidence.{n}" for n in spec.get("evidence", {}) if n not in vocabulary.evidence)

    def _shown(self, place: int, found: Found, workload: dict[str, Any]) -> Counterexample:
        confirmer = self.confirmers[place]
        result = confirmer.result(self._known_to(place, workload), found)
        assert result is not None  # noqa: S101 - it was decided a moment ago
        return Counterexample(workload, result.verdict, partial(confirmer.why, result), tuple(found.beyond_the_file()))
