"""Parquet as other programs write it: types that say the same are taken, others are an error of the source."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench.fleet_rows import fleet, source
from policy_engine.errors import InputError
from tests.property.worlds import shipped
from tests.unit.fleet.reading import read
from tests.unit.fleet.tables import LEAST

BASE = {name: [value] * 3 for name, value in LEAST.items()}


def table(folder: Path, **columns: Any) -> Path:
    path = folder / "t.parquet"
    pl.DataFrame(BASE | columns).write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "column", "values"),
    [
        ("team.ml_engineers", pl.Series([1, None, 3], dtype=pl.Int8), [1, None, 3]),
        ("team.ml_engineers", pl.Series([1, None, 3], dtype=pl.UInt64), [1, None, 3]),
        ("budget.monthly_usd", pl.Series([1, None, 3], dtype=pl.Int32), [1.0, None, 3.0]),
        ("budget.monthly_usd", pl.Series([0.5, None, 3], dtype=pl.Float32), [0.5, None, 3.0]),
        ("task.quality", pl.Series(["high", None, "best"], dtype=pl.Categorical), ["high", None, "best"]),
        ("task.quality", pl.Series(["high", None, "best"], dtype=pl.Enum(["high", "best"])), ["high", None, "best"]),
        ("data.residency", pl.Series([["eu"], None, ["us"]], dtype=pl.List(pl.Categorical)), [["eu"], None, ["us"]]),
        ("data.residency", pl.Series([["eu"], ["us"], ["us"]], dtype=pl.Array(pl.String, 1)), [["eu"], ["us"], ["us"]]),
        ("team.ml_engineers", pl.Series([1.0, None, 3.0]), [1, None, 3]),
        ("data.residency", pl.Series(["eu; us", None, '["us"]']), [["eu", "us"], None, ["us"]]),
        ("data.regulations", pl.Series(["[]", None, "gdpr"], dtype=pl.Categorical), [[], None, ["gdpr"]]),
        ("task.batch", pl.Series([None, None, None], dtype=pl.Null), [None, None, None]),
    ],
)
def test_types_that_say_the_same(tmp_path: Path, name: str, column: pl.Series, values: list[Any]) -> None:
    found = read(table(tmp_path, **{name: column}), shipped())
    assert [row[name] for row in found.rows] == values
    assert found.rejects == []


def test_dates_of_evidence(tmp_path: Path) -> None:
    until = pl.Series([date(2026, 11, 23), date(2026, 11, 24), None])
    given = {"evidence.dpa": ["A", "A", "A"], "evidence.dpa.valid_until": until}
    assert [row["evidence.dpa"] for row in read(table(tmp_path, **given), shipped()).rows] == [0, 1, 1]


@pytest.mark.parametrize(
    ("name", "values", "wants"),
    [
        ("team.ml_engineers", ["1", "2", "3"], "integers"),
        ("team.ml_engineers", [True, False, True], "integers"),
        ("task.batch", ["true", "false", "true"], "booleans"),
        ("task.batch", [1, 0, 1], "booleans"),
        ("task.quality", [1, 2, 3], "strings"),
        ("data.residency", [1, 2, 3], "lists of strings"),
        ("data.residency", [[1], [2], [3]], "lists of strings"),
        ("hardware", [["h"]] * 3, "strings that hold JSON"),
        ("budget.monthly_usd", [True, False, True], "numbers"),
    ],
)
def test_other_types_are_an_error_of_the_source(tmp_path: Path, name: str, values: list[Any], wants: str) -> None:
    with pytest.raises(InputError, match=rf"the column `{name}` is of type .*, and wants {wants}"):
        read(table(tmp_path, **{name: values}), shipped())


def test_numbers_that_no_column_holds_are_rejects(tmp_path: Path) -> None:
    given = {
        "volume.requests_per_day": pl.Series([2**64 - 1, 2**53, 7], dtype=pl.UInt64),
        "budget.monthly_usd": [1.0, float("nan"), float("inf")],
    }
    found = read(table(tmp_path, **given), shipped())
    assert [each["place"]["row"] for each in found.rejects] == [1, 2, 3]
    assert "above 9,007,199,254,740,991" in found.why[0]
    assert "18446744073709551615" in found.why[0]


@pytest.mark.parametrize("name", ["data.residency", "data.regulations", "task.modalities"])
def test_a_null_in_a_list_is_a_reject(tmp_path: Path, name: str) -> None:
    good = {"data.residency": "eu", "data.regulations": "gdpr", "task.modalities": "text"}[name]
    found = read(table(tmp_path, **{name: [[good], [good, None], [None]]}), shipped())
    assert [row["row"] for row in found.rows] == [1]
    assert [each["place"]["row"] for each in found.rejects] == [2, 3]


def test_the_place_of_a_reject_is_its_row_and_the_row_is_shown(tmp_path: Path) -> None:
    path = table(tmp_path, **{"task.kind": ["other", "chat", "coding"], "mine": [1, 2, 3]})
    found = read(path, shipped(), keep=("mine",))
    assert [(row["row"], row["mine"]) for row in found.rows] == [(1, 1), (3, 3)]
    (reject,) = found.rejects
    assert (reject["given"], reject["reasons"][0]["code"]) == (
        LEAST | {"task.kind": "chat", "mine": 2},
        "workload-choice",
    )
    assert reject["place"] == {"file": str(path), "row": 2}
    assert found.why == ["`task.kind` cannot be `chat`"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_no_parquet_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read(path, shipped())


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="cannot be read"):
        read(path, shipped())


def test_a_name_with_signs_of_a_pattern_is_a_name(tmp_path: Path) -> None:
    path = table(tmp_path).rename(tmp_path / "t[1]*.parquet")
    assert len(read(path, shipped()).rows) == 3


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame(BASE).clear().write_parquet(path)
    assert read(path, shipped()) == (0, [], [])


def test_whole_numbers_that_pandas_made_doubles_and_others(tmp_path: Path) -> None:
    """A whole one is taken, in a row that is looked at by itself, too; what is none is a reject that shows it."""
    given = {"team.ml_engineers": [2.0, 2.5, 1e300], "task.kind": ["other", "other", "other"]}
    found = read(table(tmp_path, **given), shipped(), recorded=True)
    assert [(row["row"], row["team.ml_engineers"]) for row in found.rows] == [(1, 2)]
    assert [each["given"]["team.ml_engineers"] for each in found.rejects] == [2.5, 1e300]
    assert all("team.ml_engineers" in why for why in found.why)
    given["task.kind"], given["team.ml_engineers"] = ["other", "chat", "other"], [float("nan"), 2.0, None]
    found = read(table(tmp_path, **given), shipped())
    assert [row["row"] for row in found.rows] == [3]
    assert found.why[0].startswith("`team.ml_engineers` wants a whole number, and is the number `nan`")
    assert found.why[1:] == ["`task.kind` cannot be `chat`"]


def test_lists_that_are_texts(tmp_path: Path) -> None:
    given = {"data.residency": ["", "[1]", "eu; us"], "task.kind": ["other", "other", "chat"]}
    found = read(table(tmp_path, **given), shipped())
    assert found.rows == []
    assert found.rejects[0]["given"]["data.residency"] == ""
    assert "`data.residency`" in found.why[0]
    assert "`data.residency" in found.why[1]
    assert found.why[2:] == ["`task.kind` cannot be `chat`"]


def test_structs_say_what_their_json_says(tmp_path: Path) -> None:
    claims = [{"usd_per_hour": 3.0, "gpus": [{"name": "H100", "count": 1}]}, None, {"usd_per_hour": -1.0, "gpus": []}]
    floors = [{"mmlu": 80.0}, None, {"mmlu": None}]
    found = read(table(tmp_path, **{"hardware": claims, "task.min_scores": floors}), shipped())
    assert [row["row"] for row in found.rows] == [1, 2]
    texts = {
        name: [None if each is None else json.dumps(each) for each in values]
        for name, values in {"hardware": claims, "task.min_scores": floors}.items()
    }
    said = read(table(tmp_path, **texts), shipped())
    assert said.rows == found.rows
    assert said.why == found.why


def test_a_wrong_type_is_said_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(table(tmp_path, **{"task.batch": [1, 0, 1]}), shipped())
    assert caught.value.problems[0].help == "cast it to BOOLEAN"


def test_a_fleet_made_up_is_read_as_it_was_made(tmp_path: Path) -> None:
    """In more than one row group, with values that recur and values that do not."""
    made = fleet(shipped(), 300)
    source(shipped(), made).write_parquet(tmp_path / "t.parquet", row_group_size=128)
    found = read(tmp_path / "t.parquet", shipped())
    assert found.why == []
    same = ("workload.name", "data.residency", "proposal.model", "volume.input_tokens_per_month")
    for row, other in zip(found.rows, made.iter_rows(named=True), strict=True):
        assert {name: row[name] for name in same} == {name: other[name] for name in same}
