"""The fallback of a proposal: the forbids again, on the facts of the fallback (`judging.Judge`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from policy_engine.fleet.building import Truth, both, either, first_of, negated
from policy_engine.fleet.options import Proposed
from policy_engine.fleet.outcomes import Outcomes
from policy_engine.fleet.standings import Statuses, ruled_out, warned
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.vocabulary import OPTIONS

if TYPE_CHECKING:
    from policy_engine.fleet.asking import Asked
    from policy_engine.fleet.tasks import TaskPlan

_DEPLOYMENT, _MODEL = "proposal.fallback.deployment", "proposal.fallback.model"


class Fallback:
    """What is found of each row's fallback; rules that read nothing of a proposal come out as they did."""

    def __init__(self, task: TaskPlan, changed: Mapping[str, pl.Expr]) -> None:
        plan, effects, acts = task.plan, task.effects, task.acts
        self._task = task
        self.present = pl.col("proposal.fallback.present")
        self._again = task.conditions.reading(changed)
        facts = task.facts.changed(changed, {f for index in self._again for f, _ in task.conditions.derived[index]})
        self.outcomes = Outcomes(task.conditions, facts, self._again)
        self.outcomes.infer(plan)
        for index in range(len(task.conditions.rules)):
            self.outcomes.fired.setdefault(index, task.outcomes.fired[index])
            self.outcomes.unknown.setdefault(index, task.outcomes.unknown[index])
        self.proposed = Proposed(plan, task.needs, task.options, pl.col(_DEPLOYMENT), task.fallback_code)
        self._statuses = Statuses(plan, effects, self.outcomes, acts, task.given)
        self._judged: list[Truth] = [
            plan.let(self.present & (pl.col(_DEPLOYMENT) == option).fill_null(False)) for option in OPTIONS
        ]
        plan.step()
        self._settle()

    def _settle(self) -> None:
        task, statuses = self._task, self._statuses
        plan = task.plan

        def judged(*truths: list[Truth]) -> Truth:
            return either(both(here, either(each)) for here, *each in zip(self._judged, *truths, strict=True))

        fired, unknown = ruled_out(task.effects, self.outcomes, task.acts)
        deny = either([judged(statuses.forbidden, statuses.unavailable), fired, self.proposed.fails])
        self._uncertain = plan.hold(judged(statuses.uncertain))
        review = either([judged(statuses.uncertain), unknown, negated(self.proposed.sure)])
        warn = warned(task.effects, self.outcomes, task.acts, self._judged, True)
        cases = [(negated(self.present), None), (deny, 3), (review, 2), (warn, 1)]
        self.code = plan.let(
            first_of([(truth, pl.lit(code, dtype=pl.UInt8)) for truth, code in cases], pl.lit(0, dtype=pl.UInt8))
        )
        plan.step()

    def ask(self, asked: Asked, alive: Truth) -> None:
        """Ask for what the fallback waits for, where it is in review and the verdict no denial."""
        task = self._task
        waiting = both(alive, (self.code == 2).fill_null(False))
        asked.add(_MODEL, both(waiting, pl.col(_MODEL).is_null()))
        for name, where in self.proposed.missing.items():
            asked.add_of_fallback(name, both(waiting, where))
        for index in sorted(self._again & {*task.effects.forbidding, *task.effects.ruling_out}):
            forbid = task.effects.rules[index].forbid
            named = [here for here, option in zip(self._judged, OPTIONS, strict=True) if option in forbid]
            counts = either([PROPOSAL in forbid, both(self._uncertain, either(named))])
            where = both(waiting, counts, negated(task.acts.advises(index)))
            for name, missing in self.outcomes.missing(index).items():
                asked.add_of_fallback(name, both(where, missing))
