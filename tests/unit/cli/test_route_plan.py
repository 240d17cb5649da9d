"""What the plan of a route costs, by hand-worked sums; and routes that have ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import AT, DENIED, EXAMPLES, MEMORY, REVIEWED
from tests.unit.cli.route_scene import HARDWARE, single, write

Run = Callable[..., Outcome]
POOL_USD = 1.2 * 730.5
OWN = {"deployment": "self_hosted", "model": "llama-3.1-8b", "region": "eu"}
HOSTED = {"deployment": "open_api", "model": "qwen3-14b", "provider": "open-model-hosting"}


@pytest.fixture
def plan(policy: Run, tmp_path: Path) -> Callable[..., Any]:
    """Return the plan of a workload with a task for each proposal."""

    def run(*proposals: dict[str, Any], budget: float | None = None, **changed: Any) -> Any:
        given = ("-o", "json", "--fallbacks", "0")
        found = policy("route", str(workload(tmp_path, *proposals, budget=budget, **changed)), *AT, *MEMORY, *given)
        assert (found.status, found.err) == (0, "")
        return found.json["plan"]

    return run


def workload(folder: Path, *proposals: dict[str, Any], budget: float | None = None, **changed: Any) -> Path:
    found = single()
    (task,) = found["spec"]["tasks"]
    share = 1 / len(proposals)
    found["spec"]["tasks"] = [
        {**task, "name": f"t{number}", "share": share, "proposal": each} for number, each in enumerate(proposals)
    ]
    found["spec"] |= {"hardware": HARDWARE, **changed}
    found["spec"]["budget"] = {"monthly_usd": budget}
    return write(folder / "w.yaml", found)


def test_machines_that_one_model_serves_several_tasks_on_are_paid_once(plan: Any, policy: Run, tmp_path: Path) -> None:
    found = plan(OWN, OWN, budget=1000)
    assert found["usd_per_month"] == pytest.approx(POOL_USD)
    assert (found["tasks_routed"], found["at_most"], found["over_budget"]) == (2, False, False)
    text = policy("route", str(tmp_path / "w.yaml"), *AT, *MEMORY).out
    assert "the plan counts machines once that one model serves several tasks on" in " ".join(text.split())


def test_of_several_models_on_the_same_machines_the_sum_is_the_most(plan: Any) -> None:
    other = {**OWN, "model": "mistral-7b"}
    for budget, over in ((2000, False), (1000, None), (800, True)):
        found = plan(OWN, other, budget=budget)
        assert found["usd_per_month"] == pytest.approx(2 * POOL_USD)
        assert (found["at_most"], found["over_budget"]) == (True, over)


def test_a_task_that_is_routed_nowhere_does_not_cost_nothing(plan: Any, policy: Run, tmp_path: Path) -> None:
    nowhere = {"deployment": "open_api", "model": "gpt-4o"}  # it has no open weights
    for budget, over in ((100_000, None), (800, True)):
        found = plan(OWN, nowhere, budget=budget)
        assert found["usd_per_month"] == pytest.approx(POOL_USD)
        assert (found["tasks_routed"], found["at_least"], found["over_budget"]) == (1, True, over)
    text = policy("route", str(tmp_path / "w.yaml"), *AT, *MEMORY).out
    assert "1 of 2 tasks routed, at least 877 USD/month, over budget" in " ".join(text.split())


def test_a_floor_within_the_budget_is_not_known_to_be_within_it(plan: Any) -> None:
    for budget, over in ((1e9, None), (1, True)):
        found = plan(OWN, HOSTED, budget=budget, hardware=None)  # the catalog's machines: a floor
        assert (found["at_least"], found["over_budget"]) == (True, over)
    assert plan(HOSTED, budget=1e9)["over_budget"] is False


def test_a_configuration_that_has_ended_says_so_and_is_not_deployed(
    policy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (str(EXAMPLES / "writing-assistant.yaml"), *AT, *MEMORY, "-o", "litellm")
    for year, over in ((2026, False), (2028, True)):
        monkeypatch.setattr("policy_engine.cli.route.now", lambda year=year: datetime(year, 11, 22, 9, tzinfo=UTC))
        found = policy("route", *given)
        assert (found.status, found.out.startswith("# ALREADY ENDED")) == (0, over)
        deployed = policy("route", *given, "--purpose", "deploy")
        assert (deployed.status, deployed.out == "") == ((2, True) if over else (0, False))
        assert ("[already-ended]" in deployed.err) is over


def test_what_is_left_out_says_why_and_what_is_missing(policy: Run, tmp_path: Path) -> None:
    machines = workload(tmp_path, {key: OWN[key] for key in ("deployment", "model")}, HOSTED, stage="pilot")
    text = machines.read_text(encoding="utf-8").replace("- anywhere", "- eu")
    machines.write_text(text, encoding="utf-8")
    shown = " ".join(policy("route", str(machines), *AT, *MEMORY).out.split())
    assert "where the machines stand is not known: propose a region" in shown  # hardware.region is said
    path = write(tmp_path / "n.yaml", single())
    found = policy("route", str(path), str(machines), str(DENIED), str(REVIEWED), *AT, *MEMORY, "-o", "litellm").out
    assert "# Left out: platform_single_t0: whether what is proposed is permitted is not known; not known: " in found
    assert "decision denies the proposal with it" in found
    assert "no option is permitted, and `policy explain` says why" in found


def test_a_share_too_small_to_show_is_not_nothing(policy: Run, tmp_path: Path) -> None:
    document = single()
    (task,) = document["spec"]["tasks"]
    document["spec"]["tasks"] = [{**task, "share": 0.9999}, {**task, "name": "rare", "share": 0.0001}]
    found = policy("route", str(write(tmp_path / "w.yaml", document)), *AT, *MEMORY).out
    assert "rare: routed, <0.1% of the volume" in found
