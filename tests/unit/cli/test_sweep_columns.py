"""`policy sweep --keep`: columns that pass through, and what cannot."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.sweep_scene import findings, rejects, table
from tests.unit.fleet.tables import LEAST

Run = Callable[..., Outcome]


def test_columns_pass_through_where_they_are_asked_for(sweep: Run, tmp_path: Path) -> None:
    rows = [LEAST | {"cost_centre": "=SUM(A1)", "n": 1}, LEAST | {"cost_centre": None, "n": 2}]
    source = table(tmp_path, "parquet", rows)
    assert "unknown column `cost_centre`" in sweep(source).err
    assert not (tmp_path / "out.jsonl").exists()
    found = sweep(source, "--keep", "cost_centre", "--keep", "n", "--keep", "task.kind", to="out.csv")
    assert found.status == 0, found.err
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        (first, second) = csv.DictReader(stream)
    assert (first["cost_centre"], first["n"], first["task.kind"]) == ("'=SUM(A1)", "1", "other")
    assert (second["cost_centre"], second["n"]) == ("", "2")


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_column_without_a_name_passes_through_like_any_other(kind: str, sweep: Run, tmp_path: Path) -> None:
    """As `to_csv` of pandas writes its index; the second row has passed no check by columns."""
    odd = LEAST | {"": "8", "task.min_scores": '{"mmlu": 1e1}'}
    found = sweep(table(tmp_path, kind, [LEAST | {"": "7", "task.min_scores": "{}"}, odd]), "--keep", "")
    assert found.status == 0, found.err
    assert [row[""] for row in findings(tmp_path / "out.jsonl")] == ["7", "8"]


def test_a_number_that_cannot_be_kept_is_a_reject(sweep: Run, tmp_path: Path) -> None:
    source = table(tmp_path, "jsonl", [LEAST | {"n": {"deep": [1e300]}}])
    source.write_bytes(
        source.read_bytes() + source.read_bytes().replace(b"1e+300", b"1e999").replace(b"1e300", b"1e999")
    )
    found = sweep(source, "--keep", "n")
    assert found.status == 2
    assert [json.loads(row["n"]) for row in findings(tmp_path / "out.jsonl")] == [{"deep": [1e300]}]
    (bad,) = rejects(tmp_path / "out.jsonl")
    assert bad["reasons"][0]["message"] == "`n` holds a number that is too large to be kept"


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (["nothing"], "there is no column `nothing` to keep"),
        (["verdict"], "`verdict` cannot be kept"),
        (["row"], "`row` cannot be kept"),
        (["task.kind", "task.kind"], "kept twice"),
    ],
)
def test_columns_that_cannot_pass_through(keep: list[str], message: str, sweep: Run, tmp_path: Path) -> None:
    found = sweep(table(tmp_path, "parquet", [LEAST]), *[part for name in keep for part in ("--keep", name)])
    assert found.status == 2
    assert message in found.err
