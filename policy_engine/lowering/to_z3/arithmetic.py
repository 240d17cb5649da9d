"""Arithmetic in Z3: integers exactly, doubles within the error of their rounding."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from policy_engine.language import kleene, tree
from policy_engine.language.tree import RELATIONS, Node
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, either, every, neg, some
from policy_engine.lowering.to_z3.symbols import Facts, Symbols
from policy_engine.lowering.to_z3.values import Number

_WHOLE: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_INT64 = 1 << 63
_GREATEST = 1.7976931348623157e308
#: The relative error of one rounded operation on doubles, and the absolute one beneath the normal numbers.
_ROUNDING, _TINY = Fraction(1, 2**53), Fraction(1, 2**1074)


def whole(node: tree.Arithmetic, operands: list[Number]) -> Number:
    """Integers: exact, and unknown where 64 bits do not hold the result."""
    known = every(each.known for each in operands)
    left, right = operands[0].value, operands[-1].value
    fits: Formula = True
    if node.op in ("/", "%"):
        value = _truncated(left, right)
        if node.op == "%":
            fits, value = holds(value < _INT64), left - right * value
    else:
        value = (
            -left
            if node.op == "neg"
            else {"+": operator.add, "-": operator.sub, "*": operator.mul}[node.op](left, right)
        )
    return Number(both(known, fits, holds(value >= -_INT64), holds(value < _INT64)), value)


def double(place: tree.Arithmetic, operands: list[Number], symbols: Symbols, matches: kleene.Matcher) -> Number:
    """Doubles: somewhere within the error of one rounding, or wild where the result is too large."""
    known = every(each.known for each in operands)
    wild = some(each.wild for each in operands)
    exact = _exact(place.op, [f.as_real(each.value) for each in operands])
    if place.op == "neg":
        return Number(known, exact, wild)
    value, new = symbols.open_number(("double", place), lambda facts: _finite(place, facts, matches), False)
    lost = symbols.predicate(("wild", place), lambda facts: _is_wild(place, facts, matches))
    if new:
        size = f.chosen(holds(exact >= 0), exact, -exact)
        error, most = size * f.fraction(_ROUNDING) + f.fraction(_TINY), f.number(_GREATEST)
        near = both(value - exact <= error, exact - value <= error, value <= most, value >= -most)
        symbols.exact.append(f.implies(both(known, neg(lost)), value == exact))
        symbols.domain += [
            f.implies(both(known, neg(lost)), both(near, neg(wild))),
            f.implies(both(known, lost), either(wild, size >= most)),
        ]
    return Number(known, value, lost)


def related(op: str, left: Any, right: Any) -> Formula:
    if isinstance(left, int | float) and isinstance(right, int | float):
        return bool(RELATIONS[op](left, right))
    if isinstance(left, float) or isinstance(right, float):
        left, right = f.as_real(left), f.as_real(right)
    return RELATIONS[op](left, right)


def holds(formula: Any) -> Formula:
    return bool(formula) if isinstance(formula, bool) else formula


def _truncated(left: Any, right: int) -> Any:
    """Divide towards zero, as CEL does; `right` is a constant that is not zero."""
    if isinstance(left, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    size = f.chosen(left >= 0, left / abs(right), -((-left) / abs(right)))
    return size if right > 0 else -size


def _exact(op: str, values: list[Any]) -> Any:
    left, right = values[0], values[-1]
    match op:
        case "neg":
            return -left
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


def _finite(node: Node, facts: Facts, matches: kleene.Matcher) -> float | None:
    found = kleene.raw_value(node, facts, matches)
    return found if found is not None and math.isfinite(found) else None


def _is_wild(node: Node, facts: Facts, matches: kleene.Matcher) -> bool | None:
    found = kleene.raw_value(node, facts, matches)
    return None if found is None else not math.isfinite(found)
