"""Who vouches for the evidence of a workload: signatures and receipts together, as `check_evidence` asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policy_engine.loading.evidence import EvidenceFileError, Vouch, Vouched, read_within
from policy_engine.loading.policy import Policy
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.workload import Evidence, Workload

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

LARGEST_SIGNATURE = 100_000


class Voucher:
    """Checks what people signed and ledgers recorded, under one policy.

    `ledger` gives the one that the decision is recorded in, and is called where evidence names an entry of it; None
    where nothing is recorded.
    """

    def __init__(self, policy: Policy, ledger: Callable[[], Ledger] | None = None) -> None:
        self._policy, self._ledger = policy, ledger

    def of(self, workload: Workload, at: datetime, folder: Path) -> Vouch:
        """Return what vouches for the evidence of `workload` at `at`; files are relative to `folder`."""
        day = at.date()

        def vouch(name: str, evidence: Evidence) -> tuple[Vouched | None, str | None]:
            found = []
            if evidence.signature is not None:
                found.append(self._approved(workload, name, evidence, at, folder))
            if evidence.receipt is not None:
                from policy_engine.vouching.receipts import check_receipt

                found.append(self._standing(check_receipt(folder, workload, name, evidence, self._policy, day)))
            elif evidence.ledger_index is not None:
                from policy_engine.vouching.receipts import check_index

                ledger = self._ledger() if self._ledger is not None else None
                found.append(self._standing(check_index(ledger, workload, name, evidence, self._policy, day)))
            return _best(found)

        return vouch

    def _standing(self, found: Vouched | str) -> Vouched | str:
        """Hold what an entry proves to the revocations on record in the ledger of the decision."""
        if isinstance(found, str) or self._ledger is None:
            return found
        from policy_engine.vouching.entries import names_of
        from policy_engine.vouching.revoked import revoked_names

        revoked, entry = revoked_names(self._ledger()), (found.material or {})["entry"].encode()
        record = next((revoked[name] for name in names_of(entry) if name in revoked), None)
        return found if record is None else f"its entry was revoked in the entry {record.index} of this ledger"

    def _approved(self, workload: Workload, name: str, evidence: Evidence, at: datetime, folder: Path) -> Vouched | str:
        from policy_engine.vouching.approval import check_approval

        try:
            content = read_within(folder, str(evidence.signature), LARGEST_SIGNATURE)
        except EvidenceFileError as error:
            return str(error)
        return check_approval(content, workload, name, evidence, self._policy, at.date())


def _best(found: list[Vouched | str]) -> tuple[Vouched | None, str | None]:
    """Return the best grade found, and why the others were not."""
    vouched = [each for each in found if not isinstance(each, str)]
    why = "; ".join(each for each in found if isinstance(each, str)) or None
    # what speaks against the workload is known whatever else vouches for it
    return max(vouched, key=_worth, default=None), why


def _worth(found: Vouched) -> tuple[bool, int, bool]:
    """Order what vouches; of two of one grade the report of models counts, which says of which it speaks."""
    return found.against is not None, EVIDENCE_GRADES.index(found.grade), found.shows is not None
