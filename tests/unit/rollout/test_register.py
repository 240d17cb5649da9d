"""`rollout.yaml`: layers lay over it, what is wrong is told with its place, and no policy's digest changes by it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import RulesError
from policy_engine.loading.policy import load_policy
from policy_engine.rollout.deciding import judge
from policy_engine.rollout.figures import corners
from policy_engine.rollout.register import EFFECTS, RolloutRules, read_rollout
from policy_engine.rollout.stages import Stage
from policy_engine.rollout.vocabulary import FACTS
from tests.rollouts import judged_facts, seen, shipped

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def _layer(tmp_path: Path, text: str, name: str = "ours") -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / name / "rollout.yaml").write_text(text, encoding="utf-8")
    return tmp_path / name


def _read(*layers: Path) -> RolloutRules:
    return read_rollout(layers, load_policy())


def test_no_digest_of_a_policy_changes_by_it_and_its_own_does(tmp_path: Path) -> None:
    layer = _layer(tmp_path, "parameters: {requests_min: {value: 1000}}\n")
    alone, layered = load_policy(), load_policy([layer])
    (tmp_path / "other").mkdir()
    other = _layer(tmp_path, "parameters: {requests_min: {value: 2000}}\n", "ours")
    assert load_policy([other]).digest == layered.digest
    assert alone.rules.layers[0] == layered.rules.layers[0]
    found = read_rollout([other], layered)
    assert found.values["requests_min"] == 2000
    assert found.digest != shipped().digest
    assert shipped().digest == _read().digest


def test_a_layer_tightens_by_id(tmp_path: Path) -> None:
    text = """\
stages:
  - {percent: 1, hours_min: 1}
  - {percent: 100, hours_min: 2}
risks:
  - {id: edge-cases-matter, disabled: true}
  - {id: voice, when: "'audio' in task.modalities", says: it listens}
rules:
  - id: latency-spike
    title: Slower at all
    when: "stage.percent > 0.0 && observed.latency_p95_ms > baseline.latency_p95_ms"
    effect: roll_back
    message: slower
"""
    found = _read(_layer(tmp_path, text))
    assert [(step.percent, step.hours_min) for step in found.steps] == [(1, 1), (100, 2)]
    assert [risk.id for risk in found.risks][-1] == "voice"
    assert "edge-cases-matter" not in [risk.id for risk in found.risks]
    rows = [
        seen(model, at, latency=500 + (model == "candidate")) for model in ("candidate", "current") for at in (12, 24)
    ]
    facts = judged_facts(rows, 50.0, 24)
    assert judge(shipped(), facts, Stage(50.0)).step == "advance"
    assert judge(found, facts, Stage(50.0)).step == "roll_back"


@pytest.mark.parametrize(
    ("condition", "gone", "known", "step"),
    [
        # of the current model alone: what nobody observed is neither the worst nor the best
        ("baseline.error_rate > 0.4", "current", {}, "hold"),
        ("baseline.error_rate < 0.5", "current", {}, "hold"),
        ("baseline.quality < 0.5", "current", {}, "hold"),
        ("baseline.error_rate > 0.4", "current", {"errors": 200}, "roll_back"),
        # one of the two holds of either extreme, and neither of it where both went well
        ("observed.error_rate > 0.4 || baseline.error_rate > 0.4", "both", {}, "hold"),
        # of the candidate: what is known is enough, or is not
        ("observed.error_rate > 0.3", "candidate", {"errors": 200}, "roll_back"),
        ("observed.error_rate > 0.01", "candidate", {}, "hold"),
        ("observed.quality < 0.6", "candidate", {"quality": Fraction(0)}, "roll_back"),
        ("observed.latency_p95_ms > 900", "candidate", {"latency": Fraction(1000)}, "roll_back"),
        ("observed.latency_p95_ms < 900", "candidate", {}, "hold"),
    ],
)
def test_a_rule_of_a_layer_rolls_back_only_where_it_does_whatever_was_left_out(
    tmp_path: Path, condition: str, gone: str, known: dict[str, Any], step: str
) -> None:
    text = f"rules: [{{id: ours, title: Ours, when: '{condition}', effect: roll_back, message: ours}}]\n"
    nothing = {"errors": None, "quality": None, "latency": None}
    # two observations of each model: the second says nothing of whom it leaves out, the others as `known` says
    rows = [
        seen(model, at, **(nothing if at == 24 else known) if gone in (model, "both") else {})
        for at in (12, 24)
        for model in ("candidate", "current")
    ]
    facts, *bounds = (judged_facts(each, 50.0, 24) for each in (rows, *(own for own, _ in corners(rows, []))))
    judged = judge(_read(_layer(tmp_path, text)), facts, Stage(50.0), bounds)
    assert (judged.step, "ours" in [each.rule for each in judged.reasons]) == (step, True)


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("rule: []\n", "1:1", "unknown-key"),
        ("rules:\n  - {id: denied, disabled: true}\n", "2:10", "locked"),
        ("rules:\n  - {id: deneid, disabled: true}\n", "2:10", "unknown-rule"),
        ("rules:\n  - {id: Bad, title: t, when: 'true', effect: hold, message: m}\n", "2:10", "bad-id"),
        ("rules:\n  - {id: a, title: t, when: 'true', effect: pause, message: m}\n", "2:45", "unknown-value"),
        (
            "rules:\n  - {id: a, title: t, when: 'stage.hour > 1.0', effect: hold, message: m}\n",
            "2:30",
            "bad-condition",
        ),
        ("rules:\n  - {id: a, title: t, when: 'stage.hours > 1', effect: hold, message: m}\n", "2:42", "bad-condition"),
        ("rules:\n  - {id: a, title: t, when: 'stage.hours', effect: hold, message: m}\n", "2:30", "bad-condition"),
        (
            "rules:\n  - {id: a, title: t, when: \"decision.verdict == 'denied'\", effect: hold, message: m}\n",
            "2:50",
            "unknown-value",
        ),
        (
            "rules:\n  - {id: a, title: t, when: 'true', effect: hold, message: 'no {stage.hour}'}\n",
            "2:60",
            "unknown-fact",
        ),
        ("rules:\n  - {id: a, title: t, effect: hold, message: m}\n", "2:5", "missing-key"),
        ("risks:\n  - {id: a, when: task.batch}\n", "2:5", "missing-key"),
        ("stages: []\n", "1:9", "bad-stage"),
        ("stages:\n  - {percent: 50, hours_min: 1}\n", "2:3", "bad-stage"),
        ("stages:\n  - {percent: 100, hours_min: 1}\n  - {percent: 100, hours_min: 1}\n", "3:15", "bad-stage"),
        ("stages:\n  - {percent: 100, hours_min: -1}\n", "2:31", "bad-stage"),
        ("stages:\n  - {percent: 100, hours_min: 1e300}\n", "2:31", "bad-stage"),
        ("stages:\n  - {percent: .nan, hours_min: 1}\n", "2:15", "yaml-not-finite"),
        ("parameters: {requests_min: {value: many}}\n", "1:36", "wrong-type"),
        ("parameters: {requests_min: {value: 1, type: double}}\n", "1:14", "wrong-type"),
        ("parameters: {migration_weeks_min: {value: 1.0}}\n", "1:14", "bad-parameter-name"),
        ("parameters: {error_rate_max: {value: .inf}}\n", "1:38", "yaml-not-finite"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, place: str, code: str) -> None:
    layer = _layer(tmp_path, text)
    with pytest.raises(RulesError) as caught:
        _read(layer)
    first = caught.value.problems[0]
    assert (first.code, str(first.span)) == (code, f"{layer / 'rollout.yaml'}:{place}")


def test_what_a_layer_locks_stays(tmp_path: Path) -> None:
    one = _layer(tmp_path, "parameters: {requests_min: {value: 900, locked: true}}\n", "one")
    two = _layer(tmp_path, "parameters: {requests_min: {value: 1}}\n", "two")
    with pytest.raises(RulesError, match=r"`param.requests_min` is locked"):
        _read(one, two)
    assert _read(one).values["requests_min"] == 900


def test_the_shipped_rules_have_sources_effects_and_facts_that_are_documented() -> None:
    rules = shipped()
    assert {rule.effect for rule in rules.rules} == set(EFFECTS)
    assert all(each.source and each.meaning and each.unit for each in rules.parameters.values())
    assert sum(step.hours_min for step in rules.steps) == 7 * 24
    section = README.partition("\n## Rollouts\n")[2].partition("\n## ")[0]
    assert [name for name in FACTS if f"`{name}`" not in section] == []
