"""Policies for fleets: the shipped one, one whose providers have places, and one with rules of every kind on top."""

from __future__ import annotations

import functools
from datetime import date
from typing import Any

from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.loading.policy import Policy, with_rules
from policy_engine.model.rule import Derivation, Rule
from tests.property.made_up_rules import rule_of
from tests.property.worlds import checker, placed

_BINDING: dict[str, Any] = {"enforcement": "mandatory"}
_WAIVABLE: dict[str, Any] = {"enforcement": "waivable"}


def _derived(rule_id: str, when: str, fact: str, text: str) -> Rule:
    derivation = Derivation(fact, text, checker().check(text, expected=None))
    return replace(rule_of(rule_id, when, derive=(derivation,)), stratum=0)


RULES = (
    rule_of("x-waivable", "team.ml_engineers < 1", forbid=("self_hosted", "edge"), **_WAIVABLE),
    rule_of(
        "x-advisory",
        "proposal.region == 'us' || data.sensitivity == 'public'",
        forbid=("proprietary_api", "proposal"),
    ),
    rule_of(
        "x-later",
        "!data.third_party_accepted",
        forbid=("open_api", "proposal"),
        enforce_from=date(2027, 1, 1),
        **_BINDING,
    ),
    rule_of("x-begun", "proposal.model == 'gpt-4o'", forbid=("proposal",), enforce_from=date(2026, 1, 1), **_BINDING),
    rule_of(
        "x-recorded",
        "proposal.region != 'eu'",
        require={"dpa": ("proprietary_api", "open_api", "self_hosted"), "monitoring": ("edge", "open_batch")},
        grade="recorded",
        **_WAIVABLE,
    ),
    rule_of(
        "x-attached",
        "workload.organisation == 'startup'",
        require={"dpa": ("proprietary_api", "open_api")},
        grade="attached",
        **_BINDING,
    ),
    rule_of(
        "x-cost",
        "cost.self_hosted_usd_per_month > 100.0 || licence.open_api == 'review'",
        prefer={"open_api": 3},
        disfavour={"self_hosted": 1},
        topic="data-residency",
    ),
    rule_of(
        "x-cheaper",
        "cost.proprietary_api_usd_per_month < cost.open_api_usd_per_month",
        disfavour={"open_api": 3, "edge": 2},
        topic="volume-cost",
    ),
    rule_of(
        "x-crossed",
        "data.residency.exists(r, r == proposal.region) && size(data.regulations) > 0",
        forbid=("edge",),
        **_BINDING,
    ),
    rule_of(
        "x-chosen",
        "task.batch ? budget.monthly_usd / 3.0 < 33.3 : licence.edge == 'allowed'",
        forbid=("open_batch", "proposal"),
        **_BINDING,
    ),
    rule_of(
        "x-fallback",
        "proposal.fallback.deployment == 'edge' || proposal.quantization == 'int4'",
        forbid=("self_hosted", "proposal"),
        **_BINDING,
    ),
    rule_of("x-licence", "licence.self_hosted != 'allowed'", forbid=("self_hosted",), **_WAIVABLE),
    rule_of("x-overflow", "volume.tokens_per_month * 1048576 > 9007199254740991", prefer={"edge": 1}),
    # what is said stands before what is derived; and the two may differ, which is an error
    _derived("x-tight", "proposal.deployment in ['self_hosted', 'edge', 'open_api']", "budget.margin", "'tight'"),
    _derived("x-normal", "task.batch || proposal.region == 'moon'", "budget.margin", "'normal'"),
    _derived(
        "x-engineers", "team.mlops == 'mature' && team.can_hire", "team.gpu_devops_engineers", "team.ml_engineers + 1"
    ),
)
OVERRIDES = {
    ("x-waivable", "claims"): "advisory",
    ("x-waivable", "*"): "mandatory",
    ("x-recorded", "sandbox"): "advisory",
    ("x-chosen", "claims"): "advisory",
    ("x-chosen", "sandbox"): "waivable",
    ("proposed-region-outside-residency", "claims"): "advisory",
    ("may-not-leave-network", "search"): "advisory",
}


@functools.cache
def extended() -> Policy:
    policy = placed()
    found = with_rules(policy, [*policy.rules.rules, *RULES])
    found = replace(found, rules=replace(found.rules, overrides=OVERRIDES))
    found.__dict__["catalog"] = policy.catalog
    return found


@functools.cache
def extended_decider() -> Decider:
    return Decider(extended())
