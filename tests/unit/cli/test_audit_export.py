"""`policy audit export`: the folder, the entry that every export leaves, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.ledger import open_ledger

from policy_engine.asking.exporting import FORMATS
from policy_engine.cli import exporting
from tests.unit.cli.ledgers import tamper, vkey

Run = Callable[..., Any]
ACTOR = "anna.actor@acme.example"


def test_an_export_is_on_record_after_what_it_holds(policy: Run, ledger: Path, tmp_path: Path) -> None:
    found = policy("audit", "export", str(tmp_path / "out"), "-o", "json")
    assert found.status == 0, found.err
    value = found.json
    assert (value["format"], value["size"], value["continued"], value["entry"]) == ("tlog", 4, 0, 4)
    with open_ledger(f"sqlite:///{ledger}") as opened:
        entry = opened.entry(4).document
        assert opened.personal(4) == {"actor": ACTOR}
    body = {name: value[name] for name in ("format", "size", "root", "continued", "documents")}
    assert (entry["type"], entry["body"]) == ("export", body)
    assert ACTOR not in json.dumps(entry)
    report = verify_folder(tmp_path / "out", Wanted([vkey(ledger)], strict=True))
    assert (report.ok, report.size, report.root) == (True, 4, value["root"])
    assert policy("audit", "verify").status == 0


def test_a_later_export_extends_the_folder_with_documents(policy: Run, ledger: Path, tmp_path: Path) -> None:
    assert policy("audit", "export", str(tmp_path / "out")).status == 0
    found = policy("audit", "export", str(tmp_path / "out"), "--documents")
    assert found.status == 0, found.err
    assert "5, of which 4 were there already" in found.out
    assert "entry 5 records this export" in found.out
    report = verify_folder(tmp_path / "out", Wanted([vkey(ledger)], documents=True, strict=True))
    assert report.ok
    assert report.size == 5
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"acme.example" not in everything


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("gone", [True, False])
def test_without_the_key_an_export_needs_unrecorded_and_says_so(
    policy: Run, ledger: Path, tmp_path: Path, gone: bool
) -> None:
    key = ledger.with_name("ledger.db.key")
    if gone:
        key.unlink()
    else:
        key.write_text("nonsense", encoding="utf-8")
    refused = policy("audit", "export", str(tmp_path / "out"))
    assert refused.status == 6
    assert "--unrecorded exports without one" in refused.err
    assert not (tmp_path / "out").exists()
    found = policy("audit", "export", str(tmp_path / "out"), "--unrecorded")
    assert found.status == 0, found.err
    assert exporting.UNRECORDED in " ".join(found.out.split())
    value = policy("audit", "export", str(tmp_path / "out"), "--unrecorded", "-o", "json").json
    assert (value["entry"], value["size"], value["continued"]) == (None, 4, 4)


def test_a_ledger_is_never_made(policy: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    for more in ((), ("--unrecorded",)):
        found = policy("audit", "export", str(tmp_path / "out"), "--ledger", url, *more)
        assert (found.status, found.out) == (6, "")
        assert "ledger-missing" in found.err
    assert list(tmp_path.glob("none*")) == []


@pytest.mark.usefixtures("ledger")
def test_a_target_that_cannot_be_is_2(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/of").write_text("x", encoding="utf-8")
    for name, code in (("file", "export-unwritable"), ("full", "export-folder")):
        found = policy("audit", "export", str(tmp_path / name))
        assert found.status == 2
        assert f"[{code}]" in found.err
        assert "Traceback" not in found.err
    assert policy("audit", "list", "--type", "export", "-o", "json").json["entries"] == []
    assert policy("audit", "export", str(tmp_path / "out"), "--format", "none").status == 2
    assert policy("audit", "export").status == 2


def test_a_tampered_ledger_is_6_and_leaves_no_checkpoint(policy: Run, ledger: Path, tmp_path: Path) -> None:
    tamper(ledger, "DELETE FROM log_entry WHERE leaf_index = 1")
    found = policy("audit", "export", str(tmp_path / "out"))
    assert found.status == 6
    assert "[tree-changed]" in found.err
    assert not (tmp_path / "out/checkpoint").exists()


@pytest.mark.usefixtures("ledger")
def test_every_format_of_the_table_is_a_module_that_writes(policy: Run) -> None:
    from importlib import import_module

    shown = policy("audit", "export", "--help").out
    for name, (module, text) in FORMATS.items():
        assert callable(import_module(f"policy_engine.asking.{module}").write)
        assert name in shown
        assert text.split(":")[0].split(",")[0] in " ".join(shown.split())
