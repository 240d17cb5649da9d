"""An older copy of a ledger that is put back under a program, or between two openings: it is not gone on with."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from policy_audit import appending
from policy_audit.appending import check_revision
from policy_audit.checkpoint import open_checkpoint
from policy_audit.errors import LedgerError
from policy_audit.keys import generate_signer
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.remembered import Head, Remembered
from policy_audit.restoring import restore_draft

from tests.stores import Store, sqlite_store

NOTE = Draft(EntryType.HEARTBEAT, body={})


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return sqlite_store(tmp_path)


def grow(store: Store, count: int, remembered: Remembered | None = None) -> None:
    """Append so many, each in a commit of its own."""
    with store.open(remembered=remembered) as ledger:
        for _ in range(count):
            ledger.append(NOTE)


def backup(store: Store) -> Callable[[], None]:
    """Return what puts the ledger back to what it is now; nobody has it open at either time."""
    assert store.path is not None
    path, copy = store.path, store.path.with_suffix(f".{len(list(store.path.parent.iterdir()))}")
    shutil.copy(path, copy)

    def restore() -> None:
        for each in path.parent.glob(f"{path.name}-*"):
            each.unlink()
        shutil.copy(copy, path)

    return restore


def restored(store: Store) -> None:
    with store.open() as ledger:
        ledger.append(restore_draft(ledger, "a copy", "the disk failed", []))


@contextmanager
def refusing(store: Store, remembered: Remembered, code: str = "ledger-rolled-back") -> Iterator[Ledger]:
    with store.open(remembered=remembered) as ledger:
        asks: list[Callable[[], Any]] = [lambda: ledger.append(NOTE), ledger.checkpoint, lambda: ledger.latest(["x"])]
        for ask in asks:
            with pytest.raises(LedgerError) as caught:
                ask()
            assert caught.value.code == code
        yield ledger


def test_an_older_copy_is_refused_until_a_restore_is_on_record(place: Store) -> None:
    told: list[tuple[Head, Head]] = []
    remembered = Remembered(restored=lambda *both: told.append(both))
    grow(place, 1, remembered)
    restore = backup(place)
    grow(place, 3, remembered)
    restore()
    with refusing(place, remembered):
        assert not told
        restored(place)
    # what whoever remembers the old epoch knows beside the head is of a history that is lost
    with refusing(place, remembered, "ledger-restored"):
        pass
    assert [(before.size, now.size) for before, now in told] == [(4, 2)]
    grow(place, 1, Remembered())


def test_a_restore_that_was_known_explains_none_that_comes_after(place: Store) -> None:
    grow(place, 1)
    restored(place)
    remembered = Remembered()
    again = backup(place)
    grow(place, 2, remembered)
    again()
    with refusing(place, remembered):
        pass


def test_a_history_that_went_on_from_an_older_copy_is_refused_however_large(place: Store) -> None:
    remembered = Remembered()
    grow(place, 1)
    restore = backup(place)
    grow(place, 2, remembered)
    restore()
    grow(place, 2)
    with refusing(place, remembered):
        pass
    grow(place, 2)
    with refusing(place, remembered):
        pass


def test_who_only_reads_remembers_as_well(place: Store) -> None:
    remembered = Remembered()
    grow(place, 1)
    restore = backup(place)
    grow(place, 1)
    with place.open(remembered=remembered) as ledger:
        ledger.checkpoint()
    restore()
    with refusing(place, remembered):
        pass


def test_processes_share_what_they_know(place: Store, tmp_path: Path) -> None:
    shared = tmp_path / "head"
    one, other = Remembered(shared), Remembered(shared)
    grow(place, 1, one)
    restore = backup(place)
    grow(place, 2, one)
    grow(place, 2, other)
    restore()
    for each in (one, other, Remembered(shared)):
        with refusing(place, each):
            pass
    restored(place)
    for each in (one, other):
        with refusing(place, each, "ledger-restored"):
            pass
    one, other = Remembered(shared), Remembered(shared)
    grow(place, 1, one)
    grow(place, 1, other)
    assert Remembered(shared).floor() == one.floor() == other.floor()


def test_who_shares_what_is_known_is_told_of_a_restore_that_another_met(place: Store, tmp_path: Path) -> None:
    shared = tmp_path / "head"
    with place.open(remembered=Remembered(shared)) as one, place.open(remembered=Remembered(shared)) as other:
        one.append(NOTE)
        other.append(NOTE)
        restored(place)  # onto what there is: nothing was lost, which neither can tell
        for ledger in (one, other, one):
            with pytest.raises(LedgerError) as caught:
                ledger.append(NOTE)
            assert caught.value.code == "ledger-restored"
    grow(place, 1, Remembered(shared))


FORGED = {
    "a row beyond the tree": "INSERT INTO log_entry (leaf_index, type, recorded_at, leaf_hash, entry) "
    "SELECT 1000000, 'restore', recorded_at, leaf_hash, entry FROM log_entry WHERE leaf_index = 0",
    "another type of an entry": "UPDATE log_entry SET type = 'restore' WHERE leaf_index = 0",
    "another entry": "UPDATE log_entry SET type = 'restore', entry = CAST('{\"type\":\"restore\"}' AS BLOB) "
    "WHERE leaf_index = 0",
}


@pytest.mark.parametrize("how", FORGED)
def test_what_only_says_that_it_is_a_restore_opens_nothing(place: Store, how: str) -> None:
    remembered = Remembered()
    grow(place, 1, remembered)
    restore = backup(place)
    grow(place, 3, remembered)
    restore()
    with place.administrator() as connection:
        connection.execute(FORGED[how])
    with refusing(place, remembered):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b'["a"]', b"[1, 2, 3, 4]", b"\xff"])
def test_a_file_that_says_nothing_keeps_nobody_from_knowing(place: Store, tmp_path: Path, content: bytes) -> None:
    shared = tmp_path / "head"
    shared.write_bytes(content)
    grow(place, 2, Remembered(shared))
    floor = Remembered(shared).floor()
    assert floor is not None
    assert floor.size == 2


def test_another_ledger_is_not_gone_on_with(place: Store, tmp_path: Path) -> None:
    remembered = Remembered()
    grow(place, 1, remembered)
    (tmp_path / "other").mkdir()
    other = sqlite_store(tmp_path / "other")
    grow(other, 3)
    with refusing(other, remembered, "ledger-replaced"):
        pass


def test_a_database_that_is_put_back_under_an_open_ledger_is_refused(server_database: Store) -> None:
    server, name = server_database.server, server_database.database
    assert server is not None
    with server_database.open(remembered=Remembered()) as ledger:
        ledger.append(NOTE)
        _cut(server_database)
        older = server.create(name)
        try:
            ledger.append(NOTE)
            _cut(server_database)
            with server.connect() as admin:
                admin.execute(f"ALTER DATABASE {name} RENAME TO {name}_newer")
                admin.execute(f"ALTER DATABASE {older} RENAME TO {name}")
            asks: list[Callable[[], Any]] = [lambda: ledger.append(NOTE), ledger.checkpoint, ledger.check_schema]
            for ask in asks:
                with pytest.raises(LedgerError) as caught:
                    ask()
                assert caught.value.code == "ledger-rolled-back"
            restored(server_database)
            for ask in asks:
                with pytest.raises(LedgerError) as caught:
                    ask()
                assert caught.value.code == "ledger-restored"
            with server_database.open(remembered=Remembered()) as again:
                assert again.append(NOTE).index == 2
        finally:
            server.drop(f"{name}_newer")
            server.drop(older)


def _cut(store: Store) -> None:
    assert store.server is not None
    with store.server.connect() as admin:
        where = f"datname = '{store.database}'"
        admin.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {where}")


@pytest.mark.parametrize(("found", "code"), [("0001", "ledger-not-migrated"), ("9999", "ledger-newer")])
def test_an_older_schema_is_not_called_newer(found: str, code: str) -> None:
    with pytest.raises(LedgerError) as caught:
        check_revision([(found,)])
    assert caught.value.code == code
    assert ("db upgrade" in str(caught.value)) == (code == "ledger-not-migrated")


def test_nobody_who_opens_a_ledger_once_is_held_to_anything(place: Store) -> None:
    with open_ledger(place.url, key_path=place.key) as ledger:
        assert ledger.append(NOTE).index == 0


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The notes whose signatures were verified before this test appended something.

    Servers that other tests left running in this process append in threads of their own.
    """
    notes: list[str] = []
    own = threading.get_ident()

    def noting(note: str, *given: Any) -> Any:
        if threading.get_ident() == own:
            notes.append(note)
        return open_checkpoint(note, *given)

    monkeypatch.setattr(appending, "open_checkpoint", noting)
    return notes


def test_what_a_process_beside_signed_is_not_verified_again(place: Store, tmp_path: Path, verified: list[str]) -> None:
    shared = tmp_path / "head"
    grow(place, 1)
    with place.open(remembered=Remembered(shared)) as one, place.open(remembered=Remembered(shared)) as other:
        one.append(NOTE)
        verified.clear()
        for ledger in (other, one, other, other, one):
            ledger.append(NOTE)
        assert not verified
        grow(place, 1)
        verified.clear()
        one.append(NOTE)
        assert len(verified) == 1
    with place.open(remembered=Remembered()) as alone:
        alone.append(NOTE)
    assert len(verified) == 2


@pytest.mark.parametrize("where", ["text", "signature"])
def test_another_note_than_the_one_that_it_signed_is_not_believed(place: Store, tmp_path: Path, where: str) -> None:
    shared = tmp_path / "head"
    with place.open(remembered=Remembered(shared)) as one, place.open(remembered=Remembered(shared)) as other:
        one.append(NOTE)
        note = one.checkpoint()
        forged = note.replace("\n\n", "\nmore\n\n") if where == "text" else note[:-8] + "AAAAAA=\n"
        assert forged != note
        with place.administrator() as connection:
            connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = 1", (forged,))
        with pytest.raises(LedgerError) as caught:
            other.append(NOTE)
        assert caught.value.code == "ledger-tampered"


def test_who_has_a_key_that_was_rotated_away_appends_nothing_after_those_beside(place: Store, tmp_path: Path) -> None:
    shared = tmp_path / "head"
    with place.open(remembered=Remembered(shared)) as one, place.open(remembered=Remembered(shared)) as other:
        one.append(NOTE)
        other.append(NOTE)
        one.rotate_key(generate_signer(one.origin))
        one.append(NOTE)
        with pytest.raises(LedgerError) as caught:
            other.append(NOTE)
        assert caught.value.code == "signing-key-rotated"
        assert one.append(NOTE).index == 4
