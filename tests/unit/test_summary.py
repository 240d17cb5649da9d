"""The sentences of a decision: why, and what to do next."""

from __future__ import annotations

import copy
import functools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policy_engine import summary
from policy_engine.cli.markdown import decisions
from policy_engine.cli.text import decision, render
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.next_steps import next_steps
from policy_engine.option_wording import option_cells, plan_text
from policy_engine.summary import (
    cost_text,
    missing_lines,
    option_row,
    option_why,
    proposed_text,
    reasons,
    recommendation_text,
)
from policy_engine.ways_wording import way_text

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@functools.cache
def engine() -> Decider:
    return Decider(load_policy())


def document(path: Path) -> dict[str, Any]:
    (loaded,) = load_workloads(path, None, engine().policy.vocabulary)
    evidence = check_evidence(loaded.workload, AT.date(), path.parent)
    return {**engine().decide(loaded.workload, evidence, AT).document, "id": "0" * 64}


def tasks(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(path)["tasks"]
    return found


def changed(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Write the example with changes of its text."""
    text = (EXAMPLES[0].parent / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "workload.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def example(name: str) -> dict[str, Any]:
    return tasks(next(path for path in EXAMPLES if path.stem == name))[0]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_verdict_but_allow_has_a_reason_and_a_step(path: Path) -> None:
    for task in tasks(path):
        found, steps = reasons(task), next_steps(task, "workload.yaml")
        if task["verdict"] != "allow":
            assert found
            assert steps
        for line in (*found, *steps, recommendation_text(task)):
            assert line.strip() == line != ""
            assert "{" not in line
            assert "None" not in line
        for row in task["options"]:
            assert (option_why(task, row) != "") or row["status"] == "permitted"


def test_a_collision_names_its_rules_and_every_way_out() -> None:
    task = example("hospital")
    assert task["verdict"] == "review"
    (line,) = [line for line in reasons(task) if "no option is permitted" in line]
    for rule in task["collision"]["rules"]:
        assert rule in line
    ways = [way_text(way) for way in task["collision"]["ways_out"] if way["kind"] != "catalog"]
    assert set(ways) <= set(next_steps(task))
    assert any("waiver" in way for way in ways)
    assert any("hire or train" in way for way in ways)


def test_a_leaking_fallback_is_the_reason() -> None:
    task = example("leaking-fallback")
    assert task["verdict"] == "deny"
    assert any(line.startswith("the fallback ") for line in reasons(task))


def test_what_is_forbidden_says_by_which_criterion() -> None:
    task = example("hospital")
    assert "DATA-01" in option_why(task, option_row(task, "proprietary_api"))


def test_an_advisory_forbid_that_fired_is_the_condition_that_is_named() -> None:
    row = {
        "id": "soon",
        "outcome": "fired",
        "enforcement": "advisory",
        "forbid": ["proprietary_api"],
        "message": "Not here. Denies from 2027-01-01.",
        "title": "Soon",
        "criteria": [],
        "missing": [],
    }
    option = {"deployment": "proprietary_api", "status": "permitted", "rules": [], "reasons": [], "missing": []}
    task = {
        "verdict": "allow_with_conditions",
        "judged_option": "proprietary_api",
        "recommendation": None,
        "proposal": None,
        "collision": None,
        "options": [option],
        "rules": [row],
        "obligations": [],
    }
    assert summary.reasons(task) == ["Not here. Denies from 2027-01-01. (soon, advisory)"]
    assert summary.reasons({**task, "rules": [{**row, "forbid": ["proposal"]}]}) == []


# ---- what is not known


README = Path(__file__).parents[2] / "README.md"


def triage(folder: Path) -> Path:
    """Write the README's workload, whose proposal is denied and whose recommendation is not firm."""
    found = re.search(r"```yaml\n(apiVersion.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    path = folder / "triage.yaml"
    path.write_text(found[1], encoding="utf-8")
    return path


def test_what_is_not_known_is_told_by_what_it_can_change(tmp_path: Path) -> None:
    (task,) = tasks(triage(tmp_path))
    assert task["decisive_facts"] == []
    alone, neither = missing_lines(task)
    assert alone == f"can change the recommendation alone: {', '.join(task['recommendation']['open_facts'])}"
    assert neither == "change neither: task.well_defined"
    assert missing_lines({**task, "decisive_facts": ["budget.margin"]})[0] == "can change the verdict: budget.margin"
    assert missing_lines({**task, "missing_facts": []}) == []


def test_a_recommendation_that_is_not_firm_says_what_it_waits_for(tmp_path: Path) -> None:
    path = triage(tmp_path)
    (line,) = [line for line in reasons(tasks(path)[0]) if "not firm" in line]
    head = "the recommendation is not firm: another option could come first, depending on"
    assert line == f"{head} 9 facts that are not known"
    few = copy.deepcopy(tasks(path)[0])
    few["recommendation"]["open_facts"] = ["volume.pattern", "catalog.scores.x.mmlu", "budget.margin"]
    assert f"{head} volume.pattern, budget.margin or figures that the catalog lacks" in reasons(few)
    shown = document(path)
    for text in (render(decision(shown)), decisions([("triage.yaml", shown)])):
        assert "the recommendation is not firm" in text
        assert "can change the recommendation alone" in text
    lab = " ".join(reasons(example("research-lab")))
    assert "or figures that the catalog lacks" in lab
    assert "catalog.scores" not in lab


def test_computed_facts_are_named_by_those_that_a_team_can_state(tmp_path: Path) -> None:
    path = changed(tmp_path, "support-tickets", ("      context_tokens: 4000\n", ""))
    (task,) = tasks(path)
    found = " ".join((*reasons(task), *(option_why(task, row) for row in task["options"])))
    assert "(claimed-hardware-contradicted) depends on task.context_tokens" in found
    shown = render(decision(document(path), None, 1))
    assert "proposal.hardware_verdict" not in shown
    row = next(row for row in task["rules"] if row["id"] == "claimed-hardware-contradicted")
    assert row["missing"] == ["proposal.hardware_verdict"]  # the document keeps what the rule reads


# ---- the steps of a denial


@pytest.mark.parametrize(
    "changes",
    [
        [("bandwidth_gb_s: 2039", "bandwidth_gb_s: 9039")],
        [("tokens_per_hour: 1500000", "tokens_per_hour: 1500000000")],
        [("tokens_per_hour: 1500000", "tokens_per_hour: 1500000000"), ("llama-3.1-70b", "qwen2.5-72b")],
    ],
)
def test_a_contradicted_claim_is_to_be_corrected(tmp_path: Path, changes: list[tuple[str, str]]) -> None:
    (task,) = tasks(changed(tmp_path, "support-tickets", *changes))
    assert task["verdict"] == "deny"
    step = next_steps(task)[0]
    assert step.startswith("correct or change ")
    assert "hardware.gpus" in step
    assert "hardware.serves, on which claimed-hardware-contradicted rests" in step


def test_a_denial_without_any_change_still_has_a_step(tmp_path: Path) -> None:
    (task,) = tasks(changed(tmp_path, "leaking-fallback", ("model: mistral-7b", "model: gpt-4o")))
    assert task["verdict"] == "deny"
    bare = {
        **task,
        "hardware_claims": [],
        "rules": [],
        "obligations": [],
        "catalog_gaps": [],
        "counterfactuals": [],
        "collision": None,
    }
    bare["proposal"] = {**task["proposal"], "fallback": None}
    bare["recommendation"] = None
    assert next_steps(bare) == [
        "propose something else: gpt-4o has no open weights, so it cannot run as self_hosted",
    ]
    provisional = {**task["recommendation"], "provisional": True, "deployment": "open_api"}
    (step,) = next_steps({**bare, "recommendation": provisional})
    assert step.startswith("propose another option: open_api may be permitted once ")
    (step,) = next_steps({**bare, "collision": {"rules": [], "ways_out": []}})
    assert step.startswith("nothing is permitted")


def test_what_is_denied_though_it_is_recommended_has_another_option_beside_it(tmp_path: Path) -> None:
    (task,) = tasks(triage(tmp_path))
    first = next_steps(task)[0]
    assert first == f"propose instead {recommendation_text(task)}"
    own = {**task["recommendation"], "deployment": "proprietary_api", "model": "gpt-4o"}
    assert "propose instead self_hosted with llama-3.1-8b" in " ".join(next_steps({**task, "recommendation": own}))


def test_a_denial_tells_what_evidence_is_outstanding_and_why_that_given_does_not_count(tmp_path: Path) -> None:
    faulty = (
        "  evidence:\n    operations_plan: {}\n    own_benchmark: {reference: X, issued: 2027-01-01}\n"
        f"    security_controls: {{file: none.txt, sha256: '{'0' * 64}'}}\n"
    )
    path = changed(tmp_path, "leaking-fallback")
    text = path.read_text(encoding="utf-8").partition("  evidence:\n")[0]
    path.write_text(text + faulty, encoding="utf-8")
    (task,) = tasks(path)
    assert task["verdict"] == "deny"
    first, *later = next_steps(task)
    assert first.startswith("propose another fallback")
    assert [step.split("`")[1] for step in later] == [
        duty["evidence"] for duty in task["obligations"] if duty["status"] == "outstanding"
    ]
    assert all(step.startswith("and then provide, for self_hosted, evidence ") for step in later)
    for why in ("it says nothing", "it is issued on 2027-01-01", "the file `none.txt` cannot be read"):
        assert why in " ".join(later)
    uncertain = [{**duty, "status": "uncertain"} for duty in task["obligations"]]
    _, *later = next_steps({**task, "obligations": uncertain})
    # what is not named and may not be needed is no step yet
    assert [step.split("`")[1] for step in later] == ["operations_plan", "own_benchmark", "security_controls"]
    assert all("if it is needed" in step for step in later)


def test_what_came_on_standard_input_cannot_be_completed(tmp_path: Path) -> None:
    (task,) = tasks(changed(tmp_path, "support-tickets", ("      context_tokens: 4000\n", "")))
    assert next_steps(task, "w.yaml")[0] == "state task.context_tokens; `policy new --complete w.yaml` asks for it"
    assert "`policy new --complete FILE`" in next_steps(task)[0]
    assert next_steps(task, "<stdin>")[0] == next_steps(task, "-")[0] == "state task.context_tokens"


# ---- costs, plans and rows


def test_a_cost_that_is_a_floor_is_called_one(tmp_path: Path) -> None:
    shown = copy.deepcopy(document(triage(tmp_path)))
    (task,) = shown["tasks"]
    for row in (task["proposal"], *task["options"], shown["plan"], *shown["plan"]["routes"]):
        row.pop("at_least", None)
    assert "7,000 USD/month" in proposed_text(task)
    assert "at least" not in proposed_text(task)
    for text in (render(decision(shown)), decisions([("triage.yaml", shown)])):
        assert "+ at least" not in text
    task["proposal"]["at_least"] = True
    assert "at least 7,000 USD/month" in proposed_text(task)
    row = option_row(task, "self_hosted")
    row["at_least"] = True
    assert option_cells(task, row)[3] == "73.05+"
    for text in (render(decision(shown)), decisions([("triage.yaml", shown)])):
        assert "+ at least" in text
    assert cost_text({"monthly_usd": None, "at_least": True}) == "monthly cost unknown"


def test_a_plan_says_for_how_many_tasks_it_is() -> None:
    route = {"deployment": "open_api", "monthly_usd": 5.0}
    none = {"deployment": None, "monthly_usd": None}
    plan = {"kind": "single", "monthly_usd": None, "over_budget": None, "routes": [route, none, none]}
    assert plan_text(plan) == "Plan: single, for 1 of 3 tasks, monthly cost unknown"
    assert plan_text({**plan, "routes": [none, none]}) == "Plan: nothing is permitted for any of 2 tasks"
    whole = {**plan, "routes": [route, route], "monthly_usd": 10.0, "at_least": True, "over_budget": True}
    assert plan_text(whole) == "Plan: single, at least 10.00 USD/month, over budget"


def test_a_rule_that_read_nothing_known_has_no_empty_part(tmp_path: Path) -> None:
    shown = " ".join(render(decision(document(triage(tmp_path)), None, 1)).split())
    assert "indeterminate own-logs-favour-own-hosting (DATA-05): unknown: data.must_own_logs" in shown
    assert ": ;" not in shown


def test_markdown_ranks_the_options_as_the_text_does_and_has_the_hardware(tmp_path: Path) -> None:
    shown = document(triage(tmp_path))
    markdown = decisions([("triage.yaml", shown)])
    names = [row["deployment"] for row in shown["tasks"][0]["options"]]
    ranked = re.findall(r"^\| (\w+) \| (?:permitted|uncertain|unavailable|forbidden) ", markdown, re.MULTILINE)
    text = render(decision(shown))
    assert ranked == re.findall(rf"^[* ] ({'|'.join(names)}) +\w+ +-?\d", text, re.MULTILINE)
    assert "| 10 (8..13) | 73.05" in markdown
    assert "\u2060" not in markdown
    own = decisions([("w.yaml", document(next(path for path in EXAMPLES if path.stem == "support-tickets")))])
    assert "**Hardware**" in own
    assert "- holds: serves.model llama-3.1-70b: 70.6 GB of weights at fp8" in own
