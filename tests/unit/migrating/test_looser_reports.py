"""A report that is looser than the policy has it shows nothing, where the policy says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.migrating.case import Case
from policy_engine.migrating.forms import EvaluationBody, read_body
from policy_engine.migrating.parallel_step import parallel_step
from policy_engine.migrating.records import Evaluation, Records
from tests.unit.cli.migrate_scene import compared, report

FILE = Path(__file__).parents[3] / "examples" / "migration.yaml"


@pytest.mark.parametrize(
    ("parameters", "state"),
    [
        ({}, "done"),
        ({"parity_margin": 0.019}, "missing"),
        ({"parity_confidence": 0.96}, "missing"),
    ],
    ids=["as the policy has it", "a wider margin", "a lower confidence"],
)
def test_margin_and_confidence_are_those_of_the_policy(
    parameters: dict[str, float], state: str, tmp_path: Path
) -> None:
    layer = {name: {"value": value, "type": "double"} for name, value in parameters.items()}
    (tmp_path / "parameters.yaml").write_text(json.dumps({"parameters": layer}), encoding="utf-8")
    policy = load_policy([tmp_path])
    (loaded,) = load_workloads(FILE, None, policy.vocabulary)
    found = Evaluation(0, date(2026, 11, 20), read_body(report(compared()).body, EvaluationBody), None)
    case = Case(
        Decider(policy), loaded.workload, {}, datetime(2026, 11, 22, tzinfo=UTC), Records(1, (found,)), "t.yaml"
    )
    item = next(each for each in parallel_step(case, {}).items if (each.id, each.task) == ("outcome", "sorting"))
    assert item.state == state
    assert (item.action is None) is (state == "done")
