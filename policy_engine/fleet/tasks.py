"""One plan that decides every row: the stages of `judging.Judge`, in their order, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from policy_engine.combining import Effects
from policy_engine.fleet.asking import Asked
from policy_engine.fleet.building import Plan, Truth, both, column, either, first_of, negated, words
from policy_engine.fleet.columns import FleetIndex
from policy_engine.fleet.duties import Duties
from policy_engine.fleet.facts import (
    Facts,
    ModelNames,
    api_spend,
    known_truth,
    licence_of,
    model_codes,
    of_fallback,
    provider_tells,
    regions_allowed,
    volumes,
)
from policy_engine.fleet.fallbacks import Fallback
from policy_engine.fleet.lookups import Distinct
from policy_engine.fleet.needed import NeedColumns
from policy_engine.fleet.options import Proposed, options_of
from policy_engine.fleet.outcomes import Conditions, Outcomes
from policy_engine.fleet.standings import (
    STATUSES,
    Acts,
    OptionColumns,
    Ranking,
    Scores,
    Statuses,
    ruled_out,
    warned,
)
from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import OPEN_OPTIONS, OPTIONS

_MODEL = "proposal.model"
_FALLBACK_MODEL = "proposal.fallback.model"


class TaskPlan:
    """The plan for one frame."""

    def __init__(self, conditions: Conditions, index: FleetIndex, day: date, rows: pl.LazyFrame) -> None:
        self.policy, self._index, self._day = conditions.policy, index, day
        self.conditions = conditions
        self._catalog = self.policy.catalog
        self._codes = model_codes(self._catalog)
        self._names = ModelNames(self._catalog)
        self.effects = Effects(conditions.rules)
        self._distinct = Distinct(rows, ("proposal.region", "proposal.fallback.region"))
        self.plan = Plan(rows)
        self.facts = Facts(self.policy)

    def decided(self, passed: Sequence[str]) -> pl.LazyFrame:
        """Return all that is found of each row, and its columns `passed`."""
        plan = self.plan
        self.acts = Acts(plan, self.policy, self._day)
        self.needs = NeedColumns(plan, self.policy, self._distinct)
        self._volumes()
        self.options = options_of(plan, self.needs, self._day)
        self._proposal_facts()
        self.outcomes = Outcomes(self.conditions, self.facts)
        self.outcomes.infer(plan)
        self._rank()
        self._rule_proposal()
        fallback = Fallback(self, self._of_fallback)
        self._verdict(fallback)
        return plan.finished(self._found(fallback), passed)

    # ---- facts

    def _volumes(self) -> None:
        plan, day = self.plan, self._day
        self.facts.computed |= volumes(plan)
        reference = str(self.policy.rules.values["reference_model"])
        spend = plan.let(api_spend(plan, self._catalog, self._names, reference, day))
        self.facts.computed["cost.api_spend_usd_per_month"] = spend
        self.facts.computed["hardware.measured"] = pl.lit("none")
        self._proposed_code, self.fallback_code = (
            plan.let(self._names.place(pl.col(name))) for name in (_MODEL, _FALLBACK_MODEL)
        )

    def _proposal_facts(self) -> None:
        """Name what the catalog adds to the facts: costs, licences, and where the proposal would run."""
        plan = self.plan
        for state in self.options:
            cost = plan.let(pl.when(column(state.settled)).then(state.usd))
            self.facts.computed[f"cost.{state.option}_usd_per_month"] = cost
        numbers = {key: [code] for key, code in self._codes.items()}
        chosen = {
            state.option: plan.let(licence_of(self._catalog, state.model, numbers))
            for state in self.options
            if state.option in OPEN_OPTIONS
        }
        licences = [
            plan.let(licence_of(self._catalog, code, self._names.places))
            for code in (self._proposed_code, self.fallback_code)
        ]
        own_place, other_place = (
            regions_allowed(plan, self._catalog, self._distinct, self.needs.residency.code, prefix)
            for prefix in ("proposal", "proposal.fallback")
        )
        plan.step()
        present = pl.col("proposal.present")
        own = self._of_proposal(pl.col("proposal.deployment"), licences[0], chosen)
        own |= {
            "proposal.region_allowed": plan.let(pl.when(present).then(known_truth(*own_place))),
            "proposal.licence": plan.let(pl.when(present).then(licences[0])),
        }
        fallback = of_fallback(self.policy)
        fallback |= self._of_proposal(pl.col("proposal.fallback.deployment"), licences[1], chosen)
        fallback |= {"proposal.region_allowed": plan.let(known_truth(*other_place)), "proposal.licence": licences[1]}
        plan.step()
        self.facts.computed.update(own)
        self._of_fallback = fallback

    def _of_proposal(self, deployment: pl.Expr, licence: pl.Expr, chosen: dict[str, pl.Expr]) -> dict[str, pl.Expr]:
        """Return the licence of the model judged on each open option: the proposed one there, else the chosen one."""
        found = {}
        for state in self.options:
            if state.option not in OPEN_OPTIONS:
                continue
            here = (deployment == state.option).fill_null(False)
            settled = pl.when(column(state.settled)).then(chosen[state.option])
            judged = pl.when(here).then(licence).otherwise(settled)
            found[f"licence.{state.option}"] = self.plan.let(pl.when(judged != "proprietary").then(judged))
        return found

    # ---- combination

    def _rank(self) -> None:
        plan = self.plan
        self.given = [
            OptionColumns(
                state.available,
                state.undecided,
                pl.when(column(either([state.available, state.undecided]))).then(state.usd),
                state.cost_open,
            )
            for state in self.options
        ]
        self._statuses = Statuses(plan, self.effects, self.outcomes, self.acts, self.given)
        self._scores = Scores(plan, self.effects, self.outcomes)
        plan.step()
        self._ranking = Ranking(plan, self._statuses, self._scores, self.given)
        plan.step()
        proposed = pl.col("proposal.present")
        self._judged = [
            plan.let(
                (proposed & (pl.col("proposal.deployment") == option).fill_null(False)) | (~proposed & column(first))
            )
            for option, first in zip(OPTIONS, self._ranking.recommended, strict=True)
        ]
        plan.step()

    def _rule_proposal(self) -> None:
        plan = self.plan
        present = pl.col("proposal.present")
        self._proposed = Proposed(plan, self.needs, self.options, pl.col("proposal.deployment"), self._proposed_code)
        plan.step()
        fired, unknown = ruled_out(self.effects, self.outcomes, self.acts)
        self._ruled_out = plan.hold(both(present, either([fired, self._proposed.fails])))
        self._ruling_open = plan.hold(both(present, either([unknown, negated(self._proposed.sure)])))
        self._warned = plan.hold(warned(self.effects, self.outcomes, self.acts, self._judged, present))
        plan.step()
        self._duties = Duties(plan, self.effects, self.outcomes, self.acts, self._judged, self._index.evidence)
        plan.step()

    def _verdict(self, fallback: Fallback) -> None:
        plan, statuses, duties = self.plan, self._statuses, self._duties
        present = pl.col("proposal.present")

        def of_judged(truths: Sequence[Truth]) -> Truth:
            return either(both(judged, truth) for judged, truth in zip(self._judged, truths, strict=True))

        nobody = negated(either(self._judged))
        deny = either([of_judged(statuses.forbidden), of_judged(statuses.unavailable), self._ruled_out])
        review = either(
            [
                nobody,
                of_judged(statuses.uncertain),
                self._ruling_open,
                duties.binding,
                both(~present, negated(self._ranking.firm)),
            ]
        )
        owed = either([*duties.outstanding, *duties.uncertain])
        warn = either([owed, self._warned])
        # a row of which nobody is judged is never denied: the fallback hangs on a proposal
        cases = [(both(deny, negated(nobody)), 3), (review, 2), (warn, 1)]
        own = first_of([(truth, pl.lit(code, dtype=pl.UInt8)) for truth, code in cases], pl.lit(0, dtype=pl.UInt8))
        self._code = plan.let(pl.max_horizontal(own, fallback.code))
        plan.step()

    # ---- findings

    def _found(self, fallback: Fallback) -> dict[str, pl.Expr]:
        """Return the findings' columns."""
        ranking, scores = self._ranking, self._scores
        conflict = either([self.outcomes.conflict, both(fallback.present, fallback.outcomes.conflict)])
        named = [either(pair) for pair in zip(ranking.recommended, ranking.provisional, strict=True)]
        null = pl.lit(None, dtype=pl.UInt16)
        model = first_of([(n, state.model) for n, state in zip(named, self.options, strict=True)], null)
        usd = first_of(
            [(n, state.usd) for n, state in zip(named, self.options, strict=True)], pl.lit(None, dtype=pl.Float64)
        )
        verdicts = pl.Enum(VERDICTS)
        code = self._code if conflict is False else pl.when(~column(conflict)).then(self._code)
        names = sorted(self._codes)
        found = {
            "verdict": code.cat.to(verdicts),
            "judged": _option(self._judged),
            "recommendation": _option(ranking.recommended),
            "provisional": _option(ranking.provisional),
            "firm": column(ranking.firm),
            "model": model.cat.to(pl.Enum(names)),
            "monthly_usd": usd,
            "cheapest": _option(ranking.cheapest),
            "fallback_verdict": fallback.code.cat.to(verdicts),
            "conflict": column(conflict),
        }
        for place, option in enumerate(OPTIONS):
            found |= {
                f"status.{option}": self._statuses.code(place).cat.to(pl.Enum(STATUSES)),
                f"score.{option}": scores.score[place],
                f"score_low.{option}": scores.low[place],
                f"score_high.{option}": scores.high[place],
                f"monthly_usd.{option}": self.given[place].usd,
            }
        return found | self._masks(fallback)

    def _masks(self, fallback: Fallback) -> dict[str, pl.Expr]:
        """Return the words of every mask."""
        rules = range(len(self.conditions.rules))
        masks: dict[str, list[Truth]] = {
            "fired": [self.outcomes.fired[index] for index in rules],
            "indeterminate": [self.outcomes.unknown[index] for index in rules],
            "missing": self._asked(fallback).found(self._index.facts),
            "outstanding": self._duties.outstanding,
            "uncertain": self._duties.uncertain,
        }
        found: dict[str, pl.Expr] = {}
        for mask, bits in masks.items():
            found |= dict(zip(self._index.columns(mask), words(bits), strict=True))
        return found

    def _asked(self, fallback: Fallback) -> Asked:
        """Return the facts that are missing, by name."""
        plan = self.plan
        waiting_for: dict[str, list[Truth]] = {}
        for index in range(len(self.conditions.rules)):
            for name, where in self.outcomes.missing(index).items():
                waiting_for.setdefault(name, []).append(where)
        held = {name: plan.hold(either(parts)) for name, parts in waiting_for.items()}
        deployment = pl.col("proposal.deployment")
        proposed = {option: plan.let((deployment == option).fill_null(False)) for option in OPTIONS}
        plan.step()
        of_provider = {
            f"{prefix}.provider": provider_tells(self._catalog, prefix) for prefix in ("proposal", "proposal.fallback")
        }
        asked = Asked(self.facts, self.options, proposed, of_provider)
        for name, where in held.items():
            asked.add(name, where)
        for state in self.options:
            asked.add_option(state)
        alive = self._code < VERDICTS.index("deny")
        present = pl.col("proposal.present")
        waiting = both(alive, present, negated(self._ruled_out), self._ruling_open)
        asked.add(_MODEL, both(waiting, pl.col(_MODEL).is_null()))
        for name, where in self._proposed.missing.items():
            asked.add(name, both(waiting, where))
        fallback.ask(asked, alive)
        return asked


def _option(truths: Sequence[Truth]) -> pl.Expr:
    """Return the option whose truth holds; null where none does."""
    cases = [(truth, pl.lit(place, dtype=pl.UInt8)) for place, truth in enumerate(truths)]
    return first_of(cases, pl.lit(None, dtype=pl.UInt8)).cat.to(pl.Enum(OPTIONS))
