"""What a decision says of changes, on the examples and on workloads that are held up."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policy_engine.changes_wording import MOST_LINES, change_lines, condition_text, pair_text, ways_lines
from policy_engine.counterfactuals import described
from policy_engine.counterfactuals.described import of_change
from policy_engine.counterfactuals.found import MOST
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.yaml_source import read_yaml
from policy_engine.model.workload import Workload

EXAMPLES = Path(__file__).parents[3] / "examples"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def decider() -> Decider:
    return Decider(load_policy())


def example(name: str) -> dict[str, Any]:
    document: dict[str, Any] = read_yaml(EXAMPLES / f"{name}.yaml")[0].value
    return document


def task_of(decider: Decider, document: dict[str, Any], number: int = 0) -> dict[str, Any]:
    workload = Workload.model_validate(document)
    found: dict[str, Any] = decider.decide(workload, check_evidence(workload, AT.date(), EXAMPLES), AT).document
    return found["tasks"][number]  # type: ignore[no-any-return]


def test_a_leaking_fallback_is_mended_by_leaving_it_out(decider: Decider) -> None:
    document = example("leaking-fallback")
    task = task_of(decider, document)
    better = task["counterfactuals"][0]
    assert better == {
        "fact": "proposal.fallback",
        "op": "==",
        "value": None,
        "of": "choice",
        "verdict": "review",
        "recommendation": "self_hosted",
        "provisional": None,
    }
    assert change_lines(task)[0] == "review if there is no fallback"
    changed = copy.deepcopy(document)
    del changed["spec"]["tasks"][0]["proposal"]["fallback"]
    assert task_of(decider, changed)["verdict"] == "review"


@pytest.mark.parametrize("name", [path.stem for path in sorted(EXAMPLES.glob("*.yaml"))])
def test_every_decision_has_them_bounded_and_better_ones_first(decider: Decider, name: str) -> None:
    order = ["allow", "allow_with_conditions", "review", "deny"]
    for number in range(len(example(name)["spec"]["tasks"])):
        task = task_of(decider, example(name), number)
        rows = task["counterfactuals"]
        assert len(rows) <= MOST
        assert task["counterfactuals_left_out"] >= 0
        now = order.index(task["verdict"])
        kinds = [0 if order.index(r["verdict"]) < now else 1 if order.index(r["verdict"]) > now else 2 for r in rows]
        assert kinds == sorted(kinds)
        of = [(kind, r["verdict"], r["of"]) for kind, r in zip(kinds, rows, strict=True) if kind < 2]
        assert all(
            (kind, verdict, "workload") not in of[:n] for n, (kind, verdict, o) in enumerate(of) if o == "choice"
        )
        assert len(change_lines(task)) <= MOST_LINES
        assert all(condition_text(row) for row in rows)
        chosen = [r for kind, r in zip(kinds, rows, strict=True) if kind == 0 and r["of"] == "choice"]
        assert (task["pairs"] is not None) == (now >= 2 and not chosen)
        assert task["pairs"] is None or task["pairs"]["of"] == ("choice" if 0 in kinds else "any")


def test_a_threshold_is_the_rules_own_and_exact(decider: Decider) -> None:
    """Customer chat: closed serving is preferred from 300 to 999 ms."""
    document = example("support-chat-and-documents")
    task = task_of(decider, document)
    bounds = {r["value"]: r for r in task["counterfactuals"] if r["fact"] == "task.latency_p95_ms"}
    assert {(r["op"], r["value"]) for r in bounds.values()} == {("<=", 299), (">=", 1000)}
    for value, row in bounds.items():
        for latency in (value, value + (1 if row["op"] == "<=" else -1)):
            changed = copy.deepcopy(document)
            changed["spec"]["tasks"][0]["latency_p95_ms"] = latency
            found = task_of(decider, changed)
            flipped = (found["verdict"], found["recommendation"]["deployment"]) == (
                row["verdict"],
                row["recommendation"],
            )
            assert flipped == (latency == value)


def test_a_pair_mends_what_no_single_fact_does(decider: Decider) -> None:
    document = example("writing-assistant")
    spec = document["spec"]
    spec["team"] |= {"mlops": "none", "ml_engineers": 1}
    spec["data"] |= {"residency": ["eu"]}
    spec["tasks"][0]["proposal"] = {"deployment": "self_hosted", "model": "llama-3.1-8b", "region": "us"}
    task = task_of(decider, document)
    assert task["verdict"] == "deny"
    assert all(row["verdict"] == "deny" for row in task["counterfactuals"])
    pairs = task["pairs"]["found"]
    assert {"team.mlops", "proposal.region"} in [{change["fact"] for change in pair["changes"]} for pair in pairs]
    spec["team"]["mlops"], spec["tasks"][0]["proposal"]["region"] = "mature", "eu"
    (told,) = [p for p in pairs if {c["fact"] for c in p["changes"]} == {"team.mlops", "proposal.region"}]
    assert task_of(decider, document)["verdict"] == told["verdict"] != "deny"
    assert any(" and " in line for line in change_lines(task))


def test_each_option_says_what_would_permit_it(decider: Decider) -> None:
    task = task_of(decider, example("hospital"))
    rows = {row["deployment"]: row for row in task["options"]}
    assert rows["proprietary_api"]["ways"]["permitted"][0]["fact"] == "data.may_leave_network"
    said = list(ways_lines(task, rows["proprietary_api"]))
    assert said[0] == "it would be permitted if data.may_leave_network is true (only where that is so)"
    assert "it would be permitted by no change of a single fact" in list(ways_lines(task, rows["self_hosted"]))


def test_a_description_that_would_mend_it_hides_no_choices(decider: Decider) -> None:
    """Support tickets: another stage would make it allowed, which it is not; pairs of what can be chosen are tried."""
    document = example("support-tickets")
    task = task_of(decider, document)
    better = [r for r in task["counterfactuals"] if r["verdict"].startswith("allow")]
    assert {(r["fact"], r["of"]) for r in better} == {("workload.stage", "workload")}
    assert (task["pairs"]["of"], task["pairs"]["found"]) == ("choice", [])
    first, second = change_lines(task)[:2]
    assert first.startswith("short of hardware_attestation, which only a probe gives, no single choice would make")
    assert second == "allow if workload.stage is prototype or pilot (only where that is so)"


def test_pairs_of_choices_are_found_beside_a_description(decider: Decider) -> None:
    """Two contracts are owed at once; that the data were public would do as well, and is not for the team to choose."""
    document = example("support-tickets")
    del document["spec"]["evidence"]
    document["spec"]["data"]["may_leave_network"] = True
    document["spec"]["tasks"][0]["proposal"] = {"deployment": "proprietary_api", "model": "gpt-4o", "region": "eu"}
    task = task_of(decider, document)
    assert task["verdict"] == "review"
    (pair, *_) = task["pairs"]["found"]
    assert {change["fact"] for change in pair["changes"]} == {"evidence.dpa", "evidence.no_training_term"}
    assert all(change["of"] == "choice" for found in task["pairs"]["found"] for change in found["changes"])
    assert pair_text(task, pair) == change_lines(task)[0]
    workload = [line for line in change_lines(task) if "(only where that is so)" in line]
    assert workload
    assert change_lines(task).index(workload[0]) > 0


@pytest.mark.parametrize(
    ("fact", "of"),
    [
        *[(name, "workload") for name in ("workload.stage", "task.kind", "data.may_leave_network", "custom.zone")],
        *[(name, "workload") for name in ("volume.input_tokens_per_month", "budget.api_spend_usd_per_month")],
        *[(name, "choice") for name in ("proposal.fallback", "evidence.dpa", "team.mlops", "needs.edge")],
        *[(name, "choice") for name in ("task.latency_p95_ms", "task.min_scores.mmlu", "budget.monthly_usd")],
    ],
)
def test_what_a_change_is_of(fact: str, of: str) -> None:
    assert of_change(fact, "==") == of
    assert of_change(fact, "known") == "choice"


def test_the_facts_that_are_chosen_are_facts() -> None:
    assert load_policy().vocabulary.facts.keys() >= described.FACTS


def test_an_option_that_is_only_provisional_is_named_as_such(decider: Decider) -> None:
    """Where nothing is permitted, a decision names the option that may be; so does a change that leads there."""
    document = example("coding-assistant")
    task = task_of(decider, document)
    (told,) = [r for r in task["counterfactuals"] if r["fact"] == "data.may_leave_network"]
    document["spec"]["data"]["may_leave_network"] = False
    recommended = task_of(decider, document)["recommendation"]
    assert (recommended["deployment"], recommended["provisional"]) == ("self_hosted", True)
    assert (told["recommendation"], told["provisional"]) == (None, "self_hosted")
    (line,) = change_lines({**task, "counterfactuals": [told]})
    assert line.startswith("deny, nothing permitted; self_hosted provisionally if data.may_leave_network is false")


@pytest.mark.parametrize(
    ("now", "provisional", "said"),
    [
        ({"deployment": "edge", "provisional": False}, None, "review, nothing permitted"),
        ({"deployment": "edge", "provisional": True}, "edge", "review"),
        ({"deployment": "edge", "provisional": True}, "open_api", "review, open_api provisionally"),
        (None, "open_api", "review, open_api provisionally"),
    ],
)
def test_what_is_provisional_is_said_where_it_is_another(now: Any, provisional: str | None, said: str) -> None:
    row = {"fact": "x", "op": "in", "values": [True], "verdict": "review", "recommendation": None}
    task = {"verdict": "deny", "recommendation": now, "counterfactuals": [row | {"provisional": provisional}]}
    assert change_lines(task) == [f"{said} if x is true"]


def test_documents_of_earlier_engines_have_none() -> None:
    old: dict[str, Any] = {"counterfactuals": [], "recommendation": None, "verdict": "deny", "judged_option": None}
    assert change_lines(old) == []
    assert list(ways_lines(old, {"deployment": "edge"})) == []
