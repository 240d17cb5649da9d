"""One decision pinned in Z3: every symbol that the task's facts decide has their value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import z3

from policy_engine.catalog.boxes import box_of
from policy_engine.catalog.candidates import day_of
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.hardware import flight_of, memory_fits
from policy_engine.catalog.sizing import QUANTIZATIONS
from policy_engine.combining import short_of
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_z3.formulas import same
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPEN_OPTIONS, OPTIONS
from policy_engine.proofs.encoding import Encoding, Shared, volume_known
from tests.property.worlds import AT

_OWN = ("proposal.fallback.hardware_verdict",)


class Pinned:
    """An encoding under one policy, and what it says of decisions that were made."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.shared = Shared.of([policy])
        self.encoding = Encoding(policy, self.shared, AT)
        self.words: dict[str, dict[str, Any]] = {"verdict": self.encoding.verdict}
        for option in OPTIONS:
            status = self.encoding.judged.status(option)
            self.words[f"status {option}"] = {word: formula for formula, word in status.words}
        self.words["recommended"] = self.encoding.scores.recommended
        self.words["firm"] = {"firm": self.encoding.firm}
        for name in policy.vocabulary.evidence:
            for option in OPTIONS:
                row = self.encoding.judged.obligation(name, option)
                self.words[f"duty {name} {option}"] = {str(word): formula for formula, word in row.cases}
        self.outcomes = [self.encoding.judged.outcome(i) for i in range(len(policy.rules.rules))]
        domain = [*self.shared.knowledge.domain(), *self.shared.floors.domain()]
        domain += self.shared.evidence.domain(self.encoding.world)
        domain += self.encoding.scores.domain(volume_known(self.encoding.world))
        for constraints in self.encoding.constraints():
            domain += constraints
        self.solver = z3.Solver()
        self.solver.add(*[each for each in (*self.shared.symbols.domain, *domain) if each is not True])

    def says(self, result: TaskResult, waived: Collection[tuple[str, str, bool]] = ()) -> dict[str, Any]:
        """Return what the formulas come to on the facts of `result`, with these waivers and no other."""
        self.solver.push()
        try:
            self.solver.add(*[each for each in self.pins(result, waived) if each is not True])
            assert self.solver.check() == z3.sat, "the facts of a valid workload contradict what holds of all of them"
            model = self.solver.model()
            found: dict[str, Any] = {}
            for name, words in self.words.items():
                true = [word for word, formula in words.items() if _is(model, formula)]
                found[name] = true[0] if len(true) == 1 else (true or None)
            found["outcomes"] = [
                True if _is(model, each.true) else False if _is(model, each.false) else None for each in self.outcomes
            ]
            again = [
                z3.And(*[same(f, _is(model, f)) for f in words.values() if not isinstance(f, bool)] or [True])
                for words in self.words.values()
            ]
            self.solver.add(z3.Not(z3.And(*again)))
            assert self.solver.check() == z3.unsat, "the facts leave something open"
            return found
        finally:
            self.solver.pop()

    def pins(self, result: TaskResult, waived: Collection[tuple[str, str, bool]]) -> Iterator[Any]:
        """Yield what the case's facts decide, and what the encoding leaves open."""
        case, facts = result.case, self._canonical(result.facts)
        known = set(facts)
        if case.min_scores is not None:
            known.add("task.min_scores")
        asked = case.min_scores or {}
        for name, floor in asked.items():
            if floor is not None:
                known.add(f"task.min_scores.{name}")
        fits = self._fits(result)
        known |= {f"hardware.fits.{name}" for name, answer in fits.items() if answer is not None}
        other = (result.fallback_inference or ({}, []))[0].get("proposal.hardware_verdict")
        if other is not None:
            known.add(_OWN[0])
            yield z3.Bool("proposal.fallback.hardware_verdict=holds") == (other == "holds")
        for name in self.shared.knowledge._known:
            if not name.startswith("licence."):  # that of the chosen model, which is pinned below
                yield same(z3.Bool(f"known {name}"), name in known)
        yield from self.shared.symbols.fixed(facts)
        for name, symbol in self.shared.floors.asked.items():
            yield same(symbol, name in asked)
            if asked.get(name) is not None:
                yield z3.Real(f"task.min_scores.{name}") == z3.RealVal(str(asked[name]))
        for name, answer in fits.items():
            if answer is not None:
                yield same(z3.Bool(f"{name} fits the hardware"), answer)
        for name, grades in self.shared.evidence.at_least.items():
            for grade, symbol in zip(EVIDENCE_GRADES, grades, strict=True):
                yield same(symbol, short_of(grade, case.evidence.get(name)) is None)
        for key, symbol in self.shared.waivers.given.items():
            yield same(symbol, key in waived)
        for option, standing in result.standings.items():
            yield same(self.encoding.scores.priced[option], standing.monthly_usd is not None)
            yield same(self.encoding.scores.open[option], bool(standing.cost_open))
            if standing.monthly_usd is not None:
                yield self.encoding.scores.cost[option] == z3.RealVal(repr(standing.monthly_usd))
        for option in OPEN_OPTIONS:
            licence = self._chosen_licence(result, option)
            yield same(z3.Bool(f"known licence.{option}"), licence is not None)
            if licence is not None:
                yield z3.Bool(f"licence.{option}={licence}")

    def _canonical(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the facts with a model's own name for each alias: the encoding tells models apart, not names."""
        found = dict(facts)
        for name in ("proposal.model", "proposal.fallback.model", "migration.from.model"):
            model = self.policy.catalog.model(found.get(name))
            if model is not None:
                found[name] = model.key
        return found

    def _chosen_licence(self, result: TaskResult, option: str) -> str | None:
        from policy_engine.completing import choice_waits

        found = result.models[option]
        if not found.available or choice_waits(found, result.facts):
            return None
        return self.policy.catalog.licence(found.model)

    def _fits(self, result: TaskResult) -> dict[str, bool | None]:
        claim = result.case.hardware
        found: dict[str, bool | None] = {}
        for option in SELF_RUN if claim is not None else ():
            for each in day_of(self.policy.catalog, AT.date()).candidates[option]:
                catalog, context = self.policy.catalog, result.facts.get("task.context_tokens")
                box, flight = box_of(catalog, claim), flight_of(catalog, claim, each.model, context)
                answers = [memory_fits(box, each.model, q, flight) for q in QUANTIZATIONS]
                found[each.name] = True if True in answers else (None if None in answers else False)
        return found


def _is(model: Any, formula: Any) -> bool:
    return formula if isinstance(formula, bool) else z3.is_true(model.eval(formula, model_completion=True))
