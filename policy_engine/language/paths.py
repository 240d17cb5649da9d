"""Nodes of a tree by their path from its root, for changing one place of a condition and no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from policy_engine.language.tree import Call, FactRef, Node, walk

#: Fields, and places within a field that holds several nodes: `("operands", 1, "left")`.
Path = tuple[str | int, ...]


def places(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Yield every node below and including `node` with its path, parents first, in the order of the text."""
    yield path, node
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, msgspec.Struct):
            yield from places(value, (*path, name))  # type: ignore[arg-type]
        elif isinstance(value, tuple):
            for index, each in enumerate(value):
                yield from places(each, (*path, name, index))


def put(node: Node, path: Path, other: Node) -> Node:
    """Return `node` with `other` at `path`."""
    if not path:
        return other
    name, rest = str(path[0]), path[1:]
    value: Any = getattr(node, name)
    if isinstance(value, tuple):
        index = int(rest[0])
        changed: Any = (*value[:index], put(value[index], rest[1:], other), *value[index + 1 :])
    else:
        changed = put(value, rest, other)
    return msgspec.structs.replace(node, **{name: changed})


def start(node: Node) -> int:
    """Return where the text of `node` begins, in code points from 0; `node.at` is where its operator stands."""
    return min(_start(each) for each in walk(node))


def _start(node: Node) -> int:
    # CEL marks a dotted name at its last dot, and a function at its parenthesis
    if isinstance(node, FactRef):
        return node.at - max(node.name.rfind("."), 0)
    return node.at - len("size") if isinstance(node, Call) and node.function == "size" else node.at
