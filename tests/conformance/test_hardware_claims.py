"""Hardware claims beside the engines, in every unit, and beside what people are shown of them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.cli.markdown import decisions
from policy_engine.cli.text import decision, render
from policy_engine.crosscheck import CrossCheck
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.decision import Decision
from policy_engine.model.vocabulary import GRADES
from tests.conformance.test_decisions import AT, changed, decider, files

CASES = files()["hardware"]["cases"]
VERDICTS = {"contradicted": 0, "unverifiable": 1, "holds": 2}


@functools.cache
def crosscheck(layer: str | None) -> CrossCheck:
    return CrossCheck(decider("hardware", layer).policy)


def is_beyond(row: Mapping[str, Any]) -> bool:
    """Whether nothing could ever decide a claim, so that it leaves nothing open."""
    return row["name"] in ("usd_per_hour", "region", "host") and row["verdict"] == "unverifiable" and not row["missing"]


def decided(case: Mapping[str, Any], folder: Path) -> Decision:
    engine = decider("hardware", case.get("layer"))
    text = yaml.safe_dump(changed(files()["hardware"]["base"], case), sort_keys=False)
    (loaded,) = load_workloads(text, "workload.yaml", engine.policy.vocabulary)
    return engine.decide(loaded.workload, check_evidence(loaded.workload, AT.date(), folder), AT)


@pytest.fixture(params=CASES, ids=[case["case"] for case in CASES])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(request.param)
    return found


def test_every_engine_gives_the_same_outcomes(case: dict[str, Any], tmp_path: Path) -> None:
    judge = decider("hardware", case.get("layer")).judge
    found = decided(case, tmp_path)
    assert crosscheck(case.get("layer")).check(found.results) == len(judge.rules)
    for result in found.results:
        assert [judge.outcome(index, result.facts) for index in range(len(judge.rules))] == list(result.outcomes)


def test_facts_and_lines_are_what_the_claims_say_together(case: dict[str, Any], tmp_path: Path) -> None:
    found = decided(case, tmp_path)
    (result,), (task,) = found.results, found.document["tasks"]
    rows = task["hardware_claims"]
    own = [row["verdict"] for row in rows if row["name"] != "proposal.model" and not is_beyond(row)]
    worst = min(own, key=VERDICTS.__getitem__, default=None)
    assert result.facts.get("hardware.verdict") == (None if worst == "unverifiable" else worst)
    proposed = [row["verdict"] for row in rows if row["name"] == "proposal.model"]
    fact = result.facts.get("proposal.hardware_verdict")
    assert proposed in ([], [fact or "unverifiable"])
    assert (fact is None) or proposed
    for row in rows:
        assert row["verdict"] != "verified", "only a measurement verifies"
        assert row["grade"] in ("arithmetic", "specification")
        assert row["why"]
        # what stands or falls by a figure says by which; a name or a number of devices stands by none
        assert row["numbers"] or row["verdict"] == "unverifiable" or row["name"] in ("name", "count"), row
        assert row["verdict"] != "contradicted" or any(row["why"] in line for line in task["hardware"])
    for name in ("hardware.verdict", "proposal.hardware_verdict", "hardware.gpu_count"):
        assert result.facts.get(name) is None or result.grades[name] == ("derived", "declared")


def test_text_and_markdown_show_each_claim_that_does_not_stand(case: dict[str, Any], tmp_path: Path) -> None:
    document = decided(case, tmp_path).document | {"id": "0" * 64}
    (task,) = document["tasks"]
    text, markdown = " ".join(render(decision(document)).split()), decisions([("w.yaml", document)])
    assert ("Hardware" in text) == ("**Hardware**" in markdown) == bool(task["hardware_claims"])
    for row in task["hardware_claims"]:
        if row["verdict"] != "holds" and row["name"] != "proposal.model":
            assert row["why"] in text
            assert f"- {row['verdict']}: " in markdown


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ([{"name": "A100 80GB", "count": 2}], ("specification", None)),
        ([{"name": "A100 80GB", "count": 2, "memory_gb": 80}], ("derived", "declared")),
        ([{"name": "A100 80GB", "count": 2, "memory_mib": 81100.8}], ("derived", "declared")),
        ([{"name": "A100 80GB", "count": 1}, {"name": "L4", "count": 1, "memory_gb": 24}], ("derived", "declared")),
        ([{"name": "cpu", "count": 1}], ("derived", "declared")),
    ],
)
def test_memory_is_graded_by_where_it_is_from(
    gpus: list[dict[str, Any]], expected: tuple[str, str | None], tmp_path: Path
) -> None:
    (result,) = decided({"set": {"hardware.gpus": gpus}}, tmp_path).results
    assert result.grades["hardware.memory_gib"] == expected
    assert expected[0] in GRADES


@pytest.mark.parametrize("figures", [{"memory_gb": 80}, {"memory_gib": 79.2}, {"memory_mib": 81100.8}], ids=str)
def test_the_memory_is_the_same_fact_in_every_unit(figures: dict[str, float], tmp_path: Path) -> None:
    (result,) = decided({"set": {"hardware.gpus": [{"name": "L40S", "count": 1, **figures}]}}, tmp_path).results
    assert result.facts["hardware.memory_gib"] == 79.2
