"""Changes of a task, made on the case itself and decided by the judge: what counterfactuals are held to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from math import inf, nextafter
from typing import Any

from msgspec.structs import replace

from policy_engine.counterfactuals.changed import MIN_SCORES
from policy_engine.counterfactuals.choices import Domain
from policy_engine.counterfactuals.trial import EVIDENCE
from policy_engine.decide import Decider
from policy_engine.errors import RulesError
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.task_case import EvidenceStatus, TaskCase, TaskResult

Outcome = tuple[str, str | None, str | None]
GRADES = (None, *EVIDENCE_GRADES)


def changed_case(case: TaskCase, changes: Mapping[str, Any]) -> TaskCase:
    """Return the case with these facts stated, taken away where None, or evidence of these grades."""
    facts, evidence, floors = dict(case.facts), dict(case.evidence), case.min_scores
    for name, value in changes.items():
        if name.startswith(EVIDENCE):
            key = name.removeprefix(EVIDENCE)
            evidence.pop(key, None)
            if value is not None:
                evidence[key] = EvidenceStatus(key, value)
        elif name == MIN_SCORES:
            floors = value
        elif value is None:
            facts.pop(name, None)
        else:
            facts[name] = value
    return replace(case, facts=facts, evidence=evidence, min_scores=floors)


def judged_with(engine: Decider, case: TaskCase, changes: Mapping[str, Any]) -> TaskResult | None:
    """Return what the judge says of the changed case; None where two derivations contradict each other."""
    try:
        return engine.judge.judge(changed_case(case, changes))
    except RulesError:
        return None


def outcome(engine: Decider, case: TaskCase, changes: Mapping[str, Any]) -> Outcome | None:
    result = judged_with(engine, case, changes)
    return None if result is None else (result.verdict, result.ranking.recommended, result.ranking.provisional)


def numbers(domain: Domain, chance: random.Random, low: float, high: float) -> Iterator[Any]:
    """Yield numbers of the fact's range, most of them next to where something turns."""
    found: set[Any] = set()
    for choice in domain.choices:
        start, end = choice.value.start, choice.value.end
        if domain.whole:
            last = end - 1 if end is not None else int(min(high, start + 10**9))
            found |= {int(start), int(last), chance.randint(int(start), int(last))}
        else:
            last = nextafter(end, -inf) if end is not None else min(high, start + 1e6)
            found |= {float(start), float(last), chance.uniform(float(start), float(last))}
    number = int if domain.whole else float
    found |= {number(10**power) for power in range(16) if low <= 10**power <= high}
    yield from sorted(found)


def covers(row: Mapping[str, Any], value: Any, now: Any) -> bool:
    """Whether a condition holds of the value of its fact; `now` is what it is, which `add` and `remove` speak of."""
    op = row["op"]
    if op == "known":
        return value is not None
    if op == "in":
        return value in row["values"]
    if op == "add":
        return any(value == [*now, each] for each in row["values"])
    if op == "remove":
        return any(value == [other for other in now if other != each] for each in row["values"])
    return all(_bound(each, value) for each in (row, row["and"])) if "and" in row else _bound(row, value)


def _bound(bound: Mapping[str, Any], value: Any) -> bool:
    op, limit = bound["op"], bound["value"]
    if op == "==":
        return bool(value == limit)
    if isinstance(limit, str):
        value, limit = GRADES.index(value), GRADES.index(limit)
    return bool({"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[op])
