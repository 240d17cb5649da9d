"""A run of rechecks: a part of the workloads in each commit, and nothing told before it is on record.

What was committed stays on record when a run is interrupted; it is not due any more, so that the next run does the
rest. What came on record meanwhile is read before each commit: a workload on which there is a newer decision is left
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from policy_engine.comparing import Comparison
from policy_engine.decide import Decider
from policy_engine.errors import Problem, RecordingError
from policy_engine.rechecks.again import Found, Rechecker, Redecided
from policy_engine.rechecks.due import Reason
from policy_engine.rechecks.persons import Persons
from policy_engine.rechecks.problem import NotRecheckedError
from policy_engine.rechecks.standing import RECHECKS, Latest, Place, Standing, Wanted
from policy_engine.rechecks.waived import WaiversNow
from policy_engine.recorder import Context, Recorder
from policy_engine.vouching.revoked import revoked_names
from policy_engine.waivers.on_record import RECHECKED_ENTRY

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

#: Workloads of one part: what is lost of a run that is killed is one part at most.
IN_PART = 200
Held = Callable[[], AbstractContextManager[None]]
Status = Literal["due", "not_due", "decided_today", "rechecked", "superseded", "not_rechecked"]


class Rechecked(Struct, frozen=True):
    """A decision that is on record: its id and place, until when it is valid, and what it changes.

    `files` is evidence whose files were not looked at again.
    """

    decision_id: str
    ledger: dict[str, Any]
    valid_until: str | None
    comparison: Comparison
    files: tuple[str, ...]


class Outcome(Struct, frozen=True):
    """What came of one recorded decision: why it was due, and the new decision, or what kept it from being made."""

    standing: Standing
    status: Status
    reasons: tuple[Reason, ...] = ()
    rechecked: Rechecked | None = None
    problem: NotRecheckedError | None = None


class Asked(Struct, frozen=True):
    """What a run is asked: which decisions, at which time, and whether those that are not due are decided too."""

    wanted: Wanted
    at: datetime
    within: int | None = None
    everything: bool = False


class Recheck:
    """One run on one ledger, under one policy."""

    def __init__(self, ledger: Ledger, decider: Decider, asked: Asked, *, only_list: bool = False) -> None:
        self._ledger, self._decider, self._asked = ledger, decider, asked
        persons = Persons(ledger, sealed_is_fine=only_list)
        self._rechecker = Rechecker(ledger, decider, asked.at, asked.within, persons)
        self.policies = self._rechecker.policies
        self._latest = Latest(asked.wanted)
        self._read()

    def __len__(self) -> int:
        return len(self._latest.all())

    @property
    def others(self) -> Collection[str]:
        """For which other purposes decisions were made on the workloads that are wanted."""
        return self._latest.others

    @property
    def hidden(self) -> int:
        """How many workloads have a decision for a deployment that is not looked at, for a later one is for another."""
        return self._latest.hidden

    def due(self) -> Iterator[Outcome]:
        """Yield each decision with why it is due, or what keeps that from being told. Records nothing.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        facts = _Facts(self._ledger, self._decider, self._asked.at)
        for standing in self._latest.all():
            found = self._found(standing, facts)
            if not isinstance(found, Outcome) and found.reasons:
                found = self._owned(found)
            if isinstance(found, Outcome):
                yield found
            else:
                fresh = found.is_fresh(self._asked.at)
                status: Status = "decided_today" if fresh else "due" if found.reasons else "not_due"
                yield Outcome(standing, status, found.reasons)

    def rechecked(self, context: Context, held: Held = nullcontext) -> Iterator[list[Outcome]]:
        """Decide again what is due, record it, and yield what came of it, a part at a time.

        `held` keeps the program from being ended while a part is recorded, until whoever takes it comes for the next.

        Raises:
            RecordingError: the ledger refused; what was yielded is on record.
            LedgerError: the ledger cannot be read.
        """
        recorder = Recorder(self._ledger, self._decider.policy)
        places = [standing.place for standing in self._latest.all()]
        for start in range(0, len(places), IN_PART):
            outcomes, made = self._part(places[start : start + IN_PART])
            with held():
                yield [*outcomes, *_recorded(made, recorder, context)]

    def _part(self, places: Sequence[Place]) -> tuple[list[Outcome], list[Redecided]]:
        """Return what came of workloads that are not decided again, and the new decisions on the others."""
        self._read()
        facts = _Facts(self._ledger, self._decider, self._asked.at)
        found = [self._found(self._latest.of(place), facts) for place in places]
        again = [each if isinstance(each, Outcome) else self._again(each, facts) for each in found]
        outcomes = [each for each in again if isinstance(each, Outcome)]
        made = [each for each in again if isinstance(each, Redecided)]
        newer = self._read() if made else set()
        kept = [each for each in made if each.found.standing.place not in newer]
        outcomes += [_of(each.found, "superseded") for each in made if each.found.standing.place in newer]
        facts.check_fresh()
        return outcomes, kept

    def _found(self, standing: Standing, facts: _Facts) -> Found | Outcome:
        try:
            return self._rechecker.find(standing, facts.waivers, facts.revoked)
        except NotRecheckedError as error:
            return Outcome(standing, "not_rechecked", problem=error)

    def _owned(self, found: Found) -> Found | Outcome:
        """Return what was found, or that it cannot be decided since nobody answers for the workload any more."""
        try:
            self._rechecker.persons.of(found.standing)
        except NotRecheckedError as error:
            return Outcome(found.standing, "not_rechecked", found.reasons, problem=error)
        return found

    def _again(self, found: Found, facts: _Facts) -> Redecided | Outcome:
        if not self._asked.everything:
            if not found.reasons:
                return _of(found, "not_due")
            if found.is_fresh(self._asked.at):
                return _of(found, "decided_today")
        try:
            return self._rechecker.decide(found, facts.waivers, facts.revoked)
        except NotRecheckedError as error:
            return Outcome(found.standing, "not_rechecked", found.reasons, problem=error)

    def _read(self) -> set[Place]:
        """Read what came on record; return the workloads of which the latest decision is another since."""
        from policy_audit.snapshot import open_snapshot

        with open_snapshot(self._ledger) as snapshot:
            return self._latest.read(snapshot)


class _Facts:
    """What the ledger says now of waivers and revocations: read once for a part."""

    def __init__(self, ledger: Ledger, decider: Decider, at: datetime) -> None:
        self._waivers = WaiversNow(ledger, decider.policy.approvers, at)
        self.waivers = self._waivers.of
        self.revoked: Collection[str] = revoked_names(ledger).keys()

    def check_fresh(self) -> None:
        """Refuse to record what was decided by waivers that were checked long ago: they may have been revoked since.

        Raises:
            RecordingError: it took longer than a replay allows.
        """
        if self._waivers.are_old():
            message = "the waivers were checked more than an hour ago, and nothing more was recorded"
            raise RecordingError(Problem("waivers-outdated", message, help="run it again, for what is left"))


def _of(found: Found, status: Status) -> Outcome:
    return Outcome(found.standing, status, found.reasons)


def _named(context: Context, standing: Standing) -> Context:
    """Return the context of a decision that re-checks another: its purpose, and which one that is."""
    details = {**context.details, RECHECKS: standing.decision_id, RECHECKED_ENTRY: str(standing.index)}
    return Context(standing.purpose, context.actor, context.actor_known_by, details)


def _recorded(made: Sequence[Redecided], recorder: Recorder, context: Context) -> list[Outcome]:
    """Record decisions in one commit."""
    if not made:
        return []
    recorded = recorder.record_each([(each.decision, _named(context, each.found.standing)) for each in made])
    return [_on_record(each, part) for each, part in zip(made, recorded, strict=True)]


def _on_record(again: Redecided, ledger: dict[str, Any]) -> Outcome:
    decision = again.decision
    valid_until = decision.document["valid_until"]
    made = Rechecked(decision.id, ledger, valid_until, again.comparison, again.files)
    return Outcome(again.found.standing, "rechecked", again.found.reasons, made)
