"""Conditions as one resource policy of Cerbos: a rule for each, in Cerbos's CEL over the attributes of the resource.

A number in a request is a double there, so that constants are written as doubles, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.conditions import UntranslatableError, key
from policy_engine.language import tree
from policy_engine.language.tree import Node

ACTION, KIND, ROLE = "deploy", "workload", "team"


def policy(conditions: Sequence[Node]) -> dict[str, Any]:
    """Return the resource policy: a rule that fires puts out the number of its condition."""
    rules = [
        {
            "name": f"rule-{number}",
            "actions": [ACTION],
            "effect": "EFFECT_ALLOW",
            "roles": [ROLE],
            "condition": {"match": {"expr": expression(condition)}},
            "output": {"when": {"ruleActivated": str(number)}},
        }
        for number, condition in enumerate(conditions)
    ]
    return {
        "apiVersion": "api.cerbos.dev/v1",
        "resourcePolicy": {"resource": KIND, "version": "default", "rules": rules},
    }


def request(record: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """Return the body of `POST /api/check/resources` that asks about `record`."""
    attributes = {key(name): value for name, value in record.items()}
    resource = {"kind": KIND, "id": identity, "attr": attributes}
    return {
        "principal": {"id": "team", "roles": [ROLE]},
        "resources": [{"actions": [ACTION], "resource": resource}],
    }


def fired(answer: Mapping[str, Any]) -> set[int]:
    """Return the numbers of the conditions that hold, of an answer to `request`."""
    (result,) = answer["results"]
    return {int(each["val"]) for each in result.get("outputs", ())}


def expression(node: Node) -> str:
    """Return one condition."""
    match node:
        case tree.Const():
            return _constant(node)
        case tree.FactRef():
            return f"R.attr.{key(node.name)}"
        case tree.Variable():
            return node.name
        case tree.Not():
            return f"!({expression(node.operand)})"
        case tree.And():
            return "(" + " && ".join(map(expression, node.operands)) + ")"
        case tree.Or():
            return "(" + " || ".join(map(expression, node.operands)) + ")"
        case tree.Compare(left=tree.Call(function="size", operands=(items,)), right=tree.Const(value=int() as most)):
            return f"(size({expression(items)}) {node.op} {most})"
        case tree.Compare():
            return f"({expression(node.left)} {node.op} {expression(node.right)})"
        case tree.Member():
            return f"({expression(node.item)} in {expression(node.items)})"
        case tree.ListOf():
            return "[" + ", ".join(map(expression, node.items)) + "]"
        case tree.Quantified():
            return f"{expression(node.over)}.{node.kind}({node.variable}, {expression(node.body)})"
    raise UntranslatableError(type(node).__name__)


def _constant(node: tree.Const) -> str:
    if node.type in ("int", "double"):
        return repr(float(node.value))
    return json.dumps(node.value)
