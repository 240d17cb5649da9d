"""What a ledger says of the waivers of a decision: asked for, granted and not revoked before it, and used by it.

1. The grant is on record before the decision, with the note and time that the decision was told. What a signed file
   grants, its note grants.
2. Its request is on record before it.
3. It was not revoked before the decision was made.
4. Every use is on record, in the commit of the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policy_audit.checkpoint import parse_checkpoint
from policy_audit.entry import Blob, EntryType

from policy_engine.model.waiver import Grounds, Waiver
from policy_engine.waivers.checking import NOT_ASKED, elsewhere
from policy_engine.waivers.on_record import Entries, Record, is_asked_by, records, used_drafts


class Trail:
    """The entries about waivers of one ledger, up to `size` entries, read once."""

    def __init__(self, ledger: Entries) -> None:
        self._ledger = ledger
        checkpoint = parse_checkpoint(ledger.checkpoint())
        self.origin, self.size = checkpoint.origin, checkpoint.size
        self._grants = {record.index: record for record in records(ledger, EntryType.WAIVER_GRANTED)}
        self._requests: dict[str | None, list[Record]] = {}
        self._revocations: dict[str, list[Record]] = {}
        self._uses: dict[str, list[Record]] = {}
        for record in records(ledger, EntryType.WAIVER_REQUESTED):
            self._requests.setdefault(record.commitments.get("requester"), []).append(record)
        for record in records(ledger, EntryType.WAIVER_REVOKED):
            self._revocations.setdefault(str(record.body.get("waiver")), []).append(record)
        for record in records(ledger, EntryType.WAIVER_USED):
            self._uses.setdefault(str(record.body.get("decision")), []).append(record)

    def problem(self, waiver: Waiver, decision: int) -> str | None:
        """Say why the ledger does not bear out that the waiver counted for the decision at this index; steps 1 to 3."""
        grounds = waiver.grounds
        if grounds is not None and grounds.source != "ledger":
            return self._problem_of_file(waiver, grounds, decision)
        grant = self._grants.get(grounds.entry) if grounds is not None else None
        if grounds is None or grant is None or grant.index >= decision:
            return "no grant of it is on record before the decision"
        said = grounds.leaf, grounds.granted_at, Blob(grounds.note.encode()).digest
        if said != (grant.leaf_hash, grant.recorded_at, grant.blobs.get("waiver")):
            return f"it is not what the entry {grant.index} grants"
        if problem := elsewhere(waiver.statement, self.origin):
            return problem
        if not self._asked(waiver, grant.index):
            return "no request of it is on record before its grant"
        return self._revoked(waiver, grounds, decision)

    def _problem_of_file(self, waiver: Waiver, grounds: Grounds, decision: int) -> str | None:
        """Say the same of a waiver whose file was given: its note is what grants it."""
        if grounds.source == "file-unasked":
            return None  # the policy let it count without what a ledger knows of it
        if problem := elsewhere(waiver.statement, self.origin):
            return problem
        if not self._asked(waiver, decision, grounds.made_at):
            return NOT_ASKED
        return self._revoked(waiver, grounds, decision)

    def _revoked(self, waiver: Waiver, grounds: Grounds, decision: int) -> str | None:
        for record in self._revocations.get(waiver.id, ()):
            # what came on record while the decision was being made could not be known to it
            if record.index < decision and record.recorded_at < grounds.made_at:
                return f"it was revoked before the decision, by the entry {record.index}"
        return None

    def _asked(self, waiver: Waiver, before: int, at: datetime | None = None) -> bool:
        requests = self._requests.get(waiver.statement.requester.commitment, ())
        known = [each for each in requests if each.index < before and (at is None or each.recorded_at < at)]
        return any(is_asked_by(self._ledger, each, waiver.statement) for each in known)

    def unused(
        self, document: Mapping[str, Any], decision_id: str, index: int, at: datetime
    ) -> list[Mapping[str, Any]]:
        """Return the uses of waivers in a decision that are not on record in its commit; step 4."""
        found = [r.body for r in self._uses.get(decision_id, ()) if r.index > index and r.recorded_at == at]
        return [draft.body for draft in used_drafts(document, decision_id, {}) if draft.body not in found]
