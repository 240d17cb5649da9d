"""What conditions come to on constants, and the loop variables of their quantifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from policy_engine.language import kleene, tree
from policy_engine.language.tree import RELATIONS, Node
from policy_engine.lowering.to_z3.formulas import Formula
from policy_engine.lowering.to_z3.symbols import Facts
from policy_engine.lowering.to_z3.values import Atom, Items, Text

#: The items that a list may have in a workload; more than `kleene.MOST_STEPS` of them together make an unknown.
_LONGEST = 256
Bound = Mapping[str, Text]


class OpaqueError(Exception):
    """What is asked of an item that is not named cannot be told from the list it stands in."""


def applied(op: str, left: Any, right: Any, matches: kleene.Matcher) -> bool:
    match op:
        case "startsWith":
            return bool(left.startswith(right))
        case "endsWith":
            return bool(left.endswith(right))
        case "contains":
            return right in left
        case "matches":
            return matches(right, left)
    return bool(RELATIONS[op](left, right))


def elements(items: Items) -> list[tuple[Formula, Atom]]:
    """Return every string that the list may hold by name, and when it does."""
    if items.written is not None:
        return [case for text in items.written for case in text.cases]
    return [(guard, name) for name, guard in items.members.items()]


def pushed(node: Any, field: str) -> tree.Choose:
    """Return `node` asked of both branches of a choice between lists."""
    choice = getattr(node, field)
    branches = [replace(node, **{field: each}) for each in (choice.then, choice.otherwise)]
    return tree.Choose(choice.condition, branches[0], branches[1], "bool", node.at)


def put(node: Any, bound: Bound) -> Any:
    """Return `node` with the loop variables that stand for constants put in."""
    values = {
        name: tree.Const(atom, "string")
        for name, text in bound.items()
        for _, atom in text.cases
        if isinstance(atom, str)
    }
    if len(values) < len(bound) and any(isinstance(n, tree.Variable) and n.name not in values for n in tree.walk(node)):
        raise OpaqueError
    return tree.replace_variables(node, values)


def steps(node: Node, facts: Facts) -> int:
    """Return how many items the quantifiers in `node` go through at most; lists that `facts` do not give are long."""
    below = sum(steps(each, facts) for each in tree.children(node))
    if not isinstance(node, tree.Quantified):
        return below
    if isinstance(node.over, tree.ListOf):
        size = len(node.over.items)
    elif isinstance(node.over, tree.FactRef) and node.over.name in facts:
        size = len(facts[node.over.name])
    else:
        size = _LONGEST
    return size * (1 + below)
