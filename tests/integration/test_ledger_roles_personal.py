"""Personal data on a real server, by roles: the writer seals and holds, the eraser destroys, and nobody does more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from policy_audit.disposing import dispose
from policy_audit.erasing import erase_unreadable
from policy_audit.errors import HeldError, LedgerError
from policy_audit.holding import place_hold, release_hold
from policy_audit.holds import Scope
from policy_audit.ledger import Ledger
from policy_audit.rekeying import rekey
from policy_audit.retention import Period, Retention
from policy_audit.subjects import subject_access
from psycopg import errors

from tests.integration.granting import ERASER, READER, WRITER, Granted
from tests.integration.persons import ALICE, BOB, decision

REASON = "yearly"
RETENTION = Retention([Period("all", 12, "project")])
TABLES = ("personal", "subject_key", "blob", "log_entry")


@pytest.fixture
def granted(granted: Granted) -> Granted:
    """Two decisions of 2020, on alice and on bob, which the writer recorded."""
    with granted.open(WRITER, clock=lambda: datetime(2020, 1, 31, tzinfo=UTC)) as ledger:
        ledger.append_many([decision(0, ALICE, actor=BOB), decision(1, BOB)])
    return granted


def counts(granted: Granted) -> list[int]:
    with granted.store.connection() as connection:
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]


def disposal(ledger: Ledger) -> object:
    return dispose(ledger, RETENTION, lambda _: frozenset(), reason=REASON)


@pytest.mark.parametrize(
    "change",
    [
        lambda ledger: ledger.erase(ALICE, reason=REASON),
        lambda ledger: rekey(ledger, reason=REASON),
        disposal,
    ],
)
def test_the_writer_destroys_nothing(granted: Granted, change: Callable[[Ledger], object]) -> None:
    before, key = counts(granted), granted.store.personal_key.read_bytes()
    with granted.open(WRITER) as ledger:
        with pytest.raises(LedgerError) as caught:
            change(ledger)
        assert caught.value.code == "ledger-rights"
        assert counts(granted) == before
    with granted.open(WRITER) as ledger:
        assert granted.store.personal_key.read_bytes() == key
        ledger.append(decision(2, ALICE))
        assert ledger.personal(0) == {"owner": ALICE, "actor": BOB}
        assert ledger.verify().ok


def test_the_writer_holds_and_the_hold_refuses_the_eraser(granted: Granted) -> None:
    with granted.open(WRITER) as writer, granted.open(ERASER) as eraser:
        hold = place_hold(writer, Scope("subject"), reason="case 12", subject=ALICE)
        with pytest.raises(HeldError):
            eraser.erase(ALICE, reason=REASON)
        release_hold(writer, hold.id, reason="closed")
        assert eraser.erase(ALICE, reason=REASON).values == ((0, "owner"), (hold.index, "subject"))
        assert writer.personal(0) == {"actor": BOB}
        index = writer.append(decision(2, ALICE)).index
        assert eraser.personal(index) == {"owner": ALICE}, "under a key that the writer has made since"
        report = eraser.verify()
        assert report.ok, report.problems


def test_the_eraser_disposes_of_what_is_due_and_of_no_other_document(granted: Granted) -> None:
    with granted.open(ERASER) as eraser:
        assert len(eraser.erase(BOB, reason=REASON).values) == 2
        documents = [eraser.entry(0).document["blobs"][role] for role in ("decision", "rules")]
        eraser.append(decision(2, ALICE, valid_until=None))  # retains the rules
        assert disposal(eraser).values == ((0, "owner"),)  # type: ignore[attr-defined]
        with granted.connect(ERASER) as connection, pytest.raises(errors.RaiseException, match="append-only"):
            connection.execute("DELETE FROM blob WHERE digest = %s", (documents[1],))
        assert eraser.blob(documents[1]) == b"rules"
        with pytest.raises(LedgerError) as caught:
            eraser.blob(documents[0])
        assert caught.value.code == "blob-disposed"
        report = eraser.verify()
        assert report.ok, report.problems


def test_the_eraser_changes_the_key_and_the_writer_goes_on_with_the_new_one(granted: Granted) -> None:
    with granted.open(ERASER) as eraser, granted.open(WRITER) as writer:
        writer.append(decision(2, ALICE))
        rekey(eraser, reason=REASON)
        with pytest.raises(LedgerError) as caught:
            writer.append(decision(3, ALICE))
        assert caught.value.code == "personal-key-other"
    with granted.open(WRITER) as writer:
        writer.append(decision(3, ALICE))
        assert len(subject_access(writer, ALICE)) == 3
        assert writer.verify().ok


def test_the_eraser_puts_on_record_what_nobody_can_read(granted: Granted) -> None:
    granted.store.personal_key.unlink()
    with granted.open(WRITER) as writer, pytest.raises(LedgerError) as caught:
        erase_unreadable(writer, reason="the key is lost")
    assert caught.value.code == "ledger-rights"
    with granted.open(ERASER) as eraser:
        assert len(erase_unreadable(eraser, reason="the key is lost").values) == 3
        eraser.append(decision(2, ALICE))
        assert eraser.verify().ok


def test_the_reader_reads_values_with_the_personal_key_alone(granted: Granted) -> None:
    with granted.open(READER, read_only=True) as reader:
        assert reader.personal(0) == {"owner": ALICE, "actor": BOB}
    granted.store.personal_key.unlink()
    with granted.open(READER, read_only=True) as reader:
        assert reader.sealed(0) == {"owner", "actor"}
        assert reader.verify().ok
