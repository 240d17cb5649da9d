"""Conditions as Cedar policies: one `permit` a rule, over the request's context.

Cedar has no floating point: doubles become whole numbers of millionths, in conditions and records alike. It has no
`size` and no quantifier: the two shapes that the shipped rules use are said with `isEmpty` and `containsAll`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.conditions import UntranslatableError, key
from policy_engine.language import tree
from policy_engine.language.tree import Node
from policy_engine.model.vocabulary import Fact

SCALE = 1_000_000


def policies(conditions: Sequence[Node]) -> str:
    """Return the policy set; the policy of condition i is the i-th."""
    return "\n".join(f"permit(principal, action, resource) when {{ {expression(c)} }};" for c in conditions)


def context(record: Mapping[str, Any], facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Return `record` as a request's context."""
    return {key(name): round(v * SCALE) if facts[name].type == "double" else v for name, v in record.items()}


def expression(node: Node) -> str:
    """Return one condition."""
    match node:
        case tree.Const():
            return _constant(node)
        case tree.FactRef():
            return f"context.{key(node.name)}"
        case tree.Not():
            return f"!({expression(node.operand)})"
        case tree.And():
            return "(" + " && ".join(map(expression, node.operands)) + ")"
        case tree.Or():
            return "(" + " || ".join(map(expression, node.operands)) + ")"
        case tree.Compare(op=">", left=tree.Call(function="size", operands=(items,)), right=tree.Const(value=0)):
            return f"!({expression(items)}.isEmpty())"
        case tree.Compare():
            return f"({expression(node.left)} {node.op} {expression(node.right)})"
        case tree.Member():
            return f"{expression(node.items)}.contains({expression(node.item)})"
        case tree.ListOf():
            return "[" + ", ".join(map(expression, node.items)) + "]"
        case tree.Quantified(
            kind="exists", body=tree.Compare(op="!=", left=tree.Variable(), right=tree.Const() as one)
        ):
            return f"!([{_constant(one)}].containsAll({expression(node.over)}))"
    raise UntranslatableError(type(node).__name__)


def _constant(node: tree.Const) -> str:
    if node.type == "double":
        return str(round(float(node.value) * SCALE))
    return json.dumps(node.value)
