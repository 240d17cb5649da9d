"""Conditions as closures: the three values of `language.kleene`, without the names of what is missing.

A condition is asked hundreds of times with one fact changed. What is no comparison, membership or junction of plain
facts, their sizes and constants is left to `kleene` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from policy_engine.language import kleene
from policy_engine.language.tree import RELATIONS, And, Call, Compare, Const, FactRef, ListOf, Member, Node, Not, Or

Get = Callable[[str], Any]
Asked = Callable[[Get], bool | None]


class _Facts(Mapping[str, Any]):
    """Facts behind a function, as `kleene` reads them."""

    __slots__ = ("_get",)

    def __init__(self, get: Get) -> None:
        self._get = get

    def get(self, name: str, default: Any = None) -> Any:
        found = self._get(name)
        return default if found is None else found

    def __getitem__(self, name: str) -> Any:
        found = self._get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Any:
        raise TypeError("facts that are looked up one by one have no list of names")

    def __len__(self) -> int:
        raise TypeError("facts that are looked up one by one have no number")


def compiled(node: Node, matches: kleene.Matcher) -> Asked:
    """Return a function that says whether the condition `node` is true, false or unknown."""
    if isinstance(node, And | Or):
        return _junction([compiled(each, matches) for each in node.operands], isinstance(node, Or))
    if isinstance(node, Not):
        return _negated(compiled(node.operand, matches))
    if isinstance(node, FactRef):
        return _fact(node.name)
    if isinstance(node, Compare) and _plain(node.left) and _plain(node.right):
        return _comparison(RELATIONS[node.op], _value(node.left), _value(node.right))
    if isinstance(node, Member) and _plain(node.item) and (_plain(node.items) or _constants(node.items)):
        return _member(_value(node.item), _value(node.items))
    return lambda get: kleene.truth(node, _Facts(get), matches)[0]


def _plain(node: Node) -> bool:
    return isinstance(node, Const | FactRef) or _is_size(node)


def _is_size(node: Node) -> TypeGuard[Call]:
    return isinstance(node, Call) and node.function == "size" and isinstance(node.operands[0], FactRef)


def _constants(node: Node) -> bool:
    return isinstance(node, ListOf) and all(isinstance(each, Const) for each in node.items)


def _value(node: Node) -> Callable[[Get], Any]:
    """Return how the value of a plain node is had: by a name, or as it is."""
    if isinstance(node, FactRef):
        return _fact(node.name)
    if _is_size(node):
        return _size(_value(node.operands[0]))
    value = [each.value for each in node.items if isinstance(each, Const)] if isinstance(node, ListOf) else None
    constant = node.value if isinstance(node, Const) else value
    return lambda _: constant


def _fact(name: str) -> Callable[[Get], Any]:
    return lambda get: get(name)


def _size(of: Callable[[Get], Any]) -> Callable[[Get], Any]:
    def size(get: Get) -> int | None:
        found = of(get)
        return None if found is None else len(found)

    return size


def _junction(operands: list[Asked], decides: bool) -> Asked:
    def asked(get: Get) -> bool | None:
        unknown = False
        for operand in operands:
            found = operand(get)
            if found is decides:
                return decides
            if found is None:
                unknown = True
        return None if unknown else not decides

    return asked


def _negated(operand: Asked) -> Asked:
    def asked(get: Get) -> bool | None:
        found = operand(get)
        return None if found is None else not found

    return asked


def _comparison(relation: Callable[[Any, Any], bool], left: Callable[[Get], Any], right: Callable[[Get], Any]) -> Asked:
    def asked(get: Get) -> bool | None:
        one = left(get)
        if one is None:
            return None
        other = right(get)
        return None if other is None else relation(one, other)

    return asked


def _member(item: Callable[[Get], Any], items: Callable[[Get], Any]) -> Asked:
    def asked(get: Get) -> bool | None:
        one, several = item(get), items(get)
        return None if one is None or several is None else one in several

    return asked
