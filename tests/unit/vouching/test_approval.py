"""Which signatures make evidence approved: every way in which one does not is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from policy_audit.keys import Ed25519Signer

from policy_engine.model.approvers import WAIVERS, Approver
from policy_engine.vouching.approval import APPROVAL
from tests.unit.vouching.case import CONTENT, FILE, approve, approver, checked, policy, workload
from tests.unit.waivers.making import ANN, BOB, EVE

SIGNED = {**FILE, "signature": "a.sig"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "doc.pdf").write_bytes(CONTENT)
    return tmp_path


def test_a_signature_of_an_approver_makes_a_file_approved(folder: Path) -> None:
    subject = workload({"dpa": SIGNED})
    approve(folder, subject, "dpa")
    found = checked(folder, subject, policy(approver()))
    assert (found.grade, found.problem, found.short, found.otherwise) == ("approved", None, None, "attached")
    assert found.proof is not None
    assert found.proof["approver"] == "ann"
    assert found.proof["key"] == ANN.signer.key_id.hex()


def test_a_reference_can_be_approved(folder: Path) -> None:
    subject = workload({"dpa": {"reference": "CTR-1", "signature": "a.sig"}})
    approve(folder, subject, "dpa")
    assert checked(folder, subject, policy(approver())).grade == "approved"


MOVED: dict[str, tuple[dict[str, Any], str, str]] = {
    "another workload": ({"dpa": SIGNED}, "claims/other", "for another workload"),
    "another namespace": ({"dpa": SIGNED}, "payments/triage", "for another workload"),
    "a later end": ({"dpa": {**SIGNED, "valid_until": "2099-01-01"}}, "claims/triage", "over another last day"),
    "another start": ({"dpa": {**SIGNED, "issued": "2020-01-01"}}, "claims/triage", "over another day of issue"),
    "a reference more": ({"dpa": {**SIGNED, "reference": "X"}}, "claims/triage", "over another reference"),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_signature_cannot_be_moved(name: str, folder: Path) -> None:
    approve(folder, workload({"dpa": SIGNED}), "dpa")
    evidence, identity, why = MOVED[name]
    found = checked(folder, workload(evidence, identity), policy(approver()))
    assert (found.grade, found.problem) == ("attached", None)
    assert why in str(found.short)


def test_a_signature_is_for_one_evidence_and_one_file(folder: Path) -> None:
    approve(folder, workload({"dpa": SIGNED}), "dpa")
    found = checked(folder, workload({"baa": SIGNED}), policy(approver()), "baa")
    assert (found.grade, found.short) == ("attached", "its signature is for other evidence")
    (folder / "doc.pdf").write_bytes(b"what was not agreed")
    changed = checked(folder, workload({"dpa": SIGNED}), policy(approver()))
    assert (changed.grade, changed.problem) == (
        "asserted",
        "the file `doc.pdf` has another sha256 than the workload says",
    )
    import hashlib

    other = {**SIGNED, "sha256": hashlib.sha256(b"what was not agreed").hexdigest()}
    moved = checked(folder, workload({"dpa": other}), policy(approver()))
    assert (moved.grade, moved.short) == ("attached", "its signature is over another file")


MAY_NOT: dict[str, tuple[Approver, str]] = {
    "another role": (approver(roles=(WAIVERS,)), "has not the role evidence-approver"),
    "a revoked key": (approver(revoked=date(2026, 11, 24)), "was revoked on 2026-11-24"),
    "a key of tomorrow": (approver(ANN, valid_from=date(2026, 11, 25)), "is valid from 2026-11-25 on"),
    "a key of yesterday": (approver(ANN, valid_until=date(2026, 11, 23)), "was valid until 2026-11-23"),
    "another namespace": (approver(namespaces=("payments",)), "the namespace claims is not in the scope"),
    "another rule": (approver(rules=("no-such",)), "is not in the scope"),
    "another option": (approver(options=("edge",)), "is not in the scope"),
    "a locked rule": (approver(not_for=("dpa-for-confidential-data",)), "named by a later layer"),
    "the owner": (approver(identities=("OLGA@acme.example",)), "owns the workload"),
    "the owner with look-alike letters": (approver(identities=("оlga@acme.example",)), "owns the workload"),
    "nobody": (approver(BOB), "no signature is by a key that the policy names"),
}


@pytest.mark.parametrize("name", MAY_NOT)
def test_a_signature_of_somebody_who_may_not_counts_for_nothing_and_says_why(name: str, folder: Path) -> None:
    from tests.unit.vouching.case import shipped

    person, why = MAY_NOT[name]
    if name == "a locked rule":
        asking = next(rule.id for rule in shipped().rules.rules if "dpa" in rule.require)
        person = approver(not_for=(asking,))
    subject = workload({"dpa": SIGNED})
    approve(folder, subject, "dpa")
    found = checked(folder, subject, policy(person))
    assert (found.grade, found.problem, found.proof) == ("attached", None, None)
    assert why in str(found.short)


def test_nobody_approves_as_champion(folder: Path) -> None:
    subject = workload({"dpa": SIGNED}, migration={"champion": ANN.identity})
    approve(folder, subject, "dpa")
    assert "owns the workload" in str(checked(folder, subject, policy(approver())).short)


def test_one_bad_signature_of_a_known_key_voids_the_others(folder: Path) -> None:
    subject = workload({"dpa": SIGNED})
    forger = Ed25519Signer(BOB.signer.name, b"\1" * 32)
    forger.key_id = BOB.signer.key_id
    approve(folder, subject, "dpa", ANN.signer, forger)
    found = checked(folder, subject, policy(approver(), approver(BOB)))
    assert (found.grade, found.short) == ("attached", f"the signature by the key {BOB.signer.key_id.hex()} is bad")
    approve(folder, subject, "dpa", ANN.signer, EVE.signer)
    assert checked(folder, subject, policy(approver(), approver(BOB))).grade == "approved"


def test_an_approval_ends_with_its_key_and_its_person(folder: Path) -> None:
    subject = workload({"dpa": SIGNED})
    approve(folder, subject, "dpa")
    ends = checked(folder, subject, policy(approver(revoked=date(2027, 1, 1)))).ends
    assert ends == date(2026, 12, 31)
    approve(folder, subject, "dpa", ANN.signer, BOB.signer)
    both = policy(approver(valid_until=date(2026, 12, 1)), approver(BOB))
    assert checked(folder, subject, both).ends is None


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "cannot be read: no such file"),
    "a pipe": (os.mkfifo, "is not a regular file"),
    "a folder": (lambda path: path.mkdir(), "is not a regular file"),
    "a link out": (lambda path: path.symlink_to("/etc/hosts"), "lies outside"),
    "empty": (lambda path: path.write_bytes(b""), "is not a regular file of 1"),
    "too much": (lambda path: path.write_bytes(b"a" * 100_001), "to 100,000 bytes"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\0"), "is no signed note"),
    "no note": (lambda path: path.write_bytes(b"{}"), "is no signed note"),
    "nested": (
        lambda path: path.write_text(f"{APPROVAL}\n{'[' * 90_000}\n\n— a AAAAAAAA\n", encoding="utf-8"),
        "not over an approval of evidence",
    ),
    "a waiver": (lambda path: path.write_text("policy-engine/v1 waiver\n{}\n\n— a AAAAAAAA\n", encoding="utf-8"),
                 "not over an approval of evidence"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_signature_is_said_and_raises_nothing(name: str, folder: Path) -> None:
    make, why = HOSTILE[name]
    make(folder / "a.sig")
    found = checked(folder, workload({"dpa": SIGNED}), policy(approver()))
    assert (found.grade, found.problem) == ("attached", None)
    assert why in str(found.short)


def test_a_signature_out_of_the_folder_is_not_read(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    (inner / "doc.pdf").write_bytes(CONTENT)
    subject = workload({"dpa": {**FILE, "signature": "../a.sig"}})
    approve(folder, subject, "dpa")
    assert "lies outside" in str(checked(inner, subject, policy(approver())).short)


def test_what_is_out_of_force_is_not_looked_at_and_counts_for_nothing(folder: Path) -> None:
    subject = workload({"dpa": {**SIGNED, "valid_until": "2026-11-23"}})
    approve(folder, subject, "dpa")
    found = checked(folder, subject, policy(approver()))
    assert (found.grade, found.problem, found.short) == ("asserted", "it ended on 2026-11-23", None)


def test_a_signature_over_nothing_is_none(folder: Path) -> None:
    subject = workload({"dpa": {"signature": "a.sig"}})
    approve(folder, subject, "dpa")
    found = checked(folder, subject, policy(approver()))
    assert found.grade == "asserted"
    assert "nothing that could be approved" in str(found.short)


def test_no_name_stands_in_what_is_signed(folder: Path) -> None:
    assert "acme" not in approve(folder, workload({"dpa": SIGNED}), "dpa")
