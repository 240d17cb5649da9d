"""A workload's evidence, people who approve it, and a ledger whose receipts are pinned."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from policy_audit.keys import Signer
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger

from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.model.approvers import EVIDENCE, Approver, ApproverKey, Approvers, PinnedOrigin
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Workload
from policy_engine.vouching.approval import APPROVAL, statement
from policy_engine.vouching.voucher import Voucher
from policy_engine.waivers.notes import note_text, signature_line
from tests.unit.waivers.making import ANN, Person

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
RECORDED = datetime(2026, 11, 20, 9, tzinfo=UTC)
CONTENT = b"what was agreed"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = {"file": "doc.pdf", "sha256": SHA256}
WORKLOAD = "claims/triage"


def workload(evidence: Any, identity: str = WORKLOAD, **metadata: Any) -> Workload:
    namespace, _, name = identity.partition("/")
    migration = metadata.pop("migration", "none")
    spec = {"stage": "pilot", "tasks": [{"name": "work", "kind": "other"}]}
    document = {
        "apiVersion": "policy-engine/v1",
        "kind": "Workload",
        "metadata": {"namespace": namespace, "name": name, "owner": "olga@acme.example"} | metadata,
        "spec": {**spec, "evidence": evidence, "migration": migration},
    }
    return Workload.model_validate(document)


@functools.cache
def shipped() -> Policy:
    return load_policy()


def policy(*people: Approver, origins: Sequence[PinnedOrigin] = ()) -> Policy:
    approvers = Approvers({person.id: person for person in people}, origins=tuple(origins))
    return replace(shipped(), approvers=approvers)


def approver(person: Person = ANN, **more: Any) -> Approver:
    return person.approver(**({"roles": (EVIDENCE,)} | more))


def approve(folder: Path, subject: Workload, name: str, *signers: Signer, file: str = "a.sig") -> str:
    """Sign the evidence as it stands; return the text of the signature file."""
    evidence = (subject.spec.evidence or {})[name]
    assert evidence is not None
    document = statement(subject, name, evidence)
    lines = "".join(signature_line(APPROVAL, document, signer) + "\n" for signer in signers or (ANN.signer,))
    text = f"{note_text(APPROVAL, document)}\n{lines}"
    (folder / file).write_text(text, encoding="utf-8")
    return text


def checked(
    folder: Path, subject: Workload, under: Policy, name: str = "dpa", at: datetime = AT, ledger: Ledger | None = None
) -> EvidenceStatus:
    vouch = Voucher(under, (lambda: ledger) if ledger is not None else None).of(subject, at, folder)
    return check_evidence(subject, at.date(), folder, vouch)[name]


def opened(folder: Path, name: str = "one.db") -> Ledger:
    return open_ledger(f"sqlite:///{folder / name}", clock=lambda: RECORDED)


def pinned(ledger: Ledger, not_for: Sequence[str] = (), **days: date) -> PinnedOrigin:
    return PinnedOrigin(ApproverKey(str(ledger.verifier_key), **days), tuple(not_for))


def record(ledger: Ledger, folder: Path | None, kind: EntryType = EntryType.EVIDENCE_RECORDED, **body: Any) -> int:
    """Record an entry about the evidence, among others; write receipt and entry into `folder`."""
    known: dict[str, Any] = {"evidence": "dpa", "workload": WORKLOAD, "sha256": SHA256}
    if kind == EntryType.EVIDENCE_RECORDED:
        known |= {"issued": None, "valid_until": None}
    ledger.append_many([Draft(EntryType.HEARTBEAT)] * 2)
    index = ledger.append(Draft(kind, body=known | body)).index
    ledger.append(Draft(EntryType.HEARTBEAT))
    if folder is not None:
        (folder / "r.tlog-proof").write_text(ledger.receipt(index), encoding="utf-8")
        (folder / "r.json").write_bytes(ledger.entry(index).raw)
    return index


RECEIPT = {"receipt": "r.tlog-proof", "entry": "r.json"}
