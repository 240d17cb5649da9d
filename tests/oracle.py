"""Steps 2 to 5 of a decision written down once more, slowly and literally: what the engine is compared with.

It reads the rules' effects, asks the CEL runtime for every condition, and combines with plain loops. From the engine
it takes what stands before the combination: the facts, and what the catalog says of each option and of the proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from policy_engine.language.cel import Checker
from policy_engine.loading.policy import Policy
from policy_engine.model.rule import EVIDENCE_GRADES, Rule
from policy_engine.model.task_case import EvidenceStatus, TaskResult
from policy_engine.model.vocabulary import OPTIONS

WORST_FIRST = ("deny", "review", "allow_with_conditions", "allow")
INFINITE = float("inf")


@dataclass
class Judgement:
    """What the oracle makes of one task."""

    outcomes: dict[str, bool | None]
    statuses: dict[str, str]
    scores: dict[str, int]
    ranges: dict[str, tuple[int, int]]
    recommended: str | None
    provisional: str | None
    firm: bool
    cheapest: str | None
    judged: str | None
    obligations: dict[str, str]
    verdict: str


class Oracle:
    """Judges under one policy, one rule and one option at a time."""

    def __init__(self, policy: Policy) -> None:
        self.rules: tuple[Rule, ...] = policy.rules.rules
        self.overrides = policy.rules.overrides
        parameters = policy.rules.parameters
        types: dict[str, str] = {name: fact.type for name, fact in policy.vocabulary.facts.items()}
        checker = Checker(types | {f"param.{name}": each.type for name, each in parameters.items()})
        self.parameters = {f"param.{name}": each.value for name, each in parameters.items()}
        self.programs = {rule.id: checker.program(rule.when) for rule in self.rules}

    def outcomes(self, facts: Mapping[str, Any]) -> dict[str, bool | None]:
        """True is fired, False not fired, None indeterminate."""
        known = {**self.parameters, **facts}
        return {rule.id: self.programs[rule.id].evaluate(known) for rule in self.rules}

    def enforcement(self, rule: Rule, namespace: str, day: date) -> str:
        """What the rule says, unless the policy set says otherwise; advisory before its date."""
        if rule.enforce_from is not None and day < rule.enforce_from:
            return "advisory"
        for key in ((rule.id, namespace), (rule.id, "*")):
            if key in self.overrides:
                return self.overrides[key]
        return rule.enforcement

    def judge(self, result: TaskResult) -> Judgement:
        """Judge what `result` was made from."""
        case = result.case
        outcomes = self.outcomes(result.facts)
        acts = {rule.id: self.enforcement(rule, case.namespace, case.day) for rule in self.rules}
        statuses = {option: self._status(option, outcomes, acts, result.models[option].available) for option in OPTIONS}
        costs = {
            option: INFINITE if models.available is False else _or_infinite(models.monthly_usd)
            for option, models in result.models.items()  # where it is uncertain, of the model to expect
        }
        scores = {option: self._score(option, outcomes) for option in OPTIONS}
        ranges = {option: self._range(option, outcomes) for option in OPTIONS}
        permitted = [option for option in OPTIONS if statuses[option] == "permitted"]
        uncertain = [option for option in OPTIONS if statuses[option] == "uncertain"]
        recommended = _first(permitted, scores, costs)
        provisional = _first(uncertain, scores, costs) if recommended is None else None
        firm = recommended is not None and not any(
            _comes_before(rival, recommended, ranges, costs, result)
            for rival in (*permitted, *uncertain)
            if rival != recommended
        )
        priced = [option for option in permitted if costs[option] < INFINITE]
        cheapest = min(priced, key=lambda option: (costs[option], OPTIONS.index(option))) if priced else None
        proposed = result.facts["proposal.present"]
        judged = result.facts["proposal.deployment"] if proposed else recommended
        duties = self._obligations(judged, outcomes, acts, case.evidence) if judged else {}
        verdict = self._verdict(
            judged=judged,
            proposed=proposed,
            statuses=statuses,
            firm=firm,
            duties=duties,
            outcomes=outcomes,
            acts=acts,
            result=result,
        )
        return Judgement(
            outcomes=outcomes,
            statuses=statuses,
            scores=scores,
            ranges=ranges,
            recommended=recommended,
            provisional=provisional,
            firm=firm,
            cheapest=cheapest,
            judged=judged,
            obligations={name: status for name, (status, _) in duties.items()},
            verdict=verdict,
        )

    def _status(
        self, option: str, outcomes: Mapping[str, bool | None], acts: Mapping[str, str], available: bool | None
    ) -> str:
        forbids = [
            outcomes[rule.id]
            for rule in self.rules
            if option in rule.forbid and acts[rule.id] in ("mandatory", "waivable")
        ]
        if True in forbids:
            return "forbidden"
        if available is False:
            return "unavailable"
        if None in forbids or available is None:
            return "uncertain"
        return "permitted"

    def _score(self, option: str, outcomes: Mapping[str, bool | None]) -> int:
        total = 0
        for topic in {rule.topic for rule in self.rules}:
            fired = [rule for rule in self.rules if rule.topic == topic and outcomes[rule.id] is True]
            total += max([0, *(rule.prefer.get(option, 0) for rule in fired)])
            total -= max([0, *(rule.disfavour.get(option, 0) for rule in fired)])
        return total

    def _range(self, option: str, outcomes: Mapping[str, bool | None]) -> tuple[int, int]:
        """The least score (every open disfavour fires, no open preference) and the greatest (the reverse)."""
        low = high = 0
        for topic in {rule.topic for rule in self.rules}:
            mine = [rule for rule in self.rules if rule.topic == topic]
            fired = [rule for rule in mine if outcomes[rule.id] is True]
            perhaps = [rule for rule in mine if outcomes[rule.id] is not False]
            low += max([0, *(rule.prefer.get(option, 0) for rule in fired)])
            low -= max([0, *(rule.disfavour.get(option, 0) for rule in perhaps)])
            high += max([0, *(rule.prefer.get(option, 0) for rule in perhaps)])
            high -= max([0, *(rule.disfavour.get(option, 0) for rule in fired)])
        return low, high

    def _obligations(
        self,
        option: str,
        outcomes: Mapping[str, bool | None],
        acts: Mapping[str, str],
        evidence: Mapping[str, EvidenceStatus],
    ) -> dict[str, tuple[str, str]]:
        """Each evidence name's worst status and the strictest enforcement of a rule that it leaves unmet."""
        found: dict[str, list[tuple[str, str]]] = {}
        for rule in self.rules:
            for name, options in rule.require.items():
                if option in options and outcomes[rule.id] is not False:
                    if _meets(evidence.get(name), rule.grade):
                        status = "satisfied"
                    else:
                        status = "outstanding" if outcomes[rule.id] else "uncertain"
                    found.setdefault(name, []).append((status, acts[rule.id]))
        worst = {}
        for name, rows in found.items():
            unmet = [row for row in rows if row[0] != "satisfied"]
            order = ("mandatory", "waivable", "advisory")
            worst[name] = min(unmet or rows, key=lambda row: (order.index(row[1]), row[0] != "outstanding"))
        return worst

    def _verdict(
        self,
        *,
        judged: str | None,
        proposed: bool,
        statuses: Mapping[str, str],
        firm: bool,
        duties: Mapping[str, tuple[str, str]],
        outcomes: Mapping[str, bool | None],
        acts: Mapping[str, str],
        result: TaskResult,
    ) -> str:
        if judged is None:
            return "review"
        binding = [
            outcomes[rule.id]
            for rule in self.rules
            if proposed and "proposal" in rule.forbid and acts[rule.id] != "advisory"
        ]
        model = model_holds(result) if proposed else True
        unmet = [row for row in duties.values() if row[0] != "satisfied"]
        own = "allow"
        if statuses[judged] in ("forbidden", "unavailable") or True in binding or model is False:
            own = "deny"
        elif (
            statuses[judged] == "uncertain"
            or None in binding
            or model is None
            or any(enforcement != "advisory" for _, enforcement in unmet)
            or (not proposed and not firm)
        ):
            own = "review"
        elif unmet or any(
            outcomes[rule.id] is True
            and acts[rule.id] == "advisory"
            and (judged in rule.forbid or (proposed and "proposal" in rule.forbid))
            for rule in self.rules
        ):
            own = "allow_with_conditions"
        # the fallback is judged by another run of everything before; only the worse verdict is this step's
        verdicts = [own, *([result.fallback_verdict] if result.fallback_verdict else [])]
        return min(verdicts, key=WORST_FIRST.index)


def model_holds(result: TaskResult) -> bool | None:
    """What the catalog makes of the proposed model on the proposed option."""
    name, option = result.facts.get("proposal.model"), result.facts["proposal.deployment"]
    if name is None:
        return None
    models = result.models[option]
    considered = models.of(name)
    if considered is None:
        known = any(other.of(name) is not None for other in result.models.values())
        return False if known else None
    return considered.qualifies


def _first(options: list[str], scores: Mapping[str, int], costs: Mapping[str, float]) -> str | None:
    """The highest score; among equals the cheapest, unknown cost last; then the canonical order."""
    best: str | None = None
    for option in options:  # in canonical order: a later one has to be better
        if (
            best is None
            or scores[option] > scores[best]
            or (scores[option] == scores[best] and costs[option] < costs[best])
        ):
            best = option
    return best


def _comes_before(
    rival: str,
    best: str,
    ranges: Mapping[str, tuple[int, int]],
    costs: Mapping[str, float],
    result: TaskResult,
) -> bool:
    """Whether the rival at its best would come before the first at its worst."""
    if ranges[rival][1] != ranges[best][0]:
        return ranges[rival][1] > ranges[best][0]
    # a cost that waits for facts may come out low for the one and high for the other
    dear = INFINITE if result.standings[best].cost_open else costs[best]
    cheap = 0.0 if result.standings[rival].cost_open else costs[rival]
    if cheap != dear:
        return cheap < dear
    return OPTIONS.index(rival) < OPTIONS.index(best)


def _meets(status: EvidenceStatus | None, grade: str) -> bool:
    return (
        status is not None
        and status.problem is None
        and EVIDENCE_GRADES.index(status.grade) >= EVIDENCE_GRADES.index(grade)
    )


def _or_infinite(cost: float | None) -> float:
    return INFINITE if cost is None else cost
