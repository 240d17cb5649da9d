"""What conditions compare each of their facts with: the constants at which anything can change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

from msgspec import Struct, field

from policy_engine.language import kleene, tree
from policy_engine.language.tree import Const, FactRef, Node, Variable


class Use(Struct):
    """Of one fact: the constants and the sizes that it, or its items, are compared with.

    `exact`: that is all that is asked of it. `whole`: something else is asked as well, so that a fact with few values
    takes part with each of them.
    """

    constants: set[Any] = field(default_factory=set)
    sizes: set[int] = field(default_factory=set)
    whole: bool = False

    @property
    def exact(self) -> bool:
        return not self.whole


def uses_of(nodes: Iterable[Node]) -> dict[str, Use]:
    """Return how `nodes` use each fact that they read; parameters have to be put in before."""
    reader = _Reader()
    for node in nodes:
        reader.read(node, {})
    return reader.uses


def folded(node: Node) -> Node:
    """Return `node` with the arithmetic of constants done."""
    from policy_engine.language.paths import places, put

    for path, each in sorted(places(node), key=lambda found: -len(found[0])):
        if isinstance(each, tree.Arithmetic):
            value, _ = kleene.value(each, {}) if not tree.facts_read(each) and _closed(each) else (None, None)
            if value is not None:
                node = put(node, path, Const(value, each.type, each.at))
    return node


def _closed(node: Node) -> bool:
    return not any(isinstance(each, Variable) for each in tree.walk(node))


class _Reader:
    def __init__(self) -> None:
        self.uses: dict[str, Use] = {}

    def use(self, node: Node, bound: Mapping[str, str]) -> Use | None:
        """Return the use of the fact that `node` is, or an item of; None where it is neither."""
        if isinstance(node, FactRef):
            return self.uses.setdefault(node.name, Use())
        if isinstance(node, Variable) and node.name in bound:
            return self.uses.setdefault(bound[node.name], Use())
        return None

    def read(self, node: Node, bound: Mapping[str, str]) -> None:
        if isinstance(node, tree.Compare):
            self._compare(node, bound)
        elif isinstance(node, tree.Member):
            self._member(node, bound)
        elif isinstance(node, tree.Quantified) and isinstance(node.over, FactRef):
            self.use(node.over, bound)
            self.read(node.body, {**bound, node.variable: node.over.name})
        elif isinstance(node, tree.Not | tree.And | tree.Or) or (isinstance(node, tree.Choose) and node.type == "bool"):
            for child in tree.children(node):
                self.read(child, bound)
        elif isinstance(node, FactRef) and node.type == "bool":
            self.use(node, bound)
        elif not isinstance(node, Const):
            self._anything(node, bound)

    def _compare(self, node: tree.Compare, bound: Mapping[str, str]) -> None:
        sides = (node.left, node.right)
        constant = next((each for each in sides if isinstance(each, Const)), None)
        other = node.right if constant is node.left else node.left
        if constant is None:
            self._anything(node, bound)
        elif isinstance(other, tree.Call) and other.function == "size" and isinstance(other.operands[0], FactRef):
            found = self.use(other.operands[0], bound)
            if found is not None and isinstance(constant.value, int):
                found.sizes.add(constant.value)
        elif (found := self.use(other, bound)) is not None:
            found.constants.add(constant.value)
            found.whole |= isinstance(constant.value, str) and node.op not in ("==", "!=")
        else:
            self._anything(node, bound)

    def _member(self, node: tree.Member, bound: Mapping[str, str]) -> None:
        item, items = node.item, node.items
        if isinstance(items, tree.ListOf) and all(isinstance(each, Const) for each in items.items):
            found = self.use(item, bound)
            if found is not None:
                found.constants |= {each.value for each in items.items if isinstance(each, Const)}
                return
        elif isinstance(item, Const) and isinstance(items, FactRef):
            self.uses.setdefault(items.name, Use()).constants.add(item.value)
            return
        self._anything(node, bound)

    def _anything(self, node: Node, bound: Mapping[str, str]) -> None:
        """Take the constants of an expression for those of all facts in it: near them something may change."""
        below = list(tree.walk(node))
        inner = {**bound, **{q.variable: q.over.name for q in below if _ranges(q)}}  # type: ignore[union-attr]
        constants = [each for each in below if isinstance(each, Const)]
        if any(isinstance(each, tree.Arithmetic) for each in below):
            constants += _solved(constants)
        for each in below:
            found = self.use(each, inner)
            if found is not None:
                found.whole = True
                same = _ITEM.get(each.type, each.type)
                found.constants |= {constant.value for constant in constants if constant.type == same}
                found.sizes |= {c.value for c in constants if c.type == "int" and each.type in _SIZED}  # type: ignore[misc]


#: Of the numbers in an expression of which each two are put together.
_MOST_SOLVED = 5


def _solved(constants: Iterable[Const]) -> list[Const]:
    """Return where sums and products with one constant meet another: the sum, difference and quotient of two."""
    numbers = [each for each in constants if each.type in ("int", "double")][:_MOST_SOLVED]
    found = []
    for one, other in permutations(numbers, 2):
        if one.type == other.type:
            a: Any = one.value
            b: Any = other.value
            values = [a - b, a + b]
            if b:
                values.append(a // b if one.type == "int" else a / b)
            found += [Const(each, one.type) for each in values if kleene.kept(each) is not None]
    return found


_ITEM = {"list<string>": "string"}
_SIZED = ("string", "list<string>")


def _ranges(node: Node) -> bool:
    return isinstance(node, tree.Quantified) and isinstance(node.over, FactRef)
