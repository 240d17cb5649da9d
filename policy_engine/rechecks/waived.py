"""The waivers on a recorded workload as they count now: those on record, and the files that it was decided with.

Such a file is not at hand, but its signed note was recorded with the decision. It is held to what a run with the file
would hold it to: the rules for files, the approvers of today, its period, and what this ledger has against it.

The name of whoever asked stands in the file. Where the ledger does not tell it either, who of the approvers had asked
is taken as recorded, and a signature that was not counted then is by somebody of whom that cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace
from policy_audit.errors import AuditError

from policy_engine.model.approvers import WAIVERS, Approvers
from policy_engine.model.waiver import Grounds, Waiver
from policy_engine.rechecks.standing import Place
from policy_engine.waivers.checking import LONGEST, Candidate, active_waivers
from policy_engine.waivers.from_files import WaiversInFiles
from policy_engine.waivers.granting import signers
from policy_engine.waivers.notes import read_note
from policy_engine.waivers.on_record import WaiversOnRecord

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


class WaiversNow:
    """The waivers of one ledger, and of the files behind its decisions, at a time `at`; read once."""

    def __init__(self, ledger: Ledger, approvers: Approvers, at: datetime) -> None:
        self._ledger, self._approvers, self._at = ledger, approvers, at
        self._now = now = ledger.now()
        # where the policy names nobody who may approve, none on record can be in force, and none is looked for
        self._on_record = WaiversOnRecord(ledger, approvers, now) if approvers.acting(WAIVERS) else None
        self._files = WaiversInFiles((), lambda: ledger, lambda: now)
        self._is_asked = self._on_record is not None

    def of(self, place: Place, recorded: Sequence[Waiver]) -> tuple[Waiver, ...]:
        """Return the waivers on a workload as checked; `recorded` are those of the decision with its files at hand."""
        filed = [self._filed(place, each, each.grounds) for each in recorded if each.grounds is not None]
        known = [each for each in filed if each is not None]
        self._is_asked |= bool(known)
        if self._on_record is not None:
            return self._on_record.of(place, self._at, known)
        return active_waivers(known, place, self._at, self._approvers, self._now)

    def are_old(self) -> bool:
        """Whether waivers were looked at, and that so long ago that they may have been revoked since."""
        return self._is_asked and abs(self._ledger.now() - self._now) > LONGEST

    def _filed(self, place: Place, recorded: Waiver, grounds: Grounds) -> Candidate | None:
        """Return the waiver of a file as it stands now; None for one that was found on record, or is none."""
        if grounds.source == "ledger":
            return None
        try:
            statement = read_note(grounds.note)[0]  # what was signed: a runner may have recorded anything beside it
        except AuditError:
            return None
        requester = self._files.requester_on_record(grounds.note, statement)
        if requester is not None:
            return self._files.candidate(grounds.note, statement, requester)
        found = self._files.candidate(grounds.note, statement, None, grounds.asked)
        for waiver in active_waivers([found], place, self._at, self._approvers, self._now):
            known = {person.id for person, key in signers(waiver, self._approvers) if key in recorded.keys}
            if len(known) < self._approvers.waiver_approvals:
                return replace(found, asked=replace(grounds.asked, told=False))
        return found
