"""Which fact each constant of an expression is a value of: the words that could stand in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from policy_engine.language import tree
from policy_engine.language.paths import Path
from policy_engine.language.tree import Const, FactRef, Node, Variable


def domains_of(node: Node, derived: str | None) -> dict[Path, str]:
    """Return the fact by the path of each constant that is compared with one, or that `derived` may become."""
    found = dict(_compared(node, {}, ()))
    if derived is not None:
        found |= dict.fromkeys(_results(node, ()), derived)
    return found


def other_word(word: str, words: Sequence[str] | None) -> str:
    """Return the value after `word` among `words`; where they are not known, a word that nobody means."""
    known = list(words or ())
    at = known.index(word) + 1 if word in known else 0
    others = [each for each in known[at:] + known[:at] if each != word]
    return others[0] if others else ("other" if word != "other" else "another")


def _compared(node: Node, bound: Mapping[str, str], path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(node, tree.Compare):
        sides: tuple[tuple[str, Node], ...] = (("left", node.left), ("right", node.right))
    elif isinstance(node, tree.Member):
        sides = (("item", node.item), ("items", node.items))
    else:
        sides = ()
    for (_, one), (name, other) in (sides, sides[::-1]) if sides else ():
        fact = _fact(one, bound)
        if fact is not None:
            yield from ((each, fact) for each in _constants(other, (*path, name)))
    if isinstance(node, tree.Quantified) and isinstance(node.over, FactRef):
        bound = {**bound, node.variable: node.over.name}
    for name in node.__struct_fields__:
        value = getattr(node, name)
        below = value if isinstance(value, tuple) else (value,)
        for index, each in enumerate(below):
            if hasattr(each, "__struct_fields__"):
                step = (name, index) if isinstance(value, tuple) else (name,)
                yield from _compared(each, bound, (*path, *step))


def _fact(node: Node, bound: Mapping[str, str]) -> str | None:
    if isinstance(node, FactRef):
        return node.name
    return bound.get(node.name) if isinstance(node, Variable) else None


def _constants(node: Node, path: Path) -> Iterator[Path]:
    if isinstance(node, Const):
        yield path
    elif isinstance(node, tree.ListOf):
        for index, item in enumerate(node.items):
            yield from _constants(item, (*path, "items", index))


def _results(node: Node, path: Path) -> Iterator[Path]:
    """Yield the paths of what an expression may give."""
    if isinstance(node, tree.Choose):
        yield from _results(node.then, (*path, "then"))
        yield from _results(node.otherwise, (*path, "otherwise"))
    else:
        yield from _constants(node, path)
