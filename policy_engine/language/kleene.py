"""Three values by CEL's own rules, and the facts that an unknown rests on.

A failing sub-expression (an overflow, say) is unknown as well: `&&` and `||` absorb it exactly as they absorb a
missing fact. So is a value that no document holds: an infinity, or an integer beyond 2^53. Only `matches` needs the CEL
runtime (RE2's dialect is not Python's): the caller hands in how.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from policy_engine.language import tree
from policy_engine.language.tree import Node

Truth = bool | None
Missing = frozenset[str]
#: Evaluates `pattern` on `text` with the CEL runtime.
Matcher = Callable[[str, str], bool]

_NONE: Missing = frozenset()
_INT64 = 1 << 63
#: From here on a double, and so JSON, no longer holds every integer.
_EXACT = 1 << 53
#: At this many items that the quantifiers of one evaluation go through it is unknown, as it is to the CEL runtime.
MOST_STEPS = 10_000


class _UnknownError(Exception):
    """A strict operation read something unknown."""

    def __init__(self, missing: Missing) -> None:
        self.missing = missing


def _no_matcher(pattern: str, text: str) -> bool:
    raise LookupError("no CEL runtime was handed in for `matches`")


def truth(node: Node, facts: Mapping[str, Any], matches: Matcher = _no_matcher) -> tuple[Truth, Missing]:
    """Evaluate the condition `node`: its truth, and for None the names of the facts it rests on."""
    return _Evaluator(facts, matches).truth(node, {})


def value(node: Node, facts: Mapping[str, Any], matches: Matcher = _no_matcher) -> tuple[Any, Missing]:
    """Evaluate any expression: its value, or None with the missing facts."""
    try:
        return kept(_Evaluator(facts, matches).value(node, {})), _NONE
    except _UnknownError as error:
        return None, error.missing


def raw_value(node: Node, facts: Mapping[str, Any], matches: Matcher = _no_matcher) -> Any:
    """Evaluate an expression within a condition: its value, an infinity among them, or None where it is unknown."""
    try:
        return _Evaluator(facts, matches).value(node, {})
    except _UnknownError:
        return None


def kept(found: Any) -> Any:
    """Return `found`, or None where no document could hold it as a fact."""
    if type(found) is float:
        return found if math.isfinite(found) else None
    if type(found) is int:
        return found if -_EXACT < found < _EXACT else None
    return found


class _Evaluator:
    def __init__(self, facts: Mapping[str, Any], matches: Matcher) -> None:
        self.facts, self.matches = facts, matches
        self.steps = 0

    def truth(self, node: Node, bound: dict[str, str]) -> tuple[Truth, Missing]:
        kind = type(node)
        if kind is tree.And or kind is tree.Or:
            return self._junction(node.operands, bound, kind is tree.Or)  # type: ignore[union-attr]
        if kind is tree.Not:
            result, missing = self.truth(node.operand, bound)  # type: ignore[union-attr]
            return (None if result is None else not result), missing
        if isinstance(node, tree.Quantified):
            return self._quantified(node, bound)
        if isinstance(node, tree.Choose):
            condition, missing = self.truth(node.condition, bound)
            if condition is None:
                return None, missing
            return self.truth(node.then if condition else node.otherwise, bound)
        try:
            result = self.value(node, bound)
        except _UnknownError as error:
            return None, error.missing
        return bool(result), _NONE

    def _junction(self, operands: tuple[Node, ...], bound: dict[str, str], decides: bool) -> tuple[Truth, Missing]:
        """Evaluate `||` (decided by true) or `&&` (decided by false)."""
        unknown, missing = False, _NONE
        for operand in operands:
            result, absent = self.truth(operand, bound)
            if result is decides:
                return result, _NONE
            if result is None:
                unknown, missing = True, missing | absent
        return (None, missing) if unknown else (not decides, _NONE)

    def _quantified(self, node: tree.Quantified, bound: dict[str, str]) -> tuple[Truth, Missing]:
        decides = node.kind == "exists"
        try:
            items = self.value(node.over, bound)
        except _UnknownError as error:
            return None, error.missing
        unknown, missing = False, _NONE
        for item in items:
            self.steps += 1
            if self.steps >= MOST_STEPS:
                return None, missing
            result, absent = self.truth(node.body, {**bound, node.variable: item})
            if result is decides:
                return result, _NONE
            if result is None:
                unknown, missing = True, missing | absent
        return (None, missing) if unknown else (not decides, _NONE)

    def value(self, node: Node, bound: dict[str, str]) -> Any:
        if isinstance(node, tree.Const):
            return node.value
        if isinstance(node, tree.FactRef):
            found = self.facts.get(node.name)
            if found is None:
                raise _UnknownError(frozenset((node.name,)))
            return found
        if isinstance(node, tree.Variable):
            return bound[node.name]
        if isinstance(node, tree.Choose) and node.type != "bool":
            condition, missing = self.truth(node.condition, bound)
            if condition is None:
                raise _UnknownError(missing)
            return self.value(node.then if condition else node.otherwise, bound)
        if isinstance(node, tree.Not | tree.And | tree.Or | tree.Quantified | tree.Choose):
            result, missing = self.truth(node, bound)
            if result is None:
                raise _UnknownError(missing)
            return result
        return self._strict(node, bound)

    def _strict(self, node: Node, bound: dict[str, str]) -> Any:
        """Evaluate an operation that needs all of its operands."""
        values, missing = [], _NONE
        for child in tree.children(node):
            try:
                values.append(self.value(child, bound))
            except _UnknownError as error:
                missing |= error.missing
                values.append(None)
        if any(v is None for v in values):
            raise _UnknownError(missing)
        if isinstance(node, tree.Compare):
            return tree.RELATIONS[node.op](*values)
        if isinstance(node, tree.Member):
            return values[0] in values[1]
        if isinstance(node, tree.ListOf):
            return values
        if isinstance(node, tree.Arithmetic):
            return _arithmetic(node, values)
        assert isinstance(node, tree.Call)  # noqa: S101 - the last kind that is left
        return self._call(node.function, values)

    def _call(self, function: str, values: list[Any]) -> Any:
        if function == "size":
            return len(values[0])
        if function == "startsWith":
            return values[0].startswith(values[1])
        if function == "endsWith":
            return values[0].endswith(values[1])
        if function == "contains":
            return values[1] in values[0]
        return self.matches(values[1], values[0])


def _arithmetic(node: tree.Arithmetic, values: list[Any]) -> Any:
    left, right = values[0], values[-1]
    result: Any
    match node.op:
        case "neg":
            result = -left
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            # CEL truncates towards zero, Python's // rounds down
            result = left / right if node.type == "double" else _truncated(left, right)
        case _:
            quotient = _truncated(left, right)
            # the smallest int by -1: the quotient does not fit, and CEL calls the remainder an overflow too
            result = left - right * quotient if quotient < _INT64 else _INT64
    if node.type == "int" and not -_INT64 <= result < _INT64:
        raise _UnknownError(_NONE)
    return result


def _truncated(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient
