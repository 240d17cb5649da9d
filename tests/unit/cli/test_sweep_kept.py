"""What `policy sweep` passes through and where it writes: what cannot work is refused before anything is decided."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from policy_engine.cli.main import UNEXPECTED, call
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import AT
from tests.unit.cli.sweep_scene import findings
from tests.unit.fleet.tables import LEAST

Run = Callable[..., Outcome]
ROOT = Path(__file__).parents[3]


def kept(folder: Path, policy: Run, column: pl.Series, target: str = "out.jsonl", name: str = "mine") -> Outcome:
    """Sweep a table of one row that keeps a column."""
    source = folder / "t.parquet"
    pl.DataFrame({each: [value] for each, value in LEAST.items()} | {name: column}).write_parquet(source)
    return policy("sweep", str(source), "--to", str(folder / target), "--keep", name, *AT)


NO_TEXT = [
    pl.Series([b"\xff"]),
    pl.Series([timedelta(1)]),
    pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
    pl.Series([[b"\xff"]]),
    pl.Series([{"a": {"b": b"\xff"}}]),
]


@pytest.mark.parametrize("column", NO_TEXT, ids=[str(each.dtype) for each in NO_TEXT])
@pytest.mark.parametrize("target", ["out.csv", "out.jsonl"])
def test_what_no_text_file_holds_is_not_kept_in_one(
    tmp_path: Path, policy: Run, column: pl.Series, target: str
) -> None:
    found = kept(tmp_path, policy, column, target)
    assert found.status == 2
    assert "the column `mine` is of type" in found.err
    assert "write the findings as Parquet" in found.err
    assert not (tmp_path / target).exists()


@pytest.mark.parametrize("column", NO_TEXT, ids=[str(each.dtype) for each in NO_TEXT])
def test_parquet_holds_them(tmp_path: Path, policy: Run, column: pl.Series) -> None:
    assert kept(tmp_path, policy, column, "out.parquet").status == 0
    assert pl.read_parquet(tmp_path / "out.parquet")["mine"].to_list() == column.to_list()


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (pl.Series([{"a": [1, None]}]), {"a": [1, None]}),
        (pl.Series([[date(2026, 1, 2)]]), ["2026-01-02"]),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), 2**64 - 1),
    ],
)
def test_what_text_holds_is_kept_in_it(tmp_path: Path, policy: Run, column: pl.Series, told: Any) -> None:
    assert kept(tmp_path, policy, column).status == 0
    assert findings(tmp_path / "out.jsonl")[0]["mine"] == told


@pytest.mark.parametrize("name", ["decision", "entry", "verdict", "fired_0"])
def test_a_column_that_the_findings_have_is_not_kept(tmp_path: Path, policy: Run, name: str) -> None:
    found = kept(tmp_path, policy, pl.Series(["forged"]), name=name)
    assert found.status == 2
    assert f"`{name}` cannot be kept: the findings have columns of their own by that name" in found.err


@pytest.mark.parametrize("option", [("--to", "-", "--format", "csv"), ("--to", "out.csv", "--rejects", "-")])
def test_standard_output_is_no_file(
    tmp_path: Path, policy: Run, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "t.parquet"
    pl.DataFrame({each: [value] for each, value in LEAST.items()}).write_parquet(source)
    found = policy("sweep", str(source), *option, *AT)
    assert found.status == 2
    assert "`-` is none" in found.err
    assert not (tmp_path / "-").exists()
    assert not (tmp_path / "out.csv").exists()


def test_a_panic_is_one_line_and_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Polars' own panics are no `Exception`; a status of 1 would read as a deny."""
    from policy_engine.fleet import sweeping

    def panic(order: object) -> None:
        raise pl.exceptions.PanicException("called on an error")

    assert not issubclass(pl.exceptions.PanicException, Exception)
    monkeypatch.setattr(sweeping, "sweep", panic)
    source = tmp_path / "t.parquet"
    pl.DataFrame({each: [value] for each, value in LEAST.items()}).write_parquet(source)
    assert call(["sweep", str(source), "--to", str(tmp_path / "out.csv"), *AT]) == UNEXPECTED
    error = capsys.readouterr().err
    assert "error: unexpected PanicException: called on an error [unexpected]" in error
    assert "Traceback" not in error


def test_the_first_table_of_the_readme_is_one(tmp_path: Path, policy: Run) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    source = tmp_path / "fleet.csv"
    source.write_text(text.partition("```csv\n")[2].partition("```")[0], encoding="utf-8")
    found = policy("sweep", str(source), "--to", str(tmp_path / "out.jsonl"), *AT)
    assert found.status == 0, found.err
    assert [row["workload.name"] for row in findings(tmp_path / "out.jsonl")] == ["triage", "drafts"]
    assert {row["conflict"] for row in findings(tmp_path / "out.jsonl")} == {False}
