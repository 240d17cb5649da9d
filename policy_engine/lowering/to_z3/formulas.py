"""Formulas of Z3 with what is decided already folded away: a formula is a Python bool or a term of Z3."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import z3

#: A bool where it is decided, else a Boolean term of Z3.
Formula = Any
#: A number of Python where it is known, else an arithmetic term of Z3.
Term = Any


def boolean(name: str) -> Formula:
    """Return the Boolean symbol `name`."""
    return z3.Bool(name)


def integer(name: str) -> Term:
    """Return the integer symbol `name`."""
    return z3.Int(name)


def real(name: str) -> Term:
    """Return the real symbol `name`."""
    return z3.Real(name)


def number(value: float) -> Term:
    """Return a constant of Z3: a double becomes the exact fraction that it is."""
    if isinstance(value, int):
        return z3.IntVal(value)
    return fraction(Fraction(value))


def fraction(value: Fraction) -> Term:
    """Return a real constant of Z3."""
    return z3.RealVal(f"{value.numerator}/{value.denominator}")


def as_real(value: Term) -> Term:
    """Return `value` as a real term."""
    if isinstance(value, int | float):
        return number(float(value)) if isinstance(value, float) else z3.RealVal(value)
    return z3.ToReal(value) if z3.is_int(value) else value


def key_of(formula: Formula | Term) -> Any:
    """Return what is equal for one and the same term alone, and keeps it."""
    return formula if isinstance(formula, bool | int | float) else Same(formula)


class Same:
    """A term by its identity: Z3's own `==` makes an equation."""

    def __init__(self, term: Any) -> None:
        self._term, self._id = term, term.get_id()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self._id == other._id

    def __hash__(self) -> int:
        return hash(self._id)


def neg(formula: Formula) -> Formula:
    """Return `not formula`."""
    return not formula if isinstance(formula, bool) else z3.Not(formula)


def every(formulas: Iterable[Formula]) -> Formula:
    """Return the conjunction of `formulas`."""
    kept = []
    for each in formulas:
        if each is False:
            return False
        if each is not True:
            kept.append(each)
    return True if not kept else kept[0] if len(kept) == 1 else z3.And(kept)


def some(formulas: Iterable[Formula]) -> Formula:
    """Return the disjunction of `formulas`."""
    kept = []
    for each in formulas:
        if each is True:
            return True
        if each is not False:
            kept.append(each)
    return False if not kept else kept[0] if len(kept) == 1 else z3.Or(kept)


def both(*formulas: Formula) -> Formula:
    """Return the conjunction of its arguments."""
    return every(formulas)


def either(*formulas: Formula) -> Formula:
    """Return the disjunction of its arguments."""
    return some(formulas)


def implies(condition: Formula, formula: Formula) -> Formula:
    """Return `condition -> formula`."""
    return either(neg(condition), formula)


def same(one: Formula, other: Formula) -> Formula:
    """Return that both are true, or both are false."""
    if isinstance(one, bool):
        return other if one else neg(other)
    if isinstance(other, bool):
        return one if other else neg(one)
    return True if one.eq(other) else one == other


def differ(one: Formula, other: Formula) -> Formula:
    """Return that one is true and the other is not."""
    return neg(same(one, other))


def chosen(condition: Formula, then: Term, otherwise: Term) -> Term:
    """Return `then` where the condition is true, else `otherwise`, both numbers."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    return z3.If(condition, number_term(then), number_term(otherwise))


def count(formulas: Iterable[Formula]) -> Term:
    """Return how many of `formulas` are true."""
    total, terms = 0, []
    for each in formulas:
        if each is True:
            total += 1
        elif each is not False:
            terms.append(z3.If(each, 1, 0))
    return z3.Sum([total, *terms]) if terms else total


def total(terms: Iterable[Term]) -> Term:
    """Return the sum of `terms`."""
    found = list(terms)
    return z3.Sum(found) if any(not isinstance(each, int) for each in found) else sum(found)


def exactly_one(formulas: Iterable[Formula]) -> Formula:
    """Return that one of `formulas` is true, and no other."""
    found = list(formulas)
    if len(found) == 1:
        return found[0]
    return z3.And(z3.Or(found), z3.AtMost(*found, 1))


def number_term(value: Term) -> Term:
    """Return `value` as a term, whatever it is."""
    return number(value) if isinstance(value, int | float) else value
