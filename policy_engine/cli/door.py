"""Where a run's decisions go: a ledger, with the waivers in it, or a spool, from which nothing can be read.

Waivers may be in files, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import opened
from policy_engine.cli.printable import printable
from policy_engine.errors import Problem, RecordingError
from policy_engine.model.approvers import WAIVERS

if TYPE_CHECKING:
    from policy_audit.ledger import Draft, Ledger

    from policy_engine.cli.options import LedgerChoice
    from policy_engine.loading.policy import Policy
    from policy_engine.model.decision import Decision
    from policy_engine.model.waiver import Waiver
    from policy_engine.model.workload import Workload
    from policy_engine.recorder import Context
    from policy_engine.waivers.checking import Candidate
    from policy_engine.waivers.from_files import GivenFile, WaiversInFiles
    from policy_engine.waivers.on_record import WaiversOnRecord


#: Said once where the policy names somebody whose approvals a ledger could hold.
UNREAD = (
    "a spool holds nothing to read: waivers, evidence and revocations on record in a ledger do not count here; "
    "receipts, signatures, `--waivers` and `revoked_entries` of approvers.yaml do"
)


class Door:
    """The ledger of a run, opened when it is first asked: for the waivers on record, else to record.

    Where the policy names nobody who may approve, no waiver can be in force, and none is looked for on record. Those in
    the `files` that a run was given are checked all the same, so that it is said why they lift nothing.
    """

    def __init__(
        self,
        choice: LedgerChoice,
        policy: Policy,
        stack: ExitStack,
        read_only: bool = False,
        files: Sequence[GivenFile] = (),
    ) -> None:
        self._choice, self._policy, self._stack, self._read_only = choice, policy, stack, read_only
        self._given = files
        self._checked_at: datetime | None = None
        self._from_files: dict[str, Waiver] = {}
        self._told: set[str] = set()

    @cached_property
    def ledger(self) -> Ledger:
        return self._stack.enter_context(opened(self._choice, self._read_only))

    @property
    def asked(self) -> Callable[[], Ledger] | None:
        """What gives the ledger that evidence and waivers may name an entry of; None where there is none to ask."""
        return None if self._choice.spool is not None else lambda: self.ledger

    @cached_property
    def _now(self) -> datetime:
        """When the run's decisions are made, by the clock that gives entries theirs."""
        return self._clock()

    @cached_property
    def on_record(self) -> WaiversOnRecord | None:
        """The waivers of the ledger; None where none can be in force, or none can be read."""
        approvers = self._policy.approvers
        if self._choice.spool is not None:
            if approvers.people or approvers.origins:
                click.echo(f"note: {UNREAD}", err=True)
            return None
        if not approvers.acting(WAIVERS):
            return None
        from policy_engine.waivers.on_record import WaiversOnRecord

        return WaiversOnRecord(self.ledger, approvers, self._now)

    @cached_property
    def _files(self) -> WaiversInFiles | None:
        """The waivers in files; None where none were given."""
        if not self._given:
            return None
        from policy_engine.waivers.from_files import WaiversInFiles

        return WaiversInFiles(self._given, self.asked, lambda: self._now)

    def waivers(self, workload: Workload, at: datetime) -> tuple[Waiver, ...]:
        """Return the waivers on a workload, as checked."""
        place = workload.namespace, workload.metadata.name
        filed = self._filed(self._files, place) if self._files is not None else []
        if self.on_record is not None:
            found = self.on_record.of(place, at, filed)
        elif filed:
            from policy_engine.waivers.checking import active_waivers

            found = active_waivers(filed, place, at, self._policy.approvers, self._now)
        else:
            return ()
        self._from_files |= {w.id: w for w in found if w.grounds is not None and w.grounds.source != "ledger"}
        self._checked_at = self._checked_at or (self._now if found else None)
        return found

    def _filed(self, files: WaiversInFiles, place: tuple[str, str]) -> list[Candidate]:
        """Return the waivers on a workload that files hold; one that nobody has signed is told once."""
        for name in files.unsigned(place):
            if name not in self._told:
                self._told.add(name)
                click.echo(f"note: nobody has signed {printable(name)} yet, and it lifts nothing", err=True)
        return files.candidates(place)

    def record(self, pairs: Sequence[tuple[Decision, Context]]) -> list[dict[str, Any]]:
        """Record decisions, each with its context, and return each one's `ledger` part.

        Raises:
            RecordingError: ledger or spool refused; no decision may be handed out.
        """
        self.check_fresh()
        if self._choice.spool is not None:
            from policy_engine.spooling import SpoolRecorder

            return SpoolRecorder(self._choice.spool, self._policy).record_each(pairs)
        from policy_engine.recorder import Recorder

        return Recorder(self.ledger, self._policy).record_each(pairs, self._grants(pairs))

    def _grants(self, pairs: Sequence[tuple[Decision, Context]]) -> list[Draft]:
        """Return the grants by files that decisions used and no ledger entry holds: what lifts a rule is on record."""
        if not self._from_files or self._files is None:
            return []
        from policy_engine.waivers.granting import grant_draft, signers
        from policy_engine.waivers.on_record import stored_context

        found: dict[str, Draft] = {}
        for decision, context in pairs:
            rows = [row for task in decision.document["tasks"] for row in task.get("waivers", ()) if row["applies"]]
            for name in {row["id"] for row in rows} & self._from_files.keys() - found.keys():
                waiver = self._from_files[name]
                scope, note = waiver.statement.scope, waiver.grounds.note if waiver.grounds is not None else ""
                given = self._files.of_note(note, (scope.namespace, scope.name))
                if given is None or self._files.is_granted(note):
                    continue
                by = signers(waiver, self._policy.approvers)
                known = stored_context(context)
                digest, more = self._policy.digest, {"from_file": True}
                found[name] = grant_draft(given.file, note, by, digest, context.actor, known, more)
        return list(found.values())

    def check_fresh(self) -> None:
        """Refuse to record what was decided by waivers that were checked long ago: they may have been revoked since.

        Raises:
            RecordingError: it took longer than a replay allows.
        """
        from policy_engine.waivers.checking import LONGEST

        if self._checked_at is not None and abs(self._clock() - self._checked_at) > LONGEST:
            message = "the waivers were checked more than an hour ago, and nothing was recorded"
            raise RecordingError(Problem("waivers-outdated", message, help="decide again, fewer files at a time"))

    def _clock(self) -> datetime:
        """Return the time by the clock that gives entries theirs: the ledger's, or that of a runner without one."""
        return self.ledger.now() if self._choice.spool is None else datetime.now(UTC)
