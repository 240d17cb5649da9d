"""A decision speaks of what is judged: the proposal's cost, figures and provider, and the price behind the bill."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.model.workload import Workload

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
