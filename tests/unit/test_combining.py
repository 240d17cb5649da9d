"""Steps 2 to 5 of a decision, clause by clause: made-up rules, outcomes as given, the combination as it must be."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from policy_engine.combining import (
    Effects,
    OptionInput,
    fallback_verdict,
    obligations,
    rank,
    rule_out,
    statuses,
    verdict,
    worst,
)
from policy_engine.language.tree import Const
from policy_engine.model.rule import Enforcement, Rule
from policy_engine.model.task_case import (
    VERDICTS,
    EvidenceStatus,
    Obligation,
    ProposalRuling,
    Ranking,
    Standing,
    Verdict,
)
from policy_engine.model.vocabulary import OPTIONS

PROPRIETARY, OPEN, BATCH, SELF, EDGE = OPTIONS
FACT = frozenset({"team.mlops"})


def rule(name: str, topic: str = "routing", **effects: Any) -> Rule:
    return Rule(
        id=name,
        title=name,
        topic=topic,
        when="true",
        condition=Const(True, "bool"),
        reads=frozenset(),
        parameters=frozenset(),
        **{"enforcement": "mandatory", **effects},
    )


def option_input(
    available: bool | None = True, cost: float | None = 100.0, missing: tuple[str, ...] = (), waits: str = ""
) -> OptionInput:
    return OptionInput(
        available=available, missing=missing, monthly_usd=cost, cost_open=frozenset({waits} if waits else ())
    )


class Case:
    """Rules with their outcomes, and what the catalog says: everything that steps 2 to 5 start from."""

    def __init__(self, *rules: tuple[Rule, bool | None], **inputs: OptionInput) -> None:
        self.rules = [each for each, _ in rules]
        self.outcomes = [outcome for _, outcome in rules]
        self.enforcement: list[Enforcement] = [each.enforcement for each in self.rules]
        self.effects = Effects(self.rules)
        self.inputs = {option: inputs.get(option, option_input()) for option in OPTIONS}
        self.missing = {
            index: frozenset({f"{each.id}.fact"})
            for index, (each, outcome) in enumerate(zip(self.rules, self.outcomes, strict=True))
            if outcome is None
        }

    def standings(self) -> dict[str, Standing]:
        return statuses(self.effects, self.outcomes, self.enforcement, self.inputs, self.missing)

    def ranking(self) -> Ranking:
        return rank(self.standings(), self.effects, self.outcomes, self.missing)

    def ruling(self) -> ProposalRuling:
        return rule_out(self.effects, self.outcomes, self.enforcement, self.missing)

    def obligations(self, option: str, **evidence: EvidenceStatus) -> dict[str, Obligation]:
        found = obligations(self.effects, self.outcomes, self.enforcement, option, evidence)
        return {each.evidence: each for each in found}

    def verdict(self, option: str | None = None, **evidence: EvidenceStatus) -> Verdict:
        """The verdict on a proposal of `option`, or on the recommendation."""
        standings, ranking = self.standings(), self.ranking()
        judged = option or ranking.recommended
        owed = obligations(self.effects, self.outcomes, self.enforcement, judged, evidence) if judged else ()
        standing = standings[judged] if judged else None
        ruling = self.ruling() if option else None
        return verdict(self.effects, self.outcomes, self.enforcement, standing, ruling, ranking.firm, owed)


def evidence(name: str, grade: str = "asserted", problem: str | None = None) -> EvidenceStatus:
    return EvidenceStatus(name, grade, problem=problem)


# ---- step 2: the first status that applies

THREE = [None, False, True]


@pytest.mark.parametrize(("mandatory", "waivable", "available"), list(itertools.product(THREE, THREE, THREE)))
def test_an_option_has_the_first_status_that_applies(
    mandatory: bool | None, waivable: bool | None, available: bool | None
) -> None:
    case = Case(
        (rule("m", forbid=(SELF,)), mandatory),
        (rule("w", forbid=(SELF,), enforcement="waivable"), waivable),
        self_hosted=option_input(available),
    )
    if True in (mandatory, waivable):
        expected = "forbidden"
    elif available is False:
        expected = "unavailable"
    elif None in (mandatory, waivable, available):
        expected = "uncertain"
    else:
        expected = "permitted"
    standings = case.standings()
    assert standings[SELF].status == expected
    assert {standings[option].status for option in OPTIONS if option != SELF} == {"permitted"}


def test_a_status_names_the_rules_behind_it_and_no_others() -> None:
    case = Case(
        (rule("fired", forbid=(SELF, EDGE)), True),
        (rule("open", forbid=(SELF, OPEN)), None),
        (rule("quiet", forbid=(SELF,)), False),
        (rule("warns", forbid=(SELF,), enforcement="advisory"), True),
    )
    standings = case.standings()
    assert standings[SELF].rules == ("fired",)
    assert standings[OPEN].rules == ("open",)
    assert standings[OPEN].missing == {"open.fact"}
    assert standings[PROPRIETARY].rules == ()
    assert standings[SELF].missing == frozenset()


def test_an_uncertain_option_names_what_the_catalog_waits_for_too() -> None:
    case = Case(
        (rule("open", forbid=(SELF,)), None),
        self_hosted=option_input(None, missing=("task.context_tokens",)),
        edge=option_input(None, missing=("task.quality",)),
    )
    assert case.standings()[SELF].missing == {"open.fact", "task.context_tokens"}
    assert case.standings()[EDGE].missing == {"task.quality"}


@pytest.mark.parametrize("outcome", [True, None])
def test_an_advisory_forbid_changes_no_status(outcome: bool | None) -> None:
    case = Case((rule("advice", forbid=OPTIONS, enforcement="advisory"), outcome))
    assert {each.status for each in case.standings().values()} == {"permitted"}


def test_a_forbid_of_the_proposal_alone_leaves_the_options() -> None:
    case = Case((rule("region", forbid=("proposal",)), True))
    assert {each.status for each in case.standings().values()} == {"permitted"}
    assert case.ruling().holds is False
    assert case.ruling().rules == ("region",)


# ---- step 3: scores


def test_each_topic_speaks_once_for_an_option() -> None:
    """Four rules that say the same of volume do not outvote quality."""
    volume = [(rule(f"v{number}", "volume-cost", prefer={OPEN: 2}), True) for number in range(4)]
    case = Case(*volume, (rule("q", "task-quality", prefer={PROPRIETARY: 3}), True))
    standings = case.standings()
    assert standings[OPEN].score == 2
    assert standings[PROPRIETARY].score == 3
    assert case.ranking().recommended == PROPRIETARY


def test_a_topic_gives_its_strongest_preference_less_its_strongest_disfavour() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 1}), True),
        (rule("b", "latency", prefer={SELF: 3}, disfavour={SELF: 1}), True),
        (rule("c", "latency", disfavour={SELF: 2}), True),
        (rule("d", "latency", prefer={SELF: 3}, disfavour={SELF: 3}), False),
        (rule("e", "routing", disfavour={SELF: 1}), True),
    )
    standing = case.standings()[SELF]
    assert standing.score == (3 - 2) + (0 - 1)
    assert sorted((each.topic, each.rule, each.points) for each in standing.contributions) == [
        ("latency", "b", 3),
        ("latency", "c", -2),
        ("routing", "e", -1),
    ]


def test_the_score_is_the_sum_over_topics() -> None:
    topics = ["latency", "routing", "licence", "migration"]
    case = Case(*((rule(topic, topic, prefer={EDGE: strength}), True) for strength, topic in enumerate(topics, 0)))
    assert case.standings()[EDGE].score == 0 + 1 + 2 + 3


def test_open_preferences_give_a_range_and_count_for_nothing_in_the_score() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 1}), True),
        (rule("b", "latency", prefer={SELF: 3}), None),
        (rule("c", "latency", disfavour={SELF: 2}), None),
        (rule("d", "routing", disfavour={SELF: 1}), True),
        (rule("e", "routing", disfavour={SELF: 3}), None),
    )
    standing = case.standings()[SELF]
    assert (standing.score, standing.low, standing.high) == (1 - 1, (1 - 2) + (0 - 3), (3 - 0) + (0 - 1))


# ---- step 3: ranking


def test_the_highest_score_comes_first_whatever_it_costs() -> None:
    case = Case(
        (rule("a", prefer={EDGE: 1}), True),
        edge=option_input(cost=9999.0),
        proprietary_api=option_input(cost=0.0),
    )
    assert case.ranking().recommended == EDGE


def test_ties_go_by_monthly_cost() -> None:
    case = Case(self_hosted=option_input(cost=5.0), open_api=option_input(cost=6.0))
    assert case.ranking().recommended == SELF


def test_unknown_cost_comes_last_among_equals() -> None:
    inputs = {option: option_input(cost=None) for option in OPTIONS}
    case = Case(**{**inputs, "edge": option_input(cost=1e12)})
    assert case.ranking().recommended == EDGE
    assert case.ranking().cheapest == EDGE


def test_equals_at_equal_cost_go_by_the_canonical_order() -> None:
    assert Case().ranking().recommended == PROPRIETARY
    assert Case(proprietary_api=option_input(False)).ranking().recommended == OPEN
    nothing = {option: option_input(cost=None) for option in OPTIONS}
    assert Case(**nothing).ranking().recommended == PROPRIETARY
    assert Case(**nothing).ranking().cheapest is None


def test_only_permitted_options_are_recommended() -> None:
    case = Case(
        (rule("a", prefer={SELF: 3, OPEN: 2, EDGE: 1}), True),
        (rule("b", forbid=(SELF,)), True),
        (rule("c", forbid=(OPEN,)), None),
    )
    assert case.ranking().recommended == EDGE


def test_the_cheapest_permitted_option_is_named() -> None:
    case = Case(
        (rule("a", prefer={SELF: 3}), True),
        (rule("b", forbid=(BATCH,)), True),
        open_batch=option_input(cost=1.0),
        edge=option_input(cost=2.0),
    )
    assert case.ranking().recommended == SELF
    assert case.ranking().cheapest == EDGE


# ---- step 3: firmness


def test_a_recommendation_is_firm_where_nothing_is_open() -> None:
    assert Case().ranking().firm


def test_an_open_preference_that_could_not_change_the_first_leaves_it_firm() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 3}), True),
        (rule("b", "routing", prefer={OPEN: 2}), None),
    )
    assert case.ranking().firm
    assert case.ranking().open_facts == frozenset()


def test_a_rival_that_could_score_more_makes_it_not_firm_and_names_the_facts() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 2}), True),
        (rule("b", "routing", prefer={OPEN: 3}), None),
        (rule("c", "licence", prefer={EDGE: 1}), None),
    )
    ranking = case.ranking()
    assert (ranking.recommended, ranking.firm) == (SELF, False)
    assert ranking.open_facts == {"b.fact"}  # edge cannot come first, and what it waits for is left out


def test_a_disfavour_that_could_lower_the_first_makes_it_not_firm() -> None:
    case = Case(
        (rule("a", "latency", prefer={SELF: 1}), True),
        (rule("b", "routing", disfavour={SELF: 2}), None),
    )
    assert not case.ranking().firm
    assert case.ranking().open_facts == {"b.fact"}


def test_a_rival_that_could_only_draw_level_wins_by_cost_or_order_alone() -> None:
    rules = (
        (rule("a", "latency", prefer={SELF: 2}), True),
        (rule("b", "routing", prefer={EDGE: 2}), None),
    )
    assert Case(*rules, edge=option_input(cost=100.0)).ranking().firm  # level, and later in the order
    assert not Case(*rules, edge=option_input(cost=99.0)).ranking().firm  # level, and cheaper
    assert Case(*rules, edge=option_input(cost=None)).ranking().firm  # level, and no price known: last


def test_a_cost_that_waits_for_facts_may_come_out_low() -> None:
    case = Case(open_api=option_input(cost=None, waits="volume.input_tokens_per_month"))
    ranking = case.ranking()
    assert (ranking.recommended, ranking.firm) == (PROPRIETARY, False)
    assert ranking.open_facts == {"volume.input_tokens_per_month"}
    # A cost that no fact would tell is last, and stays there.
    assert Case(open_api=option_input(cost=None)).ranking().firm


def test_the_first_whose_own_cost_is_open_is_not_firm_against_its_equals() -> None:
    inputs = {option: option_input(cost=None, waits="task.share") for option in OPTIONS}
    assert not Case(**inputs).ranking().firm


def test_an_uncertain_option_that_could_come_first_makes_it_not_firm() -> None:
    case = Case(
        (rule("a", prefer={SELF: 3}), True),
        (rule("b", forbid=(SELF,)), None),
    )
    ranking = case.ranking()
    assert (ranking.recommended, ranking.firm) == (PROPRIETARY, False)
    assert ranking.open_facts == {"b.fact"}


@pytest.mark.parametrize("gone", [(rule("b", forbid=(SELF,)), True), None])
def test_what_is_ruled_out_is_no_rival(gone: tuple[Rule, bool] | None) -> None:
    rules = [(rule("a", prefer={SELF: 3}), None), *([gone] if gone else [])]
    inputs = {} if gone else {"self_hosted": option_input(False)}
    assert Case(*rules, **inputs).ranking().firm


def test_where_nothing_is_permitted_the_uncertain_are_ranked_provisionally() -> None:
    case = Case(
        (rule("f", forbid=(PROPRIETARY, OPEN, BATCH)), True),
        (rule("u", forbid=(SELF,)), None),
        (rule("p", prefer={EDGE: 1, OPEN: 3}), True),
        edge=option_input(None, cost=None, missing=("needs.edge",)),
    )
    ranking = case.ranking()
    assert ranking == Ranking(None, EDGE, False, frozenset({"u.fact", "needs.edge"}), None)


def test_where_nothing_is_left_there_is_no_provisional_one() -> None:
    case = Case((rule("f", forbid=OPTIONS), True))
    assert case.ranking() == Ranking(None, None, False, frozenset(), None)
    assert case.verdict() == "review"


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
