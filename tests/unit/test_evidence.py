"""What counts as evidence on a day, and of which grade."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.loading.evidence import check_evidence, evidence_as_recorded, evidence_documents
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Workload

DAY = date(2026, 11, 24)
SIGNED = hashlib.sha256(b"signed").hexdigest()


def workload(evidence: Any = None, migration: Any = "none") -> Workload:
    task = {"name": "work", "kind": "other"}
    spec = {"stage": "pilot", "tasks": [task], "evidence": evidence, "migration": migration}
    metadata = {"name": "some-workload", "owner": "somebody"}
    document = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec}
    return Workload.model_validate(document)


def checked(folder: Path, **fields: Any) -> EvidenceStatus:
    return check_evidence(workload({"dpa": fields}), DAY, folder)["dpa"]


@pytest.mark.parametrize(
    "fields",
    [
        {"reference": "CTR-1"},
        {"receipt": "host.tlog-proof"},
        {"signature": "dpa.sig"},
        {"ledger_index": 0},
        {"reference": "CTR-1", "valid_until": "2026-11-24"},
        {"reference": "CTR-1", "issued": "2026-11-24"},
        {"reference": "CTR-1", "issued": None, "valid_until": None},
    ],
)
def test_what_says_something_is_asserted(fields: dict[str, Any], tmp_path: Path) -> None:
    found = checked(tmp_path, **fields)
    assert (found.grade, found.problem) == ("asserted", None)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "it says nothing"),
        ({"valid_until": "2027-01-01"}, "it says nothing"),
        ({"issued": "2026-01-01"}, "it says nothing"),
        ({"sha256": SIGNED}, "it says nothing"),
        ({"entry": "entry.json"}, "it says nothing"),
        ({"reference": None}, "it says nothing"),
        ({"reference": "CTR-1", "valid_until": "2026-11-23"}, "it ended on 2026-11-23"),
        ({"reference": "CTR-1", "issued": "2026-11-25"}, "it is issued on 2026-11-25"),
        ({"file": "signed.txt"}, "named without its sha256"),
        ({"file": "signed.txt", "sha256": "0" * 64}, "has another sha256"),
        ({"file": "gone.txt", "sha256": SIGNED}, "cannot be read: no such file"),
        ({"file": ".", "sha256": SIGNED}, "is not a regular file"),
        ({"file": "pipe", "sha256": SIGNED}, "is not a regular file"),
        ({"file": "empty.txt", "sha256": hashlib.sha256(b"").hexdigest()}, "is not a regular file of 1 byte"),
        ({"file": "../outside.txt", "sha256": SIGNED}, "lies outside the workload's folder"),
        ({"file": "link.txt", "sha256": SIGNED}, "lies outside the workload's folder"),
        ({"file": "/etc/hosts", "sha256": SIGNED}, "lies outside the workload's folder"),
        ({"file": "a\0b", "sha256": SIGNED}, "cannot be read"),
        ({"reference": "CTR-1", "file": "gone.txt", "sha256": SIGNED}, "cannot be read"),
        ({"file": "signed.txt", "sha256": SIGNED, "valid_until": "2026-11-23"}, "it ended"),
    ],
)
def test_what_is_no_evidence_says_why(fields: dict[str, Any], problem: str, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("signed", encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "signed.txt").write_text("signed", encoding="utf-8")
    (folder / "empty.txt").write_text("", encoding="utf-8")
    (folder / "link.txt").symlink_to("../outside.txt")
    os.mkfifo(folder / "pipe")
    found = checked(folder, **fields)
    assert found.problem is not None
    assert problem in found.problem
    assert found.grade == "asserted"


def test_a_file_that_is_too_large_is_not_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "signed.txt").write_text("signed", encoding="utf-8")
    monkeypatch.setattr("policy_engine.loading.evidence.LARGEST_FILE", 5)
    assert "MiB" in (checked(tmp_path, file="signed.txt", sha256=SIGNED).problem or "")
    monkeypatch.setattr("policy_engine.loading.evidence.LARGEST_FILE", 6)
    assert checked(tmp_path, file="./signed.txt", sha256=SIGNED).grade == "attached"


def test_a_file_with_its_digest_is_attached(tmp_path: Path) -> None:
    (tmp_path / "signed.txt").write_text("signed", encoding="utf-8")
    found = checked(tmp_path, file="signed.txt", sha256=SIGNED, valid_until="2027-06-30")
    assert found == EvidenceStatus("dpa", "attached", date(2027, 6, 30), None)


def test_what_is_left_out_or_null_is_not_there(tmp_path: Path) -> None:
    assert check_evidence(workload(), DAY, tmp_path) == {}
    assert check_evidence(workload({"dpa": None}), DAY, tmp_path) == {}


def test_a_champion_names_the_owner_of_a_migration(tmp_path: Path) -> None:
    found = check_evidence(workload(migration={"champion": "jane"}), DAY, tmp_path)
    assert found == {"owner_named": EvidenceStatus("owner_named", "asserted")}
    ended = {"owner_named": {"reference": "A", "valid_until": "2020-01-01"}}
    assert check_evidence(workload(ended, {"champion": "jane"}), DAY, tmp_path)["owner_named"].problem is None
    assert check_evidence(workload(ended, {"champion": None}), DAY, tmp_path)["owner_named"].problem is not None
    good = {"owner_named": {"reference": "A", "valid_until": "2027-01-01"}}
    kept = check_evidence(workload(good, {"champion": "jane"}), DAY, tmp_path)["owner_named"]
    assert kept.valid_until == date(2027, 1, 1)


def test_the_document_names_no_reference(tmp_path: Path) -> None:
    evidence = {"dpa": {"reference": "CTR-1 of jane", "valid_until": "2027-01-01"}, "baa": {}}
    found = evidence_documents(check_evidence(workload(evidence), DAY, tmp_path))
    assert list(found) == ["baa", "dpa"]
    assert found["dpa"] == {"grade": "asserted", "valid_until": "2027-01-01", "problem": None}
    assert "jane" not in str(found)


STATED: list[dict[str, object]] = [
    {"reference": "R-1"},
    {},
    {"valid_until": "2026-01-01", "reference": "R-1"},
    {"file": "there.pdf"},
    {"file": "there.pdf", "sha256": SIGNED},
    {"file": "there.pdf", "sha256": "0" * 64},
    {"file": "nowhere.pdf", "sha256": SIGNED, "valid_until": "2027-06-30"},
    {"file": "there.pdf", "sha256": SIGNED, "issued": "2027-01-01"},
]


@pytest.mark.parametrize("stated", STATED, ids=range(len(STATED)))
@pytest.mark.parametrize("champion", [False, True])
def test_a_status_as_recorded_is_the_one_that_was_found(
    tmp_path: Path, stated: dict[str, object], champion: bool
) -> None:
    (tmp_path / "there.pdf").write_bytes(b"signed")
    subject = workload({"owner_named": stated}, {"champion": "carl"} if champion else "none")
    found = check_evidence(subject, DAY, tmp_path)
    assert evidence_as_recorded(subject, DAY, found, DAY) == found


def test_what_was_not_looked_at_then_proves_nothing_now(tmp_path: Path) -> None:
    (tmp_path / "there.pdf").write_bytes(b"signed")
    later = date(2027, 2, 1)
    subject = workload({"dpa": STATED[-1]})
    found = check_evidence(subject, DAY, tmp_path)
    assert "is issued on 2027-01-01" in str(found["dpa"].problem)
    again = evidence_as_recorded(subject, later, found, DAY)["dpa"]
    assert (again.grade, again.problem) == (
        "asserted",
        "the file `there.pdf` was not looked at when the decision was recorded",
    )


def test_a_status_that_the_workload_does_not_give_is_not_taken_over() -> None:
    forged = {name: EvidenceStatus(name, "attached") for name in ("dpa", "baa", "owner_named")}
    subject = workload({"dpa": {"reference": "R-1"}, "baa": {"file": "a.pdf"}})
    found = evidence_as_recorded(subject, DAY, forged, DAY)
    assert found.keys() == {"dpa", "baa"}
    assert (found["dpa"].grade, found["baa"].problem) == ("asserted", "the file `a.pdf` is named without its sha256")


def test_a_file_on_a_later_day_counts_as_it_was_found_until_it_ends(tmp_path: Path) -> None:
    (tmp_path / "there.pdf").write_bytes(b"signed")
    subject = workload({"dpa": {"file": "there.pdf", "sha256": SIGNED, "valid_until": "2027-06-30"}})
    found = check_evidence(subject, DAY, tmp_path)
    assert evidence_as_recorded(subject, date(2027, 6, 30), found, DAY)["dpa"].grade == "attached"
    assert evidence_as_recorded(subject, date(2027, 7, 1), found, DAY)["dpa"].problem == "it ended on 2027-06-30"


def test_a_better_grade_on_record_is_taken_only_where_the_workload_claims_it() -> None:
    forged = {
        name: EvidenceStatus(name, "recorded", proof={"origin": "x"}, short=None) for name in ("dpa", "baa", "fallback")
    }
    stated = {"dpa": {"reference": "R-1"}, "baa": {"reference": "R-1", "signature": "a.sig"}}
    subject = workload({**stated, "fallback": {"receipt": "r"}})
    found = evidence_as_recorded(subject, DAY, forged, DAY)
    assert [found[name].grade for name in ("dpa", "baa", "fallback")] == ["asserted", "asserted", "recorded"]
    again = evidence_as_recorded(subject, DAY, forged, DAY, lambda name, evidence, status: None)
    assert again["fallback"].grade == "asserted"
    # a proof without a grade speaks against the workload, and gives none
    against = {"dpa": EvidenceStatus("dpa", "asserted", proof={"origin": "x"}, short="it contradicts it")}
    for evidence, short in (({"receipt": "r"}, "it contradicts it"), ({"signature": "a.sig"}, "it contradicts it")):
        kept = evidence_as_recorded(workload({"dpa": evidence}), DAY, against, DAY)["dpa"]
        assert (kept.grade, kept.short, kept.proof is None) == ("asserted", short, "receipt" not in evidence)


def test_a_better_grade_on_record_ends_on_its_day() -> None:
    status = EvidenceStatus("dpa", "recorded", proof={"origin": "x"}, ends=date(2026, 12, 1))
    subject = workload({"dpa": {"receipt": "r"}})
    assert evidence_as_recorded(subject, date(2026, 12, 1), {"dpa": status}, DAY)["dpa"].grade == "recorded"
    later = evidence_as_recorded(subject, date(2026, 12, 2), {"dpa": status}, DAY)["dpa"]
    assert (later.grade, later.short) == ("asserted", "what makes it recorded ended on 2026-12-01")


def test_evidence_that_nothing_proved_counts_as_then_in_that_decision_alone() -> None:
    """A status of before reports of models compared were evidence: no proof, and no problem."""
    status = EvidenceStatus("golden_dataset", "asserted", short="this ledger has no entry 0")
    subject = workload({"golden_dataset": {"ledger_index": 0}})
    recorded = {"golden_dataset": status}
    assert evidence_as_recorded(subject, DAY, recorded, DAY, as_then=True) == recorded
    assert evidence_as_recorded(subject, DAY, recorded, DAY)["golden_dataset"].problem == status.short
    known = {"golden_dataset": replace(status, problem=status.short)}
    assert evidence_as_recorded(subject, DAY, known, DAY, as_then=True) == known
