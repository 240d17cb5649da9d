"""Rules held to their cases: what is lacking, where it stands, and the case that would fill it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from policy_engine.cases import CaseRunner, LayerCases, gather
from policy_engine.cli.rules_coverage import case_text
from policy_engine.coverage import measuring
from policy_engine.coverage.measuring import Gap, RuleCoverage, measure

Gaps = Callable[..., list[Gap]]
RULE = """\
id: own-rule
title: Ours
origin: works agreement
when: |-
  task.batch
  && (task.quality in ['high', 'best'] || budget.monthly_usd > param.budget_low_usd_per_month)
advise: Do it.
message: Batch.
"""
ALL = """\
cases:
  - {name: a, facts: {task.batch: true, task.quality: high, budget.monthly_usd: 1}, outcome: fired}
  - {name: b, facts: {task.batch: true, task.quality: best, budget.monthly_usd: 1}, outcome: fired}
  - {name: c, facts: {task.batch: true, task.quality: sufficient, budget.monthly_usd: 2000.01}, outcome: fired}
  - {name: d, facts: {task.batch: true, task.quality: sufficient, budget.monthly_usd: 1}, outcome: not_fired}
  - {name: e, facts: {task.batch: false, task.quality: high}, outcome: not_fired}
  - {name: f, facts: {}, outcome: indeterminate}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "parsed"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("POLICY_CACHE_DIR", str(folder))


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "ours/latency").mkdir(parents=True)
    return tmp_path / "ours"


@pytest.fixture
def gaps(layer: Path) -> Gaps:
    """Write a rule and its cases, and return what the cases lack."""

    def found(cases: str, rule: str = RULE) -> list[Gap]:
        (layer / "latency/own-rule.yaml").write_text(rule, encoding="utf-8")
        (layer / "latency/own-rule_test.yaml").write_text(cases, encoding="utf-8")
        return list(next(each for each in measure(gather([layer])) if each.rule.id == "own-rule").gaps)

    return found


def without(name: str) -> str:
    return "\n".join(line for line in ALL.split("\n") if f"name: {name}," not in line)


def said(found: list[Gap]) -> list[tuple[str, str, str]]:
    return [
        (each.wanted.kind, f"{each.wanted.span.line}:{each.wanted.span.column}", each.wanted.says) for each in found
    ]


def test_cases_that_exercise_everything_leave_no_gap(gaps: Gaps) -> None:
    assert gaps(ALL) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # task.quality in [...] is true by case b, too: what is lacking is the member alone
        ("a", [("branch", "6:24", 'no case has `task.quality` at `"high"` where that decides')]),
        ("b", [("branch", "6:32", 'no case has `task.quality` at `"best"` where that decides')]),
        ("c", [("branch", "6:43", "is never true where that decides")]),
        (
            "d",
            [
                ("branch", "6:7", "is never false where that decides"),
                ("branch", "6:43", "is never false where that decides"),
            ],
        ),
        ("e", [("branch", "5:3", "`task.batch` is never false where that decides")]),
        ("f", [("outcome", "1:1", "no case is indeterminate")]),
    ],
)
def test_each_case_that_is_left_out_is_missed_with_its_place(
    name: str, expected: list[tuple[str, str, str]], gaps: Gaps
) -> None:
    found = said(gaps(without(name)))
    assert [each[:2] for each in found] == [each[:2] for each in expected]
    assert all(wanted[2] in each[2] for each, wanted in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", "bdf")
def test_the_suggested_cases_fill_the_gaps_and_pass_on_every_engine(name: str, gaps: Gaps, layer: Path) -> None:
    cases = [gap.case for gap in gaps(without(name))]
    text = without(name) + case_text([each for each in cases if each is not None])
    assert None not in cases
    assert gaps(text if cases[0] != (cases[1:] or [None])[0] else without(name) + case_text(cases[:1])) == []
    on_top = gather([layer])[-1]
    runner = CaseRunner(on_top.policy)
    assert [
        result.failures for file in on_top.files for case in file.cases if (result := runner.run(case)).failures
    ] == []


def test_what_no_facts_can_exercise_is_told_and_asks_for_nothing(gaps: Gaps) -> None:
    rule = RULE.replace("when: |-\n  task.batch\n", "when: |-\n  task.batch && (task.batch || needs.edge)\n")
    found = gaps(ALL, rule)
    assert [(each.wanted.says, each.unreachable, each.counts) for each in found] == [
        ("`task.batch` is never false where that decides", True, False),
        ("`needs.edge` is never true where that decides", True, False),
        ("`needs.edge` is never false where that decides", True, False),
    ]


def test_a_rule_that_can_never_fire_counts(gaps: Gaps) -> None:
    rule = RULE.replace("when: |-\n  task.batch\n", "when: |-\n  task.batch && !task.batch\n")
    found = gaps("cases:\n  - {name: f, facts: {}, outcome: indeterminate}\n", rule)
    never = next(each for each in found if each.wanted.key == ("outcome", "fired"))
    assert (never.unreachable, never.counts, never.case) == (True, True, None)


def test_what_cannot_be_looked_at_in_full_is_not_called_unreachable(
    gaps: Gaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That size * 0 stays below 1 holds for all facts, and the search cannot know that it saw them all."""
    rule = RULE.replace("when: |-\n  task.batch\n", "when: |-\n  task.batch && task.latency_p95_ms * 0 < 1\n")
    found = [each for each in gaps(ALL, rule) if "* 0 < 1` is never false" in each.wanted.says]
    # but Z3 proves it, where it is installed
    assert [(each.unreachable, each.counts, each.case) for each in found] == [(True, False, None)]
    monkeypatch.setattr(measuring, "find_spec", lambda _: None)
    found = [each for each in gaps(ALL, rule) if "* 0 < 1` is never false" in each.wanted.says]
    assert [(each.unreachable, each.counts, each.case) for each in found] == [(False, True, None)]


def test_a_rule_on_facts_that_are_always_known_is_not_asked_to_be_indeterminate(gaps: Gaps) -> None:
    rule = RULE[: RULE.index("when:")] + "when: workload.stage == 'pilot'\nadvise: Do it.\nmessage: Pilot.\n"
    fired = "cases:\n  - {name: a, facts: {workload.stage: pilot}, outcome: fired}\n"
    assert [each.wanted.says for each in gaps(fired, rule)] == ["no case is not_fired"]


def test_what_a_rule_derives_has_to_be_stated(gaps: Gaps, layer: Path) -> None:
    (layer / "vocabulary.yaml").write_text(
        "facts:\n  custom.tier: {type: string, values: [low, high], source: rule, meaning: A tier.}\n", encoding="utf-8"
    )
    rule = RULE[: RULE.index("when:")] + (
        "when: needs.edge || !needs.edge\nderive: {custom.tier: \"task.batch ? 'low' : 'high'\"}\nmessage: Tier.\n"
    )
    case = "  - {name: %s, facts: {needs.edge: %s, task.batch: %s}, outcome: fired%s}\n"
    silent = "cases:\n" + case % ("a", "true", "true", "") + case % ("b", "false", "false", "")
    assert [each.wanted.says for each in gaps(silent, rule) if each.wanted.kind == "derivation"] == [
        "no case that fires says what `custom.tier` becomes"
    ]
    stated = silent.replace("a, facts", "c, facts").replace("task.batch: true}, outcome: fired", "task.batch: true}, "
        "outcome: fired, derives: {custom.tier: low}")  # fmt: skip
    left = [each.wanted.says for each in gaps(stated, rule) if each.wanted.key[0] == "custom.tier"]
    assert left == [
        'the arm `"high"` is never taken where that decides',
        "`task.batch` is never false where that decides",
    ]


def test_the_shipped_rules_have_everything_exercised() -> None:
    gathered = gather(())
    assert [each.wanted.says for rule in measure(gathered) for each in rule.gaps] == []
    # and would not, with the first case of each file alone
    first = tuple(dataclasses.replace(file, cases=file.cases[:1]) for file in gathered[0].files)
    assert all(rule.gaps for rule in measure([LayerCases(gathered[0].policy, first)]))


def test_a_suggested_case_can_be_read_again() -> None:
    case = {"name": "yes: no", "facts": {"a.b": True, "a.s": "null", "a.l": ["x", "1"]}, "outcome": "fired"}
    assert yaml.safe_load("cases:\n" + case_text([case])) == {"cases": [case]}


def test_a_rule_that_cannot_fire_under_the_parameters_in_force_is_told(layer: Path) -> None:
    # the shipped cases fire it, under the shipped parameters
    (layer / "parameters.yaml").write_text("parameters:\n  low_latency_ms: {value: 0}\n", encoding="utf-8")
    found = [(each.rule.id, gap) for each in measure(gather([layer])) for gap in each.gaps]
    ((rule, gap),) = found
    assert rule == "low-latency-favours-self-hosting"
    assert (gap.unreachable, gap.counts, gap.case) == (True, True, None)


def test_what_its_author_lists_as_unreachable_is_held_to_what_is_found(layer: Path) -> None:
    when = "task.batch || (proposal.model.startsWith('abcd') && !proposal.model.startsWith('ab'))"
    (layer / "latency/own-rule.yaml").write_text(
        f'id: own-rule\ntitle: T\norigin: us\nwhen: "{when}"\nadvise: Do.\nmessage: M.\n', encoding="utf-8"
    )
    cases = "cases:\n" + "".join(
        f"  - {{name: {name}, facts: {facts}, outcome: {outcome}}}\n"
        for name, facts, outcome in (
            ("a", "{task.batch: true}", "fired"),
            ("b", "{task.batch: false, proposal.model: abcd}", "not_fired"),
            ("c", "{task.batch: false, proposal.model: x}", "not_fired"),
            ("d", "{task.batch: true, proposal.model: x}", "fired"),
            ("e", "{}", "indeterminate"),
        )
    )

    def measured(listed: list[str]) -> RuleCoverage:
        entries = [{"part": part, "reason": "one prefix is within the other"} for part in listed]
        text = cases + (yaml.safe_dump({"unreachable": entries}) if listed else "")
        (layer / "latency/own-rule_test.yaml").write_text(text, encoding="utf-8")
        return next(each for each in measure(gather([layer])) if each.rule.id == "own-rule")

    stuck = [gap.wanted.says for gap in measured([]).gaps]
    assert stuck
    assert all(gap.counts and gap.case is None for gap in measured([]).gaps)
    assert measured(stuck).passed
    assert {gap.reason for gap in measured(stuck).gaps} == {"one prefix is within the other"}
    exercised = "`task.batch` is never true where that decides"
    for part, told in ((exercised, "a case exercises it"), ("`x` is never true", "is none of its parts")):
        wrong = measured([*stuck, part])
        (problem,) = wrong.problems
        assert told in problem.message
        assert not wrong.passed
