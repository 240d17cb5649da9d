"""Verify the proofs of a recorded decision again, under the policy that was recorded with it.

Names are not there any more: that no approver owned the workload was checked when the decision was made. Nor is the
key of the ledger of a bare index: of that, entry and inclusion are checked, and `audit verify` the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import AuditError
from policy_audit.merkle import leaf_hash, verify_inclusion
from policy_audit.note import split_note
from policy_audit.proof import parse_proof

from policy_engine.loading.evidence import Vouched
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import Approver, ApproverKey, Approvers, PinnedOrigin, RecordedApprovers
from policy_engine.model.proofs import Materials
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Evidence, Workload
from policy_engine.vouching.approval import check_approval
from policy_engine.vouching.entries import check_entry
from policy_engine.vouching.receipts import check_proof


class _Key(Struct, forbid_unknown_fields=True):
    key: str
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: date | None = None


class _Person(Struct):
    keys: tuple[_Key, ...]
    roles: tuple[str, ...]
    namespaces: tuple[str, ...]
    rules: tuple[str, ...]
    options: tuple[str, ...]
    not_for: tuple[str, ...]
    valid_from: date | None = None
    valid_until: date | None = None


class _Origin(Struct, forbid_unknown_fields=True):
    vkey: str
    not_for: tuple[str, ...]
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: date | None = None


class _Approvers(Struct):
    people: dict[str, _Person]
    origins: tuple[_Origin, ...] = ()


def proven(
    workload: Workload, policy: Policy, day: date, materials: Materials
) -> Callable[[str, Evidence, EvidenceStatus], Vouched | None]:
    """Return what makes a grade of a proof on record, on the decision's `day`.

    It raises ValueError where the recorded approvers are not what this program writes.
    """

    @cache
    def judge() -> Policy:
        if not isinstance(policy.approvers, RecordedApprovers):
            return policy
        return replace(policy, approvers=approvers_on_record(policy.approvers.document()))

    def again(name: str, evidence: Evidence, status: EvidenceStatus) -> Vouched | None:
        material = materials.get(name, {})
        found: Vouched | str = "no proof is on record"
        if status.grade == "approved" and material.keys() == {"approval"}:
            found = check_approval(material["approval"].encode(), workload, name, evidence, judge(), day)
        elif status.grade == "recorded" and material.keys() == {"receipt", "entry"}:
            text, entry = material["receipt"], material["entry"].encode()
            if evidence.receipt is not None:
                found = check_proof(text, entry, workload, name, evidence, judge(), day)
            else:
                found = _of_own_ledger(text, entry, workload, name, evidence, status, day)
        return None if isinstance(found, str) else found

    return again


def approvers_on_record(document: dict[str, Any]) -> Approvers:
    """Return who may approve by a policy's recorded document; identities are commitments there, and left out.

    Raises:
        ValueError: it is not what this program writes.
    """
    found = msgspec.convert(document, _Approvers)
    people = {
        name: Approver(
            name, (), "", tuple(ApproverKey(k.key, k.valid_from, k.valid_until, k.revoked) for k in p.keys), p.roles,
            p.namespaces, p.rules, p.options, p.valid_from, p.valid_until, not_for=p.not_for,
        )
        for name, p in found.people.items()
    }  # fmt: skip
    origins = (
        PinnedOrigin(ApproverKey(o.vkey, o.valid_from, o.valid_until, o.revoked), o.not_for) for o in found.origins
    )
    return Approvers(people, origins=tuple(origins))


def _of_own_ledger(
    text: str, entry: bytes, workload: Workload, name: str, evidence: Evidence, status: EvidenceStatus, day: date
) -> Vouched | str:
    until = check_entry(entry, workload, name, evidence, day)
    if isinstance(until, str) or status.proof is None:
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
    return Vouched(status.grade, status.proof, until, {"receipt": text, "entry": entry.decode()})
