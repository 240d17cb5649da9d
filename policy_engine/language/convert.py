"""From CEL's raw tree to typed nodes, refusing what some engine could not say.

What type-checks and is refused all the same: `dyn`, maps, bytes, unsigned ints, `null`, `+` on strings and lists
(its memory doubles with each use), division by anything but a non-zero constant, patterns that are not constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, cast

from policy_engine.language import tree
from policy_engine.language.tree import Node
from policy_engine.language.wire import RawExpression, RawNode

_TYPES = frozenset({"bool", "int", "double", "string", "list<string>", "list<int>", "list<double>", "list<bool>"})
_COMPARE = {"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_ARITHMETIC = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "-_": "neg"}
_CALLS = frozenset({"size", "startsWith", "endsWith", "contains", "matches"})
_INT_LIMIT = 1 << 53


class NotExpressibleError(Exception):
    """The text type-checks, and yet may not stand in a rule; `at` is the place in it."""

    def __init__(self, at: int, message: str, help_: str | None = None) -> None:
        super().__init__(message)
        self.at, self.message, self.help = at, message, help_


def to_tree(raw: RawExpression) -> Node:
    """Convert the raw expression; raises NotExpressibleError at the first thing that is refused."""
    return _Converter(raw).node(raw.root, frozenset())


class _Converter:
    def __init__(self, raw: RawExpression) -> None:
        self.raw = raw

    def at(self, node: RawNode) -> int:
        return self.raw.positions.get(node.id, 0)

    def type(self, node: RawNode) -> str:
        type_ = self.raw.types.get(node.id, "dyn")
        if type_ == "list<dyn>" and node.kind == "list" and not node.args:
            return "list<string>"  # the empty list literal
        if type_ not in _TYPES:
            hint = "rules know bool, int, double, string and lists of one of them"
            raise NotExpressibleError(self.at(node), f"values of type {type_} may not stand in a rule", hint)
        return type_

    def node(self, raw: RawNode, bound: frozenset[str]) -> Node:
        convert: Callable[[RawNode, frozenset[str]], Node] = getattr(self, f"_{raw.kind}")
        return convert(raw, bound)

    def _const(self, raw: RawNode, bound: frozenset[str]) -> Node:
        type_, value = raw.value
        if type_ in ("null", "uint", "bytes", "unknown"):
            raise NotExpressibleError(self.at(raw), f"{type_} constants may not stand in a rule")
        if type_ == "double" and not math.isfinite(value):
            raise NotExpressibleError(self.at(raw), "the constant is not a finite number")
        if type_ == "int" and not -_INT_LIMIT < value < _INT_LIMIT:
            raise NotExpressibleError(self.at(raw), "the constant lies beyond 2^53")
        if type_ == "string" and "\0" in value:
            raise NotExpressibleError(self.at(raw), "the constant holds a NUL character")
        return tree.Const(value, type_, self.at(raw))

    def _ident(self, raw: RawNode, bound: frozenset[str]) -> Node:
        name = raw.value.removeprefix(".")
        kind = tree.Variable if raw.value in bound else tree.FactRef
        return kind(name, self.type(raw), self.at(raw))

    def _select(self, raw: RawNode, bound: frozenset[str]) -> Node:
        raise NotExpressibleError(self.at(raw), f"`.{raw.value}` selects from something that has no fields")

    def _map(self, raw: RawNode, bound: frozenset[str]) -> Node:
        raise NotExpressibleError(self.at(raw), "maps and messages may not stand in a rule")

    def _list(self, raw: RawNode, bound: frozenset[str]) -> Node:
        items = tuple(self.node(item, bound) for item in raw.args)
        return tree.ListOf(items, self.type(raw), self.at(raw))

    def _comprehension(self, raw: RawNode, bound: frozenset[str]) -> Node:
        over_raw, _init, _condition, step, _result = raw.args
        # `exists` folds with ||, `all` with &&; both as accumulator op body
        kind = {"_||_": "exists", "_&&_": "all"}.get(step.value if step.kind == "call" else "")
        if kind is None:
            raise NotExpressibleError(self.at(raw), "of the macros only `exists` and `all` may stand in a rule")
        body = self.node(step.args[1], bound | {raw.value})
        over = self.node(over_raw, bound)
        if over.type != "list<string>":
            raise NotExpressibleError(self.at(raw), f"`{kind}` ranges over lists of strings alone")
        return tree.Quantified(cast(Literal["exists", "all"], kind), raw.value, over, body, self.at(raw))

    def _call(self, raw: RawNode, bound: frozenset[str]) -> Node:
        name, at = raw.value, self.at(raw)
        args = tuple(self.node(arg, bound) for arg in raw.args)
        if name == "!_":
            return tree.Not(args[0], at)
        if name in ("_&&_", "_||_"):
            kind: type[tree.And] | type[tree.Or] = tree.And if name == "_&&_" else tree.Or
            flat: list[Node] = []
            for arg in args:
                flat.extend(arg.operands if isinstance(arg, kind) else (arg,))
            return kind(tuple(flat), at)
        if name in _COMPARE:
            return tree.Compare(cast(tree.CompareOp, _COMPARE[name]), args[0], args[1], at)
        if name == "@in":
            return tree.Member(args[0], args[1], at)
        if name == "_?_:_":
            return tree.Choose(args[0], args[1], args[2], self.type(raw), at)
        if name in _ARITHMETIC:
            return self._arithmetic(raw, _ARITHMETIC[name], args)
        if name in _CALLS:
            return self._function(raw, args)
        raise NotExpressibleError(at, f"`{name}` is not part of the rule language")

    def _arithmetic(self, raw: RawNode, op: str, args: tuple[Node, ...]) -> Node:
        at, type_ = self.at(raw), self.type(raw)
        if type_ not in ("int", "double"):
            raise NotExpressibleError(at, f"`{op}` on {type_} values may not stand in a rule")
        if op in "/%":
            divisor = args[1]
            if not isinstance(divisor, tree.Const) or divisor.value == 0:
                raise NotExpressibleError(at, f"`{op}` may only divide by a constant other than zero")
        return tree.Arithmetic(op, args, type_, at)

    def _function(self, raw: RawNode, args: tuple[Node, ...]) -> Node:
        name, at = raw.value, self.at(raw)
        if name == "matches" and not isinstance(args[1], tree.Const):
            raise NotExpressibleError(at, "the pattern of `matches` must be a constant")
        return tree.Call(name, args, self.type(raw), at)
