"""Where a run's decisions go: a ledger, with the waivers in it, or a spool, from which nothing can be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import opened
from policy_engine.errors import Problem, RecordingError
from policy_engine.model.approvers import WAIVERS

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.cli.options import LedgerChoice
    from policy_engine.loading.policy import Policy
    from policy_engine.model.decision import Decision
    from policy_engine.model.waiver import Waiver
    from policy_engine.model.workload import Workload
    from policy_engine.recorder import Context
    from policy_engine.waivers.on_record import WaiversOnRecord


#: Said once where the policy names somebody whose approvals a ledger could hold.
UNREAD = (
    "a spool holds nothing to read: waivers, evidence and revocations on record in a ledger do not count here; "
    "receipts, signatures and `revoked_entries` of approvers.yaml do"
)


class Door:
    """The ledger of a run, opened when it is first asked: for the waivers on record, else to record.

    Where the policy names nobody who may approve, no waiver can be in force, and none is looked for.
    """

    def __init__(self, choice: LedgerChoice, policy: Policy, stack: ExitStack, read_only: bool = False) -> None:
        self._choice, self._policy, self._stack, self._read_only = choice, policy, stack, read_only
        self._checked_at: datetime | None = None

    @cached_property
    def ledger(self) -> Ledger:
        return self._stack.enter_context(opened(self._choice, self._read_only))

    @property
    def asked_for_evidence(self) -> Callable[[], Ledger] | None:
        """What gives the ledger that evidence may name an entry of; None where there is none to ask."""
        return None if self._choice.spool is not None else lambda: self.ledger

    def record(self, decisions: Sequence[Decision], context: Context) -> list[dict[str, Any]]:
        """Record decisions in this order, and return each one's `ledger` part.

        Raises:
            RecordingError: ledger or spool refused; no decision may be handed out.
        """
        self.check_fresh()
        if self._choice.spool is not None:
            from policy_engine.spooling import SpoolRecorder

            return SpoolRecorder(self._choice.spool, self._policy).record(decisions, context)
        from policy_engine.recorder import Recorder

        return Recorder(self.ledger, self._policy).record(decisions, context)

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

        return WaiversOnRecord(self.ledger, approvers, self.ledger.now())

    def waivers(self, workload: Workload, at: datetime) -> tuple[Waiver, ...]:
        """Return the waivers on a workload, as checked."""
        if self.on_record is None:
            return ()
        found = self.on_record.of((workload.namespace, workload.metadata.name), at)
        self._checked_at = self._checked_at or (self.on_record.now if found else None)
        return found

    def check_fresh(self) -> None:
        """Refuse to record what was decided by waivers that were checked long ago: they may have been revoked since.

        Raises:
            RecordingError: it took longer than a replay allows.
        """
        from policy_engine.waivers.again import LONGEST

        if self._checked_at is not None and abs(self._now() - self._checked_at) > LONGEST:
            message = "the waivers were checked more than an hour ago, and nothing was recorded"
            raise RecordingError(Problem("waivers-outdated", message, help="decide again, fewer files at a time"))

    def _now(self) -> datetime:
        """Return the time by the clock that gives entries theirs: the ledger's, or that of a runner without one."""
        return self.ledger.now() if self._choice.spool is None else datetime.now(UTC)
