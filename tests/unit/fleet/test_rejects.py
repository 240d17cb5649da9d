"""Rejects say what stood in the source, as it stood there, in the source's order."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from policy_engine.fleet.rejects import Rejects, refusal
from policy_engine.fleet.yaml_rows import document_text
from tests.property.worlds import shipped
from tests.unit.fleet.reading import read
from tests.unit.fleet.tables import LEAST, csv_text, jsonl

LONG = "123456789012345678901234567890"


def lines(path: Path, rejects: Rejects) -> list[dict[str, object]]:
    rejects.close()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_is_refused_late_stands_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    rejects = Rejects(path)
    for number in (3, 7, 9, 1, 8, 2):
        rejects.add({"row": number}, refusal(f"the reason of {number}"), "x" * number, number)
    found = lines(path, rejects)
    assert [each["place"] for each in found] == [{"row": number} for number in (1, 2, 3, 7, 8, 9)]
    assert [each["given"] for each in found] == ["x" * number for number in (1, 2, 3, 7, 8, 9)]
    assert (rejects.count, rejects.first) == (6, "1: the reason of 1")
    rejects.close()
    assert [path.name for path in tmp_path.iterdir()] == ["rejects.jsonl"]


def test_a_line_of_json_is_shown_digit_by_digit(tmp_path: Path) -> None:
    bad = json.dumps(LEAST)[:-1] + f', "volume.requests_per_day": {LONG}, "budget.monthly_usd": 1e999, "task.kind": 1}}'
    bad = bad.replace('"task.kind": "other", ', "")
    source = tmp_path / "t.jsonl"
    source.write_bytes(bad.encode() + b"\n" + jsonl([LEAST]))
    with_place = read(source, shipped())
    assert len(with_place.rows) == 1
    assert any(f"is `{LONG}`, above" in why for why in with_place.why)
    text = json.dumps(with_place.rejects[0]["given"])
    assert LONG in text
    assert "Infinity" in text, "what Python's JSON makes of 1e999, and no null"


def test_cells_of_csv_are_shown_as_text(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    bad = LEAST | {"volume.requests_per_day": LONG, "budget.monthly_usd": "1e999", "task.batch": "yes"}
    source.write_bytes(csv_text([bad, LEAST]))
    found = read(source, shipped(), recorded=True)
    assert [row["row"] for row in found.rows] == [3]
    assert found.rejects[0]["given"] == bad
    assert found.rejects[0]["place"] == {"file": str(source), "line": 2}


def test_numbers_that_are_none_are_shown_by_name(tmp_path: Path) -> None:
    source = tmp_path / "t.parquet"
    numbers = [float("nan"), float("inf"), float("-inf")]
    pl.DataFrame({name: [value] * 3 for name, value in LEAST.items()} | {"budget.monthly_usd": numbers}).write_parquet(
        source
    )
    found = read(source, shipped())
    assert [each["given"]["budget.monthly_usd"] for each in found.rejects] == ["NaN", "Infinity", "-Infinity"]


def test_a_bad_document_is_shown_as_its_text(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    bad = "kind: Workload\nmetadata: {name: zwölf}\n# to the end"
    (folder / "a.yaml").write_text(f"# first\n---\nkind: Other\n--- \n{bad}\n", encoding="utf-8")
    (folder / "b.yaml").write_bytes(b"kind: \xff")
    first, second, third = read(folder, shipped()).rejects
    assert (first["place"]["document"], first["given"]) == (1, "kind: Other")
    assert (second["place"]["document"], second["given"].strip()) == (2, bad)
    assert third["given"] == "kind: \\xff"


def test_the_text_of_a_document() -> None:
    assert document_text(b"a: 1\n---\nb: |\n  ---\n  x\n---\n", 1) == "a: 1"
    assert document_text(b"a: 1\n---\nb: |\n  ---\n  x\n---\n", 2) == "b: |\n  ---\n  x"
    assert document_text(b"%YAML 1.2\n--- {a: 1}\n--- \n", 1).strip() == "{a: 1}"
    assert document_text(b"a: 1", 5) == "a: 1"
