"""Whether any rules could break a property: one that is true whatever they decide holds them to nothing."""

from __future__ import annotations

from collections.abc import Iterable

import z3

from policy_engine.language.tree import facts_read
from policy_engine.loading.policy import Policy
from policy_engine.loading.properties import Property, outcome_types
from policy_engine.lowering.to_z3 import Lowering, Symbols, Value, constants_of
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import both, neg
from policy_engine.model.vocabulary import Fact
from policy_engine.proofs.encoding import Shared

_OF_RULES = ("rule.", "lifted.")


def unbreakable(stated: Property, policy: Policy, shared: Shared, timeout_s: float) -> bool:
    """Return whether the property is true with any outcomes, and any facts, computed and derived ones too.

    False as well where that is not known within the time.
    """
    nodes = [node for node in (stated.holds, stated.when) if node is not None]
    outcomes = _outcomes(policy, set().union(*map(facts_read, nodes)))
    facts = {**policy.vocabulary.facts, **outcomes}
    symbols = Symbols(facts, constants_of(nodes))

    def free(name: str) -> Value:
        sure = name in outcomes or name in stated.known or facts[name].never_unknown
        return symbols.value(name, True if sure else f.boolean(f"known {name}"))

    lowering = Lowering(free, symbols, shared.matches)
    concerned = lowering.condition(stated.when).possible if stated.when is not None else True
    breaks = both(concerned, neg(lowering.condition(stated.holds).true))
    if isinstance(breaks, bool):
        return not breaks
    solver = z3.Solver()
    solver.set("timeout", max(1, int(timeout_s * 1000)))
    solver.add(breaks, *symbols.domain)
    return bool(solver.check() == z3.unsat)


def _outcomes(policy: Policy, names: Iterable[str]) -> dict[str, Fact]:
    """Return every outcome as a fact, those in `names` of rules that a layer took away among them."""
    rules = [name.partition(".")[2] for name in names if name.startswith(_OF_RULES)]
    return {name: Fact(name, kind, "", values=words) for name, (kind, words) in outcome_types(policy, rules).items()}
