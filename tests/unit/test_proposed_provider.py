"""Who would serve a proposal counts: its cost is what the provider asks, and its place is where the provider runs."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.model.workload import Workload
from policy_engine.next_steps import next_steps
from tests.unit.test_judged_figures import PROPOSAL

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
_OWN = {"source": "own", "as_of": "2026-11-01"}
_AZURE: dict[str, Any] = {"options": ["proprietary_api"], "serves": ["gpt-4o"], **_OWN}
LAYER: dict[str, Any] = {
    "providers": {
        "azure-us": {**_AZURE, "regions": ["us"]},
        "azure-eu": {**_AZURE, "regions": ["eu"]},
        "host": {"options": ["open_api"], "serves": ["llama-3-70b"], **_OWN},
    },
    "prices": {
        "gpt-4o.openai": {
            "model": "gpt-4o",
            "option": "proprietary_api",
            "provider": "openai",
            "input": 2.0,
            "output": 8.0,
        }
        | {"unit": "USD/1M tokens", **_OWN},
        "gpt-4o.azure-eu": {"model": "gpt-4o", "option": "proprietary_api", "provider": "azure-eu", "input": 3.0}
        | {"output": 12.0, "unit": "USD/1M tokens", **_OWN},
        "llama.host": {"model": "llama-3-70b", "option": "open_api", "provider": "host", "input": 0.1, "output": 0.1}
        | {"unit": "USD/1M tokens", **_OWN},
    },
}
DATA = {"sensitivity": "internal", "regulations": [], "may_leave_network": True}


@functools.cache
def engine() -> Decider:
    policy = load_policy()
    return Decider(replace(policy, catalog_documents=(*policy.catalog_documents, ("own", {"own": LAYER}))))


def decide(proposal: dict[str, Any], residency: list[str], **spec: Any) -> dict[str, Any]:
    task = {"name": "t", "kind": "extraction", "complexity": "standard", "quality": "sufficient", "batch": False}
    whole = {
        "stage": "pilot",
        "organisation": "enterprise",
        "tasks": [{**task, "context_tokens": 4000, "proposal": proposal}],
        "data": {**DATA, "residency": residency},
        "volume": {"input_tokens_per_month": 240_000_000, "output_tokens_per_month": 90_000_000},
        "team": {"mlops": "mature", "ml_engineers": 1, "gpu_devops_engineers": 1, "can_hire": True},
        "migration": "none",
        **spec,
    }
    metadata = {"name": "w", "owner": "o@acme.example"}
    raw = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": whole}
    return engine().decide(Workload.model_validate(raw), {}, AT).document


def advice(document: dict[str, Any]) -> list[str]:
    """What is said of the provider of the proposal, or its fallback: by no rule."""
    texts = [each["message"] for each in document["tasks"][0]["advice"] if each["rule"] is None]
    return [text for text in texts if not text.startswith("the catalog does not know the regions of")]


def test_a_contradicted_region_is_said_with_who_runs_where_and_what_would_help() -> None:
    document = decide({**PROPOSAL, "provider": "azure-us", "region": "eu"}, ["eu"])
    assert document["verdict"] == "deny"
    assert advice(document) == [
        "the catalog has the provider `azure-us` running in us, and not in eu: name one that runs there"
    ]
    task = document["tasks"][0]
    assert any("proposal.provider, on which proposed-region-outside" in step for step in next_steps(task))
    better = [row for row in task["counterfactuals"] if row["fact"] == "proposal.provider"]
    # of openai nobody knows where it runs, which contradicts nothing
    assert [row["values"] for row in better] == [["azure-eu", "openai"]]


def test_a_fallback_that_runs_elsewhere_is_said_as_well() -> None:
    fallback = {**PROPOSAL, "provider": "azure-us", "region": "eu"}
    document = decide({**PROPOSAL, "provider": "azure-eu", "region": "eu", "fallback": fallback}, ["eu"])
    assert document["verdict"] == "deny"
    assert document["tasks"][0]["proposal"]["holds"] is True
    assert [text for text in advice(document) if "`azure-us` running in us, and not in eu" in text]


def test_the_provider_is_asked_for_where_who_it_is_tells_of_the_region() -> None:
    nobody = {name: value for name, value in PROPOSAL.items() if name != "provider"}
    task = decide({**nobody, "region": "eu"}, ["eu"])["tasks"][0]
    assert (task["verdict"], task["decisive_facts"]) == ("review", ["proposal.provider"])
    own = {"deployment": "self_hosted", "model": "llama-3.1-8b"}
    assert "proposal.provider" not in decide(own, ["eu"])["tasks"][0]["missing_facts"]


@pytest.mark.parametrize(
    ("provider", "usd", "over"),
    [
        ("azure-eu", 240 * 3.0 + 90 * 12.0, True),
        ("openai", 240 * 2.0 + 90 * 8.0, False),
        # one that has no price of its own is thought to ask what the vendor asks
        ("azure-us", 240 * 2.0 + 90 * 8.0, False),
        # neither who does not serve the model nor who is not known has a price
        ("anthropic", None, None),
        ("acme-cloud", None, None),
        # of nobody it is that of the cheapest
        (None, 240 * 2.0 + 90 * 8.0, False),
    ],
)
def test_a_proposal_costs_what_its_provider_asks(provider: str | None, usd: float | None, over: bool | None) -> None:
    document = decide({**PROPOSAL, "provider": provider}, ["anywhere"], budget={"monthly_usd": 1500})
    proposal, plan = document["tasks"][0]["proposal"], document["plan"]
    assert (proposal["monthly_usd"], proposal["over_budget"]) == (pytest.approx(usd), over)
    assert (plan["monthly_usd"], plan["over_budget"]) == (pytest.approx(usd), over)
    assert document["verdict"] == "allow"


def test_why_a_proposal_has_no_cost_is_said() -> None:
    (text,) = advice(decide({**PROPOSAL, "provider": "anthropic"}, ["anywhere"]))
    assert (
        text
        == "the catalog has no offer of gpt-4o by `anthropic`: what gpt-4o costs there as proprietary_api is not known"
    )
    (text,) = advice(decide({**PROPOSAL, "provider": "acme-cloud"}, ["anywhere"]))
    assert text.startswith("the catalog does not know the provider `acme-cloud`: what gpt-4o costs there")


def test_for_open_weights_a_price_that_names_nobody_counts_for_whom_nobody_knows() -> None:
    """The register's price of Llama 3 70B, 0.60 in and 0.70 out, names no provider."""
    proposal = {"deployment": "open_api", "model": "llama-3-70b"}
    elsewhere = decide({**proposal, "provider": "acme-cloud"}, ["anywhere"])["plan"]["monthly_usd"]
    assert elsewhere == pytest.approx(240 * 0.6 + 90 * 0.7)
    at_host = decide({**proposal, "provider": "host"}, ["anywhere"])["plan"]["monthly_usd"]
    assert at_host == pytest.approx(240 * 0.1 + 90 * 0.1)
