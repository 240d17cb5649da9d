"""Order derivations in layers: a rule is asked only when every fact it reads has been derived."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from policy_engine.errors import Problem
from policy_engine.model.rule import Rule


def stratify(rules: Sequence[Rule], problems: list[Problem]) -> list[Rule]:
    """Return the rules with their stratum: 0 derives from given facts alone, and so on upwards.

    Rules without a derivation stand in the last stratum. A cycle is a problem.
    """
    deriving = [rule for rule in rules if rule.derive]
    makers: dict[str, list[Rule]] = {}
    for rule in deriving:
        for derivation in rule.derive:
            makers.setdefault(derivation.fact, []).append(rule)
    strata: dict[str, int] = {}
    path: list[str] = []

    def stratum(rule: Rule) -> int:
        if rule.id in strata:
            return strata[rule.id]
        if rule.id in path:
            cycle = " -> ".join([*path[path.index(rule.id) :], rule.id])
            problems.append(Problem("derivation-cycle", f"the derivations form a cycle: {cycle}", rule.span))
            return 0
        path.append(rule.id)
        below = [stratum(maker) for fact in sorted(rule.reads) for maker in makers.get(fact, ())]
        path.pop()
        strata[rule.id] = max(below, default=-1) + 1
        return strata[rule.id]

    for rule in deriving:
        before = len(problems)
        stratum(rule)
        if len(problems) > before:
            return list(rules)
    last = max(strata.values(), default=-1) + 1
    return [replace(rule, stratum=strata.get(rule.id, last)) for rule in rules]
