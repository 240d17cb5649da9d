"""The folder is put in place whole, on record, or not at all."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.records import DecisionQuery

from policy_engine.errors import InputError, UsageError
from policy_engine.exports import folder as folders
from policy_engine.exports.exporting import Order, Selection, export_decisions
from tests.unit.cli.ledgers import tamper
from tests.unit.exports.given import NOW, decision, everything, export, ledger

LEFT = {"ledger.db", "ledger.db.key", "ledger.db.key.personal", "ledger.db-wal", "ledger.db-shm"}


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "html", "oscal"])
def test_the_manifest_lists_every_file_and_is_on_record(name: str, tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(3))) as opened:
        made = export(opened, tmp_path / "out", name)
        entry = opened.entry(3).document
        assert opened.verify().ok
    out = tmp_path / "out"
    data = (out / "manifest.json").read_bytes()
    manifest = json.loads(data)
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    listed = {each["name"]: (each["bytes"], each["sha256"]) for each in manifest["files"]}
    own = {"manifest.json", "export.json", "export.tlog-proof"}
    assert listed == {key: (len(value), sha256(value).hexdigest()) for key, value in found.items() if key not in own}
    assert own < found.keys()
    assert {each["rows"] for each in manifest["files"] if "rows" in each} == {3}
    assert made.manifest == f"sha256:{sha256(data).hexdigest()}" == entry["body"]["manifest"]
    assert found["export.json"] == json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert entry["type"] == "export"
    body = {"format": name, "table": "decisions", "selected": 3, "population": 3, "size": 3, "personal": False}
    assert body.items() <= entry["body"].items()
    assert entry["body"]["root"] == manifest["checkpoint"]["root"] == made.head.checkpoint.root


@pytest.mark.parametrize("taken", ["file", "full", "link", "dangling"])
def test_nothing_takes_the_place_of_anything(taken: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if taken == "file":
        out.write_text("mine", encoding="utf-8")
    elif taken == "full":
        out.mkdir()
        (out / "mine").write_text("mine", encoding="utf-8")
    else:
        (tmp_path / "elsewhere").mkdir() if taken == "link" else None
        out.symlink_to(tmp_path / "elsewhere")
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        with pytest.raises(InputError) as error:
            export(opened, out)
        assert error.value.code == "export-folder"
        assert len(opened.list_entries()) == 1
    assert not list(tmp_path.glob(".out*"))


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        export(opened, tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").exists()


def test_what_the_ledger_refuses_is_not_handed_out(tmp_path: Path) -> None:
    def refuse(body: Any) -> Any:
        raise LedgerError("no", code="ledger-disk-full")

    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        with pytest.raises(LedgerError):
            export_decisions(opened, tmp_path / "out", Order("csv", everything(), NOW, "g"), refuse)
        assert len(opened.list_entries()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= LEFT


@pytest.mark.parametrize("at", range(1, 12))
def test_a_full_disk_leaves_nothing_half(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sync of each file in turn fails; only what comes after the record can be on record."""
    count = 0
    sync = os.fsync

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        monkeypatch.setattr(folders.os, "fsync", full)
        with pytest.raises(UsageError, match="no space left on device") as error:
            export(opened, tmp_path / "out")
        monkeypatch.undo()
        recorded = len(opened.list_entries()) > 1
        assert recorded == ("entry 1 records the export, but it was not handed out" in str(error.value))
        assert opened.verify().ok
    assert count >= at
    handed_out = (tmp_path / "out").exists()
    assert not handed_out or (tmp_path / "out" / "export.tlog-proof").exists()
    assert {path.name for path in tmp_path.iterdir()} <= LEFT | ({"out"} if handed_out else set())


def test_no_folder_to_write_into(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        for target in (tmp_path / "no" / "such" / "out", tmp_path / "ledger.db" / "out"):
            with pytest.raises(UsageError) as error:
                export(opened, target)
            assert error.value.code == "export-unwritable"
        assert len(opened.list_entries()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decision SET verdict = 'allow' WHERE leaf_index = 1",
        "UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE leaf_index = 1",
        "UPDATE log_entry SET entry = CAST(REPLACE(CAST(entry AS TEXT), 'deny', 'done') AS BLOB) WHERE leaf_index = 1",
        "DELETE FROM log_entry WHERE leaf_index = 0",
        "DELETE FROM log_entry WHERE leaf_index = 3",
        "UPDATE tag SET value = 'other' WHERE value = 'stays'",
    ],
)
@pytest.mark.parametrize("proofs", ["all", "none"])
def test_a_tampered_ledger_is_not_exported(statement: str, proofs: str, tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(4))):
        pass
    tamper(tmp_path / "ledger.db", statement)
    with ledger(tmp_path / "ledger.db") as opened:
        with pytest.raises((VerificationError, LedgerError)):
            export(opened, tmp_path / "out", proofs=proofs)
        assert not opened.list_entries(type="export")
    assert not list(tmp_path.glob("*out*"))


def test_a_checkpoint_of_another_key_is_not_exported_under(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0)):
        pass
    tamper(tmp_path / "ledger.db", "UPDATE log_checkpoint SET note = REPLACE(note, '— ', '— x') WHERE size = 1")
    with ledger(tmp_path / "ledger.db") as opened, pytest.raises(VerificationError):
        export(opened, tmp_path / "out", recorded=False)


def of_one_owner(**query: Any) -> Selection:
    """Return a selection by a person, who is not named in what is recorded."""
    return replace(everything(), wanted=DecisionQuery(owner="0@acme.example", **query))


HIDDEN = [
    ("UPDATE decision SET verdict = 'allow' WHERE leaf_index = 1", "entry 1"),
    ("UPDATE decision SET workload = 'other' WHERE leaf_index = 2", "entry 2"),
    ("DELETE FROM decision WHERE leaf_index = 1", "entry 1"),
    ("UPDATE decision SET tag_set = NULL WHERE leaf_index = 1", "entry 1"),
    ("UPDATE tag SET value = 'other' WHERE value = 'stays'", "0"),
    (
        "INSERT INTO decision SELECT 99, recorded_at, decision_id, namespace, workload, 'allow', policy_digest, "
        "catalog_digest, decided_at, workload_digest, valid_until, purpose, stage, run, tag_set FROM decision LIMIT 1",
        "99",
    ),
    ("INSERT INTO tag_set VALUES (1, X'00')", "1"),
    ("UPDATE log_entry SET type = 'hold' WHERE leaf_index = 1", "entry 1"),
    (
        "UPDATE personal SET subject = (SELECT subject FROM personal WHERE leaf_index = 2) WHERE leaf_index = 1",
        "entry 1",
    ),
    ("DROP INDEX ix_decision_verdict", "`ix_decision_verdict`"),
]


@pytest.mark.parametrize(("statement", "named"), HIDDEN)
@pytest.mark.parametrize("name", ["csv", "oscal"])
def test_what_a_forged_column_hides_keeps_a_selection_from_being_exported(
    statement: str, named: str, name: str, tmp_path: Path
) -> None:
    """What the filter selects is as it was; what it does not select was forged."""
    owners = [{"personal": {"owner": f"{n % 2}@acme.example"}} for n in range(4)]
    with ledger(tmp_path / "ledger.db", *(decision(n, verdict="deny", **owners[n]) for n in range(4))):
        pass
    tamper(tmp_path / "ledger.db", statement)
    wanted = of_one_owner(verdicts=("deny",))
    with ledger(tmp_path / "ledger.db") as opened:
        with pytest.raises(VerificationError) as caught:
            export(opened, tmp_path / "out", name, selection=wanted)
        assert named in caught.value.message
        assert not opened.list_entries(type="export")
    assert not list(tmp_path.glob("*out*"))


def test_a_person_is_found_whatever_was_erased_of_others(tmp_path: Path) -> None:
    owners = [{"personal": {"owner": f"{n % 2}@acme.example"}} for n in range(4)]
    with ledger(tmp_path / "ledger.db", *(decision(n, **owners[n]) for n in range(4))) as opened:
        opened.erase("1@acme.example", reason="asked for")
        found = export(opened, tmp_path / "out", "jsonl", selection=of_one_owner())
        assert found.rows == 2
