"""What one waiver lifts: its rule, its option, its task, on its facts, and nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.lifting import bearing, lift, same, waives
from policy_engine.model.rule import Rule
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.waiver import Lifting, Waiver
from tests.unit.combining_case import Case, evidence
from tests.unit.combining_case import rule as made
from tests.unit.waivers.making import statement

DIGEST = f"sha256:{'1' * 64}"
FACTS = {"task.name": "t", "team.mlops": "none", "proposal.deployment": "self_hosted"}
FORBIDS = made("r", forbid=("self_hosted", "edge"), enforcement="waivable")
ASKS = made("r", require={"dpa": ("self_hosted",)}, enforcement="waivable")


def waiver(problem: str | None = None, ends: date = date(2026, 12, 31), **more: Any) -> Waiver:
    one = statement(**({"rule": "r"} | more))
    return Waiver(one.id, one, ("0" * 8,), ends, problem)


def lifted(
    *waivers: Waiver,
    rule: Rule = FORBIDS,
    outcome: bool | None = True,
    enforcement: Any = "waivable",
    facts: dict[str, Any] | None = None,
    have: dict[str, EvidenceStatus] | None = None,
) -> Lifting:
    known = {"r": (0, DIGEST)}
    return lift(waivers, [rule], known, [outcome], [enforcement], {**FACTS, **(facts or {})}, have or {})


def why(found: Lifting) -> str | None:
    assert not found.pairs
    (row,) = found.lifts
    return row.why


def test_it_lifts_its_rule_for_its_option_alone() -> None:
    found = lifted(waiver())
    assert list(found.pairs) == [(0, "self_hosted")]
    assert waives(found, "self_hosted")
    assert not waives(found, "edge")
    assert list(lifted(waiver(scope={"option": "edge"})).pairs) == [(0, "edge")]
    assert not lifted(waiver(scope={"option": "open_api"})).lifts


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"team.mlops": "building"}, "team.mlops changed from none to building"),
        ({"team.mlops": None}, "team.mlops changed from none to unknown"),
    ],
)
def test_a_changed_fact_voids_it(facts: dict[str, Any], text: str) -> None:
    assert why(lifted(waiver(), facts=facts)) == text


def test_every_changed_fact_is_named() -> None:
    one = waiver(decided={"facts": {"team.mlops": "none", "data.residency": ("eu",), "needs.edge": True}})
    assert lifted(one, facts={"data.residency": ["eu"], "needs.edge": True}).pairs
    found = why(lifted(one, facts={"data.residency": ["eu", "us"], "needs.edge": 1}))
    assert found == "data.residency changed from eu to eu and us and needs.edge changed from true to 1"


def test_what_was_not_known_has_to_be_unknown_still() -> None:
    one = waiver(decided={"outcome": "indeterminate", "facts": {}, "missing": ("team.mlops",)})
    assert lifted(one, outcome=None, facts={"team.mlops": None}).pairs
    assert why(lifted(one)) == "team.mlops was not known and is none now"
    assert why(lifted(one, outcome=None)) == "team.mlops was not known and is none now"


def test_the_rule_has_to_have_come_to_the_same() -> None:
    assert why(lifted(waiver(), outcome=None)) == "the rule was fired and is indeterminate now"
    assert not lifted(waiver(), outcome=False).lifts


@pytest.mark.parametrize("enforcement", ["mandatory", "advisory"])
def test_only_what_is_waivable_now_is_lifted(enforcement: str) -> None:
    found = lifted(waiver(), enforcement=enforcement)
    assert not found.pairs
    assert bool(found.lifts) is (enforcement == "mandatory")


def test_another_rule_of_that_name_is_not_lifted() -> None:
    assert "another one than was waived" in str(why(lifted(waiver(digest=f"sha256:{'2' * 64}"))))
    assert lift([waiver(rule="gone")], [FORBIDS], {"r": (0, DIGEST)}, [True], ["waivable"], FACTS, {}).lifts == ()


def test_what_does_not_count_is_told_and_lifts_nothing() -> None:
    assert why(lifted(waiver("it was revoked"))) == "it was revoked"


def test_a_task_that_is_named_is_the_only_one() -> None:
    assert lifted(waiver(scope={"task": "t"})).pairs
    assert not lifted(waiver(scope={"task": "u"})).lifts


def test_of_several_the_one_that_lasts_longest_lifts_and_is_enough() -> None:
    short, long = waiver(ends=date(2026, 12, 1), ticket="1"), waiver(ticket="2")
    for order in ([short, long], [long, short]):
        found = lifted(*order, waiver("it was revoked", date(2027, 9, 9), ticket="3"))
        assert [row.waiver for row in found.lifts] == [long]
        assert found.pairs == {(0, "self_hosted"): long}


def test_a_forbidden_proposal_is_lifted_for_its_option() -> None:
    rule = made("r", forbid=("proposal",), enforcement="waivable")
    assert lifted(waiver(), rule=rule).lifts[0].lifts == ("proposal",)
    assert not lifted(waiver(), rule=rule, facts={"proposal.deployment": "edge"}).lifts


def test_evidence_that_is_there_needs_no_waiver() -> None:
    assert lifted(waiver(), rule=ASKS).lifts[0].lifts == ("evidence dpa",)
    assert not lifted(waiver(), rule=ASKS, have={"dpa": evidence("dpa")}).lifts
    assert lifted(waiver(), rule=ASKS, have={"dpa": evidence("dpa", problem="it ended")}).pairs


def test_evidence_is_told_of_where_it_is_owed() -> None:
    found = lifted(waiver(), rule=ASKS)
    case = Case((ASKS, True))
    owed = case.obligations("self_hosted")
    assert owed["dpa"].waived is False
    from policy_engine.combining import obligations

    lifted_duty = obligations(case.effects, [True], ["waivable"], "self_hosted", {}, found.pairs)
    assert (lifted_duty[0].status, lifted_duty[0].waived, lifted_duty[0].lifted) == ("outstanding", True, ("r",))
    assert bearing(found, "self_hosted", lifted_duty).lifts == found.lifts
    assert bearing(found, "edge", lifted_duty).lifts == ()
    assert bearing(found, None).lifts == ()


def test_a_waived_duty_that_a_stricter_rule_asks_for_too_stands() -> None:
    from policy_engine.combining import obligations

    hard = replace(ASKS, id="hard", enforcement="mandatory")
    case = Case((ASKS, True), (hard, True))
    (duty,) = obligations(
        case.effects, [True, True], case.enforcement, "self_hosted", {}, lifted(waiver(), rule=ASKS).pairs
    )
    assert (duty.status, duty.waived, duty.lifted, duty.enforcement) == ("outstanding", False, ("r",), "mandatory")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(5, 5.0, True), (True, 1, False), (False, 0, False), (("a",), ["a"], True), (["a", "b"], ["b", "a"], False),
     ("1", 1, False), (0.1 + 0.2, 0.3, False), (float("nan"), float("nan"), False), ("a", None, False)],
)  # fmt: skip
def test_the_same_value(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
