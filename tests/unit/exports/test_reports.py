"""Reports are exported by the same writers, with proofs of the entries that their rows name."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from policy_audit.checkpoint import parse_checkpoint

from policy_engine.asking.export_tables import write_report
from policy_engine.asking.exporting import Asked
from policy_engine.exports.check import Pinned, check_export
from policy_engine.exports.writing import export_report
from policy_engine.reports.report import Bound, Column, Period, Query, Report
from tests.unit.exports.given import NOW, SIGNER, decision, ledger, put

COLUMNS = (Column("entry", "entry"), Column("who"), Column("when", "time"), Column("n", "count"), Column("ok", "flag"))


def report(note: str, *rows: tuple[object, ...]) -> Report:
    checkpoint = parse_checkpoint(note)
    return Report(
        name="waiver-register",
        title="Waivers <all>",
        query=Query(
            "waivers of olga.owner@acme.example", "policy audit report waivers --owner olga.owner@acme.example"
        ),
        period=Period("2026-01-01T00:00:00.000000Z", None),
        population=5,
        counted="waivers",
        checkpoint=Bound(note, checkpoint.origin, checkpoint.size, checkpoint.root.hex()),
        columns=COLUMNS,
        rows=rows,  # type: ignore[arg-type]
        generated_at=NOW,
        summary=(("Active", 1),),
        remarks=("what is not <proven>",),
    )


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "html"])
def test_a_report_is_exported_under_its_own_checkpoint(name: str, tmp_path: Path) -> None:
    rows = (
        (2, "=olga", "2026-01-31T12:00:00.000000Z", -3, True),
        (0, None, None, None, False),
        (2, "b", None, 1, None),
    )
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(3))) as opened:
        made = report(opened.checkpoint(), *rows)
        opened.append(decision(9))
        done = export_report(opened, tmp_path / "out", name, made, put(opened, name), personal=True, generator="g")
        entry = opened.entry(4)
        assert opened.verify().ok
    found = check_export(tmp_path / "out", Pinned([SIGNER.verifier_key], SIGNER.name))
    assert [(step.name, step.status, step.checked) for step in found.steps] == [
        ("manifest", "passed", 6),
        ("checkpoint", "passed", 1),
        ("record", "passed", 1),
        ("proofs", "passed", 2),
        ("rows", "skipped", 0),
    ]
    assert found.ok
    assert (done.rows, done.head.checkpoint.size) == (3, 3)
    # the query can name a person, and an entry can never be mended
    assert b"olga" not in entry.raw
    assert entry.document["body"]["personal"] is True
    assert (tmp_path / "out" / f"waiver-register.{name}").exists()


def test_the_command_line_writes_reports(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        made = report(opened.checkpoint(), (0, "a", None, 1, True))
        asked = Asked(opened, tmp_path / "out", False, None, put(opened), "csv", True, {"proofs": "all"})
        found = write_report(asked, made)
        assert opened.entry(1).document["body"]["table"] == "waiver-register"
    assert (found.value["rows"], found.value["size"]) == (1, 1)


def test_cells_of_all_kinds(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        made = report(opened.checkpoint(), (0, "=olga", "2026-01-31T12:00:00.000000Z", -3, True))
        for name in ("csv", "jsonl", "html"):
            export_report(opened, tmp_path / name, name, made, None, generator="g")
    with (tmp_path / "csv" / "waiver-register.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream))[1] == ["0", "'=olga", "2026-01-31T12:00:00.000000Z", "-3", "yes"]
    line = json.loads((tmp_path / "jsonl" / "waiver-register.jsonl").read_bytes())
    assert line == {"entry": 0, "who": "=olga", "when": "2026-01-31T12:00:00.000000Z", "n": -3, "ok": True}
    page = (tmp_path / "html" / "waiver-register.html").read_text(encoding="utf-8")
    assert "<dt>Active</dt><dd>1</dd>" in page
    assert "<li>what is not &lt;proven&gt;</li>" in page
    assert "Waivers &lt;all&gt;" in page
