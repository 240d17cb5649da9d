"""Entries that somebody took back as evidence, by the ledger that decisions are recorded in.

Whoever may write to the ledger may revoke: less is allowed by it, never more. It counts from then on, for every
decision, also for one of an earlier day. A gate with another ledger hears of it by `revoked_entries` of approvers.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.entry import EntryType

from policy_engine.waivers.checking import LONGEST
from policy_engine.waivers.on_record import Entries, Record, records


def revocation_body(
    leaf: str,
    index: int | None,
    evidence: str,
    workload: str | None,
    reason: str,
    attestation: str | None = None,
    compared: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the body of the entry that revokes the entry of this leaf hash; `index` where it is of the same ledger.

    `attestation` is the digest of what it attests, and `compared` are the names of what a report compared
    (`entries.compared_names`): it stays revoked where it is put on record again.
    """
    body = {"leaf": leaf, "index": index, "evidence": evidence, "workload": workload, "reason": reason}
    body |= {"attestation": attestation} if attestation is not None else {}
    return {**body, "compared": list(compared)} if compared else body


def revoked_names(ledger: Entries) -> Mapping[str, Record]:
    """Return what is revoked on record, by the names of `entries.names_of`, each with the entry that did it first.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found: dict[str, Record] = {}
    for record in records(ledger, EntryType.EVIDENCE_REVOKED):
        compared = record.body.get("compared")
        names = [record.body.get("leaf"), record.body.get("attestation")]
        for name in (*names, *(compared if isinstance(compared, list) else ())):
            found.setdefault(str(name), record)
    found.pop("None", None)
    return found


class Revocations(Struct):
    """The revocations of one ledger, up to `size` entries, read once."""

    size: int
    names: Mapping[str, Record]

    def known(self, names: frozenset[str], decision: int, recorded_at: datetime) -> bool:
        """Whether the decision at this index had to know that the entry was revoked.

        What came on record while the decision was being made could not be known to it.
        """
        return self.before(names, decision, recorded_at - LONGEST) is not None

    def before(self, names: frozenset[str], decision: int, moment: datetime) -> Record | None:
        """Return what revoked the entry by a moment, and before the decision at this index."""
        found = [self.names[name] for name in names if name in self.names]
        known = [each for each in found if each.index < decision and each.recorded_at < moment]
        return min(known, key=lambda each: each.index, default=None)


def revocations(ledger: Entries) -> Revocations:
    """Read the revocations of a ledger.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return Revocations(parse_checkpoint(ledger.checkpoint()).size, revoked_names(ledger))
