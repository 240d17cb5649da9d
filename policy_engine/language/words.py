"""Find the strings that an expression compares with what can never be them: nothing else notices such a typo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from policy_engine.language.tree import (
    Choose,
    Compare,
    Const,
    FactRef,
    ListOf,
    Member,
    Node,
    Quantified,
    Variable,
    children,
)

#: Returns the words that a name can be, or that the items of a list can be; None where any string may stand.
WordsOf = Callable[[str], tuple[str, ...] | None]


class Words(NamedTuple):
    """The words that an expression can be, and the name that they are of; None for constants alone."""

    name: str | None
    words: tuple[str, ...]


class Stray(NamedTuple):
    """A constant that is none of the words of the name that it is compared with."""

    constant: Const
    name: str
    words: tuple[str, ...]


def strays(node: Node, words_of: WordsOf) -> Iterator[Stray]:
    """Yield each string under `node` that `==`, `!=` or `in` holds to a name that can never be it."""
    return _below(node, words_of, {})


def _below(node: Node, words_of: WordsOf, bound: Mapping[str, Words | None]) -> Iterator[Stray]:
    pair: tuple[Node, Node] | None = None
    if isinstance(node, Compare) and node.op in ("==", "!="):
        pair = (node.left, node.right)
    elif isinstance(node, Member):
        pair = (node.item, node.items)
    if pair is not None:
        for one, other in (pair, pair[::-1]):
            found = _words(one, words_of, bound)
            if found is not None and found.name is not None:
                outside = (each for each in _constants(other) if each.value not in found.words)
                yield from (Stray(each, found.name, found.words) for each in outside)
    for child in children(node):
        inner = bound
        if isinstance(node, Quantified) and child is node.body:
            inner = {**bound, node.variable: _words(node.over, words_of, bound)}
        yield from _below(child, words_of, inner)


def _words(node: Node, words_of: WordsOf, bound: Mapping[str, Words | None]) -> Words | None:
    """Return the words that the expression, or an item of it, can be; None where that is any string."""
    match node:
        case FactRef():
            words = words_of(node.name)
            return Words(node.name, words) if words is not None else None
        case Variable():
            return bound.get(node.name)
        case Const():
            return Words(None, (node.value,)) if isinstance(node.value, str) else None
        case Choose():
            return _any_of((node.then, node.otherwise), words_of, bound)
        case ListOf():
            return _any_of(node.items, words_of, bound)
    return None


def _any_of(nodes: tuple[Node, ...], words_of: WordsOf, bound: Mapping[str, Words | None]) -> Words | None:
    found = [_words(each, words_of, bound) for each in nodes]
    words = [each for each in found if each is not None]
    if not words or len(words) < len(found):
        return None
    name = next((each.name for each in words if each.name is not None), None)
    return Words(name, tuple(dict.fromkeys(word for each in words for word in each.words)))


def _constants(node: Node) -> Iterator[Const]:
    """Yield the strings that the expression, or an item of it, can be as it is written."""
    match node:
        case Const() if isinstance(node.value, str):
            yield node
        case Choose():
            yield from _constants(node.then)
            yield from _constants(node.otherwise)
        case ListOf():
            for item in node.items:
                yield from _constants(item)
