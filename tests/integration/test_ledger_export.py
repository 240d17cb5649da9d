"""A live ledger as a folder: what is written, extended, and refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import AuditError, LedgerError, VerificationError
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.folder_report import FolderReport
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.log_folder import Exported

from tests.integration.tampering import change_byte, change_entry_and_all_that_follows_from_it
from tests.stores import Connection, Store
from tests.unit.audit.folders import failed


def beats(count: int) -> list[Draft]:
    return [Draft(EntryType.HEARTBEAT, body={"n": number}) for number in range(count)]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def verified(ledger: Ledger, folder: Path, **wanted: object) -> FolderReport:
    report = verify_folder(folder, Wanted([str(ledger.verifier_key)], **wanted))  # type: ignore[arg-type]
    assert failed(report) == {}
    return report


def test_an_export_verifies_and_is_extended(filled: Store, tmp_path: Path) -> None:
    folder, kept = tmp_path / "out", []
    with filled.open() as ledger:
        size, before = 11, 0
        for more in (0, 1, 244, 1, 255, 1, 300, 0):
            ledger.append_many(beats(more))
            size += more
            exported = ledger.export_log(folder)
            assert (exported.size, exported.continued, exported.documents) == (size, before, 0)
            assert exported.checkpoint == ledger.checkpoint() == (folder / "checkpoint").read_text(encoding="utf-8")
            kept.append((str(size), exported.checkpoint))
            report = verified(ledger, folder, kept=kept, strict=True)
            assert (report.size, report.own, report.root) == (size, size, exported.root)
            before = size
        ledger.export_log(tmp_path / "fresh")
    # what was extended is what is written at once, and partial tiles of the checkpoints between
    extended, fresh = files(folder), files(tmp_path / "fresh")
    assert all(extended[name] == data for name, data in fresh.items())
    assert all(".p/" in name for name in extended.keys() - fresh.keys())


def test_documents_are_written_once_and_stay_complete(filled: Store, tmp_path: Path) -> None:
    with filled.open() as ledger:
        assert ledger.export_log(tmp_path / "out").documents == 0
        assert ledger.export_log(tmp_path / "out", documents=True).documents == 12
        ledger.append(Draft(EntryType.HEARTBEAT, blobs={"new": b"new", "rules": b"rules"}))
        # a folder with documents gets the new ones, asked or not: without them it would not verify
        assert ledger.export_log(tmp_path / "out").documents == 1
        report = verified(ledger, tmp_path / "out", documents=True, strict=True)
        assert report.step("documents").checked == 13


def test_no_personal_value_is_exported(filled: Store, tmp_path: Path) -> None:
    with filled.open() as ledger:
        ledger.append(Draft(EntryType.HEARTBEAT, personal={"actor": "anna@acme.example"}))
        assert ledger.personal(3) == {"owner": "owner3"}
        ledger.export_log(tmp_path / "out", documents=True)
    everything = b"".join(files(tmp_path / "out").values())
    assert b"anna" not in everything
    assert b"owner3" not in everything


def test_a_ledger_in_memory_and_an_empty_one_are_exported(tmp_path: Path) -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        assert ledger.export_log(tmp_path / "out", documents=True).size == 0
        assert verified(ledger, tmp_path / "out", strict=True).size == 0
        ledger.append_many(beats(3))
        ledger.export_log(tmp_path / "out", record=lambda _: ledger.append(beats(1)[0]))
        assert verified(ledger, tmp_path / "out", strict=True).size == 3


def test_without_its_record_an_export_is_not_valid_and_is_done_again(filled: Store, tmp_path: Path) -> None:
    def refuse(exported: Exported) -> None:
        assert not (tmp_path / "out/checkpoint").exists()
        raise LedgerError("refused")

    with filled.open() as ledger:
        with pytest.raises(LedgerError, match="refused"):
            ledger.export_log(tmp_path / "out", record=refuse)
        assert not (tmp_path / "out/checkpoint").exists()
        # what a crash left behind, torn or too long, is written again
        (tmp_path / "out/tile/0/000.p/11").write_bytes(b"torn")
        (tmp_path / "out/checkpoint.new").write_bytes(b"torn")
        ledger.export_log(tmp_path / "out")
        verified(ledger, tmp_path / "out", strict=True)


def test_a_folder_of_something_else_is_refused_untouched(filled: Store, tmp_path: Path) -> None:
    with filled.open() as ledger, open_ledger("sqlite:///:memory:") as other:
        other.export_log(tmp_path / "other")
        (tmp_path / "things").mkdir()
        (tmp_path / "things/important").write_text("x", encoding="utf-8")
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken/checkpoint").write_text("x", encoding="utf-8")
        for name in ("other", "things", "broken"):
            before = files(tmp_path / name)
            with pytest.raises(LedgerError) as caught:
                ledger.export_log(tmp_path / name)
            assert caught.value.code == "export-folder"
            assert files(tmp_path / name) == before
        (tmp_path / "file").write_text("x", encoding="utf-8")
        for target in (tmp_path / "file", tmp_path / "file/below", Path("/proc/none")):
            with pytest.raises(LedgerError) as caught:
                ledger.export_log(target)
            assert caught.value.code == "export-unwritable"


@pytest.mark.parametrize("name", ["tile", "tile/0", "tile/0/000.p", "tile/0/000.p/11", "checkpoint.new", "blob"])
def test_nothing_is_written_through_a_symbolic_link(filled: Store, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).symlink_to(outside)
    with filled.open() as ledger, pytest.raises(LedgerError):
        ledger.export_log(tmp_path / "out", documents=True)
    assert list(outside.iterdir()) == []


def test_an_older_copy_of_the_ledger_does_not_extend_a_later_export(filled: Store, tmp_path: Path) -> None:
    with filled.copied(tmp_path / "copy") as copy, copy.open() as older:
        with filled.open() as ledger:
            ledger.append_many(beats(3))
            ledger.export_log(tmp_path / "out")
        before = files(tmp_path / "out")
        for more in (0, 3, 5):  # shorter, as long with other entries, longer
            older.append_many(beats(more))
            with pytest.raises(VerificationError) as caught:
                older.export_log(tmp_path / "out")
            assert caught.value.code == "other-history"
            assert files(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["tile/0/000.p/11", "tile/0/000.p"])
def test_damaged_tiles_are_not_extended(filled: Store, tmp_path: Path, name: str) -> None:
    with filled.open() as ledger:
        ledger.export_log(tmp_path / "out")
        target = tmp_path / "out" / name
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.write_bytes(bytes(352))
        ledger.append_many(beats(3))
        with pytest.raises(VerificationError, match=r"missing|do not give"):
            ledger.export_log(tmp_path / "out")


def delete(connection: Connection) -> None:
    connection.execute("DELETE FROM log_entry WHERE leaf_index = 6")


def delete_tail(connection: Connection) -> None:
    connection.execute("DELETE FROM log_entry WHERE leaf_index > 8")


def text_for_bytes(connection: Connection) -> None:
    connection.execute("UPDATE log_entry SET entry = 'text' WHERE leaf_index = 6")


def drop_document(connection: Connection) -> None:
    connection.execute("DELETE FROM blob WHERE content = ?", (b"rules",))


def change_document(connection: Connection) -> None:
    connection.execute("UPDATE blob SET content = ? WHERE content = ?", (b"forged", b"rules"))


def drop_checkpoints(connection: Connection) -> None:
    connection.execute("DELETE FROM log_checkpoint")


@pytest.mark.parametrize(
    "attack",
    [
        change_byte,
        change_entry_and_all_that_follows_from_it,
        delete,
        delete_tail,
        text_for_bytes,
        drop_document,
        change_document,
        drop_checkpoints,
    ],
)
def test_a_tampered_ledger_is_not_exported(
    filled: Store, tmp_path: Path, attack: Callable[[Connection], object]
) -> None:
    with filled.administrator() as connection:
        attack(connection)
    with filled.open(read_only=True) as ledger:
        with pytest.raises(AuditError):
            ledger.export_log(tmp_path / "out", documents=True)
        assert not (tmp_path / "out/checkpoint").exists()


def test_a_head_that_another_key_signed_is_not_exported(filled: Store, tmp_path: Path) -> None:
    from tests.integration.tampering import sign_with_another_key

    with filled.administrator() as connection:
        sign_with_another_key(connection)
    with filled.open() as ledger, pytest.raises(VerificationError):
        ledger.export_log(tmp_path / "out")


def test_what_is_exported_is_one_snapshot(filled: Store, tmp_path: Path) -> None:
    with filled.open() as ledger:
        ledger.append_many(beats(600))

        def meanwhile(done: int, total: int) -> None:
            with filled.open() as other:
                other.append_many(beats(2))

        exported = ledger.export_log(tmp_path / "out", progress=meanwhile)
        assert exported.size == 611
        assert parse_checkpoint(ledger.checkpoint()).size == 615
        verified(ledger, tmp_path / "out", strict=True)
        assert ledger.export_log(tmp_path / "out").size == 615
        verified(ledger, tmp_path / "out", kept=[("first", exported.checkpoint)], strict=True)
