"""Findings say all that stands behind a verdict, and point at lines of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.findings import EFFECTS, Collector, Finding, effect_of, worst_effect
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.yaml_source import Document, load_yaml
from policy_engine.model.decision import Decision
from policy_engine.model.workload import Workload
from tests.property.test_waiver_laws import judged, waivers_of
from tests.property.worlds import AT, NOWHERE, cases, decider, workloads


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
    from msgspec.structs import replace

    _, _, findings = collected(raw, False, False)
    for each in findings:
        assert replace(each, span=replace(each.span, line=each.span.line + 7)).fingerprint == each.fingerprint
        if each.facts:
            name = data.draw(st.sampled_from(sorted(each.facts)))
            other = replace(each, facts={**each.facts, name: "another value"})
            assert (other.identity, other.fingerprint) != (each.identity, each.fingerprint)
            assert other.identity == each.identity
