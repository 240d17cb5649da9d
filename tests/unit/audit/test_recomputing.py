"""The step that derives decisions again, with a stand-in for whoever knows how; and walking through all entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from policy_audit.entry import disposed_documents
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.ledger import Draft, EntryType, Ledger, StoredEntry, open_ledger
from policy_audit.recomputing import Recomputed, Seen

from tests.integration.tampering import administrator, decision


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of 250 decisions, with an entry of another kind after each hundred."""
    path = tmp_path / "ledger.db"
    with open_ledger(f"sqlite:///{path}") as ledger:
        for start in (0, 100, 200):
            ledger.append_many([decision(number) for number in range(start, min(start + 100, 250))])
            ledger.append(Draft(EntryType.HEARTBEAT))
    return path


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{path}") as opened:
        yield opened


def test_every_decision_is_asked_for_once_in_order(ledger: Ledger) -> None:
    asked: list[int] = []
    seen: list[tuple[int, int]] = []

    def ask(entry: StoredEntry, given: Seen) -> Recomputed:
        asked.append(entry.index)
        assert given.blob(entry.document["blobs"]["rules"]) == b"rules"
        return Recomputed("same")

    report = ledger.verify(recompute=ask, progress=lambda *two: seen.append(two))
    step = report.step("recompute")
    assert report.ok
    assert (step.number, step.status, step.checked) == (9, "ok", 250)
    assert asked == [index for index in range(253) if index not in (100, 201, 252)]
    assert seen[-1] == (253, 253)


def test_without_it_there_is_no_such_step(ledger: Ledger) -> None:
    assert [step.name for step in ledger.verify().steps][-1] == "kept"


def test_what_failed_is_counted_with_the_first_index_and_what_is_apart_by_kind(ledger: Ledger) -> None:
    def ask(entry: StoredEntry, _: Seen) -> Recomputed:
        if entry.index in (7, 9):
            return Recomputed("failed", "does not follow")
        return Recomputed("apart", "disposed of") if entry.index < 3 else Recomputed("same")

    report = ledger.verify(recompute=ask)
    step = report.step("recompute")
    assert (report.ok, step.problems, step.first_index, report.first_failing_index) == (False, 2, 7, 7)
    assert step.first_problem == "the decision of the entry 7 does not follow"
    assert step.apart == {"disposed of": 3}


def test_what_cannot_be_read_fails_the_step(path: Path, ledger: Ledger) -> None:
    with administrator(path) as connection:
        connection.execute("UPDATE log_entry SET entry = x'00' WHERE leaf_index = 5")
        connection.execute("DELETE FROM blob WHERE content = ?", (b"rules",))

    def ask(entry: StoredEntry, given: Seen) -> Recomputed:
        given.blob(entry.document["blobs"]["rules"])
        return Recomputed("same")

    step = ledger.verify(recompute=ask).step("recompute")
    assert (step.status, step.problems, step.first_index) == ("failed", 250, 0)


def test_what_runs_on_broken_tables_is_skipped_and_not_called_verified(path: Path, ledger: Ledger) -> None:
    with administrator(path) as connection:
        connection.execute("DROP TABLE blob")
    report = ledger.verify(recompute=lambda entry, given: Recomputed("same"))
    assert (report.ok, report.step("recompute").status) == (False, "skipped")


def test_walking_yields_every_entry_and_notices_a_gap(path: Path, ledger: Ledger) -> None:
    assert [entry.index for entry in ledger.walk()] == list(range(253))
    with administrator(path) as connection:
        connection.execute("DELETE FROM log_entry WHERE leaf_index = 150")
    with pytest.raises(VerificationError, match="the entry 150 is missing"):
        list(ledger.walk())


def test_a_document_is_disposed_of_where_an_entry_says_so(path: Path, ledger: Ledger) -> None:
    digest = ledger.entry(0).document["blobs"]["decision"]
    with administrator(path) as connection:
        connection.execute("DELETE FROM blob WHERE digest = ?", (digest,))
    with pytest.raises(LedgerError) as caught:
        ledger.blob(digest)
    assert caught.value.code == "blob-missing"
    ledger.append(Draft(EntryType.DISPOSAL, body={"documents": [digest]}))
    with pytest.raises(LedgerError) as caught:
        ledger.blob(digest)
    assert caught.value.code == "blob-disposed"
    with administrator(path) as connection:  # a column that says so, where the bytes do not
        connection.execute("UPDATE log_entry SET type = 'heartbeat' WHERE type = 'disposal'")
    with pytest.raises(LedgerError) as caught:
        ledger.blob(digest)
    assert caught.value.code == "blob-missing"


@pytest.mark.parametrize("body", [{}, {"documents": 1}, {"documents": ["x", 1, {"a": 1}]}])
def test_a_body_of_another_form_disposes_of_nothing(body: dict[str, object]) -> None:
    assert disposed_documents(body) == set()
