"""Typed nodes of a checked condition: the one source that every engine is lowered from.

`at` is the node's position in the condition's text, in code points from 0; what CEL marks (an operator, a
call's parenthesis, a dotted name's last dot) is what the errors point at.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

Scalar = bool | int | float | str
CompareOp = Literal["==", "!=", "<", "<=", ">", ">="]
#: What each comparison asks of two values, or of whatever an engine has in their place.
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Tagged(Struct, frozen=True, tag=True, tag_field="node", array_like=True):
    """In JSON a node is its kind, then its fields: what the cache of parsed rules keeps."""


class Const(_Tagged, frozen=True):
    value: Scalar
    type: str
    at: int = 0


class FactRef(_Tagged, frozen=True):
    """A fact, or a parameter before parameters are put in."""

    name: str
    type: str
    at: int = 0


class Variable(_Tagged, frozen=True):
    """The loop variable of `exists` or `all`."""

    name: str
    type: str
    at: int = 0


class Not(_Tagged, frozen=True):
    operand: Node
    at: int = 0
    type: str = "bool"


class And(_Tagged, frozen=True):
    operands: tuple[Node, ...]
    at: int = 0
    type: str = "bool"


class Or(_Tagged, frozen=True):
    operands: tuple[Node, ...]
    at: int = 0
    type: str = "bool"


class Compare(_Tagged, frozen=True):
    op: CompareOp
    left: Node
    right: Node
    at: int = 0
    type: str = "bool"


class Member(_Tagged, frozen=True):
    """`item in items`; `items` is a list literal or a list fact."""

    item: Node
    items: Node
    at: int = 0
    type: str = "bool"


class ListOf(_Tagged, frozen=True):
    items: tuple[Node, ...]
    type: str
    at: int = 0


class Choose(_Tagged, frozen=True):
    """`condition ? then : otherwise`; the branch that is not taken is never read."""

    condition: Node
    then: Node
    otherwise: Node
    type: str
    at: int = 0


class Arithmetic(_Tagged, frozen=True):
    """`+ - * / %` on two numbers of one type, or `neg` on one."""

    op: str
    operands: tuple[Node, ...]
    type: str
    at: int = 0


class Call(_Tagged, frozen=True):
    """`size`, `startsWith`, `endsWith`, `contains` or `matches`; a method's target comes first."""

    function: str
    operands: tuple[Node, ...]
    type: str
    at: int = 0


class Quantified(_Tagged, frozen=True):
    """`over.exists(variable, body)` or `over.all(variable, body)` over a list of strings."""

    kind: Literal["exists", "all"]
    variable: str
    over: Node
    body: Node
    at: int = 0
    type: str = "bool"


Node = Const | FactRef | Variable | Not | And | Or | Compare | Member | ListOf | Choose | Arithmetic | Call | Quantified

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Const,
        FactRef,
        Variable,
        Not,
        And,
        Or,
        Compare,
        Member,
        ListOf,
        Choose,
        Arithmetic,
        Call,
        Quantified,
    )
}
_FIELDS = {name: kind.__struct_fields__ for name, kind in _KINDS.items()}


def children(node: Node) -> Iterator[Node]:
    """Yield the direct children of `node`, in the order of the text."""
    for name in _FIELDS[type(node).__name__]:
        value = getattr(node, name)
        if type(value).__name__ in _KINDS:
            yield value
        elif isinstance(value, tuple):
            yield from value


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def facts_read(node: Node) -> frozenset[str]:
    """Return the names of all facts that `node` mentions."""
    return frozenset(n.name for n in walk(node) if isinstance(n, FactRef))


def replace_facts(node: Node, values: dict[str, Const]) -> Node:
    """Return `node` with each fact in `values` replaced by its constant, keeping positions."""

    def constant(fact: FactRef) -> Node:
        found = values.get(fact.name)
        return fact if found is None else Const(found.value, found.type, fact.at)

    return _with_facts(node, constant)


def rename_facts(node: Node, names: Mapping[str, str]) -> Node:
    """Return `node` with other names for the facts in `names`, keeping positions."""
    return _with_facts(node, lambda fact: FactRef(names.get(fact.name, fact.name), fact.type, fact.at))


def _with_facts(node: Node, become: Callable[[FactRef], Node]) -> Node:
    if isinstance(node, FactRef):
        return become(node)
    changed: dict[str, Any] = {}
    for name in _FIELDS[type(node).__name__]:
        value = getattr(node, name)
        if type(value).__name__ in _KINDS:
            changed[name] = _with_facts(value, become)
        elif isinstance(value, tuple):
            changed[name] = tuple(_with_facts(v, become) for v in value)
        else:
            changed[name] = value
    return type(node)(**changed)


def replace_variables(node: Node, values: dict[str, Const]) -> Node:
    """Return `node` with each loop variable in `values` replaced by its constant, where it is free."""
    if not values:
        return node
    if isinstance(node, Variable):
        return values.get(node.name, node)
    inner = values
    if isinstance(node, Quantified) and node.variable in values:
        inner = {name: value for name, value in values.items() if name != node.variable}
    changed: dict[str, Any] = {}
    for name in _FIELDS[type(node).__name__]:
        value = getattr(node, name)
        within = inner if name == "body" else values
        if type(value).__name__ in _KINDS:
            changed[name] = replace_variables(value, within)
        elif isinstance(value, tuple):
            changed[name] = tuple(replace_variables(v, within) for v in value)
        else:
            changed[name] = value
    return type(node)(**changed)
