"""The two laws over whole workloads: knowledge taken away never allows, and a forbid never helps."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.errors import RulesError
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.model.rule import Rule
from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.workload import Workload
from tests.property.made_up_rules import CONDITIONS, extended, rule_of, several
from tests.property.worlds import (
    AT,
    CALM,
    CALM_TASK,
    NOWHERE,
    TASK_FIELDS,
    allows,
    cases,
    decider,
    judged,
    leaves,
    one_of,
    placed,
    put,
    shipped,
    statable,
    without,
    workloads,
)

# ---- law 1: knowledge taken away never allows


@cases(80)
@given(workloads(proposed=True), st.booleans(), st.randoms(use_true_random=False))
def test_law_1_taking_knowledge_away_never_allows(raw: dict[str, Any], layered: bool, chance: random.Random) -> None:
    engine = decider(layered)
    before, _ = judged(engine, raw)
    assume(not allows(before))
    places = leaves(raw)
    several = [chance.sample(places, chance.choice([2, 3, 5, 12])) for _ in range(6)]
    for paths in [*([path] for path in places), *several]:
        after, _ = judged(engine, without(raw, *paths))
        assert not allows(after), f"{before} becomes {after} without {paths}"


@cases(60)
@given(workloads(proposed=True, wild=False), st.booleans(), st.data())
def test_law_1_learning_never_takes_an_allowance_back(raw: dict[str, Any], layered: bool, data: st.DataObject) -> None:
    """The same law from the other side: what is allowed with facts unknown is allowed whatever they are."""
    engine = decider(layered)
    before, _ = judged(engine, raw)
    assume(allows(before))
    for path, value in statable(raw, data):
        more = copy.deepcopy(raw)
        put(more, path, value)
        after, _ = judged(engine, more)
        assert allows(after), f"{before} becomes {after} with {path} = {value}"


@cases(60)
@given(workloads(proposed=True), st.data())
def test_law_1_holds_of_a_benchmark_floor_that_is_not_known(raw: dict[str, Any], data: st.DataObject) -> None:
    """A floor alone cannot be null in the file; the engine's own form allows it."""
    engine = decider(False)
    raw["spec"]["tasks"][0]["min_scores"] = one_of(data.draw, TASK_FIELDS["min_scores"][1:])
    workload = Workload.model_validate(raw)
    case = engine.cases(workload, check_evidence(workload, AT.date(), NOWHERE), AT)[0]
    before = engine.judge.judge(case).verdict
    assume(not allows(before))
    for name in case.min_scores or {}:
        after = engine.judge.judge(replace(case, min_scores={**(case.min_scores or {}), name: None})).verdict
        assert not allows(after), f"{before} becomes {after} without the floor of {name}"


# ---- law 2: a forbid never helps

FORBIDS = st.builds(
    lambda when, forbid, enforcement: rule_of("one-more", when, forbid=tuple(forbid), enforcement=enforcement),
    CONDITIONS,
    st.lists(st.sampled_from([*OPTIONS, "proposal"]), min_size=1, unique=True),
    st.sampled_from(["mandatory", "waivable", "advisory"]),
)


@cases(60, most=2000)
@given(several(3, 10), FORBIDS, st.booleans())
def test_law_2_adding_a_forbid_never_helps(raws: list[dict[str, Any]], rule: Rule, layered: bool) -> None:
    policy = placed() if layered else shipped()
    more = extended(policy, rule)
    for raw in raws:
        before, _ = judged(decider(layered), raw)
        after, _ = judged(more, raw)
        if before == "deny":
            assert after == "deny", f"deny becomes {after} with {rule.forbid} when {rule.when}"
        if raw["spec"]["tasks"][0].get("proposal"):
            assert VERDICTS.index(after) >= VERDICTS.index(before), f"{before} becomes {after} under {rule.when}"


def _monotone(rule: Rule) -> bool:
    """Whether a rule reads no fact that is declared, else computed: the loader refuses those that do."""
    return "cost.api_spend_usd_per_month" not in rule.reads


@cases(40, most=1000)
@given(several(2, 4, proposed=True), FORBIDS, st.randoms(use_true_random=False))
def test_law_1_holds_under_other_forbids(raws: list[dict[str, Any]], rule: Rule, chance: random.Random) -> None:
    """Over the whole vocabulary, costs and licences of the models that would be chosen among it."""
    assume(_monotone(rule) and rule.enforcement != "advisory")
    engine = extended(shipped(), rule)
    for raw in raws:
        before, _ = judged(engine, raw)
        if allows(before):
            continue
        places = leaves(raw)
        for paths in [*([path] for path in places), *(chance.sample(places, 4) for _ in range(4))]:
            after, _ = judged(engine, without(raw, *paths))
            assert not allows(after), f"{before} becomes {after} without {paths} under {rule.when} {rule.forbid}"


LAYERS = {
    "the cost of a model that would be chosen": (
        "volume-cost/dear.yaml",
        {"when": "cost.self_hosted_usd_per_month > 10000.0", "forbid": ["self_hosted"], "enforcement": "mandatory"},
        {"deployment": "self_hosted", "model": "llama-3.1-405b", "region": "us"},
        ("tasks", 0, "quality"),
    ),
    "a rule that answers where the engine cannot": (
        "data-residency/inside.yaml",
        {"when": "true", "derive": {"proposal.region_allowed": "true"}},
        {"deployment": "proprietary_api", "model": "gpt-4o", "region": "ch"},
        ("tasks", 0, "proposal", "region"),
    ),
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_law_1_holds_of_what_a_layer_may_say(name: str, tmp_path: Path) -> None:
    """The smallest counterexamples that there were: a layer cannot say them, or the engine answers for them."""
    place, effects, proposal, path = LAYERS[name]
    file = tmp_path / place
    file.parent.mkdir()
    head = {"id": file.stem, "title": name, "origin": "a test", "message": name}
    file.write_text(yaml.safe_dump({**head, **effects}), encoding="utf-8")
    try:
        engine = Decider(load_policy([tmp_path], use_cache=False))
    except RulesError:
        return
    task = {"name": "task", "kind": "extraction", **CALM_TASK, "quality": "best", "proposal": proposal}
    metadata = {"name": "some-workload", "owner": "owner@acme.example"}
    raw = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata}
    raw["spec"] = {**copy.deepcopy(CALM), "stage": "pilot", "tasks": [task]}
    assert judged(engine, raw)[0] == "deny"
    assert not allows(judged(engine, without(raw, path))[0])
