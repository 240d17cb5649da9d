"""What a decision claims of itself holds when it is tried: missing facts, reviews, disputes."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.loading.policy import with_rules
from policy_engine.model.decision import Decision
from policy_engine.model.task_case import TaskResult
from tests.property.worlds import (
    ANY_MODEL,
    PRECISIONS,
    REGIONS,
    SECTION_FIELDS,
    SPEC_FIELDS,
    TASK_FIELDS,
    cases,
    decided,
    decider,
    judged,
    put,
    shipped,
    statable,
    workloads,
)

# ---- missing facts


@cases(100)
@given(workloads(), st.booleans(), st.data())
def test_a_fact_that_does_not_decide_never_changes_the_verdict(
    raw: dict[str, Any], layered: bool, data: st.DataObject
) -> None:
    engine = decider(layered)
    assume(len(raw["spec"]["tasks"]) == 1)
    document = decided(engine, raw).document
    (task,) = document["tasks"]
    places = {path_name(path): path for path, _ in statable(raw, data)}
    for name in task["missing_facts"]:
        if name in task["decisive_facts"] or name not in places:
            continue
        path = places[name]
        for value in _values(path)[:4]:
            more = copy.deepcopy(raw)
            put(more, path, copy.deepcopy(value))
            after = judged(engine, more)[0]
            assert after == document["verdict"], (
                f"{name} = {value} is not said to decide; {document['verdict']}, {after}"
            )


def path_name(path: tuple[str | int, ...]) -> str:
    """Return the fact's name for a path below `spec`."""
    steps = [str(step) for step in path if not isinstance(step, int)]
    if steps[0] == "tasks":
        return ".".join(steps[1:] if steps[1] == "proposal" else ["task", *steps[1:]])
    return ".".join(steps if len(steps) > 1 or steps[0] == "migration" else ["workload", *steps])


def _values(path: tuple[str | int, ...]) -> list[Any]:
    if path[0] == "tasks":
        last = str(path[-1])
        return {**TASK_FIELDS, "model": ANY_MODEL, "region": REGIONS, "quantization": PRECISIONS}[last]
    if len(path) == 1:
        return SPEC_FIELDS[str(path[0])]
    return SECTION_FIELDS[str(path[0]), str(path[1])]


@cases(100)
@given(workloads(), st.booleans())
def test_a_review_names_what_it_waits_for(raw: dict[str, Any], layered: bool) -> None:
    document = decided(decider(layered), raw).document
    for task in document["tasks"]:
        assert set(task["decisive_facts"]) <= set(task["missing_facts"])
        if task["verdict"] != "review":
            continue
        outstanding = [duty for duty in task["obligations"] if duty["status"] == "outstanding"]
        named = task["decisive_facts"] or outstanding or task["collision"] or task["catalog_gaps"]
        assert named or _unknown_to_catalog(task), task["name"]


def _unknown_to_catalog(task: Mapping[str, Any]) -> bool:
    """The proposal or its fallback names a model or region that no catalog entry is about, and the reason says so."""
    proposal = task["proposal"] or {}
    rulings = [each for each in (proposal, proposal.get("fallback")) if each]
    return any("catalog does not know" in reason for ruling in rulings for reason in ruling["reasons"])


# ---- disputes


@functools.cache
def under(parameter: str, value: Any) -> Decider:
    policy = shipped()
    parameters = dict(policy.rules.parameters)
    parameters[parameter] = replace(parameters[parameter], value=value)
    changed = replace(policy, rules=replace(policy.rules, parameters=parameters))
    return Decider(with_rules(changed, changed.rules.rules))


@cases(60)
@given(workloads())
def test_the_other_side_of_a_dispute_does_what_is_claimed(raw: dict[str, Any]) -> None:
    engine = decider(False)
    decision = decided(engine, raw)
    for number, task in enumerate(decision.document["tasks"]):
        now = task["recommendation"]["deployment"] if task["recommendation"] else None
        now = now if task["recommendation"] and not task["recommendation"]["provisional"] else None
        for dispute in task["disputes"]:
            for side in dispute["alternatives"]:
                other = _redecided(raw, number, dispute["id"], side, decision)
                assert side["recommendation"] == other.ranking.recommended, (dispute["id"], side)
                assert side["verdict"] == other.verdict, (dispute["id"], side)
                assert side["changes_verdict"] == (other.verdict != task["verdict"])
                if side["what"].startswith("param."):
                    assert side["changes_recommendation"] == (other.ranking.recommended != now)
                elif side["what"] == "figures of the catalog" and other.ranking.recommended is not None:
                    chosen = other.models[other.ranking.recommended].chosen
                    assert chosen is not None
                    assert (side["model"], side["monthly_usd"]) == (chosen.name, chosen.monthly_usd), dispute["id"]


def _redecided(
    raw: Mapping[str, Any], number: int, dispute: str, side: Mapping[str, Any], decision: Decision
) -> TaskResult:
    """Decide again as if the other side were right."""
    engine = decider(False)
    if side["what"].startswith("param."):
        name = side["what"].removeprefix("param.")
        return judged(under(name, side["other_value"]), raw)[1][number]
    if side["what"].startswith("rule "):
        return judged(lacking(side["what"].removeprefix("rule ")), raw)[1][number]
    catalog = engine.policy.catalog.with_figures(dispute, side["source"])
    return engine.judge.judge(decision.results[number].case, catalog)


@functools.cache
def lacking(rule_id: str) -> Decider:
    policy = shipped()
    return Decider(with_rules(policy, [rule for rule in policy.rules.rules if rule.id != rule_id]))
