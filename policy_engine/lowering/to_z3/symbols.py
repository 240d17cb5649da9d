"""The symbols that stand for the values of facts, shared by all that is proved about one policy or two.

Whether a fact is known is not said here: several worlds may know different facts of the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from policy_engine.language import tree
from policy_engine.language.tree import Node
from policy_engine.lowering.to_z3.formulas import (
    Formula,
    Term,
    boolean,
    both,
    count,
    exactly_one,
    implies,
    integer,
    key_of,
    neg,
    number,
    real,
    same,
    some,
)
from policy_engine.lowering.to_z3.values import Atom, Items, Number, Other, Text, Truth, Value
from policy_engine.model.fields import LARGEST_COUNT, MOST_ITEMS
from policy_engine.model.vocabulary import Fact

_MODERATE = 10**12
Facts = Mapping[str, Any]
#: Says what a predicate that is left open comes to on given facts; None where it rests on something unknown.
Evaluator = Callable[[Facts], Any]


def constants_of(conditions: Iterable[Node]) -> dict[str, set[str]]:
    """Return, by fact, the string constants that stand in a condition with it."""
    found: dict[str, set[str]] = {}
    for condition in conditions:
        nodes = list(tree.walk(condition))
        constants = {n.value for n in nodes if isinstance(n, tree.Const) and isinstance(n.value, str)}
        for name in (n.name for n in nodes if isinstance(n, tree.FactRef)):
            found.setdefault(name, set()).update(constants)
    return found


class Symbols:
    """Symbols by the name of the fact, made when they are first asked for; `closed` to what a file can hold.

    `domain` is what holds of all of them: types, ranges, enumerations. What strings are compared with beyond
    equality, and what rounding does, is left to predicates that are free: more is thought possible than is.
    """

    def __init__(self, facts: Mapping[str, Fact], constants: Mapping[str, Iterable[str]], closed: bool = True) -> None:
        self._facts = facts
        self._constants = {name: sorted(each) for name, each in constants.items()}
        self._closed = closed
        self._most_items = MOST_ITEMS if closed else None
        self._values: dict[str, Value] = {}
        self._open: dict[Any, tuple[Formula | Term, Evaluator]] = {}
        self._defined: dict[tuple[Any, ...], Any] = {}
        self.domain: list[Formula] = []
        #: That arithmetic on doubles was not rounded: workloads of which that holds are easier to confirm.
        self.exact: list[Formula] = []
        #: That doubles are none with which arithmetic overflows.
        self.moderate: list[Formula] = []

    def constants(self, name: str) -> list[str]:
        """Return the constants that the fact `name` is told apart from others by."""
        fact = self._facts.get(name)
        return list(fact.values) if fact is not None and fact.values else self._constants.get(name, [])

    def value(self, name: str, known: Formula, variant: str = "") -> Value:
        """Return the value of the fact `name` in a world that knows it where `known` holds.

        A `variant` has a value of its own, for what one policy computes otherwise than another.
        """
        found = self._values.get(name + variant)
        if found is None:
            found = self._values[name + variant] = self._make(name + variant, self._facts[name])
        if isinstance(found, Truth):
            return Truth(both(known, found.true), both(known, found.false))
        return found._replace(known=known)

    def _make(self, name: str, fact: Fact) -> Value:
        if fact.type == "bool":
            symbol = boolean(name)
            return Truth(symbol, neg(symbol))
        if fact.type in ("int", "double"):
            term = integer(name) if fact.type == "int" else real(name)
            low, high = fact.minimum, fact.maximum
            if self._closed and fact.type == "int":  # no file holds an integer beyond
                low = -LARGEST_COUNT if low is None else max(low, -LARGEST_COUNT)
                high = LARGEST_COUNT if high is None else min(high, LARGEST_COUNT)
            for bound, above in ((low, True), (high, False)):
                if bound is not None:
                    limit = number(float(bound) if fact.type == "double" else int(bound))
                    self.domain.append(term >= limit if above else term <= limit)
            if fact.type == "double":
                self.moderate += [term >= -_MODERATE, term <= _MODERATE]
            return Number(True, term)
        if fact.type == "string":
            return self._text(name, fact)
        return self._items(name, fact)

    def _text(self, name: str, fact: Fact) -> Text:
        atoms: list[Atom] = list(self.constants(fact.name))
        if not fact.values:
            atoms.append(Other(name))
        if len(atoms) == 1:
            return Text(True, ((True, atoms[0]),))
        cases = tuple((boolean(f"{name}={_shown(atom)}"), atom) for atom in atoms)
        self.domain.append(exactly_one(guard for guard, _ in cases))
        return Text(True, cases)

    def _items(self, name: str, fact: Fact) -> Items:
        members = {each: boolean(f"{name}:{each}") for each in self.constants(name)}
        other = False if fact.values else boolean(f"{name}:~")
        size = integer(f"{name}#")
        kinds = count([*members.values(), other])
        self.domain += [size >= kinds, implies(neg(some([*members.values(), other])), size == 0)]
        if self._most_items is not None:
            self.domain.append(size <= self._most_items)
        return Items(True, members, other, size, name)

    def named(self, name: str, formula: Formula) -> Formula:
        """Return a symbol for `formula`, the same for the same one: what is alike in two policies stays alike."""
        if isinstance(formula, bool):
            return formula
        return self.once((name, key_of(formula)), lambda new: _defined(self.domain, boolean(new), formula))

    def named_sum(self, name: str, value: Term) -> Term:
        """Return an integer symbol for `value`, the same for the same one."""
        if isinstance(value, int):
            return value
        return self.once((name, key_of(value)), lambda new: _defined(self.domain, integer(new), value))

    def once(self, key: tuple[Any, ...], make: Callable[[str], Any]) -> Any:
        """Return what `make` gives for a name of its own, made once for each `key`, which starts with a name."""
        found = self._defined.get(key)
        if found is None:
            found = self._defined[key] = make(f"{key[0]} #{len(self._defined)}")
        return found

    def predicate(self, key: Any, evaluate: Evaluator) -> Formula:
        """Return the Boolean that stands for what `key` names, which nothing here decides."""
        return self._free(key, evaluate, boolean)

    def open_number(self, key: Any, evaluate: Evaluator, whole: bool) -> tuple[Term, bool]:
        """Return the number that stands for what `key` names, and whether it is asked for the first time."""
        new = key not in self._open
        return self._free(key, evaluate, integer if whole else real), new

    def _free(self, key: Any, evaluate: Evaluator, make: Callable[[str], Any]) -> Any:
        if key not in self._open:
            self._open[key] = (make(f"?{len(self._open)}"), evaluate)
        return self._open[key][0]

    @property
    def made(self) -> Iterable[str]:
        """The names of the facts that have symbols: nothing that was asked hangs on the others."""
        return self._values

    @property
    def open(self) -> Mapping[Any, tuple[Formula | Term, Evaluator]]:
        """What is left free, by key, with what it comes to on given facts."""
        return self._open

    def fixed(self, facts: Facts) -> list[Formula]:
        """Return that every symbol has the value that `facts` give it."""
        found: list[Formula] = []
        for name, value in self._values.items():
            if name in facts:
                found += fixed(value, facts[name])
        for symbol, evaluate in self._open.values():
            result = evaluate(facts)
            if isinstance(result, bool):
                found.append(same(symbol, result))
            elif result is not None:
                found.append(symbol == number(result))
        return found


def fixed(value: Value, given: Any) -> list[Formula]:
    """Return that the symbols of `value` are those of `given`."""
    if isinstance(value, Truth):
        return [value.true if given else value.false]
    if isinstance(value, Number):
        return [value.value == number(given)]
    if isinstance(value, Text):
        constants = [atom for _, atom in value.cases]
        at = given if given in constants else next((a for a in constants if isinstance(a, Other)), None)
        return [same(guard, atom == at) for guard, atom in value.cases]
    known = [same(symbol, name in given) for name, symbol in value.members.items()]
    other = same(value.other, any(each not in value.members for each in given))
    return [*known, other, value.size == len(given)]


def _defined(domain: list[Formula], symbol: Any, formula: Any) -> Any:
    domain.append(symbol == formula)
    return symbol


def _shown(atom: Atom) -> str:
    return atom if isinstance(atom, str) else "~"
