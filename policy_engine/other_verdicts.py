"""The verdict with other outcomes of some rules: what the judge would combine, without asking all of them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from policy_engine.catalog import OptionModels
from policy_engine.combining import (
    fallback_verdict,
    is_warned,
    obligations,
    rank,
    rule_out,
    statuses,
    verdict,
    worst,
)
from policy_engine.judging import Judge, rule_model
from policy_engine.lifting import bearing, waives
from policy_engine.model.task_case import Obligation, ProposalRuling, TaskResult, Verdict

Outcome = Callable[[int, Mapping[str, Any]], bool | None]


class OtherVerdicts:
    """Combines outcomes that differ from a result's own. INVARIANT: facts and catalog are the result's."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        rules = judge.rules
        self._forbidding = frozenset(index for index, rule in enumerate(rules) if rule.forbid)
        self._scoring = {index for index, rule in enumerate(rules) if not rule.forbid and not rule.require}

    def of(self, result: TaskResult, changed: Mapping[int, bool | None], beside: Verdict | None) -> Verdict:
        """Return the verdict with the outcomes `changed`; `beside` is the fallback's, None without one."""
        changed = {index: value for index, value in changed.items() if result.outcomes[index] is not value}
        if not changed or (result.proposal is not None and self._scoring.issuperset(changed)):
            own = self._own(result, result.outcomes) if beside is not result.fallback_verdict else result.verdict
        else:
            outcomes = list(result.outcomes)
            for index, value in changed.items():
                outcomes[index] = value
            own = self._own(result, outcomes)
        return own if beside is None else worst([own, beside])

    def _own(self, result: TaskResult, outcomes: list[bool | None]) -> Verdict:
        effects, acting, pairs = self.judge.effects, result.enforcement, result.lifting.pairs
        standings = statuses(effects, outcomes, acting, result.inputs, {}, False, pairs)
        ranking = rank(standings, effects, outcomes, {})
        judged, ruling = ranking.recommended, None
        if result.proposal is not None:
            judged = result.judged
            holds = rule_out(effects, outcomes, acting, {}, judged, pairs).holds
            model = rule_model(result.facts, result.models, self.judge.policy.catalog).holds
            ruling = ProposalRuling(False if False in (holds, model) else (True if holds and model else None))
        owed: tuple[Obligation, ...] = ()
        if judged is not None:
            owed = obligations(effects, outcomes, acting, judged, result.case.evidence, pairs)
        waived = waives(bearing(result.lifting, judged, owed), judged)
        standing = standings[judged] if judged is not None else None
        return verdict(effects, outcomes, acting, standing, ruling, ranking.firm, owed, waived)

    def beside(self, result: TaskResult, indexes: Iterable[int], outcome: Outcome) -> Verdict | None:
        """Return the verdict on the fallback where the rules `indexes` come to `outcome`; None where there is none."""
        if result.fallback_inference is None or result.fallback is None:
            return None
        facts, before = result.fallback_inference
        outcomes = list(before)
        for index in self._forbidding.intersection(indexes):
            outcomes[index] = outcome(index, facts)
        if outcomes == before:
            return result.fallback_verdict
        effects, acting, pairs = self.judge.effects, result.enforcement, result.fallback_lifting.pairs
        option = facts["proposal.deployment"]
        standing = statuses(effects, outcomes, acting, result.inputs, {}, False, pairs)[option]
        holds = rule_out(effects, outcomes, acting, {}, option, pairs).holds
        model = rule_model(facts, result.models, self.judge.policy.catalog).holds
        ruling = ProposalRuling(False if False in (holds, model) else (True if holds and model else None))
        warned = is_warned(effects, outcomes, acting, option, True) or waives(result.fallback_lifting, option)
        return fallback_verdict(standing, ruling, warned)


def alike(result: TaskResult, option: str, other: OptionModels) -> bool:
    """Whether another choice for `option` can move no verdict on a proposal: the same models meet the needs."""
    models: OptionModels = result.models[option]
    return (
        models.available is other.available
        and models.model == other.model
        and [each.name for each in models.contenders] == [each.name for each in other.contenders]
        and models.doubtful == other.doubtful
    )
