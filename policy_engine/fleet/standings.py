"""From outcomes to statuses, scores and ranking, row by row (`combining`, steps 2 and 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import add

import polars as pl

from policy_engine.combining import Effects
from policy_engine.fleet.building import Plan, Truth, both, column, either, first_of, negated
from policy_engine.fleet.outcomes import Outcomes
from policy_engine.loading.policy import Policy
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.vocabulary import OPTIONS

#: In the order of the status column's categories.
STATUSES = ("permitted", "uncertain", "unavailable", "forbidden")
_NAMESPACE = "workload.namespace"
_ELSEWHERE = ""


class Acts:
    """How each rule acts in each row's namespace on the day: never null."""

    def __init__(self, plan: Plan, policy: Policy, day: date) -> None:
        overrides = policy.rules.overrides
        self._levels: list[dict[str, Truth]] = []
        for rule in policy.rules.rules:
            places = sorted({place for name, place in overrides if name == rule.id and place != "*"})
            elsewhere = rule.acts(_ELSEWHERE, day, overrides)
            by_place = {place: rule.acts(place, day, overrides) for place in places}
            levels: dict[str, Truth] = {}
            for level in ("mandatory", "waivable", "advisory"):
                named = [place for place, found in by_place.items() if found == level]
                here: Truth = pl.col(_NAMESPACE).is_in(named) if named else False
                outside: Truth = ~pl.col(_NAMESPACE).is_in(places) if places else True
                levels[level] = plan.hold(either([here, both(elsewhere == level, outside)]))
            self._levels.append(levels)

    def at(self, index: int, level: str) -> Truth:
        """Return whether a rule acts at `level`."""
        return self._levels[index][level]

    def advises(self, index: int) -> Truth:
        """Return whether a rule is advisory."""
        return self._levels[index]["advisory"]


class OptionColumns:
    """What the catalog says of each option: whether a model serves it, what it costs, whether that is open."""

    def __init__(self, available: Truth, undecided: Truth, usd: pl.Expr, cost_open: Truth) -> None:
        self.available, self.undecided, self.usd, self.cost_open = available, undecided, usd, cost_open


class Statuses:
    """The status of each option, as four truths of which one holds."""

    def __init__(
        self, plan: Plan, effects: Effects, outcomes: Outcomes, acts: Acts, options: Sequence[OptionColumns]
    ) -> None:
        self.forbidden: list[Truth] = []
        self.unavailable: list[Truth] = []
        self.uncertain: list[Truth] = []
        self.permitted: list[Truth] = []
        for option, given in zip(OPTIONS, options, strict=True):
            rules = [i for i in effects.forbidding if option in effects.rules[i].forbid]
            fired = either(both(outcomes.fired[i], negated(acts.advises(i))) for i in rules)
            may = either(both(outcomes.unknown[i], negated(acts.advises(i))) for i in rules)
            none = both(negated(given.available), negated(given.undecided))
            self.forbidden.append(plan.hold(fired))
            self.unavailable.append(plan.hold(both(negated(fired), none)))
            open_ = either([may, given.undecided])
            self.uncertain.append(plan.hold(both(negated(fired), negated(none), open_)))
            self.permitted.append(plan.hold(both(negated(fired), negated(none), negated(open_))))

    def code(self, place: int) -> pl.Expr:
        """Return the status of an option by its place in `STATUSES`."""
        cases = [(self.forbidden[place], 3), (self.unavailable[place], 2), (self.uncertain[place], 1)]
        return first_of([(truth, pl.lit(code, dtype=pl.UInt8)) for truth, code in cases], pl.lit(0, dtype=pl.UInt8))


class Scores:
    """Scores of each option, with the least and the greatest that unknowns allow; each topic speaks once."""

    def __init__(self, plan: Plan, effects: Effects, outcomes: Outcomes) -> None:
        sums = []
        for option in OPTIONS:
            forms = [(sign, may) for sign in ("prefer", "disfavour") for may in (False, True)]
            sums.append([plan.let(_strongest(effects, outcomes, option, sign, may)) for sign, may in forms])
        plan.step()
        self.score = [plan.let(likes - dislikes) for likes, _, dislikes, _ in sums]
        self.low = [plan.let(likes - may_dislike) for likes, _, _, may_dislike in sums]
        self.high = [plan.let(may_like - dislikes) for _, may_like, dislikes, _ in sums]


def _strongest(effects: Effects, outcomes: Outcomes, option: str, sign: str, may: bool) -> pl.Expr:
    """Return the sum over the topics of the strongest preference (or disfavour) that fired, or that may have."""
    topics: dict[str, dict[int, list[Truth]]] = {}
    for index in effects.scoring:
        rule = effects.rules[index]
        strength = getattr(rule, sign).get(option)
        if strength is not None:
            truths = topics.setdefault(rule.topic, {}).setdefault(strength, [])
            truths.append(outcomes.fired[index])
            if may:
                truths.append(outcomes.unknown[index])
    nothing = pl.lit(0, dtype=pl.Int16)
    speak = []
    for strengths in topics.values():
        cases = [(either(strengths[each]), pl.lit(each, dtype=pl.Int16)) for each in sorted(strengths, reverse=True)]
        speak.append(first_of(cases, nothing))
    return reduce(add, speak) if speak else nothing


class Ranking:
    """Which option comes first in each row, as one truth for each option."""

    def __init__(self, plan: Plan, statuses: Statuses, scores: Scores, options: Sequence[OptionColumns]) -> None:
        self._plan, self._scores = plan, scores
        self._options = options
        infinite = pl.lit(float("inf"))
        self._cost = [plan.let(each.usd.fill_null(infinite)) for each in options]
        self._least = [
            pl.when(column(each.cost_open)).then(0.0).otherwise(each.usd.fill_null(infinite)) for each in options
        ]
        self._most = [
            pl.when(column(each.cost_open)).then(infinite).otherwise(each.usd.fill_null(infinite)) for each in options
        ]
        self.any_permitted = plan.hold(either(statuses.permitted))
        plan.step()
        self.recommended = self._first(statuses.permitted, by_score=True)
        cheapest = self._first(statuses.permitted, by_score=False)
        none = negated(self.any_permitted)
        self.provisional = [both(none, each) for each in self._first(statuses.uncertain, by_score=True)]
        plan.step()
        known = [each.usd.is_not_null() for each in options]
        self.cheapest = [plan.hold(both(each, cost)) for each, cost in zip(cheapest, known, strict=True)]
        self.firm = self._firm(statuses)

    def _first(self, candidates: Sequence[Truth], by_score: bool) -> list[Truth]:
        """Return which of the candidates comes first: by score, then cost, then the order of the options."""
        beaten: list[list[Truth]] = [[] for _ in candidates]
        for one in range(len(candidates)):
            for other in range(one + 1, len(candidates)):
                # where all is equal the earlier option comes first
                before = self._cost[one] <= self._cost[other]
                if by_score:
                    mine, its = self._scores.score[one], self._scores.score[other]
                    before = (mine > its) | ((mine == its) & before)
                beaten[other].append(both(candidates[one], before))
                beaten[one].append(both(candidates[other], ~before))
        return [
            self._plan.hold(both(here, negated(either(better))))
            for here, better in zip(candidates, beaten, strict=True)
        ]

    def _firm(self, statuses: Statuses) -> Truth:
        """Whether no other that is not ruled out could come before the first, whatever is not known."""
        plan, scores = self._plan, self._scores
        low = plan.let(first_of(list(zip(self.recommended, scores.low, strict=True)), pl.lit(None, dtype=pl.Int16)))
        most = plan.let(first_of(list(zip(self.recommended, self._most, strict=True)), pl.lit(None, dtype=pl.Float64)))
        plan.step()
        rivals = []
        for place, high in enumerate(scores.high):
            earlier = either(self.recommended[place + 1 :])
            cheaper = (self._least[place] < most) | ((self._least[place] == most) & column(earlier))
            ahead = (high > low) | ((high == low) & cheaper)
            open_ = either([statuses.permitted[place], statuses.uncertain[place]])
            rivals.append(both(open_, negated(self.recommended[place]), ahead.fill_null(False)))
        return plan.hold(both(self.any_permitted, negated(either(rivals))))


def ruled_out(effects: Effects, outcomes: Outcomes, acts: Acts) -> tuple[Truth, Truth]:
    """Return whether a forbid of the proposal fired, and whether one may have."""
    rules = [(i, negated(acts.advises(i))) for i in effects.ruling_out]
    fired = either(both(outcomes.fired[i], binding) for i, binding in rules)
    return fired, either(both(outcomes.unknown[i], binding) for i, binding in rules)


def warned(effects: Effects, outcomes: Outcomes, acts: Acts, judged: Sequence[Truth], proposed: Truth) -> Truth:
    """Return whether an advisory forbid fired on the judged option."""
    found = []
    for index in sorted({*effects.forbidding, *effects.ruling_out}):
        forbid = effects.rules[index].forbid
        named = [judged[place] for place, option in enumerate(OPTIONS) if option in forbid]
        if PROPOSAL in forbid:
            named.append(proposed)
        found.append(both(outcomes.fired[index], acts.advises(index), either(named)))
    return either(found)
