"""Every finding points at the line that caused it, or at the task where a field is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from policy_engine.decide import Decider
from policy_engine.findings import Collector, Finding
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads

AT = datetime(2026, 11, 29, 9, tzinfo=UTC)
TEXT = """\
apiVersion: policy-engine/v1
kind: Workload
metadata:
  name: triage
  owner: support@acme.example
spec:
  stage: production
  organisation: enterprise
  tasks:
    - name: sort
      kind: classification
      complexity: simple
      quality: sufficient
      latency_p95_ms: 800
      context_tokens: 8000
      batch: false
      share: 0.5
      proposal:
        deployment: proprietary_api
        model: gpt-4o
        provider: openai
        region: us
        fallback: {deployment: proprietary_api, model: gpt-4o-mini, region: us}
    - name: second
      kind: classification
      share: 0.5
      proposal: {deployment: proprietary_api, model: gpt-4o, provider: openai, region: us}
  data:
    sensitivity: internal
    regulations: []
    residency: [us]
    may_leave_network: true
    third_party_accepted: true
  volume:
    input_tokens_per_month: 4000000
    output_tokens_per_month: 1000000
  budget: {monthly_usd: 900}
  team: {mlops: building, ml_engineers: 1, gpu_devops_engineers: 1}
  needs: {}
  evidence:
    fallback: {reference: F-1}
  migration: none
"""


@cache
def engine() -> Decider:
    return Decider(load_policy())


def findings(text: str) -> list[Finding]:
    loaded = load_workloads(text, "w.yaml", engine().policy.vocabulary)[0]
    evidence = check_evidence(loaded.workload, AT.date(), Path.cwd())
    decision = engine().decide(loaded.workload, evidence, AT)
    return list(Collector(engine().judge).of(decision, loaded.document))


def changed(*changes: tuple[str, str]) -> str:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


ONE_TASK = (TEXT[TEXT.index("    - name: second") : TEXT.index("  data:\n")], "")
SHARE = ("      share: 0.5\n      proposal:\n", "      proposal:\n")
FALLBACK = ("        fallback: {deployment: proprietary_api, model: gpt-4o-mini, region: us}\n", "")
ALONE = (ONE_TASK, SHARE, FALLBACK)

CASES = {
    "a field": (
        (*ALONE, ("may_leave_network: true", "may_leave_network: false")),
        ("deny", "data-stays-in-network", "sort", "may_leave_network: false", "may_leave_network"),
    ),
    "an inline field": (
        (*ALONE, ("  needs: {}", "  needs: {no_rate_limits: true, see_weights: true}")),
        (
            "deny",
            "seeing-weights-needs-open-weights",
            "sort",
            "needs: {no_rate_limits: true, see_weights: true}",
            "see_weights",
        ),
    ),
    "a computed fact points at what it is computed from": (
        (*ALONE, ("residency: [us]", "residency: [eu]")),
        ("deny", "proposed-region-outside-residency", "sort", "region: us", "region"),
    ),
    "a missing field": (
        (*ALONE, ("    may_leave_network: true\n", "")),
        ("review", "data-stays-in-network", "sort", "- name: sort", "name"),
    ),
    "a field that is null": (
        (*ALONE, ("may_leave_network: true", "may_leave_network: null")),
        ("review", "data-stays-in-network", "sort", "may_leave_network: null", "may_leave_network"),
    ),
    "the second task": (
        (FALLBACK, ("model: gpt-4o, provider: openai, region: us}", "model: gpt-4o, provider: openai, region: eu}")),
        (
            "deny",
            "proposed-region-outside-residency",
            "second",
            "proposal: {deployment: proprietary_api, model: gpt-4o, provider: openai, region: eu}",
            "region",
        ),
    ),
    "a fallback": (
        (ONE_TASK, SHARE, ("gpt-4o-mini, region: us", "gpt-4o-mini, region: eu")),
        (
            "deny",
            "proposed-region-outside-residency",
            "sort",
            "fallback: {deployment: proprietary_api, model: gpt-4o-mini, region: eu}",
            "region",
        ),
    ),
    "a model that the catalog lacks": (
        (*ALONE, ("model: gpt-4o\n", "model: gpt-99\n")),
        ("review", "proposal-not-qualified", "sort", "model: gpt-99", "model"),
    ),
    "evidence that is owed": (
        (*ALONE, ("sensitivity: internal", "sensitivity: confidential")),
        ("review", "sensitive-data-needs-dpa", "sort", "sensitivity: confidential", "sensitivity"),
    ),
    "evidence that is out": (
        (
            *ALONE,
            ("sensitivity: internal", "sensitivity: confidential"),
            ("    fallback: {", "    dpa: {reference: D, valid_until: 2026-01-01}\n    fallback: {"),
        ),
        ("review", "sensitive-data-needs-dpa", "sort", "dpa: {reference: D, valid_until: 2026-01-01}", "dpa"),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_place(case: tuple[tuple[tuple[str, str], ...], tuple[str, str, str, str, str]]) -> None:
    changes, (effect, code, task, line, key) = case
    text = changed(*changes)
    found = [each for each in findings(text) if (each.effect, each.code, each.task) == (effect, code, task)]
    assert found, [(each.effect, each.code, each.task, each.message) for each in findings(text)]
    span, lines = found[0].span, text.splitlines()
    assert lines[span.line - 1].strip() == line
    assert lines[span.line - 1][span.column - 1 :].startswith(key)
    assert span.file == "w.yaml"


def test_what_did_not_matter_is_not_pointed_at() -> None:
    """Of several facts of a condition the ones count without which it would have come out otherwise."""
    text = changed(
        *ALONE,
        ("mlops: building", "mlops: none"),
        ("deployment: proprietary_api\n        model: gpt-4o", "deployment: self_hosted\n        model: llama-3.1-8b"),
    )
    found = next(each for each in findings(text) if each.code == "no-mlops-no-self-hosting" and each.effect == "deny")
    line = text.splitlines()[found.span.line - 1]
    assert line[found.span.column - 1 :].startswith("mlops: none")
    assert found.facts["team.mlops"] == "none"


def test_a_rule_that_only_might_fire_says_what_nobody_knows() -> None:
    found = next(
        each for each in findings(changed(*ALONE, ("    may_leave_network: true\n", ""))) if each.effect == "review"
    )
    assert found.missing == ("data.may_leave_network",)
    assert "depends on data.may_leave_network" in found.message
    assert "data.may_leave_network" not in found.facts


def test_a_fallback_is_told_of_by_its_own_facts() -> None:
    text = changed(ONE_TASK, SHARE, ("gpt-4o-mini, region: us", "gpt-4o-mini, region: eu"))
    found = next(each for each in findings(text) if each.kind == "fallback")
    assert found.message.startswith("the fallback: ")
    assert found.facts["proposal.region"] == "eu"


def test_the_region_behind_a_computed_fact_is_part_of_what_decided() -> None:
    """Else a baseline that accepts one region would accept every other one that is not allowed."""
    prints = []
    for region in ("us", "ap"):
        text = changed(*ALONE, ("residency: [us]", "residency: [eu]"), ("region: us\n", f"region: {region}\n"))
        prints.append(next(each for each in findings(text) if each.code == "proposed-region-outside-residency"))
    assert prints[0].fingerprint != prints[1].fingerprint
    assert prints[0].identity == prints[1].identity


def test_a_denial_hides_no_rule_that_nobody_can_decide() -> None:
    """A baseline that accepts the denial leaves the rest: else less knowledge would let it pass."""
    text = changed(
        *ALONE, ("  needs: {}", "  needs: {see_weights: true}"), ("may_leave_network: true", "may_leave_network: null")
    )
    found = {(each.code, each.effect) for each in findings(text)}
    assert {("seeing-weights-needs-open-weights", "deny"), ("data-stays-in-network", "review")} <= found


def test_a_denial_hides_no_doubt_about_models() -> None:
    changes = (
        ("may_leave_network: true", "may_leave_network: false"),
        ("context_tokens: 8000", "context_tokens: 99000000"),
    )
    found = {(each.code, each.effect) for each in findings(changed(*ALONE, *changes))}
    assert found >= {
        ("data-stays-in-network", "deny"),
        ("proposal-not-qualified", "deny"),
        ("option-uncertain", "review"),
    }
