"""Whole workloads as data, each with the decision that the contract asks for: see `decisions/*.yaml`."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy, with_rules
from policy_engine.loading.workload_file import load_workloads
from policy_engine.next_steps import next_steps
from policy_engine.summary import reasons

FOLDER = Path(__file__).parent / "decisions"
ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
#: Criteria whose effect decides nothing: mechanisms, figures of the catalog, and advice.
SILENT = {
    *("COST-07", "COST-08", "OPS-06", "TASK-09", "STAGE-03", "HYBRID-01", "HYBRID-03", "MIGRATE-02"),
    *("HW-01", "HW-02", "HW-03", "HW-04", "HW-05", "HW-06"),
}


@functools.cache
def files() -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml"))}


def cases() -> Iterator[Any]:
    for stem, file in files().items():
        for number, case in enumerate(file["cases"]):
            yield pytest.param(stem, number, id=f"{stem}: {case['case']}")


@functools.cache
def decider(stem: str, layer: str | None) -> Decider:
    policy = load_policy()
    if layer is not None:
        content = files()[stem]["layers"][layer]
        policy = replace(policy, catalog_documents=(*policy.catalog_documents, (layer, {layer: content})))
    return Decider(policy)


def changed(base: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    """Return the base with `set` stated and `drop` left out; paths are below `spec`."""
    found = copy.deepcopy(dict(base))
    for path, value in case.get("set", {}).items():
        *above, last = path.split(".")
        _step(found["spec"], above)[_key(last)] = copy.deepcopy(value)
    for path in case.get("drop", []):
        *above, last = path.split(".")
        del _step(found["spec"], above)[_key(last)]
    return found


def _step(at: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(at, dict):
            at = at.setdefault(step, {})
        else:
            at = at[int(step)]
    return at


def _key(text: str) -> Any:
    return int(text) if text.isdigit() else text


def decide(stem: str, case: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Load the case's workload as the command does, and return its decision."""
    engine = decider(stem, case.get("layer"))
    for name, text in case.get("files", {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    text = yaml.safe_dump(changed(files()[stem]["base"], case), sort_keys=False)
    (loaded,) = load_workloads(text, "workload.yaml", engine.policy.vocabulary)
    at = datetime.fromisoformat(case["at"]) if "at" in case else AT
    document: dict[str, Any] = engine.decide(
        loaded.workload, check_evidence(loaded.workload, at.date(), folder), at
    ).document
    return document


@pytest.mark.parametrize(("stem", "number"), list(cases()))
def test_decision(stem: str, number: int, tmp_path: Path) -> None:
    case = files()[stem]["cases"][number]
    document = decide(stem, case, tmp_path)
    task = document["tasks"][case.get("task", 0)]
    expect = case.get("expect", {})
    found = {what: _FOUND[what](document, task, wanted) for what, wanted in expect.items()}
    assert found == expect
    for topic, points in case.get("points", {}).items():
        given = {row["deployment"]: _points(row, topic) for row in task["options"]}
        assert given == {row["deployment"]: points.get(row["deployment"], 0) for row in task["options"]}
    for option, span in case.get("ranges", {}).items():
        assert _option(task, option)["score_range"] == span
    if "dispute" in case:
        wanted = case["dispute"]
        (dispute,) = (each for each in task["disputes"] if each["id"] == wanted["id"])
        assert wanted["recommendation"] in {side["recommendation"] for side in dispute["alternatives"]}
    for criterion in case.get("criteria", []):
        _assert_acts(task, criterion)
    assert document["verdict"] == _worst(each["verdict"] for each in document["tasks"])
    # What a decision is shown with can be said of each.
    assert all(isinstance(line, str) for line in (*reasons(task), *next_steps(task)))


def _assert_acts(task: Mapping[str, Any], criterion: str) -> None:
    """Some rule that cites the criterion has an outcome other than `not fired`, or the catalog answers it."""
    outcomes = {row["outcome"] for row in task["rules"] if criterion in row["criteria"]}
    mechanism = criterion in load_policy().rules.mechanisms
    assert mechanism or outcomes & {"fired", "indeterminate"} or not outcomes, f"{criterion} is silent"


def _points(row: Mapping[str, Any], topic: str) -> int:
    return sum(each["points"] for each in row["scores"] if each["topic"] == topic)


def _option(task: Mapping[str, Any], option: str) -> Mapping[str, Any]:
    return next(row for row in task["options"] if row["deployment"] == option)


def _worst(verdicts: Iterator[str]) -> str:
    return min(verdicts, key=("deny", "review", "allow_with_conditions", "allow").index)


def _subset(source: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The part of `source` that `wanted` speaks of."""
    if source is None or wanted is None:
        return dict(source) if source is not None else None
    return {name: source.get(name) for name in wanted}


def _among(found: list[str], wanted: list[str]) -> list[str]:
    """`wanted` where all of it was found; an empty list asks for none at all."""
    return wanted if wanted and set(wanted) <= set(found) else found


def _claims(task: Mapping[str, Any], part: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A part of what is said of the hardware claims that `wanted` names; of all where it names none."""
    found = {row["name"]: row[part] for row in task["hardware_claims"]}
    return {name: found.get(name) for name in wanted} if wanted else found


def _numbers(task: Mapping[str, Any], wanted: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The numbers of `wanted` that decide claims, rounded as they are written there."""
    rows = {row["name"]: {each["name"]: each["value"] for each in row["numbers"]} for row in task["hardware_claims"]}
    return {
        claim: {name: round(rows[claim][name], len(f"{value}".partition(".")[2])) for name, value in numbers.items()}
        for claim, numbers in wanted.items()
    }


def _facts(task: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name: fact[part] for row in task["rules"] for name, fact in row["facts"].items()}


def _said(text: str, lines: list[str]) -> str:
    return text if any(text in line for line in lines) else " | ".join(lines)


_FOUND: dict[str, Any] = {
    "verdict": lambda document, task, wanted: task["verdict"],
    "plan": lambda document, task, wanted: document["plan"]["kind"],
    "routes": lambda document, task, wanted: [each["deployment"] for each in document["plan"]["routes"]],
    "valid_until": lambda document, task, wanted: document["valid_until"],
    "statuses": lambda document, task, wanted: _subset(
        {row["deployment"]: row["status"] for row in task["options"]}, wanted
    ),
    "over_budget": lambda document, task, wanted: _subset(
        {row["deployment"]: row["over_budget"] for row in task["options"]}, wanted
    ),
    "models": lambda document, task, wanted: _subset(
        {row["deployment"]: row["model"] for row in task["options"]}, wanted
    ),
    "forbidden_by": lambda document, task, wanted: {option: _option(task, option)["rules"] for option in wanted},
    "recommendation": lambda document, task, wanted: _subset(task["recommendation"], wanted),
    "cheapest": lambda document, task, wanted: task["cheapest"],
    "judged_option": lambda document, task, wanted: task["judged_option"],
    "obligations": lambda document, task, wanted: {each["evidence"]: each["status"] for each in task["obligations"]},
    "duties": lambda document, task, wanted: _subset(
        {each["evidence"]: each["status"] for each in task["obligations"]}, wanted
    ),
    "why": lambda document, task, wanted: {
        each["evidence"]: _said(wanted[each["evidence"]], [each["why"] or ""])
        for each in task["obligations"]
        if each["evidence"] in wanted
    },
    "holds": lambda document, task, wanted: task["proposal"]["holds"],
    "ruled_out_by": lambda document, task, wanted: task["proposal"]["rules"],
    "fallback": lambda document, task, wanted: task["proposal"]["fallback"]["verdict"],
    "fallback_rules": lambda document, task, wanted: task["proposal"]["fallback"]["rules"],
    "missing": lambda document, task, wanted: _among(task["missing_facts"], wanted),
    "decisive": lambda document, task, wanted: (
        sorted(task["decisive_facts"]) if not wanted else _among(task["decisive_facts"], wanted)
    ),
    "gaps": lambda document, task, wanted: task["catalog_gaps"],
    "disputes": lambda document, task, wanted: _among([each["id"] for each in task["disputes"]], wanted),
    "collision": lambda document, task, wanted: _subset(task["collision"], wanted),
    "ways_out": lambda document, task, wanted: _among(
        [f"{way['option']} {way['kind']}" for way in (task["collision"] or {"ways_out": []})["ways_out"]], wanted
    ),
    "facts": lambda document, task, wanted: _subset(_facts(task, "value"), wanted),
    "grades": lambda document, task, wanted: _subset(_facts(task, "grade"), wanted),
    "weakest": lambda document, task, wanted: _subset(
        {name: fact.get("weakest") for row in task["rules"] for name, fact in row["facts"].items()}, wanted
    ),
    "claims": lambda document, task, wanted: _claims(task, "verdict", wanted),
    "claim_grades": lambda document, task, wanted: _claims(task, "grade", wanted),
    "lacking": lambda document, task, wanted: _claims(task, "missing", wanted),
    "numbers": lambda document, task, wanted: _numbers(task, wanted),
    "advice": lambda document, task, wanted: _said(wanted, [row["message"] for row in task["advice"]]),
    "reason": lambda document, task, wanted: _said(wanted, reasons(task)),
    "step": lambda document, task, wanted: _said(wanted, next_steps(task)),
}


def test_every_criterion_that_decides_something_has_a_case() -> None:
    register = set(yaml.safe_load((ROOT / "rules" / "criteria.yaml").read_text(encoding="utf-8"))["criteria"])
    cited = {name for file in files().values() for case in file["cases"] for name in case.get("criteria", [])}
    assert cited <= register
    assert register - cited - SILENT == set()


def test_each_case_is_called_something_of_its_own() -> None:
    names = [(stem, case["case"]) for stem, file in files().items() for case in file["cases"]]
    assert len(names) == len(set(names)) >= 40


def enforced(rule_id: str, **changes: Any) -> Decider:
    """A decider under the shipped rules with one of them enforced otherwise; `overrides` by namespace."""
    policy = load_policy()
    overrides = changes.pop("overrides", {})
    rules = [replace(rule, **changes) if rule.id == rule_id else rule for rule in policy.rules.rules]
    changed_set = replace(policy.rules, overrides={**policy.rules.overrides, **overrides})
    found = with_rules(replace(policy, rules=changed_set), rules)
    found.__dict__["catalog"] = policy.catalog
    return Decider(found)


def verdict_of(engine: Decider, **spec: Any) -> tuple[str, dict[str, Any]]:
    """The verdict on the base of `verdicts.yaml` with other values below `spec`, and its decision."""
    text = yaml.safe_dump(changed(files()["verdicts"]["base"], {"set": spec}))
    (loaded,) = load_workloads(text, None, engine.policy.vocabulary)
    document = engine.decide(loaded.workload, check_evidence(loaded.workload, AT.date(), FOLDER), AT).document
    return document["verdict"], document


LEAKS = {"data.may_leave_network": False}
LEAKING = {
    "data.may_leave_network": False,
    "tasks.0.proposal": {
        **{"deployment": "self_hosted", "model": "qwen3-14b", "region": "us"},
        "fallback": {"deployment": "proprietary_api", "model": "gpt-4o", "region": "us"},
    },
}


@pytest.mark.parametrize(
    ("starts", "expected"), [("2026-11-24", "deny"), ("2026-11-25", "allow_with_conditions"), (None, "deny")]
)
@pytest.mark.parametrize("spec", [LEAKS, LEAKING], ids=["proposal", "fallback"])
def test_a_rule_warns_before_its_date_and_denies_from_it(
    spec: dict[str, Any], starts: str | None, expected: str
) -> None:
    day = date.fromisoformat(starts) if starts else None
    verdict, document = verdict_of(enforced("data-stays-in-network", enforce_from=day), **spec)
    assert verdict == expected
    (row,) = (row for row in document["tasks"][0]["rules"] if row["id"] == "data-stays-in-network")
    if expected == "deny":
        assert "Denies from" not in row["message"]
    else:
        assert row["enforcement"] == "advisory"
        assert row["message"].endswith("Denies from 2026-11-25.")
        assert document["valid_until"] == "2026-11-24T23:59:59Z"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, "deny"),
        ({("data-stays-in-network", "conformance"): "advisory"}, "allow_with_conditions"),
        ({("data-stays-in-network", "elsewhere"): "advisory"}, "deny"),
        ({("data-stays-in-network", "*"): "advisory"}, "allow_with_conditions"),
        (
            {
                ("data-stays-in-network", "*"): "advisory",
                ("data-stays-in-network", "conformance"): "waivable",
            },
            "deny",
        ),
    ],
)
def test_a_namespace_may_have_an_enforcement_of_its_own(overrides: dict[Any, Any], expected: str) -> None:
    assert verdict_of(enforced("data-stays-in-network", overrides=overrides), **LEAKS)[0] == expected


def test_namespaces_are_told_apart_whoever_asked_before() -> None:
    engine = enforced("data-stays-in-network", overrides={("data-stays-in-network", "claims"): "advisory"})
    text = yaml.safe_dump(files()["verdicts"]["base"])
    (loaded,) = load_workloads(text, None, engine.policy.vocabulary)
    case = engine.cases(loaded.workload, {}, AT)[0]
    index = engine.judge.index_of["data-stays-in-network"]
    own = engine.judge.rules[index].enforcement
    found = [
        engine.judge.enforcement(replace(case, namespace=name))[index]
        for name in ("elsewhere", "claims", "another", "claims", "elsewhere")
    ]
    assert found == [own, "advisory", own, "advisory", own]


def test_an_advisory_forbid_that_is_open_names_the_fact_that_would_add_a_condition() -> None:
    engine = enforced("data-stays-in-network", enforcement="advisory")
    verdict, document = verdict_of(engine, **{"data.may_leave_network": None})
    assert verdict == "allow"
    assert document["tasks"][0]["decisive_facts"] == ["data.may_leave_network"]
