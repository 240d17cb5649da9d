"""Commitments, drafts and entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from policy_audit.canonical import canonical_bytes, parse_canonical
from policy_audit.commitment import Disclosure, digest_of, disclose, verify_commitment
from policy_audit.entry import Blob, Draft, EntryType, parse_entry, prepare, seal
from policy_audit.errors import CanonicalError, VerificationError
from policy_audit.view import decision_row, instant

NOW = "2026-01-31T12:00:00.000000Z"
VIEW = {
    "decision_id": "d-1",
    "namespace": "default",
    "workload": "chat",
    "verdict": "allow",
    "policy_digest": "sha256:p",
    "catalog_digest": "sha256:c",
    "decided_at": "2026-01-31T13:00:00+01:00",
}


def test_the_digest_is_that_of_sd_jwt() -> None:
    # RFC 9901 4.2.3: the disclosure of ["_26bc4LT-ac6q2KI6cBW5es", "family_name", "Möbius"]
    encoded = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    assert digest_of(encoded) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def test_a_commitment_opens_with_its_own_salt_and_value_only() -> None:
    first, second = disclose("owner", "alice"), disclose("owner", "alice")
    assert len(first.salt) == 22
    assert first.digest != second.digest
    verify_commitment(first.digest, first)
    for other in (
        second,
        Disclosure(first.salt, "owner", "bob"),
        Disclosure(first.salt, "approver", "alice"),
        Disclosure("", "owner", "alice"),
    ):
        with pytest.raises(VerificationError):
            verify_commitment(first.digest, other)


def test_an_entry_holds_commitments_and_digests_but_no_values() -> None:
    draft = Draft(
        EntryType.DECISION,
        body={"n": 1},
        context={"run": "7"},
        personal={"owner": "alice@example.com"},
        blobs={"decision": b"{}", "rules": Blob(b"rules")},
        view={**VIEW, "stage": None},
    )
    prepared = prepare(draft)
    data = seal(prepared, NOW)
    assert b"alice" not in data
    value = parse_canonical(data)
    assert value == {
        "entry": "policy-audit/v1",
        "type": "decision",
        "recorded_at": NOW,
        "context": {"run": "7"},
        "body": {"n": 1},
        "commitments": {"owner": prepared.disclosures[0].digest},
        "blobs": {"decision": Blob(b"{}").digest, "rules": Blob(b"rules").digest},
        "view": {**VIEW, "decided_at": NOW},
    }
    entry = parse_entry(data)
    row = decision_row(5, entry.type, entry.recorded_at, entry.view, None)
    assert row is not None
    assert row["leaf_index"] == 5
    assert row["decided_at"] == NOW
    assert row["stage"] is None


def test_the_digest_of_a_blob_is_its_sha_256() -> None:
    assert Blob(b"").digest == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "draft",
    [
        Draft(EntryType.HOLD, body={"a": {"owner": "alice"}}),
        Draft(EntryType.HOLD, context={"actor": "alice"}),
        Draft(EntryType.HOLD, body={"a": [{"approver": "alice"}]}),
        Draft(EntryType.HOLD, personal={"": "alice"}),
        Draft(EntryType.HOLD, personal={"owner": "\ud800"}),
        Draft(EntryType.HOLD, personal={"owner": 1}),  # type: ignore[dict-item]
        Draft(EntryType.HOLD, blobs={"a": "text"}),  # type: ignore[dict-item]
        Draft(EntryType.HOLD, view=VIEW),
        Draft(EntryType.DECISION, view=VIEW, tags={"rule": ["a\x00b"]}),
        Draft(EntryType.DECISION, view=VIEW, tags={"rule": ["a", ""]}),
        Draft(EntryType.DECISION, view=VIEW, tags={"rule": "text"}),
        Draft(EntryType.DECISION, view=VIEW, tags={"rule": ["a", 1]}),  # type: ignore[list-item]
        Draft(EntryType.DECISION, view=VIEW, tags={"colour": ["red"]}),
        Draft(EntryType.HOLD, tags={"rule": ["a"]}),
        Draft(EntryType.DECISION),
        Draft(EntryType.DECISION, view={**VIEW, "verdict": ""}),
        Draft(EntryType.DECISION, view={**VIEW, "verdict": 1}),  # type: ignore[dict-item]
        Draft(EntryType.DECISION, view={**VIEW, "owner": "alice"}),
        Draft(EntryType.DECISION, view={**VIEW, "decided_at": "yesterday"}),
        Draft(EntryType.DECISION, view={**VIEW, "decided_at": "2026-01-31T12:00:00"}),
        Draft(EntryType.DECISION, view={**VIEW, "valid_until": "2026-01-31"}),
    ],
    ids=repr,
)
def test_drafts_that_are_refused(draft: Draft) -> None:
    with pytest.raises(CanonicalError):
        seal(prepare(draft), NOW)


def test_that_a_person_is_known_may_stand_in_an_entry() -> None:
    seal(prepare(Draft(EntryType.HOLD, body={"owner": True, "actor": {"known": "asserted"}})), NOW)


MINIMAL: dict[str, Any] = parse_canonical(seal(prepare(Draft(EntryType.HOLD)), NOW))


@pytest.mark.parametrize(
    "change",
    [
        {"entry": "policy-audit/v2"},
        {"more": 1},
        {"type": 1},
        {"recorded_at": "2026-01-31T12:00:00Z"},
        {"recorded_at": 5},
        {"context": []},
        {"commitments": {"owner": "short"}},
        {"blobs": {"a": "md5:00"}},
        {"blobs": {"a": 1}},
        {"body": "text"},
        {"view": {"verdict": "allow"}},
        {"view": None},
        {"type": "decision", "view": VIEW},
        {"type": "decision"},
    ],
    ids=repr,
)
def test_entries_that_are_refused_when_read(change: Mapping[str, Any]) -> None:
    parse_entry(canonical_bytes(MINIMAL))
    with pytest.raises(CanonicalError):
        parse_entry(canonical_bytes({**MINIMAL, **change}))


def test_an_entry_without_a_member_is_refused() -> None:
    for name in MINIMAL:
        with pytest.raises(CanonicalError):
            parse_entry(canonical_bytes({key: value for key, value in MINIMAL.items() if key != name}))
    with pytest.raises(CanonicalError):
        parse_entry(b"[]")


def test_the_order_of_instants_is_the_order_of_their_texts() -> None:
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    moments = [start + timedelta(microseconds=step) for step in (0, 1, 500_000, 1_000_000, 10**11)]
    texts = [instant(moment.astimezone(timezone(timedelta(hours=5)))) for moment in moments]
    assert texts == sorted(texts)
    assert texts[0] == NOW
    with pytest.raises(CanonicalError):
        instant(datetime(2026, 1, 31))  # noqa: DTZ001
