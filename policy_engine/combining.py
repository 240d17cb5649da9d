"""From outcomes to a verdict: statuses, topic scores, ranking, obligations, verdict (contract: rules, steps 2 to 5).

Pure and without I/O. Rules are known by their index; an outcome is True (fired), False (not fired) or None
(indeterminate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from policy_engine.model.rule import EVIDENCE_GRADES, PROPOSAL, Enforcement, Rule
from policy_engine.model.task_case import (
    VERDICTS,
    Contribution,
    EvidenceStatus,
    Obligation,
    ProposalRuling,
    Ranking,
    Standing,
    Status,
    Verdict,
)
from policy_engine.model.vocabulary import OPTIONS

Outcomes = Sequence[bool | None]
_UNKNOWN_COST = float("inf")


class OptionInput(Struct, frozen=True):
    """What the catalog says of one option: whether a model serves it, what is missing, its cost."""

    available: bool | None
    missing: tuple[str, ...]
    monthly_usd: float | None
    cost_open: frozenset[str] = frozenset()  # facts that the cost waits for


class Effects:
    """The effects of a rule set, by index, so that combining touches only rules that act."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.forbidding = [i for i, rule in enumerate(rules) if any(o != PROPOSAL for o in rule.forbid)]
        self.ruling_out = [i for i, rule in enumerate(rules) if PROPOSAL in rule.forbid]
        self.scoring = [i for i, rule in enumerate(rules) if rule.prefer or rule.disfavour]
        self.requiring = [i for i, rule in enumerate(rules) if rule.require]


def statuses(
    effects: Effects,
    outcomes: Outcomes,
    enforcement: Sequence[Enforcement],
    inputs: Mapping[str, OptionInput],
    missing_of: Mapping[int, frozenset[str]],
) -> dict[str, Standing]:
    """Give each option the first status that applies, and its score."""
    forbidden: dict[str, list[int]] = {option: [] for option in OPTIONS}
    uncertain: dict[str, list[int]] = {option: [] for option in OPTIONS}
    for index in effects.forbidding:
        outcome = outcomes[index]
        if outcome is False or enforcement[index] == "advisory":
            continue
        target = forbidden if outcome else uncertain
        for option in effects.rules[index].forbid:
            if option != PROPOSAL:
                target[option].append(index)
    points = _Points(effects, outcomes)
    found = {}
    for option in OPTIONS:
        found[option] = _standing(
            option, forbidden[option], uncertain[option], inputs[option], points, effects.rules, missing_of
        )
    return found


def _standing(
    option: str,
    forbidden: list[int],
    uncertain: list[int],
    given: OptionInput,
    points: _Points,
    rules: Sequence[Rule],
    missing_of: Mapping[int, frozenset[str]],
) -> Standing:
    status: Status = "permitted"
    behind: list[int] = []
    missing: frozenset[str] = frozenset()
    if forbidden:
        status, behind = "forbidden", forbidden
    elif given.available is False:
        status = "unavailable"
    elif uncertain or given.available is None:
        status, behind = "uncertain", uncertain
        missing = frozenset().union(*(missing_of.get(i, frozenset()) for i in uncertain))
        if given.available is None:
            missing = missing | frozenset(given.missing)
    contributions, score, low, high = points.of(option)
    return Standing(
        option=option,
        status=status,
        score=score,
        low=low,
        high=high,
        contributions=contributions,
        rules=tuple(rules[i].id for i in behind),
        missing=missing,
        monthly_usd=given.monthly_usd,
        cost_open=given.cost_open,
    )


class _Points:
    """Scores by option and topic. Each topic speaks once: its strongest preference less its strongest disfavour."""

    def __init__(self, effects: Effects, outcomes: Outcomes) -> None:
        # by option and topic: fired preference, possible preference, fired disfavour, possible disfavour
        self.cells: dict[str, dict[str, list[tuple[int, str]]]] = {option: {} for option in OPTIONS}
        for index in effects.scoring:
            outcome = outcomes[index]
            if outcome is False:
                continue
            rule = effects.rules[index]
            for option, strength in rule.prefer.items():
                self._raise(option, rule, 0, strength, outcome)
            for option, strength in rule.disfavour.items():
                self._raise(option, rule, 2, strength, outcome)

    def _raise(self, option: str, rule: Rule, slot: int, strength: int, outcome: bool | None) -> None:
        cell = self.cells[option].get(rule.topic)
        if cell is None:
            cell = self.cells[option][rule.topic] = [(0, "")] * 4
        if strength > cell[slot + 1][0]:
            cell[slot + 1] = (strength, rule.id)
        if outcome and strength > cell[slot][0]:
            cell[slot] = (strength, rule.id)

    def of(self, option: str) -> tuple[tuple[Contribution, ...], int, int, int]:
        """Return the contributions, the score, and the least and greatest score that unknowns allow."""
        parts: list[Contribution] = []
        score = low = high = 0
        for topic, (preferred, maybe, disfavoured, maybe_not) in self.cells[option].items():
            score += preferred[0] - disfavoured[0]
            low += preferred[0] - maybe_not[0]
            high += maybe[0] - disfavoured[0]
            if preferred[0]:
                parts.append(Contribution(topic, preferred[1], preferred[0]))
            if disfavoured[0]:
                parts.append(Contribution(topic, disfavoured[1], -disfavoured[0]))
        return tuple(parts), score, low, high


def _cost(standing: Standing) -> float:
    return _UNKNOWN_COST if standing.monthly_usd is None else standing.monthly_usd


def _least_cost(standing: Standing) -> float:
    """The cost that an option has at best: open where it waits for facts, and last where no price is known."""
    return 0.0 if standing.cost_open else _cost(standing)


def _most_cost(standing: Standing) -> float:
    return _UNKNOWN_COST if standing.cost_open else _cost(standing)


def rank(
    standings: Mapping[str, Standing], effects: Effects, outcomes: Outcomes, missing_of: Mapping[int, frozenset[str]]
) -> Ranking:
    """Rank the permitted options by score, then cost (unknown last), then canonical order.

    The first is firm unless unknowns could let another that is not ruled out come before it.
    """
    order = {option: place for place, option in enumerate(OPTIONS)}

    def key(standing: Standing) -> tuple[int, float, int]:
        return (-standing.score, _cost(standing), order[standing.option])

    permitted = sorted((s for s in standings.values() if s.status == "permitted"), key=key)
    uncertain = sorted((s for s in standings.values() if s.status == "uncertain"), key=key)
    if not permitted:
        facts = frozenset().union(*(s.missing for s in uncertain))
        return Ranking(None, uncertain[0].option if uncertain else None, False, facts, None)
    best = permitted[0]
    cheapest = min(permitted, key=lambda s: (_cost(s), order[s.option]))
    worst_case = (-best.low, _most_cost(best), order[best.option])
    rivals = [s for s in [*permitted[1:], *uncertain] if (-s.high, _least_cost(s), order[s.option]) < worst_case]
    open_facts: frozenset[str] = frozenset()
    if rivals:
        names = {best.option, *(s.option for s in rivals)}
        for index in effects.scoring:
            rule = effects.rules[index]
            if outcomes[index] is None and names & (rule.prefer.keys() | rule.disfavour.keys()):
                open_facts |= missing_of.get(index, frozenset())
        open_facts = open_facts.union(best.cost_open, *(s.missing | s.cost_open for s in rivals))
    known_cost = cheapest.option if cheapest.monthly_usd is not None else None
    return Ranking(best.option, None, not rivals, open_facts, known_cost)


def rule_out(
    effects: Effects, outcomes: Outcomes, enforcement: Sequence[Enforcement], missing_of: Mapping[int, frozenset[str]]
) -> ProposalRuling:
    """Say what the forbids of `[proposal]` make of it."""
    holds: bool | None = True
    rules: list[str] = []
    missing: frozenset[str] = frozenset()
    for index in effects.ruling_out:
        outcome = outcomes[index]
        if outcome is False or enforcement[index] == "advisory":
            continue
        rules.append(effects.rules[index].id)
        if outcome:
            holds = False
        else:
            holds = None if holds else holds
            missing |= missing_of.get(index, frozenset())
    return ProposalRuling(holds, (), tuple(rules), missing)


def obligations(
    effects: Effects,
    outcomes: Outcomes,
    enforcement: Sequence[Enforcement],
    option: str,
    evidence: Mapping[str, EvidenceStatus],
) -> tuple[Obligation, ...]:
    """Return what the judged `option` needs, one row for each evidence name: the strictest of its rules."""
    rows: dict[str, list[int]] = {}
    for index in effects.requiring:
        if outcomes[index] is False:
            continue
        for name, options in effects.rules[index].require.items():
            if option in options:
                rows.setdefault(name, []).append(index)
    return tuple(_obligation(name, rows[name], effects, outcomes, enforcement, evidence) for name in sorted(rows))


def _obligation(
    name: str,
    indexes: list[int],
    effects: Effects,
    outcomes: Outcomes,
    enforcement: Sequence[Enforcement],
    evidence: Mapping[str, EvidenceStatus],
) -> Obligation:
    rules = effects.rules
    unmet = [i for i in indexes if _short_of(rules[i].grade, evidence.get(name)) is not None]
    why = next((_short_of(rules[i].grade, evidence.get(name)) for i in unmet), None)
    acting = unmet or indexes
    # an obligation that surely holds outranks one that may hold, at the same enforcement
    strictest = min(acting, key=lambda i: (_strictness(enforcement[i]), outcomes[i] is None))
    status: Any = "satisfied" if not unmet else ("outstanding" if outcomes[strictest] else "uncertain")
    grade = max((rules[i].grade for i in acting), key=EVIDENCE_GRADES.index)
    return Obligation(name, status, enforcement[strictest], grade, tuple(rules[i].id for i in indexes), why)


def _strictness(enforcement: str) -> int:
    return ("mandatory", "waivable", "advisory").index(enforcement)


def _short_of(grade: str, status: EvidenceStatus | None) -> str | None:
    """Say why `status` does not meet a demand for `grade`; None where it does."""
    if status is None:
        return "no such evidence is named"
    if status.problem is not None:
        return status.problem
    if EVIDENCE_GRADES.index(status.grade) < EVIDENCE_GRADES.index(grade):
        return f"it is {status.grade}, and {grade} is asked for"
    return None


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst verdict."""
    return max(verdicts, key=VERDICTS.index)


def fallback_verdict(standing: Standing, ruling: ProposalRuling, warned: bool = False) -> Verdict:
    """Judge a fallback by the forbids alone: data must not leak through it."""
    if standing.status in ("forbidden", "unavailable") or ruling.holds is False:
        return "deny"
    if standing.status == "uncertain" or ruling.holds is None:
        return "review"
    return "allow_with_conditions" if warned else "allow"


def verdict(
    effects: Effects,
    outcomes: Outcomes,
    enforcement: Sequence[Enforcement],
    standing: Standing | None,
    ruling: ProposalRuling | None,
    firm: bool,
    owed: Sequence[Obligation],
) -> Verdict:
    """Return the first verdict that applies to the judged option (contract: rules, step 5)."""
    if standing is None:
        return "review"
    if standing.status in ("forbidden", "unavailable") or (ruling is not None and ruling.holds is False):
        return "deny"
    open_duties = [o for o in owed if o.status != "satisfied"]
    if (
        standing.status == "uncertain"
        or (ruling is not None and ruling.holds is None)
        or any(o.enforcement != "advisory" for o in open_duties)
        or (ruling is None and not firm)
    ):
        return "review"
    if open_duties or is_warned(effects, outcomes, enforcement, standing.option, ruling is not None):
        return "allow_with_conditions"
    return "allow"


def is_warned(
    effects: Effects, outcomes: Outcomes, enforcement: Sequence[Enforcement], option: str, proposed: bool
) -> bool:
    """Whether an advisory forbid fired on the judged option."""
    for index in {*effects.forbidding, *effects.ruling_out}:
        if outcomes[index] and enforcement[index] == "advisory":
            forbid = effects.rules[index].forbid
            if option in forbid or (proposed and PROPOSAL in forbid):
                return True
    return False
