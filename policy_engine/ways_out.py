"""What a team can say or change: the facts behind computed ones, and the ways out where forbids rule out.

The engine names the ways out and takes none.
"""

from __future__ import annotations

from typing import Any

from policy_engine.judging import Judge
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPTIONS, Fact


def collides(result: TaskResult) -> bool:
    """Whether no option is permitted, nor may be."""
    return all(standing.status in ("forbidden", "unavailable") for standing in result.standings.values())


def collision(judge: Judge, result: TaskResult) -> dict[str, Any] | None:
    """Where nothing is permitted or may be: the rules that collide, and the ways out (never taken silently)."""
    if not collides(result):
        return None
    rules = sorted({rule for s in result.standings.values() for rule in s.rules})
    return {"rules": rules, "ways_out": [way for option in OPTIONS for way in _ways_out(judge, result, option)]}


def releases(judge: Judge, result: TaskResult) -> list[dict[str, Any]]:
    """The changes of declared facts under which no forbid would rule out the judged option any more."""
    if result.judged is None or result.standings[result.judged].status != "forbidden":
        return []
    return [way for way in _ways_out(judge, result, result.judged) if "changes" in way]


def _ways_out(judge: Judge, result: TaskResult, option: str) -> list[dict[str, Any]]:
    standing = result.standings[option]
    if option == "edge" and result.models[option].asked.needs.edge_wanted is False:
        change = {"rule": None, "any_of": {"needs.edge": [True]}}
        return [{"option": option, "kind": "fact", "rules": [], "changes": [change]}]
    if standing.status == "unavailable":
        return [{"option": option, "kind": "catalog", "reasons": list(result.models[option].why)}]
    rules = [judge.index_of[name] for name in standing.rules]
    ways: list[dict[str, Any]] = []
    if all(result.enforcement[i] == "waivable" for i in rules):
        ways.append({"option": option, "kind": "waiver", "rules": list(standing.rules)})
    changes = [{"rule": judge.rules[i].id, "any_of": _release(judge, result, i)} for i in rules]
    if changes and all(change["any_of"] for change in changes):
        facts = {name for change in changes for name in change["any_of"]}
        kind = "hire" if all(name.startswith("team.") for name in facts) else "fact"
        ways.append({"option": option, "kind": kind, "rules": list(standing.rules), "changes": changes})
    return ways


def _release(judge: Judge, result: TaskResult, index: int) -> dict[str, list[Any]]:
    """Return, by fact, the other values at which the forbid would not fire."""
    found: dict[str, list[Any]] = {}
    for name in sorted(judge.rules[index].reads):
        fact = judge.policy.vocabulary.facts[name]
        if fact.source != "declared" or result.facts.get(name) is None:
            continue
        values = [
            value
            for value in other_values(fact, result.facts[name])
            if judge.outcome(index, {**result.facts, name: value}) is False
        ]
        if values:
            found[name] = values
    return found


def other_values(fact: Fact, value: Any) -> list[Any]:
    """Return values of `fact` other than `value` that are worth trying."""
    if fact.type == "bool":
        return [not value]
    if fact.values and fact.type == "string":
        return [other for other in fact.values if other != value]
    if fact.type == "int":
        return [value + 1]
    return []
