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
from policy_engine.model.waiver import NOTHING, Pairs

Outcomes = Sequence[bool | None]
_UNKNOWN_COST = float("inf")
_NOTHING: frozenset[str] = frozenset()
_ORDER = {option: place for place, option in enumerate(OPTIONS)}


class OptionInput(Struct, frozen=True):
    """What the catalog says of one option: whether a model serves it, what is missing, its cost."""

    available: bool | None
    missing: tuple[str, ...]
    monthly_usd: float | None
    cost_open: frozenset[str] = frozenset()  # facts that the cost waits for


class Effects:
    """The effects of a rule set, by index, so that combining touches only rules that act.

    `moves` gives each scoring rule its points: option, slot, sign and strength. A slot is where the strongest of a
    topic's preferences (or disfavours) for one option is kept: the strongest that fired, and in the next slot the
    strongest that fired or may. `topics` names the slots of each option in the order of the rules.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.forbidding = [i for i, rule in enumerate(rules) if any(o != PROPOSAL for o in rule.forbid)]
        self.ruling_out = [i for i, rule in enumerate(rules) if PROPOSAL in rule.forbid]
        self.scoring = [i for i, rule in enumerate(rules) if rule.prefer or rule.disfavour]
        self.requiring = [i for i, rule in enumerate(rules) if rule.require]
        slots: dict[tuple[str, str], int] = {}
        self.moves: list[tuple[int, list[tuple[int, int, int, int]]]] = []
        for index in self.scoring:
            moves = []
            rule = rules[index]
            for first, sign, strengths in ((0, 1, rule.prefer), (2, -1, rule.disfavour)):
                for option, strength in strengths.items():
                    slot = slots.setdefault((option, rule.topic), 4 * len(slots))
                    moves.append((_ORDER[option], slot + first, sign, strength))
            self.moves.append((index, moves))
        self.slots = 4 * len(slots)
        self.topics = {o: [(topic, slot) for (option, topic), slot in slots.items() if option == o] for o in OPTIONS}


def statuses(
    effects: Effects,
    outcomes: Outcomes,
    enforcement: Sequence[Enforcement],
    inputs: Mapping[str, OptionInput],
    missing_of: Mapping[int, frozenset[str]],
    explained: bool = True,
    lifted: Pairs = NOTHING,
) -> dict[str, Standing]:
    """Give each option the first status that applies, and its score; `explained`: and the rules behind both.

    A forbid that a waiver lifts for an option, fired or indeterminate, is none there.
    """
    forbidden: dict[str, list[int]] = {option: [] for option in OPTIONS}
    uncertain: dict[str, list[int]] = {option: [] for option in OPTIONS}
    for index in effects.forbidding:
        outcome = outcomes[index]
        if outcome is False or enforcement[index] == "advisory":
            continue
        target = forbidden if outcome else uncertain
        for option in effects.rules[index].forbid:
            if option != PROPOSAL and (index, option) not in lifted:
                target[option].append(index)
    points = _Points(effects, outcomes)
    found = {}
    for place, option in enumerate(OPTIONS):
        given = inputs[option]
        status: Status = "permitted"
        behind: list[int] = []
        missing = _NOTHING
        if forbidden[option]:
            status, behind = "forbidden", forbidden[option]
        elif given.available is False:
            status = "unavailable"
        elif uncertain[option] or given.available is None:
            status, behind = "uncertain", uncertain[option]
            missing = _NOTHING.union(*(missing_of.get(i, _NOTHING) for i in behind))
            if given.available is None:
                missing = missing.union(given.missing)
        found[option] = Standing(
            option=option,
            status=status,
            score=points.score[place],
            low=points.low[place],
            high=points.high[place],
            contributions=points.contributions(option) if explained else (),
            rules=tuple([effects.rules[i].id for i in behind]) if explained else (),
            missing=missing,
            monthly_usd=given.monthly_usd,
            cost_open=given.cost_open,
        )
    return found


class _Points:
    """Scores by option, with the least and greatest that unknowns allow.

    Each topic speaks once: its strongest preference less its strongest disfavour.
    """

    __slots__ = ("_effects", "_strongest", "_who", "high", "low", "score")

    def __init__(self, effects: Effects, outcomes: Outcomes) -> None:
        self._effects = effects
        self._strongest = strongest = [0] * effects.slots
        self._who = who = [-1] * effects.slots
        score, low, high = [0] * len(OPTIONS), [0] * len(OPTIONS), [0] * len(OPTIONS)
        self.score, self.low, self.high = score, low, high
        for index, moves in effects.moves:
            outcome = outcomes[index]
            if outcome is False:
                continue
            for option, slot, sign, strength in moves:
                more = strength - strongest[slot + 1]
                if more > 0:
                    strongest[slot + 1] = strength
                    if sign > 0:
                        high[option] += more
                    else:
                        low[option] -= more
                if outcome and (more := strength - strongest[slot]) > 0:
                    strongest[slot] = strength
                    who[slot] = index
                    score[option] += sign * more
                    if sign > 0:
                        low[option] += more
                    else:
                        high[option] -= more

    def contributions(self, option: str) -> tuple[Contribution, ...]:
        """Return what each topic adds to the option's score, by which rule."""
        strongest, parts = self._strongest, []
        for topic, slot in self._effects.topics[option]:
            if strongest[slot]:
                parts.append(self._contribution(topic, slot, 1))
            if strongest[slot + 2]:
                parts.append(self._contribution(topic, slot + 2, -1))
        return tuple(parts)

    def _contribution(self, topic: str, slot: int, sign: int) -> Contribution:
        return Contribution(topic, self._effects.rules[self._who[slot]].id, sign * self._strongest[slot])


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
    order = _ORDER

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
    effects: Effects,
    outcomes: Outcomes,
    enforcement: Sequence[Enforcement],
    missing_of: Mapping[int, frozenset[str]],
    option: str | None = None,
    lifted: Pairs = NOTHING,
) -> ProposalRuling:
    """Say what the forbids of `[proposal]` make of it; those that a waiver lifts for its `option` make nothing."""
    holds: bool | None = True
    rules: list[str] = []
    missing: frozenset[str] = frozenset()
    for index in effects.ruling_out:
        outcome = outcomes[index]
        if outcome is False or enforcement[index] == "advisory" or (index, option) in lifted:
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
    lifted: Pairs = NOTHING,
) -> tuple[Obligation, ...]:
    """Return what the judged `option` needs, one row for each evidence name: the strictest of its rules.

    What a waiver lifts stays outstanding or uncertain, is marked as waived, and holds nothing up.
    """
    waived = frozenset(index for index, waived_on in lifted if waived_on == option)
    rows: dict[str, list[int]] = {}
    for index in effects.requiring:
        if outcomes[index] is False:
            continue
        for name, options in effects.rules[index].require.items():
            if option in options:
                rows.setdefault(name, []).append(index)
    return tuple(
        _obligation(name, rows[name], effects, outcomes, enforcement, evidence, waived) for name in sorted(rows)
    )


def _obligation(
    name: str,
    indexes: list[int],
    effects: Effects,
    outcomes: Outcomes,
    enforcement: Sequence[Enforcement],
    evidence: Mapping[str, EvidenceStatus],
    waived: frozenset[int],
) -> Obligation:
    rules = effects.rules
    unmet = [i for i in indexes if short_of(rules[i].grade, evidence.get(name)) is not None]
    why = next((short_of(rules[i].grade, evidence.get(name)) for i in unmet), None)
    held = [i for i in unmet if i not in waived]
    acting = held or unmet or indexes
    # an obligation that surely holds outranks one that may hold, at the same enforcement
    strictest = min(acting, key=lambda i: (_strictness(enforcement[i]), outcomes[i] is None))
    status: Any = "satisfied" if not unmet else ("outstanding" if outcomes[strictest] else "uncertain")
    grade = max((rules[i].grade for i in acting), key=EVIDENCE_GRADES.index)
    ids = tuple(rules[i].id for i in indexes)
    lifted = tuple(rules[i].id for i in unmet if i in waived)
    return Obligation(name, status, enforcement[strictest], grade, ids, why, lifted, bool(unmet) and not held)


def _strictness(enforcement: str) -> int:
    return ("mandatory", "waivable", "advisory").index(enforcement)


def short_of(grade: str, status: EvidenceStatus | None) -> str | None:
    """Say why `status` does not meet a demand for `grade`; None where it does."""
    if status is None:
        return "no such evidence is named"
    if status.problem is not None:
        return status.problem
    if not meets(grade, status.grade):
        why = f": {status.short}" if status.short is not None else ""
        return f"it is {status.grade}, and {grade} is asked for{why}"
    return None


def meets(grade: str, given: str) -> bool:
    """Whether evidence of the grade `given` meets a demand for `grade`."""
    return EVIDENCE_GRADES.index(given) >= EVIDENCE_GRADES.index(grade)


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
    waived: bool = False,
) -> Verdict:
    """Return the first verdict that applies to the judged option (contract: rules, step 5).

    `waived`: a waiver lifted something that stood against it.
    """
    if standing is None:
        return "review"
    if standing.status in ("forbidden", "unavailable") or (ruling is not None and ruling.holds is False):
        return "deny"
    open_duties = [o for o in owed if o.status != "satisfied" and not o.waived]
    if (
        standing.status == "uncertain"
        or (ruling is not None and ruling.holds is None)
        or any(o.enforcement != "advisory" for o in open_duties)
        or (ruling is None and not firm)
    ):
        return "review"
    if open_duties or waived or is_warned(effects, outcomes, enforcement, standing.option, ruling is not None):
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
