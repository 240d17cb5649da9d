"""A typed tree printed as CEL again: what the CEL runtime evaluates, and what the cache keys."""

from __future__ import annotations

from policy_engine.language import tree
from policy_engine.language.literals import literal
from policy_engine.language.tree import Node

_METHODS = frozenset({"startsWith", "endsWith", "contains", "matches"})


def to_text(node: Node) -> str:
    """Print `node` as CEL with every operation in parentheses."""
    return _text(node, frozenset())


def _text(node: Node, bound: frozenset[str]) -> str:
    def text(child: Node) -> str:
        return _text(child, bound)

    match node:
        case tree.Const():
            return literal(node.value)
        case tree.FactRef():
            # a loop variable `data` hides the facts `data.*`, and `.data.x` reaches them
            return f".{node.name}" if node.name.split(".")[0] in bound else node.name
        case tree.Variable():
            return node.name
        case tree.Not():
            return f"!({text(node.operand)})"
        case tree.And() | tree.Or():
            sign = " && " if isinstance(node, tree.And) else " || "
            return "(" + sign.join(map(text, node.operands)) + ")"
        case tree.Compare():
            return f"({text(node.left)} {node.op} {text(node.right)})"
        case tree.Member():
            return f"({text(node.item)} in {text(node.items)})"
        case tree.ListOf():
            return "[" + ", ".join(map(text, node.items)) + "]"
        case tree.Choose():
            parts = (node.condition, node.then, node.otherwise)
            return "({} ? {} : {})".format(*map(text, parts))
        case tree.Arithmetic():
            return _arithmetic(node, [text(operand) for operand in node.operands])
        case tree.Call():
            return _call(node, [text(operand) for operand in node.operands])
        case tree.Quantified():
            return f"{text(node.over)}.{node.kind}({node.variable}, {_text(node.body, bound | {node.variable})})"


def _arithmetic(node: tree.Arithmetic, texts: list[str]) -> str:
    return f"-({texts[0]})" if node.op == "neg" else f"({texts[0]} {node.op} {texts[1]})"


def _call(node: tree.Call, texts: list[str]) -> str:
    if node.function in _METHODS:
        return f"{texts[0]}.{node.function}({texts[1]})"
    return f"{node.function}({', '.join(texts)})"
