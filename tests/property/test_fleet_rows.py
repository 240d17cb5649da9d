"""A row of a table is accepted exactly where the workload that says the same is, and has its facts."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.facts import declared_facts
from policy_engine.fleet import intake
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import load_document
from policy_engine.loading.yaml_builder import Node
from policy_engine.loading.yaml_source import Document
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.workload import Workload
from tests.property.worlds import cases, shipped, workloads
from tests.unit.fleet.reading import AT, read
from tests.unit.fleet.tables import LEAST, csv_text, frame, jsonl, rows_of_document

#: What may not stand in places of a workload, by the path below `spec`; None in a path is the first task.
WRONG: list[tuple[tuple[str | None, ...], list[Any]]] = [
    (("stage",), ["prod", "", None, 3]),
    (("organisation",), ["Enterprise", " startup", True]),
    (("deploy_within_days",), [-1, 36_501, 2.5, "3", True, 2**70]),
    ((None, "name"), ["", " t", "t ", "a\nb", "x" * 254, None]),
    ((None, "kind"), ["chat", None]),
    ((None, "modalities"), [[], ["smell"], ["text", None], "text"]),
    ((None, "batch"), ["yes", 1, 0.0]),
    ((None, "latency_p95_ms"), [0, 86_400_001, 1.5, -3]),
    ((None, "context_tokens"), [0, 100_000_001]),
    ((None, "min_scores"), [{"mmlu": -1}, {"mmlu": "80"}, {"no-such": 1.0}, {"mmlu": 1e7}, [1]]),
    (("data", "sensitivity"), ["secret"]),
    (("data", "regulations"), [["gdqr"], ["gdpr", ""], [None], ["gdpr"] * 257]),
    (("data", "residency"), [[], ["anywhere", "eu"], [" eu"], ["eu", None], [3]]),
    (("volume", "input_tokens_per_month"), [-1, 2**53, 2**63, 2**64, 10**30, 1.0]),
    (("budget", "monthly_usd"), [-0.01, 1.1e15, math.inf, -math.inf, math.nan, "9", True]),
    (("team", "ml_engineers"), [-1, 100_001]),
    (("needs", "edge"), ["no", 0]),
    (("evidence", "dpa", "reference"), ["", " x", 7]),
    (("evidence", "dpa", "valid_until"), ["2027-02-29", "2027-6-3", "20270603", "0000-01-01", "tomorrow"]),
]
RIGHT: list[tuple[tuple[str | None, ...], list[Any]]] = [
    (("deploy_within_days",), [0, 36_500]),
    ((None, "name"), ["é", "x" * 253, "a b", "=1+1", "日本"]),
    ((None, "modalities"), [None, ["text"] * 3]),
    ((None, "min_scores"), [None, {}, {"mmlu": None}, {"mmlu": 80, "gsm8k": 0.5}]),
    (("data", "regulations"), [None, [], ["gdpr", "gdpr"]]),
    (("data", "residency"), [None, ["anywhere"], ["eu"] * 256, ["no-such-region"]]),
    (("volume", "input_tokens_per_month"), [0, 2**53 - 1]),
    (("budget", "monthly_usd"), [0, 0.0, -0.0, 1e15, 5, 1e-300]),
    (("needs", "edge"), [None, True]),
    (("evidence", "dpa", "valid_until"), ["2026-11-23", "2026-11-24", "9999-12-31"]),
    (("evidence", "dpa", "issued"), ["2026-11-24", "2026-11-25", "0001-01-01"]),
]


@st.composite
def documents(draw: Any, places: list[tuple[tuple[str | None, ...], list[Any]]]) -> dict[str, Any]:
    """Return a workload of one task with up to two of `places` changed."""
    raw: dict[str, Any] = draw(workloads())
    raw["spec"]["tasks"] = raw["spec"]["tasks"][:1]
    raw["spec"]["tasks"][0].pop("share", None)
    for path, values in draw(st.lists(st.sampled_from(places), max_size=2)):
        _put(raw["spec"], path, copy.deepcopy(draw(st.sampled_from(values))))
    return raw


def _put(at: Any, path: tuple[str | None, ...], value: Any) -> None:
    for step in path[:-1]:
        at = (
            at["tasks"][0] if step is None else at.setdefault(step, {}) if at.get(step) is not None else _made(at, step)
        )
    at[path[-1]] = value


def _made(at: dict[str, Any], step: str) -> dict[str, Any]:
    at[step] = {}
    return at[step]


def loaded(raw: dict[str, Any]) -> Workload | None:
    """Return the workload as a file would give it, or None where it is refused: the oracle."""
    found = load_document(Document("f", copy.deepcopy(raw), Node((1, 1), raw)), 0, shipped().vocabulary)
    if isinstance(found, InputError):
        return None
    try:
        Decider(shipped()).cases(found.workload, {}, AT)
    except InputError:
        return None
    return found.workload


def says(row: dict[str, Any], workload: Workload) -> None:
    """Hold a canonical row to the workload's facts, evidence, floors and claim."""
    (task,) = workload.spec.tasks
    facts = declared_facts(workload, task) | {"task.share": task.share}
    evidence = check_evidence(workload, AT.date(), Path())
    grades = {name: EVIDENCE_GRADES.index(each.grade) + 1 for name, each in evidence.items() if each.problem is None}
    for name in shipped().vocabulary.evidence:
        assert row.pop(f"evidence.{name}") == grades.get(name, 0), name
    floors, claim = row.pop("task.min_scores"), row.pop("hardware")
    assert (None if floors is None else json.loads(floors)) == task.min_scores
    given = workload.spec.hardware
    dumped = None if given is None else given.model_dump(mode="json", exclude_unset=True)
    assert (None if claim is None else json.loads(claim)) == dumped
    del row["row"]
    assert {name: value for name, value in row.items() if value is not None} == facts


def check(raws: list[dict[str, Any]], content: bytes | None, path: Path) -> None:
    if content is not None:
        path.write_bytes(content)
    found = read(path, shipped())
    wanted = [loaded(raw) for raw in raws]
    by_row = {row["row"]: row for row in found.rows}
    shift = {".csv": 2, ".jsonl": 1, ".parquet": 1}[path.suffix]
    assert len(by_row) + len(found.rejects) == len(raws)
    for place, workload in enumerate(wanted):
        row = by_row.get(place + shift)
        assert (row is not None) == (workload is not None), (raws[place], found.why)
        if row is not None and workload is not None:
            says(row, workload)


@pytest.mark.parametrize("wrong", [False, True])
def test_json_lines(wrong: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    @cases(12)
    @given(st.lists(documents(RIGHT + WRONG * wrong), min_size=3, max_size=8))
    def law(raws: list[dict[str, Any]]) -> None:
        rows = [row for raw in raws for row in rows_of_document(raw)]
        check(raws, jsonl(rows), tmp_path_factory.mktemp("jsonl") / "t.jsonl")

    law()


def test_every_wrong_value_is_refused_and_every_right_one_taken(tmp_path: Path) -> None:
    raws = []
    for path, values in WRONG + RIGHT:
        for value in values:
            raw: dict[str, Any] = {
                "apiVersion": "policy-engine/v1",
                "kind": "Workload",
                "metadata": {"name": "w", "owner": "o"},
                "spec": {"stage": "pilot", "tasks": [{"name": "t", "kind": "other"}]},
            }
            _put(raw["spec"], path, value)
            raws.append(raw)
    rows = [row for raw in raws for row in rows_of_document(raw)]
    check(raws, jsonl(rows), tmp_path / "t.jsonl")


def null_where_left_out(raws: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the workloads as a table says them, where each has a cell for what any of them states."""
    every = {name for raw in raws for row in rows_of_document(raw) for name in row}
    found = []
    for raw in raws:
        spec = copy.deepcopy(raw["spec"])
        (row,) = rows_of_document(raw)
        for name in every - row.keys():
            section, _, key = name.partition(".")
            if section in ("data", "volume", "budget", "team", "needs"):
                spec.setdefault(section, {})
                spec[section] = {**(spec[section] or {}), key: None}
            elif section == "task" and key != "share":
                spec["tasks"][0][key] = None
            elif name == "proposal.quantization" and spec["tasks"][0].get("proposal"):
                spec["tasks"][0]["proposal"]["quantization"] = None
        found.append({**raw, "spec": spec})
    return found


@cases(12)
@given(st.lists(documents(RIGHT), min_size=3, max_size=8))
def test_csv(tmp_path_factory: pytest.TempPathFactory, raws: list[dict[str, Any]]) -> None:
    rows = [row for raw in raws for row in rows_of_document(raw)]
    check(null_where_left_out(raws), csv_text(rows), tmp_path_factory.mktemp("csv") / "t.csv")


@cases(12)
@given(st.lists(documents(RIGHT), min_size=3, max_size=8))
def test_parquet(tmp_path_factory: pytest.TempPathFactory, raws: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("parquet") / "t.parquet"
    frame([row for raw in raws for row in rows_of_document(raw)]).write_parquet(path)
    check(null_where_left_out(raws), None, path)


def test_rows_that_are_right_are_checked_by_columns_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sieve that lets nothing through would pass the other tests, and be slow."""
    asked: list[Any] = []
    alone = intake.row_alone
    monkeypatch.setattr(intake, "row_alone", lambda *given: asked.append(given) or alone(*given))
    raws = []
    for path, values in RIGHT:
        for value in values:
            raw = {
                "metadata": {"name": "w", "owner": "o"},
                "spec": {"stage": "pilot", "tasks": [{"name": "t", "kind": "other"}]},
            }
            _put(raw["spec"], path, value)
            raws += rows_of_document(raw)
    raws += [LEAST, LEAST | {"proposal.deployment": "edge", "proposal.quantization": "int4"}]
    (tmp_path / "t.jsonl").write_bytes(jsonl(raws))
    assert len(read(tmp_path / "t.jsonl", shipped()).rows) == len(raws)
    assert asked == []
