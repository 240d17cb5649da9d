"""A decision speaks of what is judged: the proposal's cost, figures and provider, and the price behind the bill."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policy_engine.cli.markdown import decisions
from policy_engine.cli.text import decision, render
from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.model.workload import Workload
from policy_engine.next_steps import next_steps
from policy_engine.summary import reasons

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def decide(**spec: Any) -> dict[str, Any]:
    task = {
        "name": "t",
        "kind": "extraction",
        "complexity": "standard",
        "quality": "sufficient",
        "batch": False,
        "context_tokens": 4000,
        **spec.pop("task", {}),
    }
    whole = {
        "stage": "pilot",
        "organisation": "enterprise",
        "tasks": [task],
        "data": {"sensitivity": "internal", "regulations": [], "may_leave_network": True, "residency": ["anywhere"]},
        "volume": {"input_tokens_per_month": 240_000_000, "output_tokens_per_month": 90_000_000},
        "team": {"mlops": "mature", "ml_engineers": 1, "gpu_devops_engineers": 1, "can_hire": True},
        "migration": "none",
        **spec,
    }
    metadata = {"name": "w", "owner": "o@acme.example"}
    raw = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": whole}
    return Decider(load_policy()).decide(Workload.model_validate(raw), {}, AT).document


PROPOSAL = {"deployment": "proprietary_api", "model": "gpt-4o", "provider": "openai", "region": "us"}


def test_the_proposal_is_priced_by_its_own_model_and_marked_over_budget() -> None:
    document = decide(task={"proposal": PROPOSAL}, budget={"monthly_usd": 1000})
    proposal = document["tasks"][0]["proposal"]
    assert proposal["monthly_usd"] == pytest.approx(240 * 10 + 90 * 30)
    assert proposal["over_budget"] is True
    assert document["plan"]["over_budget"] is True


def test_validity_and_staleness_follow_the_proposed_model() -> None:
    document = decide(task={"proposal": PROPOSAL})
    # the price of s1 stands as of 2026-01-01, and a figure may be 365 days old
    assert document["valid_until"] == "2027-01-01T23:59:59Z"
    assert "gpt-4o-mini.s3" not in document["catalog"]["stale"]


def test_the_advice_on_regions_names_the_proposed_provider() -> None:
    data = {"sensitivity": "internal", "regulations": [], "may_leave_network": True, "residency": ["us"]}
    document = decide(task={"proposal": {**PROPOSAL, "provider": "acme-cloud"}}, data=data)
    texts = [advice["message"] for advice in document["tasks"][0]["advice"]]
    assert any("`acme-cloud`" in text for text in texts)
    assert not any("`openai`" in text for text in texts if "regions" in text)


def test_the_price_behind_a_computed_bill_names_its_dispute() -> None:
    # proprietary options are out, so that only the bill is reckoned at GPT-4o's disputed price
    document = decide(needs={"see_weights": True})
    disputes = {dispute["id"]: dispute for dispute in document["tasks"][0]["disputes"]}
    assert "DISPUTE-01" in disputes
    declared = decide(needs={"see_weights": True}, budget={"api_spend_usd_per_month": 5100.0})
    assert "DISPUTE-01" not in {dispute["id"] for dispute in declared["tasks"][0]["disputes"]}


def test_null_serving_is_unknown_and_no_serving_is_no_claim() -> None:
    gpus = [{"name": "NVIDIA A100-SXM4-80GB", "count": 2, "memory_gb": 80}]
    own = {"deployment": "self_hosted", "model": "llama-3.1-8b", "region": "us"}
    nothing = decide(task={"proposal": own}, hardware={"gpus": gpus})
    null = decide(task={"proposal": own}, hardware={"gpus": gpus, "serves": None})
    assert nothing["verdict"] == "allow"
    assert null["verdict"] == "review"


def proposal_reasons(deployment: str, model: str, **spec: Any) -> tuple[Any, list[str]]:
    proposal = {"deployment": deployment, "model": model, "provider": None, "region": "us"}
    document = decide(task={"proposal": proposal, "latency_p95_ms": 400}, **spec)["tasks"][0]["proposal"]
    return document["holds"], document["reasons"]


NOT_MEANT = "edge is not meant here: neither `needs.edge` nor a latency under the edge parameter asks for it"
TOO_LARGE = "billion parameters are more than the"
WANTED = {"edge": True}


@pytest.mark.parametrize(
    ("deployment", "model", "needs", "reason"),
    [
        # what is wrong is the option, and not the model
        ("edge", "qwen3-4b", {"edge": False}, NOT_MEANT),
        ("edge", "gemma-2b", {"edge": False}, NOT_MEANT),
        # what is wrong is the model, whether or not the option is meant
        ("edge", "gpt-4o", {"edge": False}, "gpt-4o has no open weights, so it cannot run as edge"),
        ("edge", "gpt-4o", WANTED, "gpt-4o has no open weights, so it cannot run as edge"),
        ("self_hosted", "gpt-4o", {}, "gpt-4o has no open weights, so it cannot run as self_hosted"),
        ("edge", "llama-3-70b", {"edge": False}, TOO_LARGE),
        ("edge", "llama-3-70b", WANTED, TOO_LARGE),
        ("proprietary_api", "llama-3-70b", {}, "has open weights and is not offered as proprietary_api"),
    ],
)
def test_a_model_that_cannot_run_there_is_told_why(
    deployment: str, model: str, needs: dict[str, Any], reason: str
) -> None:
    other = {"change_architecture": False, "choose_serving": False, "see_weights": False, "edge": False, **needs}
    holds, (found,) = proposal_reasons(deployment, model, needs=other)
    assert holds is False
    assert reason in found


def test_why_an_option_is_not_meant_is_said_once() -> None:
    proposal = {"deployment": "edge", "model": "qwen3-4b", "region": "us"}
    (task,) = decide(task={"proposal": proposal, "latency_p95_ms": 400}, needs={"edge": False})["tasks"]
    said = [line for line in reasons(task) if "is not meant here" in line]
    assert said == [f"edge is unavailable: {NOT_MEANT}"]


def test_the_plan_names_no_model_where_the_proposal_names_none() -> None:
    unnamed = {"deployment": "proprietary_api", "model": None, "region": "us"}
    document = decide(task={"proposal": unnamed})
    (route,), (task,) = document["plan"]["routes"], document["tasks"]
    said = {"task": "t", "share": 1.0, "deployment": "proprietary_api", "model": None}
    assert route == {**said, "monthly_usd": None, "at_least": False}
    assert document["plan"]["monthly_usd"] is None
    # what the catalog would choose stands with the option
    (row,) = (row for row in task["options"] if row["deployment"] == "proprietary_api")
    assert row["model"] is not None
    assert row["monthly_usd"] is not None
    assert decide(task={"proposal": PROPOSAL})["plan"]["routes"][0]["model"] == "gpt-4o"
    recommended = decide()
    assert recommended["plan"]["routes"][0]["model"] == recommended["tasks"][0]["recommendation"]["model"] is not None


def test_reports_say_that_no_model_is_named() -> None:
    unnamed = {"deployment": "proprietary_api", "model": None, "provider": "openai", "region": "us"}
    document = {**decide(task={"proposal": unnamed}), "id": "0" * 64}
    text = render(decision(document))
    assert "Proposed     proprietary_api (no model named) at openai in us, monthly cost\n" in text
    assert "Proposed: proprietary_api (no model named) at openai in us, monthly cost unknown.\n" in decisions(
        [("w.yaml", document)]
    )
    several = {**document, "tasks": document["tasks"] * 2}
    plan = " ".join(render(decision(several)).split())
    assert "t (100% of the volume): REVIEW, proprietary_api (no model named), monthly cost unknown" in plan


def test_no_step_replaces_a_model_that_was_not_named() -> None:
    data = {"sensitivity": "internal", "regulations": [], "may_leave_network": True, "residency": ["eu"]}
    unnamed = {"deployment": "proprietary_api", "model": None, "region": "us"}
    hard = {"kind": "complex_reasoning", "complexity": "complex", "quality": "best", "proposal": unnamed}
    team = {"mlops": "none", "ml_engineers": 0, "gpu_devops_engineers": 0, "can_hire": False}
    (task,) = decide(task=hard, data=data, team=team)["tasks"]
    assert (task["verdict"], task["recommendation"]["deployment"]) == ("deny", "proprietary_api")
    assert f"propose the model {task['recommendation']['model']}" in next_steps(task)


@pytest.mark.parametrize(
    ("deployment", "model"), [("open_api", "no-such-model"), ("self_hosted", "no-such-model"), ("open_api", "gpt-4o")]
)
def test_what_cannot_be_priced_has_no_price_and_never_another_models(deployment: str, model: str) -> None:
    document = decide(task={"proposal": {"deployment": deployment, "model": model}}, budget={"monthly_usd": 1})
    proposal, (route,) = document["tasks"][0]["proposal"], document["plan"]["routes"]
    assert (proposal["monthly_usd"], proposal["over_budget"], proposal["at_least"]) == (None, None, False)
    assert (route["monthly_usd"], document["plan"]["monthly_usd"]) == (None, None)
    (row,) = (row for row in document["tasks"][0]["options"] if row["deployment"] == deployment)
    assert row["monthly_usd"] is not None


def test_a_floor_is_marked_as_one() -> None:
    document = decide(task={"proposal": {"deployment": "edge", "model": "qwen3-4b"}}, needs={"edge": True})
    (task,), plan = document["tasks"], document["plan"]
    assert (task["proposal"]["at_least"], plan["at_least"], plan["routes"][0]["at_least"]) == (True, True, True)
    rows = {row["deployment"]: row["at_least"] for row in task["options"]}
    assert rows == {
        "proprietary_api": False,
        "open_api": False,
        "open_batch": False,
        "self_hosted": True,
        "edge": True,
    }


def test_where_only_the_latency_is_missing_edge_says_so_and_blames_no_model() -> None:
    document = decide(needs={"edge": None})
    (row,) = (row for row in document["tasks"][0]["options"] if row["deployment"] == "edge")
    assert row["status"] == "uncertain"
    assert row["reasons"] == ["whether edge is meant is not known: `needs.edge` or the latency would tell"]
    assert any(model["qualifies"] for model in row["models"])
