"""Findings say all that stands behind a verdict, and point at lines of the file."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.findings import EFFECTS, Collector, Finding, effect_of, worst_effect
from policy_engine.findings.answered import findings_of
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import with_rules
from policy_engine.loading.yaml_source import Document, load_yaml
from policy_engine.model.decision import Decision
from policy_engine.model.workload import Workload
from tests.property.test_waiver_laws import judged, waivers_of
from tests.property.worlds import AT, NOWHERE, cases, decider, put, shipped, workloads

#: Facts with a value by which a forbid fires.
FIRING = {
    ("data", "may_leave_network"): False,
    ("needs", "see_weights"): True,
    ("needs", "change_architecture"): True,
    ("needs", "edge"): True,
    ("team", "mlops"): "none",
}
RULES = {rule.id for rule in shipped().rules.rules}


def read(raw: dict[str, Any]) -> Document:
    return load_yaml(yaml.safe_dump(raw, sort_keys=False), "w.yaml")[0]


def collected(raw: dict[str, Any], layered: bool, waived: bool) -> tuple[Decision, Document, tuple[Finding, ...]]:
    engine, workload = decider(layered), Workload.model_validate(raw)
    waivers = waivers_of(engine, raw, judged(engine, raw)[1]) if waived else ()
    decision = engine.decide(workload, check_evidence(workload, AT.date(), NOWHERE), AT, waivers)
    document = read(raw)
    return decision, document, Collector(engine.judge).of(decision, document)


@cases(120)
@given(raw=workloads(), layered=st.booleans(), waived=st.booleans())
def test_the_gravest_finding_is_as_grave_as_the_verdict(raw: dict[str, Any], layered: bool, waived: bool) -> None:
    decision, _, findings = collected(raw, layered, waived)
    for result in decision.results:
        own = [each for each in findings if each.task == result.facts["task.name"]]
        assert worst_effect(own) == effect_of(result.verdict), [each for each in own if each.effect != "advice"]
        assert [EFFECTS.index(each.effect) for each in own] == sorted(EFFECTS.index(e.effect) for e in own)[::-1]
    assert all(each.code != "verdict" for each in findings), "the net below the findings is not needed"
    assert len({each.fingerprint for each in findings}) == len(findings), "none is there twice"


@cases(60)
@given(raw=workloads(), layered=st.booleans(), waived=st.booleans())
def test_the_document_alone_gives_the_same_reasons(raw: dict[str, Any], layered: bool, waived: bool) -> None:
    decision, document, by_rules = collected(raw, layered, waived)
    by_document = findings_of(decision.document, decision.workload, document)
    for task in decision.document["tasks"]:
        own = [each for each in by_document if each.task == task["name"]]
        assert worst_effect(own) == effect_of(task["verdict"])
    # of these the document does not say everything
    doubted = ("proposal-not-qualified", "fallback-not-qualified", "option-unavailable", "option-uncertain")
    told, answered = (
        {(each.identity, each.effect): each for each in found if each.code not in doubted and each.kind != "fallback"}
        for found in (by_rules, by_document)
    )
    assert answered.keys() == told.keys()


def places(node: Any, mapping: bool = True) -> Iterator[tuple[int, int]]:
    """Every place at which a key or an item of a list begins, by PyYAML's own marks."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key.start_mark.line + 1, key.start_mark.column + 1
            yield from places(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield item.start_mark.line + 1, item.start_mark.column + 1
            yield from places(item)


@cases(60)
@given(raw=workloads())
def test_every_finding_points_at_a_key_or_a_task(raw: dict[str, Any]) -> None:
    _, _, findings = collected(raw, False, False)
    known = set(places(yaml.compose(yaml.safe_dump(raw, sort_keys=False))))
    for each in findings:
        assert (each.span.line, each.span.column) in known, each


@cases(60)
@given(raw=workloads(), data=st.data())
def test_another_value_of_a_fact_that_decided_is_another_finding(raw: dict[str, Any], data: st.DataObject) -> None:
    """And the identity, which is what an alert is known by, stays."""
    _, _, findings = collected(raw, False, False)
    for each in findings:
        assert replace(each, span=replace(each.span, line=each.span.line + 7)).fingerprint == each.fingerprint
        if each.facts:
            name = data.draw(st.sampled_from(sorted(each.facts)))
            other = replace(each, facts={**each.facts, name: "another value"})
            assert (other.identity, other.fingerprint) != (each.identity, each.fingerprint)
            assert other.identity == each.identity


@cache
def without_forbid(rule_id: str) -> Decider:
    """An engine whose rule `rule_id` forbids nothing."""
    rules = [replace(rule, forbid=()) if rule.id == rule_id else rule for rule in shipped().rules.rules]
    return Decider(with_rules(shipped(), rules))


@cases(80)
@given(raw=workloads(proposed=True, wild=False), data=st.data())
def test_what_is_left_without_a_finding_is_as_grave_as_without_its_rule(
    raw: dict[str, Any], data: st.DataObject
) -> None:
    """A baseline that accepts the findings of a rule lets nothing pass that would not pass without the rule.

    One forbid fires and others may: what nobody knows is what a denial hides.
    """
    for place in data.draw(st.lists(st.sampled_from(sorted(FIRING)), min_size=2, max_size=3, unique=True)):
        put(raw, place, data.draw(st.sampled_from([FIRING[place], None])))
    _, _, findings = collected(raw, False, False)
    for rule in {each.code for each in findings if each.effect == "deny" and each.code in RULES}:
        left = worst_effect(each for each in findings if each.code != rule)
        verdict = judged(without_forbid(rule), raw)[0]
        assert EFFECTS.index(left) >= EFFECTS.index(effect_of(verdict)), rule


@cases(40)
@given(raw=workloads(proposed=True, wild=False), field=st.sampled_from(["model", "provider", "region"]))
def test_what_is_found_of_one_proposal_is_not_found_of_another(raw: dict[str, Any], field: str) -> None:
    """A baseline that accepts what one provider lacks, evidence included, does not accept that of the next."""
    other = copy.deepcopy(raw)
    for task in other["spec"]["tasks"]:
        task["proposal"][field] = "another" if task["proposal"].get(field) != "another" else "one"
    before, after = (own_and_grave(each) for each in (raw, other))
    assert not before & after


def own_and_grave(raw: dict[str, Any]) -> set[str]:
    found = collected(raw, False, False)[2]
    return {each.fingerprint for each in found if each.effect in ("review", "deny") and each.kind != "fallback"}
