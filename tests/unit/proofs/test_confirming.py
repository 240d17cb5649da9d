"""What the engine is asked to confirm, and how a counterexample is made smaller."""

from __future__ import annotations

from typing import Any

from policy_engine.decide import Decider
from policy_engine.proofs.concrete import Found
from policy_engine.proofs.confirming import Confirmer, replace_workload, smaller
from tests.unit.proofs.given import AT, shipped


def test_what_was_measured_goes_with_the_hardware_that_is_left_out() -> None:
    task = {"name": "t", "kind": "coding", "proposal": {"deployment": "proprietary_api"}}
    workload: dict[str, Any] = {
        "apiVersion": "policy-engine/v1",
        "kind": "Workload",
        "metadata": {"name": "w", "owner": "a@example.org"},
        "spec": {"stage": "prototype", "tasks": [task], "hardware": {"gpus": [{"name": "T4", "count": 1}]}},
    }
    found = Found(workload, measured="contradicted")
    confirmer = Confirmer(Decider(shipped()), AT)
    whole = confirmer.result(workload, found)
    assert whole is not None

    def still(less: dict[str, Any]) -> bool:
        result = confirmer.result(less, replace_workload(found, less))
        return result is not None and result.verdict == whole.verdict

    assert "hardware" not in smaller(workload, still)["spec"]
