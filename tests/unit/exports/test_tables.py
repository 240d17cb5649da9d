"""The tables: what hostile text becomes, and that what is read back is what was on record."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from policy_engine.errors import UsageError
from policy_engine.exports import csv_table, parquet
from policy_engine.exports.decisions import COLUMNS
from policy_engine.reports.report import Column
from tests.unit.exports.given import HOSTILE, NUL, decision, export, ledger

FORMULA = tuple("=+-@\t\r＝＋－＠")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports in every format of decisions with hostile names; an administrator's, since workload files refuse them."""
    folder = tmp_path_factory.mktemp("exported")
    tags = {"rule": ["=cmd|' /C calc'!A0", "semi;colon"], "model": ["m\n1"]}
    commits = (NUL, *HOSTILE[1:])
    drafts = [decision(n, workload=text, commit=commits[n], tags=tags) for n, text in enumerate(HOSTILE)]
    with ledger(folder / "ledger.db", *drafts) as opened:
        for name in ("csv", "jsonl", "parquet", "html"):
            export(opened, folder / name, name)
    return folder


def test_json_lines_hold_exact_values(exported: Path) -> None:
    lines = (exported / "jsonl" / "decisions.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["workload"] for row in rows] == list(HOSTILE)
    assert [row["index"] for row in rows] == list(range(len(HOSTILE)))
    assert rows[0]["rules"] == ["=cmd|' /C calc'!A0", "semi;colon"]
    assert (rows[0]["valid_until"], rows[1]["valid_until"]) == (None, "2027-01-31T00:00:00.000000Z")
    assert all(
        line == json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        for line, row in zip(lines, rows, strict=True)
    )


def test_parquet_has_types_and_exact_values(exported: Path) -> None:
    found = pyarrow.parquet.read_table(exported / "parquet" / "decisions.parquet")
    assert found["workload"].to_pylist() == list(HOSTILE)
    types = {field.name: str(field.type) for field in found.schema}
    assert types["recorded_at"] == types["valid_until"] == "timestamp[us, tz=UTC]"
    assert (types["index"], types["rules"], types["verdict"]) == ("int64", "list<element: string>", "string")
    assert found["recorded_at"][0].as_py().isoformat() == "2026-01-31T12:00:00+00:00"
    note = (exported / "parquet" / "checkpoint").read_bytes()
    assert found.schema.metadata[b"policy-audit.checkpoint"] == note


def test_csv_holds_no_formula_and_reads_back(exported: Path) -> None:
    data = (exported / "csv" / "decisions.csv").read_bytes()
    assert b"\x00" not in data
    assert data.count(b"\r\n") == len(HOSTILE) + 1
    rows = list(csv.DictReader((exported / "csv" / "decisions.csv").open(encoding="utf-8", newline="")))
    for row, text in zip(rows, HOSTILE, strict=True):
        assert not row["workload"].lstrip().startswith(FORMULA)
        expected = text if text.isprintable() or text == "two\nlines" else csv_table.printable(text)
        assert csv_table.plain_text(row["workload"]) == expected
        assert csv_table.plain_text(row["rules"]) == "=cmd|' /C calc'!A0; semi\\;colon"
    assert [row["index"] for row in rows] == [str(n) for n in range(len(HOSTILE))]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_holds_no_formula_where_an_edition_splits_elsewhere(exported: Path, separator: str) -> None:
    lines = (exported / "csv" / "decisions.csv").read_text(encoding="utf-8").splitlines()
    cells = [cell.strip().strip('"') for line in lines for cell in line.split(separator)]
    assert not [cell for cell in cells[1:] if cell.startswith(FORMULA)]


def test_csv_numbers_stay_numbers() -> None:
    assert csv_table.cell_text(-5, "count") == "-5"
    assert csv_table.cell_text("-5", "text") == "'-5"
    assert (csv_table.cell_text(True, "flag"), csv_table.cell_text(None, "text")) == ("yes", "")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def page_tags(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    parser = _Page()
    parser.feed(text)
    yield from parser.tags


def test_the_page_has_no_markup_of_strangers_and_nothing_from_elsewhere(exported: Path) -> None:
    text = (exported / "html" / "decisions.html").read_text(encoding="utf-8")
    tags = list(page_tags(text))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in text
    assert {name for name, _ in tags} <= set(
        "html head meta title style body h1 h2 dl dt dd table caption thead tbody tr th td pre p".split()
    )
    assert not [attrs for _, attrs in tags if {"href", "src", "onload", "style"} & attrs.keys()]
    assert "url(" not in text
    assert "@import" not in text
    assert "\u202e" not in text
    assert "\\u202eevil" in text
    policy = next(attrs["content"] for name, attrs in tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_the_page_is_accessible_and_prints(exported: Path) -> None:
    text = (exported / "html" / "decisions.html").read_text(encoding="utf-8")
    tags = list(page_tags(text))
    assert ("html", {"lang": "en"}) in tags
    assert sum(name == "caption" for name, _ in tags) == sum(name == "table" for name, _ in tags) == 2
    assert all(attrs.get("scope") in ("col", "row") for name, attrs in tags if name == "th")
    assert "size: A4" in text
    assert "counter(page)" in text
    assert "✗ deny" in text
    for name in ("checkpoint", "entries/0.json", "proofs/0.tlog-proof"):
        assert f'<th scope="row">{name}</th>' in text
    assert "Not printed, but in the other formats: decided_at" in text


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        with pytest.raises(UsageError) as error:
            export(opened, tmp_path / "out", "parquet")
        assert (error.value.code, error.value.help) == ("extra-missing", "pip install policy-engine[parquet]")
        assert len(opened.list_entries()) == 1, "an export that was not made is on record"
    assert not list(tmp_path.glob("*out*"))


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS_IN_GROUP", 2)
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(5))) as opened:
        export(opened, tmp_path / "out", "parquet")
    path = tmp_path / "out" / "decisions.parquet"
    assert pyarrow.parquet.ParquetFile(path).metadata.num_row_groups == 3
    monkeypatch.setattr(parquet, "ROWS_IN_GROUP", 1)
    with path.open("rb") as stream, pytest.raises(ValueError, match="larger than exports have them"):
        list(parquet.read_rows(stream, COLUMNS, 1 << 20))


@pytest.mark.parametrize("module", [parquet, csv_table])
def test_what_is_no_table_is_refused(module: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\x00 nonsense")
    with (tmp_path / "x").open("rb") as stream, pytest.raises(ValueError, match=r".+"):
        list(module.read_rows(stream, (Column("a"),), 1 << 20))
