"""Typed nodes of a checked condition: the one source that every engine is lowered from.

`at` is the node's position in the condition's text, in code points from 0; what CEL marks (an operator, a
call's parenthesis, a dotted name's last dot) is what the errors point at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

Scalar = bool | int | float | str
CompareOp = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Const:
    value: Scalar
    type: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class FactRef:
    """A fact, or a parameter before parameters are put in."""

    name: str
    type: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Variable:
    """The loop variable of `exists` or `all`."""

    name: str
    type: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node
    at: int = 0
    type: str = "bool"


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Node, ...]
    at: int = 0
    type: str = "bool"


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Node, ...]
    at: int = 0
    type: str = "bool"


@dataclass(frozen=True, slots=True)
class Compare:
    op: CompareOp
    left: Node
    right: Node
    at: int = 0
    type: str = "bool"


@dataclass(frozen=True, slots=True)
class Member:
    """`item in items`; `items` is a list literal or a list fact."""

    item: Node
    items: Node
    at: int = 0
    type: str = "bool"


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Node, ...]
    type: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Choose:
    """`condition ? then : otherwise`; the branch that is not taken is never read."""

    condition: Node
    then: Node
    otherwise: Node
    type: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+ - * / %` on two numbers of one type, or `neg` on one."""

    op: str
    operands: tuple[Node, ...]
    type: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """`size`, `startsWith`, `endsWith`, `contains` or `matches`; a method's target comes first."""

    function: str
    operands: tuple[Node, ...]
    type: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Quantified:
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
_FIELDS = {name: tuple(f.name for f in fields(kind)) for name, kind in _KINDS.items()}


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
    if isinstance(node, FactRef):
        constant = values.get(node.name)
        return node if constant is None else Const(constant.value, constant.type, node.at)
    changed: dict[str, Any] = {}
    for name in _FIELDS[type(node).__name__]:
        value = getattr(node, name)
        if type(value).__name__ in _KINDS:
            changed[name] = replace_facts(value, values)
        elif isinstance(value, tuple):
            changed[name] = tuple(replace_facts(v, values) for v in value)
        else:
            changed[name] = value
    return type(node)(**changed)


def to_data(node: Node) -> list[Any]:
    """Return `node` as nested lists that JSON keeps exactly (for the cache of parsed rules)."""
    out: list[Any] = [type(node).__name__]
    for name in _FIELDS[type(node).__name__]:
        value = getattr(node, name)
        if type(value).__name__ in _KINDS:
            out.append(to_data(value))
        elif isinstance(value, tuple):
            out.append([to_data(v) for v in value])
        else:
            out.append(value)
    return out


def from_data(data: list[Any]) -> Node:
    """Read what `to_data` wrote."""
    kind = data[0]
    values: list[Any] = []
    for value in data[1:]:
        if isinstance(value, list):
            nested = bool(value) and isinstance(value[0], str)
            values.append(from_data(value) if nested else tuple(from_data(v) for v in value))
        else:
            values.append(value)
    node: Node = _KINDS[kind](*values)
    return node
