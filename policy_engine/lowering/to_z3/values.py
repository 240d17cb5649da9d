"""What the expressions of conditions become: pairs of formulas, numbers, texts by case, and lists by membership."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from policy_engine.lowering.to_z3.formulas import Formula, Term, both, either, neg


class Truth(NamedTuple):
    """Three values as two formulas: surely true, surely false. Unknown where neither is."""

    true: Formula
    false: Formula

    @property
    def known(self) -> Formula:
        return either(self.true, self.false)

    @property
    def open(self) -> Formula:
        """That it is unknown."""
        return both(neg(self.true), neg(self.false))

    @property
    def possible(self) -> Formula:
        """That it is not surely false."""
        return neg(self.false)


def decided(known: Formula, value: Formula) -> Truth:
    """Return the truth that is `value` where it is known."""
    return Truth(both(known, value), both(known, neg(value)))


class Number(NamedTuple):
    """A number; `wild` where it is an infinity or no number, which arithmetic on doubles can come to."""

    known: Formula
    value: Term
    wild: Formula = False


@dataclass(frozen=True)
class Other:
    """A string that is none of the constants that `fact` is compared with; `element`: one of that list's items."""

    fact: str
    element: bool = False


Atom = str | Other


class Text(NamedTuple):
    """A string by cases, of which exactly one guard is true."""

    known: Formula
    cases: tuple[tuple[Formula, Atom], ...]

    def is_(self, value: str) -> Formula:
        """Return that it is `value`, which has to be one of its constants."""
        return either(*[guard for guard, atom in self.cases if atom == value])


class Items(NamedTuple):
    """A list of strings as a set: which constants it holds, whether it holds another string, and how many items.

    A list that is written down has its items in `written` instead.
    """

    known: Formula
    members: Mapping[str, Formula]
    other: Formula
    size: Term
    fact: str | None = None
    written: tuple[Text, ...] | None = None


Value = Truth | Number | Text | Items
