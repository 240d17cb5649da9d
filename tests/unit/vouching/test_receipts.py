"""Which receipts make evidence recorded: every way in which one does not is named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from policy_audit.keys import generate_signer
from policy_audit.ledger import EntryType, Ledger, open_ledger

from tests.unit.vouching.case import (
    FILE,
    RECEIPT,
    approve,
    approver,
    checked,
    opened,
    pinned,
    policy,
    record,
    shipped,
    workload,
)
from tests.unit.waivers.making import EVE

SUBJECT = workload({"dpa": {**FILE, **RECEIPT}})


def test_a_receipt_of_a_pinned_log_makes_a_file_recorded(folder: Path, ledger: Ledger) -> None:
    index = record(ledger, folder)
    found = checked(folder, SUBJECT, policy(origins=[pinned(ledger)]))
    assert (found.grade, found.problem, found.short, found.ends) == ("recorded", None, None, None)
    assert found.proof is not None
    assert (found.proof["origin"], found.proof["index"]) == (ledger.origin, index)


def test_a_log_that_is_not_pinned_proves_nothing(folder: Path, ledger: Ledger, tmp_path: Path) -> None:
    record(ledger, folder)
    with opened(tmp_path, "two.db") as other:
        found = checked(folder, SUBJECT, policy(origins=[pinned(other)]))
        assert (found.grade, found.short) == ("attached", "its receipt is of a log that the policy does not pin")
        both = policy(origins=[pinned(other), pinned(ledger)])
        assert checked(folder, SUBJECT, both).grade == "recorded"
    assert "does not pin" in str(checked(folder, SUBJECT, policy(approver())).short)


def test_a_key_of_the_same_name_is_another_key(folder: Path, ledger: Ledger) -> None:
    record(ledger, folder)
    other = generate_signer(ledger.origin)
    from policy_engine.model.approvers import ApproverKey, PinnedOrigin

    found = checked(folder, SUBJECT, policy(origins=[PinnedOrigin(ApproverKey(other.verifier_key))]))
    assert (found.grade, found.short) == ("attached", "no key that the policy pins has signed its receipt")


BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "other evidence": ({"evidence": "baa"}, "about other evidence"),
    "another workload": ({"workload": "claims/other"}, "about another workload"),
    "another file": ({"sha256": "0" * 64}, "about another file"),
    "a longer period": ({"valid_until": "2099-01-01"}, "another period"),
    "more than it may hold": ({"grade": "recorded"}, "another period"),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_entry_about_something_else_proves_nothing(name: str, folder: Path, ledger: Ledger) -> None:
    body, why = BODIES[name]
    record(ledger, folder, **body)
    found = checked(folder, SUBJECT, policy(origins=[pinned(ledger)]))
    assert (found.grade, found.problem, found.proof) == ("attached", None, None)
    assert why in str(found.short)


@pytest.mark.parametrize(
    "kind", [EntryType.PROBE_ATTESTATION, EntryType.EVALUATION_REPORT, EntryType.EVIDENCE_APPROVED]
)
def test_an_entry_of_another_type_proves_nothing(kind: EntryType, folder: Path, ledger: Ledger) -> None:
    record(ledger, folder, kind)
    found = checked(folder, SUBJECT, policy(origins=[pinned(ledger)]))
    assert found.short == "its entry is not of the type evidence-recorded, which `dpa` takes"


@pytest.mark.parametrize(
    ("days", "why"),
    [
        ({"revoked": date(2026, 11, 24)}, "the key was revoked on 2026-11-24"),
        ({"valid_until": date(2026, 11, 23)}, "the key was valid until 2026-11-23"),
        ({"valid_from": date(2026, 11, 25)}, "the key is valid from 2026-11-25 on"),
    ],
)
def test_a_pinned_key_counts_on_its_days_alone(days: dict[str, date], why: str, folder: Path, ledger: Ledger) -> None:
    record(ledger, folder)
    found = checked(folder, SUBJECT, policy(origins=[pinned(ledger, **days)]))
    assert (found.grade, found.short) == ("attached", why)


def test_a_later_layers_origin_proves_nothing_to_a_locked_rule(folder: Path, ledger: Ledger) -> None:
    record(ledger, folder)
    asking = next(rule.id for rule in shipped().rules.rules if "dpa" in rule.require)
    found = checked(folder, SUBJECT, policy(origins=[pinned(ledger, [asking])]))
    assert (found.grade, "later layer" in str(found.short)) == ("attached", True)
    assert checked(folder, SUBJECT, policy(origins=[pinned(ledger, ["another-rule"])])).grade == "recorded"


def test_receipts_before_and_after_a_rotation_count_by_the_keys_that_are_pinned(folder: Path, ledger: Ledger) -> None:
    old = pinned(ledger)
    record(ledger, folder)
    ledger.rotate_key(generate_signer(ledger.origin))
    new = pinned(ledger)
    assert checked(folder, SUBJECT, policy(origins=[old, new])).grade == "recorded"
    assert checked(folder, SUBJECT, policy(origins=[new])).grade == "attached"
    record(ledger, folder)
    assert checked(folder, SUBJECT, policy(origins=[new])).grade == "recorded"
    assert checked(folder, SUBJECT, policy(origins=[old])).grade == "attached"


def test_an_entry_of_tomorrow_proves_nothing_today(folder: Path, tmp_path: Path) -> None:
    tomorrow = datetime(2026, 11, 25, tzinfo=UTC)
    with open_ledger(f"sqlite:///{tmp_path / 'late.db'}", clock=lambda: tomorrow) as late:
        record(late, folder)
        found = checked(folder, SUBJECT, policy(origins=[pinned(late)]))
        assert found.short == "its entry was recorded on 2026-11-25, after the decision's day 2026-11-24"
        assert checked(folder, SUBJECT, policy(origins=[pinned(late)]), at=tomorrow).grade == "recorded"


HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "no proof": ("r.tlog-proof", b"hello", "is no tlog-proof"),
    "no text": ("r.tlog-proof", b"\xff\xfe", "is no tlog-proof"),
    "a long proof": ("r.tlog-proof", b"a" * 200_001, "to 200,000 bytes"),
    "no entry": ("r.json", b"hello", "does not prove its entry"),
    "a long entry": ("r.json", b"a" * 70_000, "to 65,535 bytes"),
    "an empty entry": ("r.json", b"", "is not a regular file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_receipt_is_said_and_raises_nothing(name: str, folder: Path, ledger: Ledger) -> None:
    record(ledger, folder)
    file, content, why = HOSTILE[name]
    (folder / file).write_bytes(content)
    found = checked(folder, SUBJECT, policy(origins=[pinned(ledger)]))
    assert (found.grade, found.problem) == ("attached", None)
    assert why in str(found.short)


def test_a_receipt_needs_its_entry_and_the_index_that_is_stated(folder: Path, ledger: Ledger) -> None:
    index, under = record(ledger, folder), policy(origins=[pinned(ledger)])
    alone = workload({"dpa": {**FILE, "receipt": "r.tlog-proof"}})
    assert "comes without its entry" in str(checked(folder, alone, under).short)
    other = workload({"dpa": {**FILE, **RECEIPT, "ledger_index": index + 1}})
    assert f"is of the entry {index}" in str(checked(folder, other, under).short)
    same = workload({"dpa": {**FILE, **RECEIPT, "ledger_index": index}})
    assert checked(folder, same, under).grade == "recorded"


def test_a_bare_index_counts_in_the_ledger_of_the_decision_alone(folder: Path, ledger: Ledger) -> None:
    index = record(ledger, None)
    subject = workload({"dpa": {**FILE, "ledger_index": index}})
    assert checked(folder, subject, policy(), ledger=ledger).grade == "recorded"
    assert "only in the ledger" in str(checked(folder, subject, policy(origins=[pinned(ledger)])).short)
    with open_ledger("sqlite:///:memory:") as scratch:
        record(scratch, None)
        assert "only in the ledger" in str(checked(folder, subject, policy(), ledger=scratch).short)
    missing = workload({"dpa": {**FILE, "ledger_index": 10**6}})
    assert checked(folder, missing, policy(), ledger=ledger).short == "this ledger has no entry 1000000"
    heartbeat = workload({"dpa": {**FILE, "ledger_index": 0}})
    assert "not of the type" in str(checked(folder, heartbeat, policy(), ledger=ledger).short)


def test_a_bare_index_counts_through_rotations(folder: Path, ledger: Ledger) -> None:
    index = record(ledger, None)
    for _ in range(2):
        ledger.rotate_key(generate_signer(ledger.origin))
    subject = workload({"dpa": {**FILE, "ledger_index": index}})
    assert checked(folder, subject, policy(), ledger=ledger).grade == "recorded"


def test_the_better_grade_stands_and_what_falls_short_is_said(folder: Path, ledger: Ledger) -> None:
    record(ledger, folder)
    subject = workload({"dpa": {**FILE, **RECEIPT, "signature": "a.sig"}})
    approve(folder, subject, "dpa")
    under = policy(approver(), origins=[pinned(ledger)])
    assert (checked(folder, subject, under).grade, checked(folder, subject, under).short) == ("recorded", None)
    only = checked(folder, subject, policy(approver()))
    assert (only.grade, only.short) == ("approved", "its receipt is of a log that the policy does not pin")
    neither = checked(folder, subject, policy(approver(EVE), origins=[pinned(ledger)]))
    assert neither.grade == "recorded"
    assert neither.short == "no signature is by a key that the policy names"
