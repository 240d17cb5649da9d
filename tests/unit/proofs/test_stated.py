"""Properties of a layer: proved, refuted with a workload that the engine decides so, vacuous, or not answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import RulesError
from policy_engine.loading.properties import Property
from policy_engine.lowering.to_z3 import Truth
from policy_engine.proofs.prover import Prover
from policy_engine.proofs.stated import prove
from policy_engine.proofs.worlds import World
from tests.unit.proofs.given import AT, evaluated, of, properties, shipped

DATA, BATCH = "data-stays-in-network", "real-time-work-excludes-batch"


def stated(folder: Path, policy: Any, holds: str, **more: Any) -> Property:
    lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
    text = f'properties:\n  - id: ours\n    title: Ours\n    reason: ours\n    holds: "{holds}"\n{lines}'
    return next(each for each in properties(folder, text, policy).properties if each.id == "ours")


def proved(policy: Any, each: Property, timeout_s: float = 10.0) -> Any:
    nodes = [node for node in (each.holds, each.when) if node is not None]
    return prove(Prover(policy, AT, timeout_s, nodes), each)


@pytest.fixture(scope="module")
def policy() -> Any:
    return shipped()


@pytest.mark.parametrize(
    ("holds", "more"),
    [
        ("verdict != 'allow'", {}),
        ("status.open_api == 'permitted'", {"when": "needs.fine_tuning"}),
        ("obligation.dpa != 'outstanding'", {"known": "[data.sensitivity]"}),
        ("judged == 'none' || recommendation == judged", {}),
        ("fallback_verdict == 'none' || verdict == fallback_verdict", {}),
        ("rule.data_stays_in_network == 'fired' || verdict == 'deny'", {}),
        ("ruling != 'ruled_out' || status.self_hosted == 'forbidden'", {}),
        ("data.may_leave_network", {}),
        ("task.context_tokens < 150000", {"known": "[task.context_tokens]"}),
        ("firm", {"when": '"!proposal.present"'}),
        ("!(data.residency.exists(r, r.startsWith('ap')))", {"known": "[data.residency]"}),
    ],
)
def test_what_does_not_hold_is_shown_by_a_workload_file(
    policy: Any, tmp_path: Path, holds: str, more: dict[str, str]
) -> None:
    result = proved(policy, stated(tmp_path, policy, holds, **more))
    assert result.status == "refuted", result.failures
    shown = result.failures[0].counterexample
    assert shown is not None
    assert evaluated(policy, shown.text()).verdict == shown.verdict
    assert shown.beyond == ()


@pytest.mark.parametrize(
    ("holds", "more"),
    [
        ("status.open_api != 'permitted' || rule.data_stays_in_network == 'not_fired'", {}),
        ("data.may_leave_network", {"known": "[data.may_leave_network]", "when": "status.open_api == 'permitted'"}),
        ("collision == (status.edge in ['forbidden', 'unavailable'])", {"when": "needs.edge && collision"}),
        ("waived || !lifted.no_mlops_no_self_hosting", {}),
    ],
)
def test_what_holds_is_proved(policy: Any, tmp_path: Path, holds: str, more: dict[str, str]) -> None:
    result = proved(policy, stated(tmp_path, policy, holds, **more))
    assert result.status == "proved", result.failures


def test_waivers_and_better_evidence_are_said_beside_the_file(policy: Any, tmp_path: Path) -> None:
    waived = proved(policy, stated(tmp_path, policy, "!waived")).failures[0].counterexample
    assert any(line.startswith("a waiver of ") for line in waived.beyond)
    assert "# besides, a waiver of " in waived.text()
    when = "workload.stage == 'production' && judged == 'self_hosted'"
    better = proved(policy, stated(tmp_path, policy, "verdict in ['deny', 'review']", when=f'"{when}"'))
    assert better.failures[0].counterexample.beyond == ("evidence hardware_attestation is recorded",)


def test_a_property_that_speaks_of_nothing_is_a_failure(policy: Any, tmp_path: Path) -> None:
    each = stated(tmp_path, policy, "verdict == 'deny'", when="\"verdict == 'deny' && verdict == 'allow'\"")
    assert [failure.what for failure in proved(policy, each).failures] == [
        "it speaks of no workload: its `when` is never the case"
    ]


@pytest.mark.parametrize(
    ("holds", "more"),
    [
        ("true", {}),
        ("verdict in ['deny', 'review', 'allow_with_conditions', 'allow']", {}),
        ("verdict != 'allow' || verdict != 'deny'", {}),
        ("verdict != 'deny'", {"when": "\"verdict == 'allow'\""}),
        ("firm || !firm", {"when": '"!task.batch"'}),
        ("task.latency_p95_ms >= 1", {"known": "[task.latency_p95_ms]"}),
        ("rule.data_stays_in_network in ['fired', 'not_fired', 'indeterminate'] || waived", {}),
    ],
)
def test_a_property_that_no_rule_can_break_is_a_failure(
    policy: Any, tmp_path: Path, holds: str, more: dict[str, str]
) -> None:
    result = proved(policy, stated(tmp_path, policy, holds, **more))
    assert [each.what for each in result.failures] == ["no rule can break it: it is true whatever is decided"]
    assert result.failures[0].span is not None


def test_a_property_of_what_rules_derive_can_be_broken(policy: Any, tmp_path: Path) -> None:
    each = stated(tmp_path, policy, "task.class == 'frontier'", when="\"task.kind == 'complex_reasoning'\"")
    assert proved(policy, each).status == "proved"


def test_a_fault_of_the_encoding_is_caught_by_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = of(DATA, BATCH)
    each = stated(tmp_path, policy, "status.open_batch != 'permitted'", when='"!task.batch"', known="[task.batch]")
    assert proved(policy, each).status == "proved"
    outcome, index = World.outcome, [rule.id for rule in policy.rules.rules].index(BATCH)
    monkeypatch.setattr(World, "outcome", lambda self, i: Truth(False, True) if i == index else outcome(self, i))
    result = proved(policy, each)
    assert result.status == "undecided"
    assert "the engine confirmed none of" in result.failures[0].what
    assert result.failures[0].counterexample is None


def test_time_outs_are_said(policy: Any, tmp_path: Path) -> None:
    result = proved(policy, stated(tmp_path, policy, "verdict != 'allow'"), timeout_s=0.0)
    assert result.status == "undecided"
    assert result.failures[0].what == "undecided within 0 s: `verdict != 'allow'` does not hold"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("property: []\n", "unknown-key", ":1:1"),
        ("properties:\n  - {id: a, title: A, reason: r, holds: 'verdikt == 1'}\n", "bad-condition", ":2:42"),
        ('properties:\n  - {id: a, title: A, reason: r, holds: "verdict == 1"}\n', "bad-condition", ":2:50"),
        ("properties:\n  - {id: a, title: A, reason: r, holds: 'size(verdict)'}\n", "bad-condition", None),
        ("properties:\n  - {id: a, title: A, holds: 'true'}\n", "missing-key", ":2:5"),
        ("properties:\n  - {id: a, title: A, reason: r, holds: 'true', knows: []}\n", "unknown-key", None),
        ("properties:\n  - {id: a, title: A, reason: r, holds: 'true', known: [task.batsh]}\n", "unknown-value", None),
        ("properties:\n  - {id: A b, title: A, reason: r, holds: 'true'}\n", "bad-id", ":2:10"),
        ("properties:\n  - {id: not-there, disabled: true}\n", "unknown-property", ":2:10"),
        ("shadowed:\n  - {rule: no-such-rule, reason: r}\n", "unknown-value", ":2:12"),
        ("thresholds:\n  - {topic: volume-cost, fact: no.fact, reason: r}\n", "unknown-value", None),
        ("properties: []\n---\nproperties: []\n", "several-documents", ":1:1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    policy: Any, tmp_path: Path, text: str, code: str, place: str | None
) -> None:
    with pytest.raises(RulesError) as caught:
        properties(tmp_path, text, policy)
    problem = caught.value.problems[0]
    assert problem.code == code
    assert problem.span is not None
    assert place is None or str(problem.span).endswith(f"properties.yaml{place}")


def test_a_word_that_an_outcome_or_a_fact_never_is_is_refused(policy: Any, tmp_path: Path) -> None:
    for name, text, word, hint in [
        ("holds", "verdict != 'denied'", "denied", "did you mean `deny`?"),
        ("holds", "status.self_hosted != 'permited'", "permited", "did you mean `permitted`?"),
        ("holds", "!(obligation.dpa in ['outstanding', 'oustanding'])", "oustanding", "did you mean `outstanding`?"),
        ("holds", "(firm ? judged : recommendation) == 'selfhosted'", "selfhosted", "did you mean `self_hosted`?"),
        ("when", "task.kind == 'codng'", "codng", "did you mean `coding`?"),
        ("when", "'hippa' in data.regulations", "hippa", "did you mean `hipaa`?"),
        ("when", "rule.data_stays_in_network == 'true'", "true", "one of `fired`, `not_fired` or `indeterminate`"),
    ]:
        other = "" if name == "holds" else "    holds: \"verdict == 'deny'\"\n"
        with pytest.raises(RulesError) as caught:
            properties(
                tmp_path, f'properties:\n  - id: a\n    title: A\n    reason: r\n{other}    {name}: "{text}"\n', policy
            )
        (problem,) = caught.value.problems
        assert (problem.code, problem.help) == ("unknown-value", hint)
        assert problem.message.startswith(f"`{word}` is not among the values of `")
        assert problem.span is not None
        line = (tmp_path / "ours/properties.yaml").read_text(encoding="utf-8").splitlines()[problem.span.line - 1]
        assert line[problem.span.column - 1 :].startswith(f"'{word}'")


def test_a_layer_replaces_and_disables(policy: Any, tmp_path: Path) -> None:
    name = "real-time-work-never-goes-to-batch"
    text = f"properties:\n  - {{id: {name}, disabled: true}}\n"
    assert name not in {each.id for each in properties(tmp_path, text, policy).properties}
    text = f"properties:\n  - {{id: {name}, title: T, reason: r, holds: 'true'}}\n"
    (mine,) = [each for each in properties(tmp_path, text, policy).properties if each.id == name]
    assert (mine.text, mine.layer) == ("true", "ours")
