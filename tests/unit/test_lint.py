"""Findings about rules: what lint says beyond what loading refuses, and that it leaves the shipped rules alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from policy_engine.lint import Finding, lint
from policy_engine.lint_registers import READ_BY_ENGINE

RULE = """\
id: own-rule
title: Ours
origin: us
when: "task.batch"
advise: Do it.
message: Batch.
"""
CASES = """\
cases:
  - {name: a, facts: {task.batch: true}, outcome: fired}
  - {name: b, facts: {task.batch: false}, outcome: not_fired}
  - {name: c, facts: {}, outcome: indeterminate, missing: [task.batch]}
"""
Found = Callable[..., list[Finding]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests; they share one of their own."""
    folder = tmp_path_factory.getbasetemp() / "parsed"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("POLICY_CACHE_DIR", str(folder))


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """The findings of a layer with these files, those about the shipped rules left out."""

    def run(files: dict[str, str], at: date | None = None) -> list[Finding]:
        for name, text in files.items():
            path = tmp_path / "ours" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        known = ("fact-unread", "regulation-without-period")
        return [finding for finding in lint([tmp_path / "ours"], at) if finding.code not in known]

    return run


def own(rule: str = RULE, cases: str | None = CASES) -> dict[str, str]:
    files = {"latency/own-rule.yaml": rule}
    return files | ({"latency/own-rule_test.yaml": cases} if cases is not None else {})


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """Severity, code and place below the layer."""
    return [(f.severity, f.code, str(f.problem.span).rpartition("/ours/")[2]) for f in findings]


def test_the_shipped_rules_have_neither_errors_nor_warnings() -> None:
    findings = lint([], date(2026, 11, 22))
    assert [finding for finding in findings if finding.severity != "info"] == []
    assert {finding.code for finding in findings} == {"fact-unread", "regulation-without-period"}


def test_a_sound_layer_has_no_findings(found: Found) -> None:
    assert found(own()) == []


def test_what_loading_refuses_is_an_error(found: Found) -> None:
    assert told(found(own(RULE.replace("task.batch", "task.bach")))) == [
        ("error", "bad-condition", "latency/own-rule.yaml:4:8")
    ]


def test_rules_without_cases(found: Found) -> None:
    assert told(found(own(cases=None))) == [("error", "rule-without-cases", "latency/own-rule.yaml:1:1")]


def test_outcomes_without_a_case(found: Found) -> None:
    file = "latency/own-rule_test.yaml:1:1"
    only = "cases:\n  - {name: a, facts: {task.batch: true}, outcome: fired}\n"
    findings = found(own(cases=only))
    assert told(findings) == [("warning", "outcome-without-case", file)] * 2
    assert [f.problem.message.rpartition(" ")[2] for f in findings] == ["not_fired", "indeterminate"]


def test_a_rule_over_facts_that_are_never_unknown_needs_no_indeterminate_case(found: Found) -> None:
    rule = RULE.replace('"task.batch"', "\"workload.stage == 'pilot'\"")
    cases = "cases:\n  - {name: a, facts: {workload.stage: pilot}, outcome: fired}\n"
    cases += "  - {name: b, facts: {workload.stage: production}, outcome: not_fired}\n"
    assert found(own(rule, cases)) == []


def test_case_files_that_are_wrong(found: Found) -> None:
    files = own(cases=CASES.replace("task.batch: true", "task.bach: true"))
    files["latency/gone_test.yaml"] = CASES
    assert told(found(files)) == [
        ("error", "cases-without-rule", "latency/gone_test.yaml:1:1"),
        ("error", "unknown-fact", "latency/own-rule_test.yaml:2:23"),
    ]


def test_cases_that_give_what_the_rule_does_not_read(found: Found) -> None:
    cases = CASES.replace("{task.batch: true}", "{task.batch: true, task.kind: coding}")
    assert told(found(own(cases=cases))) == [("warning", "case-unread-fact", "latency/own-rule_test.yaml:2:5")]


def test_texts_that_name_what_may_be_unknown(found: Found) -> None:
    rule = RULE.replace("Batch.", "'{task.name} {workload.stage} {task.batch} {task.complexity} {option}'")
    assert told(found(own(rule))) == [
        ("warning", "message-unread-fact", "latency/own-rule.yaml:6:10"),
        ("warning", "message-option", "latency/own-rule.yaml:6:10"),
    ]
    rule = rule.replace("advise: Do it.", "forbid: [edge]\nenforcement: mandatory").replace("{task.complexity} ", "")
    assert found(own(rule)) == []


def test_thresholds_in_conditions(found: Found) -> None:
    rule = RULE.replace('"task.batch"', '"size(data.residency) > 1 && task.batch && task.latency_p95_ms / 2 > 250"')
    findings = [each for each in found(own(rule)) if each.code == "literal-threshold"]
    assert told(findings) == [("warning", "literal-threshold", "latency/own-rule.yaml:4:76")]
    assert "the number 250 stands in the condition" in findings[0].problem.message


def test_words_that_a_fact_never_is(found: Found) -> None:
    rule = RULE.replace('"task.batch"', "\"task.kind in ['coding', 'codng'] && 'txt' in task.modalities\"")
    rule = rule.replace("advise:", "derive: {custom.risk: \"task.kind == 'codeing' ? 'low' : 'high'\"}\nadvise:")
    fact = "facts:\n  custom.risk: {type: string, source: rule, values: [low, high], meaning: m}\n"
    files = own(rule, None) | {"vocabulary.yaml": fact}
    findings = [each for each in found(files) if each.code == "constant-outside-values"]
    assert told(findings) == [
        ("warning", "constant-outside-values", f"latency/own-rule.yaml:{place}") for place in ("4:32", "4:44", "5:37")
    ]
    assert "rule `own-rule`: `codng` is not among the values of `task.kind`" in findings[0].problem.message
    assert [each.problem.help for each in findings][::2] == ["did you mean `coding`?"] * 2


def test_parameters_that_nothing_reads(found: Found) -> None:
    files = own() | {"parameters.yaml": "parameters:\n  spare: {value: 3, type: int}\n  named: {value: 4, type: int}\n"}
    files["latency/own-rule.yaml"] = RULE.replace("Batch.", "'{param.named}'")
    assert told(found(files)) == [("warning", "parameter-unread", "parameters.yaml:2:3")]


def test_criteria_that_nothing_cites(found: Found) -> None:
    text = "criteria:\n  OWN-01: {title: Ours}\n  OWN-02: {title: Ours}\n  OWN-03: {title: Ours}\n"
    files = own(RULE.replace("origin: us", "criteria: [OWN-02]")) | {
        "criteria.yaml": text,
        "policy-set.yaml": "mechanisms:\n  OWN-03: the engine\n",
    }
    assert told(found(files)) == [("warning", "criterion-uncited", "criteria.yaml:2:3")]


def test_facts_that_no_rule_reads(tmp_path: Path, found: Found) -> None:
    found(own() | {"vocabulary.yaml": "facts:\n  custom.spare: {type: bool, meaning: Spare.}\n"})
    spare = [f for f in lint([tmp_path / "ours"]) if "custom.spare" in f.problem.message]
    assert told(spare) == [("info", "fact-unread", "vocabulary.yaml:2:3")]


def test_reviews_that_are_due(found: Found) -> None:
    files = own(RULE + "review_by: 2026-11-01\nowner: privacy office\n")
    assert found(files) == []
    assert found(files, date(2026, 11, 1)) == []
    (finding,) = found(files, date(2026, 11, 2))
    assert told([finding]) == [("warning", "review-due", "latency/own-rule.yaml:7:12")]
    assert finding.problem.help == "ask privacy office, or review it and set a later date"


def test_rules_that_lie_over_others(found: Found) -> None:
    name = "real-time-work-excludes-batch"
    rule = RULE.replace("own-rule", name)
    assert told(found({f"latency/{name}.yaml": rule, f"latency/{name}_test.yaml": CASES})) == [
        ("info", "replaces", f"latency/{name}.yaml:1:1")
    ]


def test_rules_that_lie_over_those_of_another_topic(found: Found) -> None:
    name = "real-time-work-excludes-batch"
    rule = RULE.replace("own-rule", name)
    findings = told(found({f"hardware/{name}.yaml": rule, f"hardware/{name}_test.yaml": CASES}))
    assert ("warning", "replaces-in-other-topic", f"hardware/{name}.yaml:1:1") in findings


def test_the_cases_of_a_replaced_rule_count_no_more(found: Found) -> None:
    name = "real-time-work-excludes-batch"
    findings = told(found({f"latency/{name}.yaml": RULE.replace("own-rule", name)}))
    assert ("error", "rule-without-cases", f"latency/{name}.yaml:1:1") in findings


def test_parameters_of_the_engine_are_there() -> None:
    from policy_engine.loading.policy import load_policy

    assert set(load_policy().rules.parameters) >= READ_BY_ENGINE


def test_sources_that_no_register_describes(found: Found) -> None:
    price = "{model: gpt-4o, option: proprietary_api, unit: USD/1M tokens, input: 1.0, output: 2.0"
    prices = f"prices:\n  gpt-4o.ours: {price}, source: our-contract, as_of: 2026-02-01}}\n"
    sources = "sources:\n  our-contract: {description: Our contract of February., as_of: 2026-02-01}\n"
    (finding,) = found({**own(), "catalog/prices.yaml": prices})
    ((severity, code, place),) = told([finding])
    assert (severity, code) == ("warning", "unknown-source")
    assert place.startswith("catalog/prices.yaml:2:")
    assert finding.problem.message == "no register describes the source `our-contract` of `prices.gpt-4o.ours`"
    assert told(found({**own(), "catalog/prices.yaml": prices, "sources.yaml": sources})) == []
