"""A typed tree printed as CEL again: what the CEL runtime evaluates, and what the cache keys.

Parentheses stand only where CEL needs them: its parser takes 32 levels, and each pair is one. What could be read
once can therefore be read again.
"""

from __future__ import annotations

from policy_engine.language import tree
from policy_engine.language.literals import literal
from policy_engine.language.tree import Node

_METHODS = frozenset({"startsWith", "endsWith", "contains", "matches"})
# how tightly things bind, by CEL's grammar
_CHOOSE, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _PRIMARY = range(8)
_NONE: frozenset[str] = frozenset()


def to_text(node: Node) -> str:
    """Print `node` as CEL."""
    return _print(node, _NONE, _CHOOSE)


def _print(node: Node, bound: frozenset[str], least: int) -> str:
    """Print `node`, in parentheses where it binds less tightly than `least`; `bound` are the loop variables."""
    text, level = _operation(node, bound) if _is_operation(node) else (_primary(node, bound), _PRIMARY)
    return text if level >= least else f"({text})"


def _is_operation(node: Node) -> bool:
    kinds = tree.Not | tree.And | tree.Or | tree.Compare | tree.Member | tree.Choose | tree.Arithmetic
    return isinstance(node, kinds)


def _operation(node: Node, bound: frozenset[str]) -> tuple[str, int]:
    match node:
        case tree.Not():
            return f"!{_print(node.operand, bound, _PRIMARY)}", _UNARY
        case tree.And():
            return " && ".join(_print(operand, bound, _RELATION) for operand in node.operands), _AND
        case tree.Or():
            return " || ".join(_print(operand, bound, _AND) for operand in node.operands), _OR
        case tree.Compare():
            return _binary(node.left, node.op, node.right, bound, _RELATION)
        case tree.Member():
            return _binary(node.item, "in", node.items, bound, _RELATION)
        case tree.Choose():
            condition, then = _print(node.condition, bound, _OR), _print(node.then, bound, _OR)
            return f"{condition} ? {then} : {_print(node.otherwise, bound, _CHOOSE)}", _CHOOSE
    assert isinstance(node, tree.Arithmetic)  # noqa: S101 - the last kind that is left
    if node.op == "neg":
        (operand,) = node.operands
        # `-5` is a constant, and `-(5)` is not
        least = _PRIMARY + 1 if isinstance(operand, tree.Const) else _PRIMARY
        return f"-{_print(operand, bound, least)}", _UNARY
    level = _SUM if node.op in "+-" else _PRODUCT
    return _binary(node.operands[0], node.op, node.operands[1], bound, level)


def _binary(left: Node, op: str, right: Node, bound: frozenset[str], level: int) -> tuple[str, int]:
    return f"{_print(left, bound, level)} {op} {_print(right, bound, level + 1)}", level


def _primary(node: Node, bound: frozenset[str]) -> str:
    match node:
        case tree.Const():
            return literal(node.value)
        case tree.FactRef():
            # a loop variable `data` hides the facts `data.*`, and `.data.x` reaches them
            return f".{node.name}" if node.name.split(".")[0] in bound else node.name
        case tree.Variable():
            return node.name
        case tree.ListOf():
            return "[" + ", ".join(_print(item, bound, _CHOOSE) for item in node.items) + "]"
        case tree.Quantified():
            body = _print(node.body, bound | {node.variable}, _CHOOSE)
            return f"{_print(node.over, bound, _PRIMARY)}.{node.kind}({node.variable}, {body})"
    assert isinstance(node, tree.Call)  # noqa: S101 - the last kind that is left
    first = _print(node.operands[0], bound, _PRIMARY)
    if node.function in _METHODS:
        return f"{first}.{node.function}({_print(node.operands[1], bound, _CHOOSE)})"
    return f"{node.function}({', '.join(_print(operand, bound, _CHOOSE) for operand in node.operands)})"
