"""What decisions of a worker stand on besides the workload: the policy, and what the ledger has that bears on them.

It is read once and used for many decisions. INVARIANT: a decision is recorded only where no entry of `BEARING` was
appended since its ground was read; the ledger checks that in the commit itself (`Guard`), and whoever was refused
decides again on new ground.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from policy_audit.entry import EntryType
from policy_audit.groups import Guard

from policy_engine.access.tokens import TYPES as TOKENS
from policy_engine.access.tokens import Tokens
from policy_engine.model.approvers import WAIVERS
from policy_engine.recorder import Drafter
from policy_engine.service.memory import Memory

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy
    from policy_engine.model.waiver import Waiver
    from policy_engine.model.workload import Workload
    from policy_engine.waivers.on_record import WaiversOnRecord

#: The entries that a later decision, or who may ask for one, can depend on.
BEARING = TOKENS | {
    each.value
    for each in (
        EntryType.POLICY_ACTIVATION,
        EntryType.WAIVER_REQUESTED,
        EntryType.WAIVER_GRANTED,
        EntryType.WAIVER_REVOKED,
        EntryType.EVIDENCE_APPROVED,
        EntryType.EVIDENCE_RECORDED,
        EntryType.EVIDENCE_REVOKED,
        EntryType.PROBE_ATTESTATION,
        EntryType.EVALUATION_REPORT,
        EntryType.ERASURE,
        EntryType.DISPOSAL,
        EntryType.KEY_ROTATION,
        EntryType.PERSONAL_KEY_ROTATION,
        EntryType.RESTORE,
    )
}
#: For so long a ground is used without asking the ledger; `Guard` finds what came meanwhile.
LONGEST = timedelta(minutes=5)


class Ground:
    """The policy and what is on record, as read at one moment."""

    def __init__(self, policy: Policy, ledger: Ledger) -> None:
        self.policy, self.ledger = policy, ledger
        # the size first: what is appended while the rest is read is found by the guard, and never missed
        self.size = ledger.latest(BEARING)
        self.tokens = Tokens.read(ledger)
        self.read_at = ledger.now()
        self.guard = Guard(BEARING, self.size)
        self.drafter = Drafter(policy)
        self.memory = Memory()

    @cached_property
    def _on_record(self) -> WaiversOnRecord | None:
        approvers = self.policy.approvers
        if not approvers.acting(WAIVERS):
            return None
        from policy_engine.waivers.on_record import WaiversOnRecord

        return WaiversOnRecord(self.ledger, approvers, self.read_at)

    @property
    def day(self) -> date:
        return self.read_at.date()

    def holds(self, policy: Policy, at: datetime) -> bool:
        """Whether a decision under `policy` at `at` may stand on this: of the same day, and not before it was read."""
        read = self.read_at.replace(microsecond=0)
        return policy is self.policy and read <= at < self.read_at + LONGEST and at.date() == self.day

    def lasts(self, at: datetime) -> bool:
        """Whether what is decided at `at` holds for the rest of the ground's time.

        It does not where a clock ahead of this one dated a grant later than that: its waiver counts from then on.
        """
        latest = self._on_record.latest_grant if self._on_record is not None else None
        return latest is None or latest.replace(microsecond=0) <= at

    def waivers(self, workload: Workload, at: datetime) -> tuple[Waiver, ...]:
        """Return the waivers on a workload, as checked."""
        if self._on_record is None:
            return ()
        return self._on_record.of((workload.namespace, workload.metadata.name), at)


def now() -> datetime:
    """Return the time of a decision: the clock, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
