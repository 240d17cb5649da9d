"""The constants that conditions compare each fact with: where a rule can turn."""

from __future__ import annotations

from typing import Any

from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.pieces import Number
from policy_engine.language.tree import (
    Call,
    Compare,
    Const,
    FactRef,
    ListOf,
    Member,
    Node,
    Quantified,
    facts_read,
    walk,
)

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
#: A comparison of a fact with a constant: the fact on the left.
Cut = tuple[str, Number]


class Cuts:
    """What the conditions of one policy compare facts with.

    `numbers` are comparisons of a fact with a constant, `computed` those that take more to solve, and `words` the
    strings that a fact, or a member of it, is compared with; each by the fact's name.
    """

    def __init__(self, index: Index) -> None:
        self.numbers: dict[str, list[Cut]] = {}
        self.computed: dict[str, list[Compare]] = {}
        self.words: dict[str, list[str]] = {}
        self._sets: dict[str, list[frozenset[Any]]] = {}
        self._read: dict[str, int] = {}
        for node in index.nodes():
            if isinstance(node, FactRef):
                self._read[node.name] = self._read.get(node.name, 0) + 1
            self._sort(node)
            if isinstance(node, Compare):
                self._compare(node)
            elif isinstance(node, Member):
                self._member(node)
            if isinstance(node, Compare | Member | Call | Quantified):
                self._strings(node)

    def alike(self, name: str, value: Any) -> tuple[bool, ...] | None:
        """Return what all comparisons of the fact come to at `value`; None where it is read otherwise as well."""
        sets = self._sets.get(name, [])
        if self._read.get(name, 0) != len(sets):
            return None
        return tuple([value in each for each in sets])

    def _sort(self, node: Node) -> None:
        """Note the constants that a fact is compared with for being one of them."""
        if isinstance(node, Compare) and node.op in ("==", "!="):
            found = _against_constant(node)
            if found is not None:
                self._sets.setdefault(found[0], []).append(frozenset((found[2],)))
        elif isinstance(node, Member) and isinstance(node.item, FactRef) and isinstance(node.items, ListOf):
            items = [each.value for each in node.items.items if isinstance(each, Const)]
            if len(items) == len(node.items.items):
                self._sets.setdefault(node.item.name, []).append(frozenset(items))

    def _compare(self, node: Compare) -> None:
        found = _against_constant(node)
        if found is not None:
            name, op, value = found
            if _is_number(value):
                _add(self.numbers, name, (op, value))
        elif node.left.type in ("int", "double") or node.right.type in ("int", "double"):
            for name in sorted(facts_read(node)):
                _add(self.computed, name, node)

    def _member(self, node: Member) -> None:
        if isinstance(node.item, FactRef) and isinstance(node.items, ListOf):
            for each in node.items.items:
                if isinstance(each, Const) and _is_number(each.value):
                    _add(self.numbers, node.item.name, ("==", each.value))

    def _strings(self, node: Node) -> None:
        patterns = {each.operands[1] for each in walk(node) if isinstance(each, Call) and each.function == "matches"}
        words = [
            each.value
            for each in walk(node)
            if isinstance(each, Const) and isinstance(each.value, str) and each not in patterns
        ]
        for name in facts_read(node):
            for word in words:
                _add(self.words, name, word)


def _against_constant(node: Compare) -> tuple[str, str, Any] | None:
    if isinstance(node.left, FactRef) and isinstance(node.right, Const):
        return node.left.name, node.op, node.right.value
    if isinstance(node.right, FactRef) and isinstance(node.left, Const):
        return node.right.name, _MIRRORED.get(node.op, node.op), node.left.value
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _add(found: dict[str, list[Any]], name: str, value: Any) -> None:
    known = found.setdefault(name, [])
    if value not in known:
        known.append(value)
