"""Z3 as one engine among the others: the outcome of a condition on given facts, by its formulas alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import z3

from policy_engine.language.kleene import Matcher
from policy_engine.language.tree import Node, facts_read
from policy_engine.lowering.to_z3.formulas import Formula, both, either, neg
from policy_engine.lowering.to_z3.lower import Lowering
from policy_engine.lowering.to_z3.symbols import Symbols, constants_of
from policy_engine.lowering.to_z3.values import Value
from policy_engine.model.vocabulary import Fact


class UndeterminedError(Exception):
    """The formulas leave open what the facts decide: an error of the lowering."""


def outcome(node: Node, facts: Mapping[str, Any], types: Mapping[str, Any], matches: Matcher) -> bool | None:
    """Return what the formulas of `node` say where every symbol is fixed to `facts`; absent is unknown.

    Raises:
        NotLoweredError: Z3 cannot say the condition.
        UndeterminedError: the facts do not decide it.
    """
    read = {name: Fact(name, types[name], "") for name in facts_read(node)}
    symbols = Symbols(read, constants_of([node]), closed=False)

    def fact(name: str) -> Value:
        return symbols.value(name, name in facts)

    truth = Lowering(fact, symbols, matches).condition(node)
    solver = z3.Solver()
    solver.add(*symbols.domain, *symbols.fixed(facts))
    if solver.check() != z3.sat:
        raise UndeterminedError(f"no model has the facts {dict(facts)}")
    model = solver.model()
    found = [_holds(model, each) for each in truth]
    solver.add(either(*[neg(each) if value else each for each, value in zip(truth, found, strict=True)]))
    if solver.check() != z3.unsat or both(*found):
        raise UndeterminedError(f"the facts {dict(facts)} leave it open")
    return True if found[0] else (False if found[1] else None)


def _holds(model: Any, formula: Formula) -> bool:
    return formula if isinstance(formula, bool) else z3.is_true(model.eval(formula, model_completion=True))
