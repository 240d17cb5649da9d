"""Case files: read strictly, run on every engine, and honest about what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from policy_engine.case_files import Case, read_case_file
from policy_engine.cases import ENGINES, CaseRunner, gather, run_all
from policy_engine.errors import RulesError, Span
from policy_engine.language.cel import Checker
from policy_engine.loading.policy import Policy, load_policy, with_rules

SPEND = "high-api-spend-favours-self-hosting"
KIND = "task-class-workhorse"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests; they share one of their own."""
    folder = tmp_path_factory.getbasetemp() / "parsed"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("POLICY_CACHE_DIR", str(folder))


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(use_cache=False)


def problems(text: str, policy: Policy, tmp_path: Path, rule: str = SPEND) -> list[tuple[str, str, str, str | None]]:
    """Return code, place, message and help of each problem of a case file."""
    path = tmp_path / f"{rule}_test.yaml"
    path.write_text(text, encoding="utf-8")
    found = read_case_file(path, policy)
    return [(p.code, str(p.span).removeprefix(f"{path}:"), p.message, p.help) for p in found.problems]


START = "cases:\n  - name: a\n    facts: {cost.api_spend_usd_per_month: 1}\n    outcome: not_fired\n"
WRONG = {
    "unknown key": (
        START + "    fact: {}\n",
        "unknown-key",
        "5:5",
        "`fact` is not a key here",
        "did you mean `facts`?",
    ),
    "unknown top key": ("case: []\n", "unknown-key", "1:1", "`case` is not a key here", "did you mean `cases`?"),
    "no case": ("cases: []\n", "no-cases", "1:1", "the file holds no case", "cases: is a list"),
    "no list": ("cases: {a: b}\n", "wrong-type", "1:8", "`cases` must be a list of mappings", None),
    "no mapping": ("cases: [a]\n", "not-a-mapping", "1:9", "a mapping of keys", None),
    "no name": ("cases:\n  - {facts: {}, outcome: fired}\n", "missing-key", "2:5", "`name` is missing", None),
    "no outcome": ("cases:\n  - {facts: {}, name: a}\n", "missing-key", "2:5", "`outcome` is missing", None),
    "no facts": ("cases:\n  - {name: a, outcome: fired}\n", "missing-key", "2:5", "`facts` is missing", "write"),
    "unknown outcome": (
        START.replace("not_fired", "not-fired"),
        "unknown-value",
        "4:14",
        "`not-fired` is not",
        "did you",
    ),
    "unknown fact": (
        START.replace("cost.api_spend_usd_per_month", "cost.api_spend_usd_month"),
        "unknown-fact",
        "3:13",
        "no fact is called `cost.api_spend_usd_month`",
        "did you mean `cost.api_spend_usd_per_month`?",
    ),
    "wrong type": (
        START.replace(": 1}", ": much}"),
        "wrong-type",
        "3:43",
        "`cost.api_spend_usd_per_month` must be a",
        None,
    ),
    "below": (START.replace(": 1}", ": -1}"), "wrong-type", "3:43", "`cost.api_spend_usd_per_month` is below 0", None),
    "not of the values": (
        START.replace("{cost.api_spend_usd_per_month: 1}", "{task.kind: codng}"),
        "wrong-type",
        "3:24",
        "`task.kind` cannot be `codng`; it is one of",
        None,
    ),
    "not of the values, in a list": (
        START.replace("{cost.api_spend_usd_per_month: 1}", "{task.modalities: [text, smell]}"),
        "wrong-type",
        "3:30",
        "`task.modalities` cannot be `smell`",
        None,
    ),
    "no list of strings": (
        START.replace("{cost.api_spend_usd_per_month: 1}", "{data.residency: eu}"),
        "wrong-type",
        "3:29",
        "`data.residency` must be a list of strings",
        None,
    ),
    "bool for int": (
        START.replace("{cost.api_spend_usd_per_month: 1}", "{team.ml_engineers: true}"),
        "wrong-type",
        "3:32",
        "`team.ml_engineers` must be a int",
        None,
    ),
    "duplicate": (START + START.removeprefix("cases:\n"), "duplicate-case", "5:11", "two cases are called `a`", None),
    "missing and given": (
        START.replace("not_fired", "indeterminate\n    missing: [cost.api_spend_usd_per_month]"),
        "wrong-case",
        "5:15",
        "`cost.api_spend_usd_per_month` is given and missing at once",
        None,
    ),
    "missing though known": (
        START + "    missing: []\n",
        "wrong-case",
        "5:5",
        "only an indeterminate case misses",
        None,
    ),
    "missing what is no fact": (
        START.replace("not_fired", "indeterminate\n    missing: [cost.spend]"),
        "unknown-fact",
        "5:15",
        "no fact is called `cost.spend`",
        None,
    ),
    "derives without firing": (
        START + "    derives: {task.class: frontier}\n",
        "wrong-case",
        "5:5",
        "only a case that fires derives something",
        None,
    ),
    "unknown parameter": (
        START + "    params: {self_hosting_spend: 1.0}\n",
        "unknown-parameter",
        "5:14",
        "`self_hosting_spend` is not a parameter",
        "did you mean `self_hosting_spend_usd_per_month`?",
    ),
    "parameter of another rule": (
        START + "    params: {quick_deployment_days: 1}\n",
        "unknown-parameter",
        "5:14",
        "`quick_deployment_days` is not",
        None,
    ),
    "parameter of another type": (
        START + "    params: {self_hosting_spend_usd_per_month: low}\n",
        "wrong-type",
        "5:48",
        "`self_hosting_spend_usd_per_month` must be a double",
        None,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_case_file_is_named_with_its_place(name: str, policy: Policy, tmp_path: Path) -> None:
    text, code, place, message, hint = WRONG[name]
    found = problems(text, policy, tmp_path)
    first = next(each for each in found if each[0] == code)
    assert first[1] == place
    assert first[2].startswith(message)
    assert (first[3] or "").startswith(hint or "")


def test_other_mistakes_in_case_files(policy: Policy, tmp_path: Path) -> None:
    derives = "cases:\n  - {name: a, facts: {task.kind: judge}, outcome: fired, derives: {task.batch: true}}\n"
    assert problems(derives, policy, tmp_path, KIND)[0][2] == "the rule does not derive `task.batch`"
    assert problems("cases: [\n", policy, tmp_path)[0][0].startswith("yaml-")
    assert problems(START + "---\n" + START, policy, tmp_path)[0][0] == "several-documents"
    assert problems(START, policy, tmp_path, "high-api-spend")[0][0] == "cases-without-rule"


def case(rule: str = SPEND, **changes: Any) -> Case:
    start = Case(rule, "a", {"cost.api_spend_usd_per_month": 9000.0}, "fired", Span("f", 1, 1))
    return replace(start, **changes)


def test_a_case_runs_on_every_engine(policy: Policy) -> None:
    runner = CaseRunner(policy)
    result = runner.run(case())
    assert result.passed
    assert dict(result.outcomes) == dict.fromkeys(ENGINES, "fired")
    assert runner.run(case(facts={}, outcome="indeterminate", missing=("cost.api_spend_usd_per_month",))).passed
    low = {"self_hosting_spend_usd_per_month": 10_000.0}
    assert runner.run(case(params=low, outcome="not_fired")).passed


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"outcome": "not_fired"}, "outcome", "expected not_fired, and it is fired"),
        (
            {"facts": {}, "outcome": "indeterminate", "missing": ("task.kind",)},
            "missing",
            "expected task.kind to be missing, and it is cost.api_spend_usd_per_month",
        ),
        (
            {"rule": KIND, "facts": {"task.kind": "judge"}, "derives": {"task.class": "frontier"}},
            "derives",
            "expected `task.class` to be frontier, and it is workhorse",
        ),
    ],
)
def test_a_case_that_does_not_hold_says_why(changes: Any, kind: str, message: str, policy: Policy) -> None:
    result = CaseRunner(policy).run(case(**changes))
    assert [(failure.kind, failure.message) for failure in result.failures] == [(kind, message)]


def test_engines_that_disagree_are_a_failure_of_their_own(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CaseRunner(policy)
    monkeypatch.setattr(runner, "_durable", lambda *_: None)
    result = runner.run(case())
    assert [failure.kind for failure in result.failures] == ["engines"]
    assert "durable_rules says indeterminate, kleene says fired, cel says fired" in result.failures[0].message


def test_polars_is_held_to_the_missing_facts(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CaseRunner(policy)
    monkeypatch.setattr(runner, "_by_columns", lambda cases: [(None, frozenset({"task.kind"}))] * len(cases))
    given = case(facts={}, outcome="indeterminate")
    for result in (runner.run(given), *runner.run_all([given, given])):
        assert [failure.kind for failure in result.failures] == ["engines"]
        assert "polars says task.kind to be missing, kleene cost.api_spend" in result.failures[0].message


def test_a_pattern_that_no_fleet_is_asked_keeps_its_cases(policy: Policy) -> None:
    rule = policy.rules.rule(KIND)
    assert rule is not None
    checker = Checker({name: fact.type for name, fact in policy.vocabulary.facts.items()})
    text = "task.name.matches('^\\\\w+$')"
    others = [each for each in policy.rules.rules if each.id != KIND]
    changed = with_rules(
        policy, [*others, msgspec.structs.replace(rule, when=text, condition=checker.check(text), derive=())]
    )
    result = CaseRunner(changed).run(case(KIND, facts={"task.name": "one"}))
    assert result.passed
    assert set(result.outcomes) == {*ENGINES} - {"polars"}


def test_a_layers_cases_run_with_the_layer_on_top(tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    (folder / "volume-cost").mkdir(parents=True)
    text = "parameters:\n  self_hosting_spend_usd_per_month: {value: 9001}\n"
    (folder / "parameters.yaml").write_text(text, encoding="utf-8")
    cases = "cases:\n  - {name: ours, facts: {cost.api_spend_usd_per_month: 9000}, outcome: not_fired}\n"
    (folder / f"volume-cost/{SPEND}_test.yaml").write_text(cases, encoding="utf-8")
    results = run_all([folder])
    assert all(result.passed for result in results)
    assert results[-1].case.name == "ours"
    assert len(gather([folder])) == 2


def test_an_invalid_case_file_stops_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    (folder / "latency").mkdir(parents=True)
    (folder / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    (folder / "latency/none_test.yaml").write_text(START, encoding="utf-8")
    with pytest.raises(RulesError, match="there is no rule `none` in force"):
        run_all([folder])
