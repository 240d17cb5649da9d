"""No leg of a route is one that the engine would deny, were it proposed by itself, or as a fallback."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.catalog.cost import SELF_RUN
from policy_engine.decide import Decider
from policy_engine.errors import UsageError
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.task_case import TaskResult
from policy_engine.routing.chains import Chain, chain_of
from policy_engine.routing.gateway import read_gateway
from policy_engine.routing.legs import Leg, unmet
from policy_engine.routing.litellm import configuration
from policy_engine.routing.route import route_of
from tests.property.made_up_rules import extended, rule_of
from tests.property.test_waiver_laws import judged as waived
from tests.property.test_waiver_laws import waivers_of
from tests.property.worlds import CALM, CALM_TASK, cases, decided, decider, judged, placed, workloads

MOST = 4
PROPOSALS = (
    {"deployment": "proprietary_api", "model": "gpt-4o", "provider": "openai", "region": "us-east-1"},
    {"deployment": "open_api", "model": "qwen3-14b", "provider": "open-model-hosting", "region": "us"},
    {"deployment": "self_hosted", "model": "llama-3.1-8b", "region": "us"},
)


@cases(50)
@given(workloads(), st.booleans())
def test_a_leg_that_is_proposed_by_itself_is_permitted(raw: dict[str, Any], layered: bool) -> None:
    _hold(raw, layered)


def _calm(proposal: dict[str, Any] | None) -> dict[str, Any]:
    task = {"name": "t", "kind": "classification", **CALM_TASK, "proposal": proposal}
    spec = {"stage": "pilot", **copy.deepcopy(CALM), "tasks": [task]}
    spec["hardware"] = {"gpus": [{"name": "NVIDIA A100-SXM4-80GB", "count": 2}], "region": "us", "usd_per_hour": 2.0}
    metadata = {"namespace": "n", "name": "w", "owner": "o@acme.example"}
    return {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("proposal", [None, *PROPOSALS], ids=lambda each: each["deployment"] if each else "none")
def test_so_it_is_of_calm_workloads_each_of_which_has_a_fallback(proposal: dict[str, Any] | None) -> None:
    raw = _calm(proposal)
    if proposal is None:  # nobody says where the recommended provider processes
        raw["spec"]["data"]["residency"] = ["anywhere"]
    (chain,) = _hold(raw, layered=True)
    assert len(chain.legs) > 2
    assert chain.independent
    if proposal is not None:
        assert chain.legs[0].deployment == proposal["deployment"]


def test_a_waiver_for_a_region_covers_no_fallback_elsewhere_and_the_route_ends_with_it() -> None:
    rule = rule_of(
        "not-there", "proposal.present && proposal.region != 'eu'", forbid=(PROPOSAL,), enforcement="waivable"
    )
    engine, raw = extended(placed(), rule), _calm(PROPOSALS[0])
    (before,) = judged(engine, raw)[1]
    assert chain_of(engine, before, MOST).legs == ()
    waivers = waivers_of(engine, raw, [before])
    (lifted,) = waived(engine, raw, waivers)[1]
    legs = chain_of(engine, lifted, MOST).legs
    assert {leg.region for leg in legs} == {"us-east-1"}  # others stand in `us`, of which nobody signed anything
    assert min(str(leg.until) for leg in legs) <= f"{waivers[0].ends}T23:59:59Z"


@cases(15)
@given(workloads(), st.booleans(), st.booleans())
def test_a_configuration_holds_what_is_permitted_and_reaches_it_where_it_was_judged(
    raw: dict[str, Any], layered: bool, allow: bool
) -> None:
    engine = decider(layered)
    route = route_of(engine, decided(engine, raw), "w.yaml", MOST)
    found: Any = {"model_list": [], "router_settings": {"fallbacks": [], "context_window_fallbacks": []}}
    with suppress(UsageError):  # nothing may be written, or a provider is not known
        found = configuration(engine.policy.catalog, [(route, 0)], read_gateway(None), allow).document
    legs = {
        f"{route.alias(chain)}{f'+{number}' if number else ''}": leg
        for chain in route.chains
        for number, leg in enumerate(chain.legs)
    }
    for each in found["model_list"]:
        leg, params = legs[each["model_name"]], each["litellm_params"]
        assert allow or not leg.conditions
        if leg.own_machines or leg.region is not None:
            assert params["api_base"].removesuffix("/v1").endswith(".invalid")  # nobody gave one
    for row in (*found["router_settings"]["fallbacks"], *found["router_settings"]["context_window_fallbacks"]):
        ((first, rest),) = row.items()
        assert all(each.rpartition("+")[0] == first and each in legs for each in rest)


def _hold(raw: dict[str, Any], layered: bool) -> list[Chain]:
    """Hold each leg of the route of `raw` to a decision on the same workload in which it is proposed."""
    engine = decider(layered)
    chains = [chain_of(engine, result, MOST) for result in judged(engine, raw)[1]]
    contains = engine.policy.catalog.regions.contains
    for place, chain in enumerate(chains):
        assert bool(chain.legs) <= (chain.result.verdict != "deny")
        assert len({(leg.deployment, leg.provider, leg.model) for leg in chain.legs}) == len(chain.legs)
        for leg in chain.legs:
            alone = _decided_with(engine, raw, place, _said(leg, "quantization"))
            assert {each.evidence for each in unmet(alone)} <= {each.evidence for each in leg.conditions}, leg
            assert alone.verdict != "deny", leg
            assert alone.proposal is not None
            assert (alone.proposal.holds, alone.standings[leg.deployment].status) == (True, "permitted"), leg
            if leg.quantization in (None, "bf16"):  # a fallback in a file cannot say another precision
                behind = _decided_with(engine, raw, place, {**_said(leg), "fallback": _said(leg)})
                assert behind.fallback_verdict in ("allow", "allow_with_conditions"), leg
            residency = raw["spec"].get("data", {}).get("residency")
            if residency != ["anywhere"]:
                assert contains(residency, leg.region) is True, leg
            provider = engine.policy.catalog.providers.get(leg.provider or "")
            if leg.origin == "catalog" and leg.deployment not in SELF_RUN and provider is not None:
                assert leg.region in (*(provider.regions or ()), None)
    return chains


def _said(leg: Leg, *more: str) -> dict[str, Any]:
    names = ("deployment", "model", "provider", "region", *more)
    return {name: value for name in names if (value := getattr(leg, name)) is not None}


def _decided_with(engine: Decider, raw: dict[str, Any], place: int, proposal: dict[str, Any]) -> TaskResult:
    other = copy.deepcopy(raw)
    other["spec"]["tasks"][place]["proposal"] = proposal
    return judged(engine, other)[1][place]
