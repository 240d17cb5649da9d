"""Conditions in the ZEN expression language: one list expression, whose i-th item is whether condition i holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.conditions import UntranslatableError, key
from policy_engine.language import tree
from policy_engine.language.tree import Node


def listing(conditions: Sequence[Node]) -> str:
    """Return the one expression of all conditions."""
    return "[" + ", ".join(map(expression, conditions)) + "]"


def table(conditions: Sequence[Node]) -> dict[str, Any]:
    """Return a decision graph with one table that collects the numbers of the rows that hold."""
    rows = [{"_id": f"r{i}", "c": expression(node), "n": str(i)} for i, node in enumerate(conditions)]
    content = {
        "hitPolicy": "collect",
        "inputs": [{"id": "c", "name": "condition"}],
        "outputs": [{"id": "n", "name": "number", "field": "n"}],
        "rules": rows,
    }
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in", "position": {"x": 0, "y": 0}},
        {"id": "t", "type": "decisionTableNode", "name": "t", "content": content, "position": {"x": 1, "y": 0}},
        {"id": "out", "type": "outputNode", "name": "out", "position": {"x": 2, "y": 0}},
    ]
    edges = [
        {"id": "e1", "type": "edge", "sourceId": "in", "targetId": "t"},
        {"id": "e2", "type": "edge", "sourceId": "t", "targetId": "out"},
    ]
    return {"contentType": "application/vnd.gorules.decision", "nodes": nodes, "edges": edges}


def context(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return `record` as the evaluation's context."""
    return {key(name): value for name, value in record.items()}


def expression(node: Node) -> str:
    """Return one condition."""
    match node:
        case tree.Const():
            return json.dumps(node.value)
        case tree.FactRef():
            return key(node.name)
        case tree.Variable():
            return "#"
        case tree.Not():
            return f"not ({expression(node.operand)})"
        case tree.And():
            return "(" + " and ".join(map(expression, node.operands)) + ")"
        case tree.Or():
            return "(" + " or ".join(map(expression, node.operands)) + ")"
        case tree.Compare():
            return f"({expression(node.left)} {node.op} {expression(node.right)})"
        case tree.Member():
            return f"({expression(node.item)} in {expression(node.items)})"
        case tree.ListOf():
            return "[" + ", ".join(map(expression, node.items)) + "]"
        case tree.Call(function="size"):
            return f"len({expression(node.operands[0])})"
        case tree.Quantified():
            quantifier = {"exists": "some", "all": "all"}[node.kind]
            return f"{quantifier}({expression(node.over)}, {expression(node.body)})"
    raise UntranslatableError(type(node).__name__)
