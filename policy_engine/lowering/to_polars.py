"""Lower checked conditions to Polars expressions: three values as Boolean, null for unknown.

Where Polars and CEL differ the safe form is taken: no `when` on what may be null without its negation, integers through
128 bits so that an overflow is unknown, no NaN that equals itself, no item of a list that is null.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import polars as pl

from policy_engine.language import tree
from policy_engine.language.tree import Node
from policy_engine.lowering.patterns import PatternError, rust_pattern

TYPES: dict[str, Any] = {
    "bool": pl.Boolean(),
    "int": pl.Int64(),
    "double": pl.Float64(),
    "string": pl.String(),
    "list<string>": pl.List(pl.String()),
}
#: Items of a list that are gone through one by one, where what is asked of each reads another fact.
MOST_CROSSED = 16
_EXACT = (1 << 53) - 1
_Bound = Mapping[str, pl.Expr]
Missing = dict[str, pl.Expr]


class UnloweredError(ValueError):
    """A part of a condition that Polars cannot say as CEL has it; `at` is its position in the text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def any_of(parts: Iterable[pl.Expr]) -> pl.Expr:
    """Return whether one of `parts` holds (of three values); false of none."""
    found = list(parts)
    return reduce(operator.or_, found) if found else pl.lit(False)


def all_of(parts: Iterable[pl.Expr]) -> pl.Expr:
    """Return whether all of `parts` hold (of three values); true of none."""
    found = list(parts)
    return reduce(operator.and_, found) if found else pl.lit(True)


def divided(number: pl.Expr, by: float) -> pl.Expr:
    """Return `number / by` in doubles, rounded once.

    By a plain constant Polars multiplies with its reciprocal, which rounds twice: the divisor is made a column.
    """
    found: pl.Expr = number / (number.is_nan().cast(pl.Float64) + by)
    return found


def answers(
    node: Node, records: Sequence[Mapping[str, Any]], types: Mapping[str, str]
) -> list[tuple[bool | None, frozenset[str]]]:
    """Return what the condition `node` comes to on each of `records`, with the facts that an unknown rests on.

    Raises:
        UnloweredError: Polars cannot say it.
    """
    lists = [name for name, type_ in types.items() if type_ == "list<string>"]
    longest = max((len(record.get(name) or ()) for record in records for name in lists), default=0)
    lowering = Lowering(most=longest)
    missing = lowering.missing(node)
    read = {name: types[name] for name in tree.facts_read(node)}
    columns = [pl.Series(n, [r.get(n) for r in records], dtype=TYPES[t]) for n, t in read.items()]
    frame = pl.DataFrame([pl.Series("records", [0] * len(records)), *columns]).lazy()
    asked = [lowering.truth(node).alias("truth"), *(each.alias(f"missing {name}") for name, each in missing.items())]
    found = []
    for row in frame.with_columns(asked).collect(engine="in-memory").iter_rows(named=True):
        names = frozenset(name for name in missing if row["truth"] is None and row[f"missing {name}"])
        found.append((row["truth"], names))
    return found


class Lowering:
    """Lowers conditions whose facts are columns. Parameters have to be put in before.

    `column` gives the expression of a fact, null where it is unknown. `crossed` gathers the list facts whose items are
    gone through one by one: a row in which one has more than `most` of them is not said right, and has to be kept out.
    """

    def __init__(self, column: Callable[[str], pl.Expr] = pl.col, most: int = MOST_CROSSED) -> None:
        self._column, self._most = column, most
        self.crossed: set[str] = set()

    def truth(self, node: Node) -> pl.Expr:
        """Return the condition `node` as Boolean.

        Raises:
            UnloweredError: Polars cannot say it.
        """
        return self._truth(node, {})

    def kept(self, node: Node) -> pl.Expr:
        """Return the value of `node`, null where it is unknown or no document could hold it."""
        found = self._value(node, {})
        if node.type == "double":
            return pl.when(found.is_finite()).then(found)
        if node.type == "int":
            return pl.when(found.is_between(-_EXACT, _EXACT)).then(found)
        return found

    def missing(self, node: Node) -> Missing:
        """Return, by fact, whether an unknown `node` rests on it: never null, of use only where `node` is unknown."""
        return self._missing(node, {})

    def _truth(self, node: Node, bound: _Bound) -> pl.Expr:
        match node:
            case tree.And():
                return all_of(self._truth(each, bound) for each in node.operands)
            case tree.Or():
                return any_of(self._truth(each, bound) for each in node.operands)
            case tree.Not():
                return ~self._truth(node.operand, bound)
            case tree.Quantified():
                return self._quantified(node, bound)
        return self._value(node, bound)

    def _value(self, node: Node, bound: _Bound) -> pl.Expr:
        match node:
            case tree.Const():
                return pl.lit(node.value, dtype=TYPES[node.type])
            case tree.FactRef():
                return self._column(node.name)
            case tree.Variable():
                return bound[node.name]
            case tree.Choose():
                condition = self._truth(node.condition, bound)
                then, otherwise = self._value(node.then, bound), self._value(node.otherwise, bound)
                return pl.when(condition).then(then).when(~condition).then(otherwise)
            case tree.Compare():
                return self._compare(node, bound)
            case tree.Member():
                return self._member(node, bound)
            case tree.ListOf():
                items = [self._value(each, bound) for each in node.items]
                if not items:
                    return pl.lit(pl.Series([[]], dtype=TYPES["list<string>"])).first()
                return pl.when(_known(items)).then(pl.concat_list(items))
            case tree.Arithmetic():
                return self._arithmetic(node, bound)
            case tree.Call():
                return self._call(node, bound)
        return self._truth(node, bound)

    def _compare(self, node: tree.Compare, bound: _Bound) -> pl.Expr:
        left, right = self._value(node.left, bound), self._value(node.right, bound)
        found: pl.Expr = tree.RELATIONS[node.op](left, right)
        sides = (node.left, node.right)
        if node.left.type == "double" and any(
            isinstance(n, tree.Arithmetic) for side in sides for n in tree.walk(side)
        ):
            # no number is unequal to everything, itself included; to Polars it is the greatest
            nan = left.is_nan() | right.is_nan()
            known = left.is_not_null() & right.is_not_null()
            found = pl.when(known).then(found | nan if node.op == "!=" else found & ~nan)
        return found

    def _member(self, node: tree.Member, bound: _Bound) -> pl.Expr:
        item = self._value(node.item, bound)
        if not isinstance(node.items, tree.ListOf):
            items = self._value(node.items, bound)
            found: pl.Expr = items.list.contains(item)
            known = isinstance(node.item, tree.Const)
            return found if known else pl.when(item.is_not_null()).then(found)
        if node.items.items and all(isinstance(each, tree.Const) for each in node.items.items):
            values = [each.value for each in node.items.items if isinstance(each, tree.Const)]
            if node.item.type == "string":
                return item.is_in(values)
        # strict: every item has to be known, though one would do
        members = [self._value(each, bound) for each in node.items.items]
        equal = any_of(self._compare(tree.Compare("==", node.item, each, node.at), bound) for each in node.items.items)
        return pl.when(_known([item, *members])).then(equal)

    def _arithmetic(self, node: tree.Arithmetic, bound: _Bound) -> pl.Expr:
        values = [self._value(each, bound) for each in node.operands]
        left, right = values[0], values[-1]
        if node.type == "int":
            wide = _wide(node.op, left.cast(pl.Int128), right.cast(pl.Int128))
            return wide.cast(pl.Int64, strict=False)
        if node.op == "neg":
            return left * -1.0
        divisor = node.operands[-1]
        if node.op == "/" and isinstance(divisor, tree.Const):
            return divided(left, float(divisor.value))
        operations = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
        found: pl.Expr = operations[node.op](left, right)
        return found

    def _call(self, node: tree.Call, bound: _Bound) -> pl.Expr:
        values = [self._value(each, bound) for each in node.operands]
        text = values[0]
        if node.function == "size":
            of_list = node.operands[0].type == "list<string>" or isinstance(node.operands[0], tree.ListOf)
            return (text.list.len() if of_list else text.str.len_chars()).cast(pl.Int64)
        if node.function == "matches":
            return text.str.contains(self._pattern(node), literal=False, strict=True)
        if node.function == "contains":
            return text.str.contains(values[1], literal=True)
        return text.str.starts_with(values[1]) if node.function == "startsWith" else text.str.ends_with(values[1])

    def _pattern(self, node: tree.Call) -> str:
        pattern = node.operands[1]
        assert isinstance(pattern, tree.Const)  # noqa: S101 - the checker refuses every other pattern
        text = str(pattern.value)
        try:
            found = rust_pattern(text)
            pl.Series([""]).str.contains(found, literal=False, strict=True)
        except (PatternError, pl.exceptions.ComputeError) as error:
            what = error if isinstance(error, PatternError) else "all of it"
            message = f"the pattern `{text}` cannot be asked of a fleet: `{what}` is read differently there"
            raise UnloweredError(message, node.at) from None
        return found

    # ---- quantifiers

    def _quantified(self, node: tree.Quantified, bound: _Bound) -> pl.Expr:
        over = self._value(node.over, bound)
        exists = node.kind == "exists"
        if self._apart(node):
            answers = over.list.eval(self._truth(node.body, {node.variable: pl.element()}))
            return answers.list.any(ignore_nulls=False) if exists else answers.list.all(ignore_nulls=False)
        found = []
        for here, item in self._items(node.over, over, bound):
            answer = self._truth(node.body, {**bound, node.variable: item})
            found.append(here & answer if exists else ~here | answer)
        return pl.when(over.is_not_null()).then(any_of(found) if exists else all_of(found))

    def _apart(self, node: tree.Quantified) -> bool:
        """Whether what is asked of each item reads that item alone."""
        inside = list(tree.walk(node.body))
        names = {each.name for each in inside if isinstance(each, tree.Variable)}
        quantified = any(isinstance(each, tree.Quantified) for each in inside)
        return not tree.facts_read(node.body) and not quantified and names <= {node.variable}

    def _items(self, over: Node, value: pl.Expr, bound: _Bound) -> list[tuple[pl.Expr, pl.Expr]]:
        """Return the items of a list, each with whether it is there."""
        if isinstance(over, tree.ListOf):
            return [(pl.lit(True), self._value(each, bound)) for each in over.items]
        self.crossed |= {each.name for each in tree.walk(over) if isinstance(each, tree.FactRef) and _is_list(each)}
        length = value.list.len().fill_null(0)
        return [(length > place, value.list.get(place, null_on_oob=True)) for place in range(self._most)]

    # ---- what an unknown rests on

    def _missing(self, node: Node, bound: _Bound) -> Missing:
        match node:
            case tree.And() | tree.Or():
                return _joined((each, self._truth(each, bound), self._missing(each, bound)) for each in node.operands)
            case tree.Not():
                return self._missing(node.operand, bound)
            case tree.FactRef():
                return {node.name: self._column(node.name).is_null()}
            case tree.Choose():
                return self._missing_choice(node, bound)
            case tree.Quantified():
                return self._missing_of_items(node, bound)
        return _joined((each, self._value(each, bound), self._missing(each, bound)) for each in tree.children(node))

    def _missing_choice(self, node: tree.Choose, bound: _Bound) -> Missing:
        condition = self._truth(node.condition, bound)
        branches = ((condition.is_null(), node.condition), (condition, node.then), (~condition, node.otherwise))
        found: dict[str, list[pl.Expr]] = {}
        for taken, branch in branches:
            for name, missing in self._missing(branch, bound).items():
                found.setdefault(name, []).append(taken.fill_null(False) & missing)
        return {name: any_of(parts) for name, parts in found.items()}

    def _missing_of_items(self, node: tree.Quantified, bound: _Bound) -> Missing:
        over = self._value(node.over, bound)
        found = {name: [over.is_null() & part] for name, part in self._missing(node.over, bound).items()}
        if not self._apart(node):
            for here, item in self._items(node.over, over, bound):
                inner = {**bound, node.variable: item}
                unknown = self._truth(node.body, inner).is_null() & here & over.is_not_null()
                for name, part in self._missing(node.body, inner).items():
                    found.setdefault(name, []).append(unknown & part)
        return {name: any_of(parts) for name, parts in found.items()}


def _is_list(node: tree.FactRef) -> bool:
    return node.type == "list<string>"


def _joined(parts: Iterable[tuple[Node, pl.Expr, Missing]]) -> Missing:
    """Return what the unknown ones among several expressions rest on."""
    found: dict[str, list[pl.Expr]] = {}
    for node, value, missing in parts:
        strict = _is_strict(node)
        for name, part in missing.items():
            found.setdefault(name, []).append(part if strict else value.is_null() & part)
    return {name: any_of(each) for name, each in found.items()}


def _is_strict(node: Node) -> bool:
    """Whether `node` is unknown wherever a fact below it is."""
    return not any(isinstance(each, tree.And | tree.Or | tree.Choose | tree.Quantified) for each in tree.walk(node))


def _known(values: Iterable[pl.Expr]) -> pl.Expr:
    return all_of(each.is_not_null() for each in values)


def _wide(op: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Return an operation on integers in 128 bits; division truncates, the remainder has the dividend's sign."""
    if op == "neg":
        return pl.lit(0, dtype=pl.Int128) - left
    if op in "+-*":
        operations = {"+": operator.add, "-": operator.sub, "*": operator.mul}
        found: pl.Expr = operations[op](left, right)
        return found
    size = left.abs() // right.abs()
    quotient = pl.when((left < 0) == (right < 0)).then(size).otherwise(pl.lit(0, dtype=pl.Int128) - size)
    if op == "/":
        return quotient
    # the smallest integer by -1: the quotient does not fit, and CEL calls the remainder an overflow too
    return pl.when(quotient < (1 << 63)).then(left - right * quotient)
