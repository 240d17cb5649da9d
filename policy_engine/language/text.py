"""A typed tree printed as CEL again: what the CEL runtime evaluates, and what the cache keys."""

from __future__ import annotations

from policy_engine.language import tree
from policy_engine.language.literals import literal
from policy_engine.language.tree import Node

_METHODS = frozenset({"startsWith", "endsWith", "contains", "matches"})


def to_text(node: Node) -> str:
    """Print `node` as CEL with every operation in parentheses."""
    match node:
        case tree.Const():
            return literal(node.value)
        case tree.FactRef() | tree.Variable():
            return node.name
        case tree.Not():
            return f"!({to_text(node.operand)})"
        case tree.And():
            return "(" + " && ".join(map(to_text, node.operands)) + ")"
        case tree.Or():
            return "(" + " || ".join(map(to_text, node.operands)) + ")"
        case tree.Compare():
            return f"({to_text(node.left)} {node.op} {to_text(node.right)})"
        case tree.Member():
            return f"({to_text(node.item)} in {to_text(node.items)})"
        case tree.ListOf():
            return "[" + ", ".join(map(to_text, node.items)) + "]"
        case tree.Choose():
            parts = (node.condition, node.then, node.otherwise)
            return "({} ? {} : {})".format(*map(to_text, parts))
        case tree.Arithmetic():
            return _arithmetic(node)
        case tree.Call():
            return _call(node)
        case tree.Quantified():
            return f"{to_text(node.over)}.{node.kind}({node.variable}, {to_text(node.body)})"


def _arithmetic(node: tree.Arithmetic) -> str:
    texts = [to_text(operand) for operand in node.operands]
    return f"-({texts[0]})" if node.op == "neg" else f"({texts[0]} {node.op} {texts[1]})"


def _call(node: tree.Call) -> str:
    texts = [to_text(operand) for operand in node.operands]
    if node.function in _METHODS:
        return f"{texts[0]}.{node.function}({texts[1]})"
    return f"{node.function}({', '.join(texts)})"
