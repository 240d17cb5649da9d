"""The parts of an expression that cases have to exercise, and which of them a case does.

| part | exercised by a case |
|---|---|
| atom | in which it is true (false), and with the opposite the whole would come out otherwise |
| member of an `in` list | in which it is the item, and the membership is exercised as true |
| arm of `? :` | in which it is taken, and the whole would come out otherwise with the other arm |
| `exists`, `all` | over an empty list, and over one with items, each where its opposite would change the whole |

An atom is whatever has a truth and is no `&&`, `||`, `!`, `? :`, `exists` or `all`; what is said of atoms holds for the
operands of these, too. Within `exists` and `all` each item has atoms of its own. This is masking MC/DC, in which an
unknown that the opposite would leave counts as another outcome. A case whose outcome is unknown exercises no part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from policy_engine.language import kleene, tree
from policy_engine.language.kleene import Matcher
from policy_engine.language.paths import Path, places, put, start
from policy_engine.language.text import to_text
from policy_engine.language.tree import Const, Node

Side = Literal["true", "false", "member", "then", "otherwise", "empty", "items"]
_JUNCTIONS = tree.Not | tree.And | tree.Or | tree.Choose | tree.Quantified


class Part(Struct, frozen=True):
    """A part at `path`, and its side; `index` is a member's place in its list, `at` its place in the text."""

    path: Path
    side: Side
    at: int
    says: str
    index: int = 0

    @property
    def key(self) -> tuple[Path, str, int]:
        return self.path, self.side, self.index


def parts_of(node: Node) -> Iterator[Part]:
    """Yield the parts of an expression; what its outcomes show already, of a single atom, is none of its own."""
    for path, each in places(node):
        if _is_atom(each) and any(step != "operand" for step in path):
            said = to_text(each)
            yield Part(path, "true", start(each), f"`{said}` is never true where that decides")
            yield Part(path, "false", start(each), f"`{said}` is never false where that decides")
        if isinstance(each, tree.Member) and isinstance(each.items, tree.ListOf):
            for index, item in enumerate(each.items.items):
                said = f"no case has `{to_text(each.item)}` at `{to_text(item)}` where that decides"
                yield Part(path, "member", start(item), said, index)
        elif isinstance(each, tree.Choose):
            for side, arm in (("then", each.then), ("otherwise", each.otherwise)):
                yield Part(path, side, start(arm), f"the arm `{to_text(arm)}` is never taken where that decides")  # type: ignore[arg-type]
        elif isinstance(each, tree.Quantified) and not isinstance(each.over, tree.ListOf):
            over = to_text(each.over)
            yield Part(path, "empty", start(each), f"`{over}` is never empty where that decides")
            yield Part(path, "items", start(each), f"`{over}` never has items where that decides")


def _is_atom(node: Node) -> bool:
    """Whether `node` has a truth of its own that facts can change."""
    return node.type == "bool" and not isinstance(node, _JUNCTIONS | Const)


def exercised(node: Node, facts: Mapping[str, Any], matches: Matcher) -> set[tuple[Path, str, int]]:
    """Return the keys of the parts of `node` that `facts` exercise."""
    laid = _Laid(facts, matches)
    root = laid.out(node, {}, ())
    whole = kleene.value(root, facts, matches)[0]
    return set(_found(root, whole, laid, facts, matches)) if whole is not None else set()


class _Laid:
    """An expression with its loops laid out item by item; `sources` has the path of what each node came from."""

    def __init__(self, facts: Mapping[str, Any], matches: Matcher) -> None:
        self.facts, self.matches = facts, matches
        self.sources: dict[Path, tuple[Path, Node]] = {}

    def out(self, node: Node, items: Mapping[str, str], source: Path, path: Path = ()) -> Node:
        """Return `node`, which stands at `source`, as it stands at `path` with its loops laid out."""
        self.sources[path] = source, node
        if isinstance(node, tree.Variable):
            return Const(items[node.name], "string", node.at)
        if isinstance(node, tree.Quantified):
            over = _bound(node.over, items)
            found = kleene.value(over, self.facts, self.matches)[0]
            if found is not None:
                kind = tree.Or if node.kind == "exists" else tree.And
                below = (*source, "body")
                each = [
                    self.out(node.body, {**items, node.variable: item}, below, (*path, "operands", index))
                    for index, item in enumerate(found)
                ]
                return kind(tuple(each), node.at)
            return _bound(node, items)
        laid: Node = node
        for step, child in places(node):
            if step and len(step) <= 2 and not (len(step) == 2 and isinstance(step[1], str)):
                laid = put(laid, step, self.out(child, items, (*source, *step), (*path, *step)))
        return laid


def _bound(node: Node, items: Mapping[str, str]) -> Node:
    for path, each in list(places(node)):
        if isinstance(each, tree.Variable) and each.name in items:
            node = put(node, path, Const(items[each.name], "string", each.at))
    return node


def _found(
    root: Node, whole: Any, laid: _Laid, facts: Mapping[str, Any], matches: Matcher
) -> Iterator[tuple[Path, str, int]]:
    def value(node: Node) -> Any:
        return kleene.value(node, facts, matches)[0]

    nodes = dict(places(root))
    for path, (source, original) in laid.sources.items():
        node = nodes.get(path)
        if node is None or not (original.type == "bool" or isinstance(original, tree.Choose)):
            continue
        if isinstance(original, tree.Choose) and isinstance(node, tree.Choose):
            chosen = value(node.condition)
            if chosen is not None and value(put(root, path, node.otherwise if chosen else node.then)) != whole:
                yield source, "then" if chosen else "otherwise", 0
        held = value(node) if original.type == "bool" else None
        if held is None or value(put(root, path, Const(not held, "bool"))) == whole:
            continue
        if _is_atom(original):
            yield source, "true" if held else "false", 0
        if isinstance(original, tree.Quantified):
            yield source, "items" if node.operands else "empty", 0  # type: ignore[union-attr]
        if held and isinstance(node, tree.Member) and isinstance(node.items, tree.ListOf):
            item = value(node.item)
            yield from ((source, "member", i) for i, each in enumerate(node.items.items) if value(each) == item)
