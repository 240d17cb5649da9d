"""The disputes that a decision rests on, and whether the other side's value would change recommendation or verdict."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from policy_engine.catalog import OptionModels, other_choices
from policy_engine.combining import rank, statuses
from policy_engine.completing import add_api_spend
from policy_engine.facts import FactSheet
from policy_engine.judging import Judge
from policy_engine.language.tree import Scalar
from policy_engine.model.rule import Parameter, Rule
from policy_engine.model.task_case import Ranking, TaskResult, Verdict
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.other_verdicts import OtherVerdicts, alike
from policy_engine.ways_out import collides

#: Disputes by id, each with the sides that were tried.
Found = dict[str, list[dict[str, Any]]]
#: Outcomes under other values: by parameter, number of the alternative, index of the rule.
Others = Mapping[tuple[str, int, int], bool | None]
SPEND = "cost.api_spend_usd_per_month"


class Disputes:
    """Asks the same judge about the other sides of disputed parameters, rules and figures."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        policy = judge.policy.rules
        self._verdicts = OtherVerdicts(judge)
        self._readers: dict[str, list[int]] = {}
        for index, rule in enumerate(policy.rules):
            for name in rule.parameters:
                self._readers.setdefault(name, []).append(index)
        self._spend_readers = [index for index, rule in enumerate(policy.rules) if SPEND in rule.reads]
        # by name: the order in which a file states its parameters is under no digest
        parameters = [parameter for _, parameter in sorted(policy.parameters.items())]
        self._disputed = [p for p in parameters if p.alternatives and p.name in self._readers]

    def of(self, result: TaskResult) -> list[dict[str, Any]]:
        """Return the disputes that the decision rests on, each with the effect of the other sides' values."""
        found: dict[str, list[dict[str, Any]]] = {}
        others = self.judge.alternatives(result.facts)
        for parameter in self._disputed:
            self._parameter_sides(parameter, result, others, found)
        for index, rule in enumerate(self.judge.rules):
            if rule.disputes and result.outcomes[index]:
                self._without_rule(index, rule, result, found)
        self._figure_sides(result, found)
        register = self.judge.policy.rules.disputes
        if collides(result) and "DISPUTE-12" in register and _collides_on_team(result, self.judge):
            found.setdefault("DISPUTE-12", [])
        return [
            {
                "id": name,
                "about": register[name].about if name in register else "",
                "sides": register[name].sides if name in register else "",
                "alternatives": sides,
                "changes_recommendation": any(side["changes_recommendation"] for side in sides),
                "changes_verdict": any(side["changes_verdict"] for side in sides),
            }
            for name, sides in sorted(found.items())
        ]

    def _parameter_sides(self, parameter: Parameter, result: TaskResult, others: Others, found: Found) -> None:
        indexes = self._readers[parameter.name]
        rests = any(result.outcomes[index] for index in indexes)
        for number, other in enumerate(parameter.alternatives):
            changed = {}
            for index in indexes:
                outcome = others[parameter.name, number, index]
                if outcome is not result.outcomes[index]:
                    changed[index] = outcome
            if not changed and not rests:
                continue
            side = {
                "what": f"param.{parameter.name}",
                "value": parameter.value,
                "unit": parameter.unit,
                "source": other.source,
                "other_value": other.value,
            }
            beside = self._verdicts.beside(result, indexes, partial(self._under, parameter, other.value))
            self._add(other.dispute, side, result, changed, found, beside)

    def _under(self, parameter: Parameter, value: Scalar, index: int, facts: Mapping[str, Any]) -> bool | None:
        """Return what the rule `index` comes to on other facts with another value for the parameter."""
        return self.judge.outcome_under(index, parameter.name, value, facts)

    def _without_rule(self, index: int, rule: Rule, result: TaskResult, found: Found) -> None:
        for dispute in rule.disputes:
            side = {"what": f"rule {rule.id}", "value": "applies", "other_value": "does not apply"}
            beside = self._verdicts.beside(result, [index], lambda _index, _facts: False)
            self._add(dispute, side, result, {index: False}, found, beside)

    def _add(
        self,
        dispute: str,
        side: dict[str, Any],
        result: TaskResult,
        changed: Mapping[int, bool | None],
        found: Found,
        beside: Verdict | None,
    ) -> None:
        recommended = result.ranking.recommended
        if changed and self._could_overtake(result, changed):
            outcomes = list(result.outcomes)
            for index, value in changed.items():
                outcomes[index] = value
            recommended = self._reranked(result, outcomes).recommended
        side["recommendation"] = recommended
        side["changes_recommendation"] = recommended != result.ranking.recommended
        side["verdict"] = self._verdicts.of(result, changed, beside)
        side["changes_verdict"] = side["verdict"] != result.verdict
        found.setdefault(dispute, []).append(side)

    def _could_overtake(self, result: TaskResult, changed: Mapping[int, bool | None]) -> bool:
        """Whether the recommendation could change at all: a bound on what the changed rules move, before reranking.

        A topic speaks once, so a rule moves an option's score by its own strength at most; it takes a forbid to
        permit an option, or to permit it no more.
        """
        best = result.ranking.recommended
        moved = dict.fromkeys(OPTIONS, 0)
        for index in changed:
            rule = self.judge.rules[index]
            if rule.forbid:
                return True
            for strengths in (rule.prefer, rule.disfavour):
                for option, strength in strengths.items():
                    moved[option] += strength
        if best is None:
            return False
        least = result.standings[best].score - moved[best]
        return any(
            standing.score + moved[option] >= least
            for option, standing in result.standings.items()
            if option != best and standing.status == "permitted"
        )

    def _figure_sides(self, result: TaskResult, found: Found) -> None:
        """Try the other side of every disputed figure that the cost or choice of a possible option rests on."""
        catalog = self.judge.policy.catalog
        sides: dict[tuple[str, str], dict[str, OptionModels]] = {}
        for option in OPTIONS:
            if result.standings[option].status != "forbidden":
                for dispute, side, models in other_choices(catalog, result.models[option]):
                    sides.setdefault((dispute, side), {})[option] = models
        for dispute in result.spend_disputes:
            for side in catalog.other_sides(dispute, result.case.day):
                sides.setdefault((dispute, side), {})
        for (dispute, side), changed in sorted(sides.items()):
            by_option: dict[str, OptionModels] = {**result.models, **changed}
            before = result.ranking.recommended
            outcomes = self._outcomes_at(result, dispute, side)
            after = self._recommended_at(result, changed, outcomes)
            same = outcomes is None and all(alike(result, option, other) for option, other in changed.items())
            verdict = result.verdict
            if not same or (result.proposal is None and changed):
                verdict = self.judge.judge(result.case, catalog.with_figures(dispute, side)).verdict
            found.setdefault(dispute, []).append(
                {
                    "what": "figures of the catalog",
                    "source": side,
                    "recommendation": after,
                    "model": _model(by_option, after),
                    "monthly_usd": _cost(by_option, after),
                    "changes_recommendation": (before, _model(result.models, before))
                    != (after, _model(by_option, after)),
                    "verdict": verdict,
                    "changes_verdict": verdict != result.verdict,
                }
            )

    def _recommended_at(
        self, result: TaskResult, changed: Mapping[str, OptionModels], outcomes: list[bool | None] | None
    ) -> str | None:
        """The recommendation at other costs and outcomes (None: the same); costs decide only between equal scores."""
        best = result.ranking.recommended
        same = all(other.available is result.models[option].available for option, other in changed.items())
        if outcomes is None and same:
            if best is None:
                return None
            score = result.standings[best].score
            level = [o for o, s in result.standings.items() if s.status == "permitted" and s.score == score]
            if level == [best] or changed.keys().isdisjoint(level):
                return best
        inputs = dict(result.inputs)
        for option, other in changed.items():
            cost = other.monthly_usd if other.available is not False else None
            inputs[option] = replace(inputs[option], available=other.available, missing=other.missing, monthly_usd=cost)
        return self._reranked(result, outcomes or list(result.outcomes), inputs).recommended

    def _outcomes_at(self, result: TaskResult, dispute: str, side: str) -> list[bool | None] | None:
        """The outcomes with the other side's price in the API spend; None where they are the same."""
        name = SPEND
        if result.grades.get(name, ("declared", None))[0] == "declared":
            return None
        sheet = FactSheet({key: value for key, value in result.facts.items() if key != name})
        other = self.judge.policy.catalog.with_figures(dispute, side)
        add_api_spend(sheet, other, self.judge.parameters, result.case.day)
        if sheet.get(name) == result.facts.get(name):
            return None
        changed = {index: self.judge.outcome(index, sheet.values) for index in self._spend_readers}
        if all(result.outcomes[index] is outcome for index, outcome in changed.items()):
            return None
        return [changed.get(index, outcome) for index, outcome in enumerate(result.outcomes)]

    def _reranked(self, result: TaskResult, outcomes: list[bool | None], inputs: Any = None) -> Ranking:
        judge = self.judge
        missing = {i: result.missing_of.get(i, frozenset()) for i, outcome in enumerate(outcomes) if outcome is None}
        given = inputs or result.inputs
        lifted = result.lifting.pairs
        standings = statuses(judge.effects, outcomes, result.enforcement, given, missing, False, lifted)
        return rank(standings, judge.effects, outcomes, missing)


def _model(models: Mapping[str, Any], option: str | None) -> str | None:
    return models[option].model if option is not None and models[option].available else None


def _cost(models: Mapping[str, Any], option: str | None) -> float | None:
    return models[option].monthly_usd if option is not None and models[option].available else None


def _collides_on_team(result: TaskResult, judge: Judge) -> bool:
    """Whether the data rules and the team rules together leave nothing (DISPUTE-12)."""
    behind = {name for s in result.standings.values() for name in s.rules}
    cited = {c for rule in judge.rules if rule.id in behind for c in rule.criteria}
    return {"DATA-01", "OPS-01"} <= cited
