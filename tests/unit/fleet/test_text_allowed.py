"""A table holds no text, and no number, that a workload file may not hold; and every one that it may."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from policy_engine.errors import InputError
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.loading.yaml_scalars import LONGEST_STRING
from tests.unit.fleet.reading import read
from tests.unit.fleet.tables import LEAST, csv_text, frame, jsonl

DECOMPOSED = unicodedata.normalize("NFD", "Z\u00fcrich")
LAYER = """facts:
  custom.tag: {type: string, source: declared, meaning: A word.}
  custom.tags: {type: list<string>, source: declared, meaning: Words.}
  custom.ratio: {type: double, source: declared, meaning: A number.}
  custom.level: {type: int, source: declared, meaning: A level.}
"""


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp("layer")
    (folder / "vocabulary.yaml").write_text(LAYER, encoding="utf-8")
    return load_policy([folder])


def table(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"t.{kind}"
    if kind == "parquet":
        frame(rows).write_parquet(path)
    else:
        path.write_bytes(jsonl(rows) if kind == "jsonl" else csv_text(rows))
    return path


REFUSED = [
    ({"workload.owner": DECOMPOSED}, "normal form C"),
    ({"task.name": DECOMPOSED}, "normal form C"),
    ({"proposal.deployment": "edge", "proposal.model": DECOMPOSED}, "normal form C"),
    ({"evidence.dpa": DECOMPOSED}, "normal form C"),
    ({"custom.tag": DECOMPOSED}, "normal form C"),
    ({"custom.tags": ["a", DECOMPOSED]}, "normal form C"),
    ({"data.residency": [DECOMPOSED]}, "normal form C"),
    ({"hardware": {"gpus": [{"name": DECOMPOSED, "count": 1}]}}, "normal form C"),
    ({"custom.tag": "a\x07b"}, "the control character U+0007"),
    ({"custom.tag": "x" * (LONGEST_STRING + 1)}, "a string of 16,001 characters"),
]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_what_no_workload_file_may_hold_is_a_reject(tmp_path: Path, layered: Policy, kind: str) -> None:
    rows = [LEAST | more for more, _ in REFUSED]
    found = read(table(tmp_path, kind, [*rows, LEAST]), layered, recorded=True)
    assert len(found.rows) == 1
    assert [len(each["reasons"]) for each in found.rejects] == [1] * len(REFUSED)
    for (more, why), said in zip(REFUSED, found.why, strict=True):
        assert why in said
        assert f"`{list(more)[-1]}`" in said


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_what_a_workload_file_may_hold_is_taken(tmp_path: Path, layered: Policy, kind: str) -> None:
    composed = unicodedata.normalize("NFC", DECOMPOSED)
    more = {
        "task.name": composed,
        "custom.tag": "\U0001d11e\ttab",
        "custom.tags": [composed, "=1"],
        "evidence.dpa": composed,
    }
    (row,) = read(table(tmp_path, kind, [LEAST | more]), layered).rows
    assert {name: row[name] for name in more if name != "evidence.dpa"} == {
        name: value for name, value in more.items() if name != "evidence.dpa"
    }


def test_keys_of_json_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(jsonl([LEAST | {"hardware": {DECOMPOSED: 1}}, LEAST | {"task.min_scores": {DECOMPOSED: 1}}]))
    found = read(path, load_policy())
    assert found.rows == []
    assert all("normal form C" in why for why in found.why)


def test_integers_that_are_not_kept_exactly(tmp_path: Path, layered: Policy) -> None:
    values = [2**53 - 1, 1 - 2**53, 2**53, -(2**53)]
    path = tmp_path / "t.parquet"
    pl.DataFrame({name: [value] * 4 for name, value in LEAST.items()} | {"custom.level": values}).write_parquet(path)
    found = read(path, layered)
    assert [row["custom.level"] for row in found.rows] == values[:2]
    assert found.why == ["`custom.level` is an integer beyond 9,007,199,254,740,991, which cannot be kept exactly"] * 2


def test_a_custom_double_is_finite(tmp_path: Path, layered: Policy) -> None:
    path = tmp_path / "t.jsonl"
    numbers = ["1e999", "1" + "0" * 350, "1" + "0" * 30]
    path.write_text("".join(json.dumps(LEAST)[:-1] + f', "custom.ratio": {each}}}\n' for each in numbers), "utf-8")
    found = read(path, layered, recorded=True)
    assert [row["custom.ratio"] for row in found.rows] == [1e30]
    assert found.why == ["`custom.ratio` wants a finite number"] * 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_what_is_no_number_is_no_custom_fact(layered: Policy, value: float) -> None:
    """No bound refuses what is no number, for no comparison with it holds."""
    from policy_engine.loading.workload_file import load_document
    from policy_engine.loading.yaml_builder import Node
    from policy_engine.loading.yaml_source import Document

    text = "apiVersion: policy-engine/v1\nkind: Workload\nmetadata: {name: w, owner: o}\n"
    text += "spec: {stage: pilot, tasks: [{name: t, kind: other}], custom: {ratio: 1.5}}"
    (loaded,) = load_workload_documents(text, None, layered.vocabulary)
    assert not isinstance(loaded, InputError)
    document = json.loads(json.dumps(loaded.document.value))
    document["spec"]["custom"]["ratio"] = value
    found = load_document(Document("<row>", document, Node((1, 1), document)), 0, layered.vocabulary)
    assert isinstance(found, InputError)
    assert [each.message for each in found.problems] == ["`spec.custom.ratio` wants a finite number"]
