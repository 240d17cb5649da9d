"""Verify the proofs of a recorded decision again, under the policy that was recorded with it.

Names are not there any more: that no approver owned the workload was checked when the decision was made. Nor is the
key of the ledger of a bare index: of that, the entry has to be the ledger's own, where that is at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache

from msgspec.structs import replace
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import AuditError
from policy_audit.merkle import leaf_hash, verify_inclusion
from policy_audit.note import split_note
from policy_audit.proof import parse_proof

from policy_engine.loading.evidence import Vouched
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import RecordedApprovers
from policy_engine.model.proofs import Materials
from policy_engine.model.recorded_approvers import approvers_on_record
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Evidence, Workload
from policy_engine.vouching.approval import check_approval
from policy_engine.vouching.entries import check_entry, names_of
from policy_engine.vouching.receipts import GRADE, check_proof

#: The bytes of an entry, by its index.
EntryOf = Callable[[int], bytes | None]
#: Whether the entry of these names (`entries.names_of`) had been revoked.
Revoked = Callable[[frozenset[str]], bool]


def proven(
    workload: Workload,
    policy: Policy,
    day: date,
    materials: Materials,
    entry_of: EntryOf | None = None,
    revoked: Revoked | None = None,
) -> Callable[[str, Evidence, EvidenceStatus], Vouched | None]:
    """Return what makes a grade of a proof on record, as `proven_or_why` does, and None where it makes none."""
    again = proven_or_why(workload, policy, day, materials, entry_of, revoked)

    def only_proven(name: str, evidence: Evidence, status: EvidenceStatus) -> Vouched | None:
        found = again(name, evidence, status)
        return None if isinstance(found, str) else found

    return only_proven


def proven_or_why(
    workload: Workload,
    policy: Policy,
    day: date,
    materials: Materials,
    entry_of: EntryOf | None = None,
    revoked: Revoked | None = None,
) -> Callable[[str, Evidence, EvidenceStatus], Vouched | str]:
    """Return what makes a grade of a proof on record, on the decision's `day`, or says why it makes none.

    `entry_of` gives the entries of the decision's own ledger that came before it, and None for any other; `revoked`
    says which entries it had revoked by then.

    It raises ValueError where the recorded approvers are not what this program writes.
    """

    @cache
    def judge() -> Policy:
        if not isinstance(policy.approvers, RecordedApprovers):
            return policy
        return replace(policy, approvers=approvers_on_record(policy.approvers.document()))

    def again(name: str, evidence: Evidence, status: EvidenceStatus) -> Vouched | str:
        material = materials.get(name, {})
        found: Vouched | str = "no proof is on record"
        if status.grade == "approved" and material.keys() == {"approval"}:
            found = check_approval(material["approval"].encode(), workload, name, evidence, judge(), day)
        elif status.grade != "approved" and material.keys() == {"receipt", "entry"}:
            text, entry = material["receipt"], material["entry"].encode()
            if evidence.receipt is not None:
                found = check_proof(text, entry, workload, name, evidence, judge(), day)
            else:
                found = _of_own_ledger(text, entry, workload, name, evidence, status, judge(), day)
                if entry_of is not None and entry_of(int(evidence.ledger_index or 0)) != entry:
                    found = "the ledger has another entry there"
            if revoked is not None and revoked(names_of(entry)):
                found = "its entry had been revoked"
        return found

    return again


def _of_own_ledger(
    text: str,
    entry: bytes,
    workload: Workload,
    name: str,
    evidence: Evidence,
    status: EvidenceStatus,
    policy: Policy,
    day: date,
) -> Vouched | str:
    found = check_entry(entry, workload, name, evidence, policy, day)
    if isinstance(found, str) or status.proof is None:
        return "its entry is about something else"
    try:
        proof = parse_proof(text)
        checkpoint = parse_checkpoint(split_note(proof.checkpoint)[0])
        verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.hashes, checkpoint.root)
    except AuditError:
        return "its receipt does not prove its entry"
    said = {"origin": checkpoint.origin, "index": proof.index, "leaf": leaf_hash(entry).hex()}
    if evidence.ledger_index != proof.index or said.items() - status.proof.items():
        return "its proof is of another entry"
    material = {"receipt": text, "entry": entry.decode()}
    return Vouched(GRADE, status.proof, found.ends, material, found.against, found.shows)
