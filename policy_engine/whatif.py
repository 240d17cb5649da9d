"""What a decision rests on: disputed figures, missing facts that matter, and the ways out of a collision."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from policy_engine.catalog import OptionModels, other_choices
from policy_engine.combining import rank, statuses
from policy_engine.completing import add_api_spend, choice_waits
from policy_engine.facts import PROPOSED, FactSheet
from policy_engine.judging import Judge
from policy_engine.model.rule import PROPOSAL, Parameter, Rule
from policy_engine.model.task_case import ProposalRuling, Ranking, TaskResult
from policy_engine.model.vocabulary import OPTIONS, Fact

_SERVED = tuple(
    f"hardware.serves.{name}"
    for name in ("model", "quantization", "tokens_per_hour", "concurrency", "input_tokens", "output_tokens")
)
#: Which declared facts a computed fact comes from: what a team can be asked.
ORIGINS: dict[str, tuple[str, ...]] = {
    "volume.tokens_per_month": ("volume.input_tokens_per_month", "volume.output_tokens_per_month"),
    "volume.tokens_per_day": ("volume.input_tokens_per_month", "volume.output_tokens_per_month"),
    "task.tokens_per_month": ("volume.input_tokens_per_month", "volume.output_tokens_per_month", "task.share"),
    "cost.api_spend_usd_per_month": (
        "budget.api_spend_usd_per_month",
        "volume.input_tokens_per_month",
        "volume.output_tokens_per_month",
    ),
    "proposal.region_allowed": ("proposal.region", "data.residency"),
    "proposal.licence": ("proposal.model",),
    "proposal.hardware_verdict": (
        "proposal.model",
        "proposal.quantization",
        "hardware.gpus",
        "task.context_tokens",
        *_SERVED,
    ),
    "hardware.verdict": ("hardware.gpus", *_SERVED),
    "hardware.gpu_count": ("hardware.gpus",),
    "hardware.memory_gib": ("hardware.gpus",),
    "migration.present": ("migration",),
}

#: Disputes by id, each with the sides that were tried.
Found = dict[str, list[dict[str, Any]]]
#: Outcomes under other values: by parameter, number of the alternative, index of the rule.
Others = Mapping[tuple[str, int, int], bool | None]


class WhatIf:
    """Asks the same judge about other values."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        policy = judge.policy.rules
        self._readers: dict[str, list[int]] = {}
        for index, rule in enumerate(policy.rules):
            for name in rule.parameters:
                self._readers.setdefault(name, []).append(index)
        self._disputed = [p for p in policy.parameters.values() if p.alternatives and p.name in self._readers]

    def _reranked(self, result: TaskResult, outcomes: list[bool | None], inputs: Any = None) -> Ranking:
        judge = self.judge
        missing = {i: result.missing_of.get(i, frozenset()) for i, outcome in enumerate(outcomes) if outcome is None}
        given = inputs or result.inputs
        standings = statuses(judge.effects, outcomes, result.enforcement, given, missing)
        return rank(standings, judge.effects, outcomes, missing)

    def disputes(self, result: TaskResult) -> list[dict[str, Any]]:
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
        if self.collision(result) is not None and "DISPUTE-12" in register and _collides_on_team(result, self.judge):
            found.setdefault("DISPUTE-12", [])
        return [
            {
                "id": name,
                "about": register[name].about if name in register else "",
                "sides": register[name].sides if name in register else "",
                "alternatives": sides,
                "changes_recommendation": any(side["changes_recommendation"] for side in sides),
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
            self._add(other.dispute, side, result, changed, found)

    def _without_rule(self, index: int, rule: Rule, result: TaskResult, found: Found) -> None:
        for dispute in rule.disputes:
            side = {"what": f"rule {rule.id}", "value": "applies", "other_value": "does not apply"}
            self._add(dispute, side, result, {index: False}, found)

    def _add(
        self,
        dispute: str,
        side: dict[str, Any],
        result: TaskResult,
        changed: Mapping[int, bool | None],
        found: Found,
    ) -> None:
        recommended = result.ranking.recommended
        if changed and self._could_overtake(result, changed):
            outcomes = list(result.outcomes)
            for index, value in changed.items():
                outcomes[index] = value
            recommended = self._reranked(result, outcomes).recommended
        side["recommendation"] = recommended
        side["changes_recommendation"] = recommended != result.ranking.recommended
        found.setdefault(dispute, []).append(side)

    def _could_overtake(self, result: TaskResult, changed: Mapping[int, bool | None]) -> bool:
        """Whether the recommendation could change at all: a bound on what the changed rules move, before reranking.

        A topic speaks once, so a rule moves an option's score by its own strength at most.
        """
        best = result.ranking.recommended
        rules = [self.judge.rules[index] for index in changed]
        if best is None or any(rule.forbid for rule in rules):
            return True
        moved = {option: sum(r.prefer.get(option, 0) + r.disfavour.get(option, 0) for r in rules) for option in OPTIONS}
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
            after = self._recommended_at(result, changed, self._outcomes_at(result, dispute, side))
            found.setdefault(dispute, []).append(
                {
                    "what": "figures of the catalog",
                    "source": side,
                    "recommendation": after,
                    "model": _model(by_option, after),
                    "monthly_usd": _cost(by_option, after),
                    "changes_recommendation": (before, _model(result.models, before))
                    != (after, _model(by_option, after)),
                }
            )

    def _recommended_at(
        self, result: TaskResult, changed: Mapping[str, OptionModels], outcomes: list[bool | None] | None
    ) -> str | None:
        """The recommendation at other costs and outcomes (None: the same); costs decide only between equal scores."""
        best = result.ranking.recommended
        same = all(other.available is result.models[option].available for option, other in changed.items())
        if outcomes is None and best is not None and same:
            score = result.standings[best].score
            level = [o for o, s in result.standings.items() if s.status == "permitted" and s.score == score]
            if level == [best]:
                return best
        inputs = dict(result.inputs)
        for option, other in changed.items():
            cost = other.monthly_usd if other.available is not False else None
            inputs[option] = dataclasses.replace(
                inputs[option], available=other.available, missing=other.missing, monthly_usd=cost
            )
        return self._reranked(result, outcomes or list(result.outcomes), inputs).recommended

    def _outcomes_at(self, result: TaskResult, dispute: str, side: str) -> list[bool | None] | None:
        """The outcomes with the other side's price in the API spend; None where it is declared, or the same."""
        name = "cost.api_spend_usd_per_month"
        if result.grades.get(name, ("declared", None))[0] == "declared":
            return None
        sheet = FactSheet({key: value for key, value in result.facts.items() if key != name})
        other = self.judge.policy.catalog.with_figures(dispute, side)
        add_api_spend(sheet, other, self.judge.parameters, result.case.day)
        if sheet.get(name) == result.facts.get(name):
            return None
        return [
            self.judge.outcome(index, sheet.values) if name in rule.reads else outcome
            for (index, rule), outcome in zip(enumerate(self.judge.rules), result.outcomes, strict=True)
        ]

    def missing_facts(self, result: TaskResult) -> tuple[list[str], list[str]]:
        """Return the declared facts that are missing, and those of them that hold the verdict where it is.

        INVARIANT: knowledge is monotone, so a deny stands whatever is learnt, and an allowance never becomes a
        review; only what a review (or a condition) waits for can change the verdict.
        """
        everything: set[str] = set()
        for missing in result.missing_of.values():
            everything |= missing
        for option in OPTIONS:
            everything |= set(result.models[option].missing) | result.standings[option].cost_open
        weights = self._waiting(result)
        asked = self.expand(everything | weights.keys(), result)
        decisive: dict[str, int] = {}
        for name, weight in weights.items():
            for origin in self.expand([name], result):
                decisive[origin] = max(decisive.get(origin, 0), weight)
        ordered = sorted(decisive, key=lambda name: (-decisive[name], name))
        return ordered + [name for name in asked if name not in decisive], ordered

    def catalog_gaps(self, result: TaskResult) -> list[str]:
        """Return what the catalog does not know and the verdict waits for, as places in its files."""
        return sorted(name for name in self._waiting(result) if name.startswith("catalog."))

    def _waiting(self, result: TaskResult) -> dict[str, int]:
        """The facts that the verdict waits for: 3 may rule out, 2 may oblige, 1 may reorder or add a condition."""
        weights: dict[str, int] = {}

        def add(names: Iterable[str], weight: int) -> None:
            for name in names:
                weights[name] = max(weights.get(name, 0), weight)

        if result.verdict == "deny":
            return weights
        judged = result.standings[result.judged] if result.judged is not None else None
        if judged is not None and judged.status == "uncertain":
            add(judged.missing, 3)
        if result.proposal is not None and result.proposal.holds is None:
            add(result.proposal.missing, 3)
            add(self._unknown_places(result, result.proposal, "proposal"), 3)
        if result.fallback is not None and result.fallback_verdict == "review":
            add(_of_fallback(result.fallback.missing), 3)
            add(self._unknown_places(result, result.fallback, "proposal.fallback"), 3)
        if result.proposal is None and not result.ranking.firm:
            add(result.ranking.open_facts, 3 if result.ranking.recommended is None else 1)
        if result.judged is None:
            self._add_later(result, add)
        index_of = {rule.id: index for index, rule in enumerate(self.judge.rules)}
        for obligation in result.obligations:
            if obligation.status == "uncertain":
                for rule in obligation.rules:
                    missing = result.missing_of.get(index_of[rule], frozenset())
                    add(missing, 1 if obligation.enforcement == "advisory" else 2)
        for index, missing in result.missing_of.items():
            if result.enforcement[index] == "advisory" and self._concerns(index, result):
                add(missing, 1)
        return weights

    def _add_later(self, result: TaskResult, add: Callable[[Iterable[str], int], None]) -> None:
        """While nothing is permitted: what will order the options that may come to be, and oblige on them."""
        open_options = {option for option, standing in result.standings.items() if standing.status == "uncertain"}
        for index, missing in result.missing_of.items():
            rule = self.judge.rules[index]
            obliged = {option for options in rule.require.values() for option in options}
            if open_options & obliged and result.enforcement[index] != "advisory":
                add(missing, 2)
            elif open_options & (obliged | rule.prefer.keys() | rule.disfavour.keys()):
                add(missing, 1)

    def _concerns(self, index: int, result: TaskResult) -> bool:
        """Whether a forbid names what is judged."""
        forbid = self.judge.rules[index].forbid
        return result.judged in forbid or (result.proposal is not None and PROPOSAL in forbid)

    def _unknown_places(self, result: TaskResult, ruling: ProposalRuling, prefix: str) -> list[str]:
        """The entries that the catalog lacks of what is proposed: its model, and regions."""
        found = [f"catalog.models.{result.facts[f'{prefix}.model']}"] if ruling.unknown_model else []
        if "proposal.region_allowed" in ruling.missing:
            regions = [result.facts.get(f"{prefix}.region"), *result.facts.get("data.residency", ())]
            known = self.judge.policy.catalog.regions
            found += [f"catalog.regions.{name}" for name in regions if name is not None and name not in known]
        return found

    def expand(self, names: Iterable[str], result: TaskResult) -> list[str]:
        """Return the declared facts behind `names` that are indeed missing, sorted."""
        found: set[str] = set()
        for name in names:
            origins = ORIGINS.get(name)
            if origins is None and name.startswith(("licence.", "cost.")):
                origins = self._choice_origins(name, result)
            for origin in origins if origins is not None else (name,):
                if origin.startswith("catalog."):
                    continue  # nothing that a team knows of its workload: see `catalog_gaps`
                if result.facts.get(origin) is None and _claimed(origin, result.case.hardware):
                    found.add(origin)
        return sorted(found)

    def _choice_origins(self, name: str, result: TaskResult) -> tuple[str, ...]:
        """What a cost or licence of the chosen model waits for; on the proposed option the licence is its model's."""
        section, _, rest = name.partition(".")
        option = rest.removesuffix("_usd_per_month")
        if option not in result.models:
            return (name,)
        if section == "licence" and result.facts.get("proposal.deployment") == option:
            return ("proposal.model",)
        models = result.models[option]
        volume = ORIGINS["task.tokens_per_month"] if section == "cost" else ()
        return (*models.missing, *choice_waits(models, result.facts), *volume)

    def collision(self, result: TaskResult) -> dict[str, Any] | None:
        """Where nothing is permitted or may be: the rules that collide, and the ways out (never taken silently)."""
        if any(s.status in ("permitted", "uncertain") for s in result.standings.values()):
            return None
        rules = sorted({rule for s in result.standings.values() for rule in s.rules})
        return {"rules": rules, "ways_out": [way for option in OPTIONS for way in self._ways_out(result, option)]}

    def counterfactuals(self, result: TaskResult) -> list[dict[str, Any]]:
        """The changes of declared facts under which no forbid would rule out the judged option any more."""
        if result.judged is None or result.standings[result.judged].status != "forbidden":
            return []
        return [way for way in self._ways_out(result, result.judged) if "changes" in way]

    def _ways_out(self, result: TaskResult, option: str) -> list[dict[str, Any]]:
        standing = result.standings[option]
        index_of = {rule.id: index for index, rule in enumerate(self.judge.rules)}
        if option == "edge" and result.models[option].asked.needs.edge_wanted is False:
            change = {"rule": None, "any_of": {"needs.edge": [True]}}
            return [{"option": option, "kind": "fact", "rules": [], "changes": [change]}]
        if standing.status == "unavailable":
            return [{"option": option, "kind": "catalog", "reasons": list(result.models[option].why)}]
        rules = [index_of[name] for name in standing.rules]
        ways: list[dict[str, Any]] = []
        if all(result.enforcement[i] == "waivable" for i in rules):
            ways.append({"option": option, "kind": "waiver", "rules": list(standing.rules)})
        changes = [{"rule": self.judge.rules[i].id, "any_of": self._release(result, i)} for i in rules]
        if changes and all(change["any_of"] for change in changes):
            facts = {name for change in changes for name in change["any_of"]}
            kind = "hire" if all(name.startswith("team.") for name in facts) else "fact"
            ways.append({"option": option, "kind": kind, "rules": list(standing.rules), "changes": changes})
        return ways

    def _release(self, result: TaskResult, index: int) -> dict[str, list[Any]]:
        """Return, by fact, the other values at which the forbid would not fire."""
        found: dict[str, list[Any]] = {}
        for name in sorted(self.judge.rules[index].reads):
            fact = self.judge.policy.vocabulary.facts[name]
            if fact.source != "declared" or result.facts.get(name) is None:
                continue
            values = [
                value
                for value in other_values(fact, result.facts[name])
                if self.judge.outcome(index, {**result.facts, name: value}) is False
            ]
            if values:
                found[name] = values
        return found


def _claimed(name: str, claim: Any) -> bool:
    """Whether a fact can be asked for: one about hardware only where that is claimed."""
    if name.startswith("hardware.serves."):
        return claim is not None and claim.serves is not None
    return claim is not None or name != "hardware.gpus"


def _of_fallback(names: Iterable[str]) -> set[str]:
    """Return the facts behind `names`, where `proposal.*` was taken from the fallback, by their own names."""
    origins = {origin for name in names for origin in ORIGINS.get(name, (name,))}
    own = {f"proposal.{name}": f"proposal.fallback.{name}" for name in PROPOSED}
    return {own.get(name, name) for name in origins if name != "proposal.quantization"}


def other_values(fact: Fact, value: Any) -> list[Any]:
    """Return values of `fact` other than `value` that are worth trying."""
    if fact.type == "bool":
        return [not value]
    if fact.values and fact.type == "string":
        return [other for other in fact.values if other != value]
    if fact.type == "int":
        return [value + 1]
    return []


def _model(models: Mapping[str, Any], option: str | None) -> str | None:
    return models[option].model if option is not None and models[option].available else None


def _cost(models: Mapping[str, Any], option: str | None) -> float | None:
    return models[option].monthly_usd if option is not None and models[option].available else None


def _collides_on_team(result: TaskResult, judge: Judge) -> bool:
    """Whether the data rules and the team rules together leave nothing (DISPUTE-12)."""
    behind = {name for s in result.standings.values() for name in s.rules}
    cited = {c for rule in judge.rules if rule.id in behind for c in rule.criteria}
    return {"DATA-01", "OPS-01"} <= cited
