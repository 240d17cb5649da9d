"""Conditions as one Rego module whose rule `fired` is the set of the numbers of those that hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.conditions import UntranslatableError, key
from policy_engine.language import tree
from policy_engine.language.tree import Node

ENTRY = "data.policy.fired"
_COMPLEMENT = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def module(conditions: Sequence[Node]) -> str:
    """Return the module. Rego has no `||`: each disjunction becomes a helper rule with one body a branch."""
    writer = _Writer()
    for number, condition in enumerate(conditions):
        writer.rule(f"fired contains {number}", condition)
    return "package policy\n\n" + "\n".join(writer.lines) + "\n"


def context(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return `record` as the input document."""
    return {key(name): value for name, value in record.items()}


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.helpers = 0

    def rule(self, head: str, condition: Node) -> None:
        self.lines.append(f"{head} if {{ {'; '.join(self.body(condition, True))} }}")

    def body(self, node: Node, wanted: bool) -> list[str]:
        """Return the lines that hold where `node` is `wanted`; every fact is known, so `not` is safe."""
        if isinstance(node, tree.Not):
            return self.body(node.operand, not wanted)
        if isinstance(node, tree.And | tree.Or):
            if isinstance(node, tree.And) is wanted:
                return [line for operand in node.operands for line in self.body(operand, wanted)]
            self.helpers += 1
            name = f"h{self.helpers}"
            for operand in node.operands:
                self.lines.append(f"{name} if {{ {'; '.join(self.body(operand, wanted))} }}")
            return [name]
        if isinstance(node, tree.Compare):
            operator = node.op if wanted else _COMPLEMENT[node.op]
            return [f"{_value(node.left)} {operator} {_value(node.right)}"]
        if isinstance(node, tree.Quantified) and node.kind == "exists" and wanted:
            variable = node.variable
            lines = [f"some {variable} in {_value(node.over)}", *self.body(node.body, True)]
            return lines
        if isinstance(node, tree.Member):
            text = f"{_value(node.item)} in {_value(node.items)}"
        else:
            text = _value(node)
        return [text if wanted else f"not {text}"]


def _value(node: Node) -> str:
    match node:
        case tree.Const():
            return json.dumps(node.value)
        case tree.FactRef():
            return f"input.{key(node.name)}"
        case tree.Variable():
            return node.name
        case tree.ListOf():
            return "{" + ", ".join(map(_value, node.items)) + "}"
        case tree.Call(function="size"):
            return f"count({_value(node.operands[0])})"
    raise UntranslatableError(type(node).__name__)
