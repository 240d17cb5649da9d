"""What a change of rules changes for any workload: an example of each kind that both engines confirm, or none."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import z3
from msgspec.structs import replace

from policy_engine.loading.policy import Policy, load_policy, with_rules
from policy_engine.proofs.difference import KINDS, Differences, differences
from policy_engine.proofs.prover import search
from tests.unit.proofs.given import AT, evaluated, of, rule, shipped

DATA = "data-stays-in-network"


def without(*names: str) -> Policy:
    return with_rules(shipped(), [each for each in shipped().rules.rules if each.id not in names])


def kinds(found: Differences) -> set[tuple[str, str]]:
    return {(each.before, each.after) for each in found.found}


def layered(folder: Path, files: dict[str, str]) -> Policy:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return load_policy([folder])


def test_a_rule_less_turns_denials_into_approvals_and_each_is_shown() -> None:
    old, new = shipped(), without(DATA)
    found = differences(old, new, AT, 10.0)
    assert found.undecided == ()
    assert {("deny", "allow"), ("review", "allow"), ("deny", "review")} <= kinds(found)
    assert not any(after == "deny" for _, after in kinds(found))
    for change in found.found:
        assert change.example is not None
        text = change.example.text()
        assert evaluated(old, text).verdict == change.before == change.example.before.verdict
        assert evaluated(new, text).verdict == change.after == change.example.after.verdict


def test_the_other_way_only_worse_is_found() -> None:
    found = differences(of("sensitive-data-needs-dpa"), of("sensitive-data-needs-dpa", DATA), AT, 10.0)
    assert found.undecided == ()
    assert ("allow", "deny") in kinds(found)
    # contract: adding a forbid never turns deny into anything else; it may make a recommendation firm, though
    assert not any(before == "deny" for before, _ in kinds(found))


def test_what_changes_no_verdict_is_proved() -> None:
    reworded = with_rules(shipped(), [replace(each, message="Other.") for each in shipped().rules.rules])
    for new in (shipped(), reworded, without("licence-forbids-proposed-model", "migration-shortlist")):
        found = differences(shipped(), new, AT, 10.0)
        assert found.none
        assert [(each.before, each.after) for each in found.changes] == list(KINDS)


def test_a_condition_said_otherwise_is_the_same() -> None:
    old = of(rule(DATA, when="!(data.may_leave_network || needs.edge)"))
    new = of(rule(DATA, when="!data.may_leave_network && !needs.edge"))
    assert differences(old, new, AT, 10.0).none


def test_one_step_of_a_threshold_is_found() -> None:
    forbid: dict[str, Any] = {"forbid": ("proprietary_api",), "prefer": {}, "enforcement": "mandatory"}
    old = of(rule("quick-deployment-favours-managed", when="workload.deploy_within_days <= 7", disfavour={}, **forbid))
    new = of(rule("quick-deployment-favours-managed", when="workload.deploy_within_days < 7", disfavour={}, **forbid))
    found = differences(old, new, AT, 10.0)
    (change,) = [each for each in found.found if (each.before, each.after) == ("deny", "allow")]
    assert change.example is not None
    assert change.example.workload["spec"]["deploy_within_days"] == 7


def test_custom_facts_and_catalogs_of_one_layer_alone(tmp_path: Path) -> None:
    new = layered(
        tmp_path / "ours",
        {
            "vocabulary.yaml": "facts:\n  custom.cleared: {type: bool, meaning: Whether it was cleared.}\n",
            "data-residency/own-rule.yaml": "id: own-rule\ntitle: T\norigin: us\nwhen: '!custom.cleared'\n"
            "forbid: [open_api]\nenforcement: mandatory\nmessage: M.\n",
            "data-residency/own-rule_test.yaml": "cases: []\n",
            "parameters.yaml": "parameters:\n  low_latency_ms: {value: 400}\n",
        },
    )
    found = differences(shipped(), new, AT, 10.0)
    assert {("allow", "deny"), ("allow", "review")} <= kinds(found)
    denied = next(each for each in found.found if (each.before, each.after) == ("allow", "deny"))
    assert denied.example is not None
    assert denied.example.workload["spec"]["custom"] == {"cleared": False}
    assert denied.example.leave_out == (("spec.custom.cleared",), ())
    assert "# under OLD, which does not know it, leave out spec.custom.cleared\n" in denied.example.text()
    assert evaluated(new, denied.example.text()).verdict == "deny"


def test_time_outs_are_no_proof() -> None:
    found = differences(shipped(), without(DATA), AT, 0.0)
    assert not found.none
    assert len(found.undecided) == len(KINDS)


def test_what_is_told_of_a_time_out_is_the_limit() -> None:
    session: Any = SimpleNamespace(ask=lambda *_: ("time-out", None))
    assert search(session, True, 0.25, (), lambda: iter(()), lambda _: None, 10.0) == "undecided within 10 s"


def test_after_a_refusal_what_was_only_preferred_is_asked_for() -> None:
    """And what cannot be, or is not found soon, is asked for no more."""
    asked: list[Any] = []
    first, second = (z3.Bool(name) for name in ("first", "second"))

    def ask(question: Any, timeout_s: float, prefer: Any) -> Any:
        asked.append((question, timeout_s > 4))
        wanted = "first" not in str(question)
        return ("yes", SimpleNamespace(holds=lambda _: True)) if wanted else ("no", None)

    session: Any = SimpleNamespace(ask=ask, shared=SimpleNamespace(symbols=SimpleNamespace(attained={})))
    answers = iter([None, None, "found"])
    free = [z3.Bool("free")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policy_engine.proofs.prover.unattained", lambda *_: [])
        found = search(
            session, True, 6.0, (), lambda: iter(free), lambda _: next(answers), wishes=[lambda: first, lambda: second]
        )
    assert found == "found"
    wished = [[name for name in ("first", "second") if name in str(question)] for question, _ in asked]
    assert wished == [[], ["first"], ["second"], ["second"]]
    assert [whole for _, whole in asked] == [True, False, False, False]


def acting(level: Any) -> Policy:
    """Return the one rule as a policy set has it act everywhere."""
    policy = of(DATA)
    return with_rules(replace(policy, rules=replace(policy.rules, overrides={(DATA, "*"): level})), policy.rules.rules)


def test_a_rule_that_may_be_waived_now_lets_through_what_was_denied() -> None:
    old, new = of(DATA), acting("waivable")
    (change,) = [
        each for each in differences(old, new, AT, 10.0).found if each.before == "deny" and "allow" in each.after
    ]
    assert change.after == "allow_with_conditions"
    assert change.example is not None
    assert any(f"a waiver of {DATA}" in each for each in change.example.after.beyond)
    assert differences(old, acting("mandatory"), AT, 10.0).none


def test_a_rule_that_is_enforced_later_is_asked_of_then() -> None:
    later = rule(DATA, enforce_from=date(2027, 6, 1))
    found = differences(of(later), of(), AT, 10.0)
    (change,) = [each for each in found.found if (each.before, each.after) == ("deny", "allow")]
    assert change.at is not None
    assert (change.at.date(), change.at.time()) == (date(2027, 6, 1), AT.time())
    # before that day it advises, and is missed where it warned
    assert ("allow_with_conditions", "allow") in {(c.before, c.after) for c in found.found if c.at == AT}
    assert differences(of(later), of(rule(DATA, enforce_from=date(2027, 6, 1), message="Other.")), AT, 10.0).none


def test_days_that_are_not_asked_of_are_not_passed() -> None:
    rules = [rule(DATA, id=f"{DATA}-{day}", enforce_from=date(2027, 6, day), when="task.batch") for day in range(1, 9)]
    found = differences(of(), of(*rules), AT, 10.0)
    assert not any(each.example is None and each.undecided is None for each in found.changes)
    assert "rules come to bind on 8 days, of which 6 are asked about" in {each.undecided for each in found.changes}


def test_a_fact_of_another_type_is_undecided() -> None:
    facts = {**shipped().vocabulary.facts}
    facts["task.batch"] = replace(facts["task.batch"], type="string")
    changed = replace(without(DATA), vocabulary=replace(shipped().vocabulary, facts=facts))
    found = differences(shipped(), changed, AT, 10.0)
    assert {each.undecided for each in found.changes} == {
        "`task.batch` is a bool under one policy and a string under the other"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_named_once(kind: tuple[str, str]) -> None:
    assert KINDS.count(kind) == 1  # type: ignore[arg-type]
    assert kind[0] != kind[1]
