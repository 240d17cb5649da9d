"""Obligations, verdicts, fallbacks and enforcement, clause by clause: made-up rules, outcomes as given."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from policy_engine.combining import (
    fallback_verdict,
    worst,
)
from policy_engine.model.rule import Enforcement, Rule
from policy_engine.model.task_case import (
    VERDICTS,
    ProposalRuling,
    Verdict,
)
from policy_engine.model.vocabulary import OPTIONS
from tests.unit.combining_case import (
    EDGE,
    OPEN,
    PROPRIETARY,
    SELF,
    Case,
    evidence,
    option_input,
    rule,
)

# ---- step 4: obligations


def test_an_obligation_is_outstanding_uncertain_or_satisfied() -> None:
    fired = Case((rule("a", require={"dpa": (OPEN,)}), True))
    assert fired.obligations(OPEN)["dpa"].status == "outstanding"
    assert fired.obligations(OPEN)["dpa"].why == "no such evidence is named"
    assert fired.obligations(OPEN, dpa=evidence("dpa"))["dpa"].status == "satisfied"
    assert fired.obligations(SELF) == {}
    open_rule = Case((rule("a", require={"dpa": (OPEN,)}), None))
    assert open_rule.obligations(OPEN)["dpa"].status == "uncertain"
    assert open_rule.obligations(OPEN, dpa=evidence("dpa"))["dpa"].status == "satisfied"
    assert Case((rule("a", require={"dpa": (OPEN,)}), False)).obligations(OPEN) == {}


def test_evidence_with_a_problem_is_not_evidence() -> None:
    case = Case((rule("a", require={"dpa": (OPEN,)}), True))
    duty = case.obligations(OPEN, dpa=evidence("dpa", problem="it ended on 2026-01-01"))["dpa"]
    assert (duty.status, duty.why) == ("outstanding", "it ended on 2026-01-01")


GRADES = ("asserted", "attached", "approved", "recorded")


@pytest.mark.parametrize(("asked", "given"), list(itertools.product(GRADES, GRADES)))
def test_evidence_has_to_be_of_the_grade_asked_or_better(asked: str, given: str) -> None:
    case = Case((rule("a", require={"dpa": (OPEN,)}, grade=asked), True))
    duty = case.obligations(OPEN, dpa=evidence("dpa", given))["dpa"]
    enough = GRADES.index(given) >= GRADES.index(asked)
    assert duty.status == ("satisfied" if enough else "outstanding")
    assert duty.grade == asked
    if not enough:
        assert duty.why == f"it is {given}, and {asked} is asked for"


def test_the_strictest_rule_that_is_unmet_counts() -> None:
    case = Case(
        (rule("advisory", require={"dpa": (OPEN,)}, enforcement="advisory", grade="recorded"), True),
        (rule("mandatory", require={"dpa": (OPEN,)}), True),
    )
    assert case.obligations(OPEN)["dpa"].enforcement == "mandatory"
    met = case.obligations(OPEN, dpa=evidence("dpa"))["dpa"]  # enough for the mandatory one alone
    assert (met.status, met.enforcement, met.grade) == ("outstanding", "advisory", "recorded")
    assert met.rules == ("advisory", "mandatory")
    assert case.verdict(OPEN) == "review"
    assert case.verdict(OPEN, dpa=evidence("dpa")) == "allow_with_conditions"
    assert case.verdict(OPEN, dpa=evidence("dpa", "recorded")) == "allow"


def test_a_sure_obligation_outranks_a_possible_one_of_the_same_enforcement() -> None:
    case = Case(
        (rule("perhaps", require={"dpa": (OPEN,)}), None),
        (rule("surely", require={"dpa": (OPEN,)}), True),
    )
    assert case.obligations(OPEN)["dpa"].status == "outstanding"


# ---- step 5: the verdict


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (Case((rule("a", forbid=(OPEN,)), True)), "deny"),
        (Case((rule("a", forbid=(OPEN,), enforcement="waivable"), True)), "deny"),
        (Case(open_api=option_input(False)), "deny"),
        (Case((rule("a", forbid=("proposal",)), True)), "deny"),
        (Case((rule("a", forbid=("proposal",), enforcement="waivable"), True)), "deny"),
        (Case((rule("a", forbid=(OPEN,)), None)), "review"),
        (Case((rule("a", forbid=("proposal",)), None)), "review"),
        (Case(open_api=option_input(None)), "review"),
        (Case((rule("a", require={"dpa": (OPEN,)}), True)), "review"),
        (Case((rule("a", require={"dpa": (OPEN,)}), None)), "review"),
        (Case((rule("a", require={"dpa": (OPEN,)}, enforcement="waivable"), True)), "review"),
        (Case((rule("a", require={"dpa": (OPEN,)}, enforcement="waivable"), None)), "review"),
        (Case((rule("a", require={"dpa": (OPEN,)}, enforcement="advisory"), True)), "allow_with_conditions"),
        (Case((rule("a", require={"dpa": (OPEN,)}, enforcement="advisory"), None)), "allow_with_conditions"),
        (Case((rule("a", forbid=(OPEN,), enforcement="advisory"), True)), "allow_with_conditions"),
        (Case((rule("a", forbid=("proposal",), enforcement="advisory"), True)), "allow_with_conditions"),
        (Case((rule("a", forbid=(OPEN, "proposal"), enforcement="advisory"), None)), "allow"),
        (Case((rule("a", forbid=(SELF,), enforcement="advisory"), True)), "allow"),
        (Case((rule("a", forbid=(SELF,)), True)), "allow"),
        (Case((rule("a", require={"dpa": (SELF,)}), True)), "allow"),
        (Case((rule("a", prefer={SELF: 3}), True)), "allow"),
        (Case((rule("a", prefer={SELF: 3}), None)), "allow"),
        (Case(), "allow"),
    ],
)
def test_the_verdict_on_a_proposal_is_the_first_that_applies(what: Case, expected: Verdict) -> None:
    assert what.verdict(OPEN) == expected


def test_a_worse_clause_comes_before_a_better_one() -> None:
    clauses = [
        (rule("warn", forbid=(OPEN,), enforcement="advisory"), True),
        (rule("duty", require={"dpa": (OPEN,)}), True),
        (rule("out", forbid=("proposal",)), True),
    ]
    found = [Case(*clauses[:number]).verdict(OPEN) for number in range(4)]
    assert found == ["allow", "allow_with_conditions", "review", "deny"]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (Case(), "allow"),
        (Case((rule("a", prefer={EDGE: 3}), None)), "review"),  # not firm
        (Case((rule("a", forbid=OPTIONS), True)), "review"),  # nothing permitted
        (Case((rule("a", forbid=OPTIONS), None)), "review"),
        (Case((rule("a", require={"dpa": (PROPRIETARY,)}), True)), "review"),
        (Case((rule("a", forbid=("proposal",)), True)), "allow"),  # there is none
        (Case((rule("a", forbid=("proposal",), enforcement="advisory"), True)), "allow"),
        (Case((rule("a", forbid=(PROPRIETARY,), enforcement="advisory"), True)), "allow_with_conditions"),
        (Case((rule("a", forbid=(PROPRIETARY,)), True)), "allow"),  # the next one is judged
    ],
)
def test_the_verdict_on_a_recommendation(what: Case, expected: Verdict) -> None:
    assert what.verdict() == expected


def test_the_worst_verdict_stands() -> None:
    for number, each in enumerate(VERDICTS):
        assert worst(list(VERDICTS[: number + 1])) == each
    assert worst(["deny", "allow"]) == "deny"


@pytest.mark.parametrize(
    ("status", "holds", "expected"),
    [
        ("forbidden", True, "deny"),
        ("unavailable", True, "deny"),
        ("permitted", False, "deny"),
        ("uncertain", False, "deny"),
        ("uncertain", True, "review"),
        ("permitted", None, "review"),
        ("permitted", True, "allow"),
    ],
)
def test_a_fallback_is_judged_by_the_forbids(status: Any, holds: bool | None, expected: Verdict) -> None:
    standing = Case().standings()[OPEN]
    standing.status = status
    assert fallback_verdict(standing, ProposalRuling(holds)) == expected


def test_a_proposal_ruled_out_surely_is_ruled_out_whatever_else_is_open() -> None:
    rules: list[tuple[Rule, bool | None]] = [
        (rule("open", forbid=("proposal",)), None),
        (rule("fired", forbid=("proposal",)), True),
        (rule("later", forbid=("proposal",)), None),
    ]
    for order in itertools.permutations(rules):
        ruling = Case(*order).ruling()
        assert ruling.holds is False
        assert set(ruling.rules) == {"open", "fired", "later"}


# ---- how a rule acts

DAY = date(2026, 11, 24)
NOTHING: Mapping[tuple[str, str], Enforcement] = {}


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        (None, "mandatory"),
        (date(2026, 11, 23), "mandatory"),
        (DAY, "mandatory"),
        (date(2026, 11, 25), "advisory"),
    ],
)
def test_a_rule_is_advisory_before_its_date(starts: date | None, expected: Enforcement) -> None:
    each = rule("a", forbid=(OPEN,), enforce_from=starts)
    assert each.acts("claims", DAY, NOTHING) == expected


def test_a_policy_set_sets_enforcement_by_rule_and_namespace() -> None:
    each = rule("a", forbid=(OPEN,), enforcement="waivable")
    overrides: dict[tuple[str, str], Enforcement] = {("a", "*"): "advisory", ("a", "claims"): "mandatory"}
    overrides["b", "labs"] = "mandatory"
    assert each.acts("claims", DAY, overrides) == "mandatory"
    assert each.acts("labs", DAY, overrides) == "advisory"
    assert each.acts("labs", DAY, NOTHING) == "waivable"


def test_no_override_brings_a_rule_forward() -> None:
    each = rule("a", forbid=(OPEN,), enforce_from=date(2027, 1, 1))
    assert each.acts("claims", DAY, {("a", "claims"): "mandatory"}) == "advisory"


@pytest.mark.parametrize("index", range(3))
def test_what_a_rule_is_enforced_as_decides_and_not_what_it_says(index: int) -> None:
    case = Case((rule("a", forbid=(OPEN,)), True))
    case.enforcement = [("mandatory", "waivable", "advisory")[index]]  # type: ignore[list-item]
    assert case.verdict(OPEN) == ("deny", "deny", "allow_with_conditions")[index]
