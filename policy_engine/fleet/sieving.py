"""Checks of columns that ask each distinct value once: a fleet has few of most, however many rows it has."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from policy_engine.loading.yaml_scalars import LONGEST_STRING, Refusal, check_string

#: Rows that are looked at to tell whether values recur, and how many of them may be distinct where they do.
_TRIED, _DISTINCT = 1_000, 500
#: With more values than this a set of them is asked.
_MOST_COMPARED = 8


#: What is not surely text that a workload file may hold: another character than plain ASCII, a tab or a line break.
_OTHER = r"[^\t\n\r\x20-\x7e]"


def is_plain(value: pl.Expr) -> pl.Expr:
    """Return whether a text is one that every file may hold as it stands: short, and of plain characters."""
    return ~value.str.contains(_OTHER) & (value.str.len_bytes() <= LONGEST_STRING)


def allowed(name: str, pattern: str | None = None) -> pl.Expr:
    """Return whether a workload file may hold each text of the column `name`, and it has the pattern.

    Of a null what comes is of no use.
    """

    def judge(values: pl.Series) -> pl.Series:
        distinct = recurring(values)
        if distinct is not None and _allowed(distinct, pattern).all():
            return pl.repeat(True, len(values), dtype=pl.Boolean, eager=True)
        return _allowed(values, pattern)

    return pl.col(name).map_batches(judge, return_dtype=pl.Boolean, is_elementwise=True)


def _allowed(texts: pl.Series, pattern: str | None) -> pl.Series:
    frame = texts.to_frame()
    holds = frame.select(is_plain(pl.first())).to_series()
    if not holds.all():
        others = texts.filter(~holds).unique().to_list()
        fine = [text for text in others if not isinstance(check_string(text), Refusal)]
        holds = holds | texts.is_in(fine)
    return holds if pattern is None else holds & texts.str.contains(pattern)


def recurring(values: pl.Series) -> pl.Series | None:
    """Return the distinct values but for null; None where they hardly recur, and telling them apart does not pay."""
    if len(values) > _TRIED and values.head(_TRIED).n_unique() > _DISTINCT:
        return None
    return values.drop_nulls().unique()


def in_pattern(name: str, pattern: str) -> pl.Expr:
    """Return whether each text of the column `name` has the pattern; of a null what comes is of no use."""

    def judge(values: pl.Series) -> pl.Series:
        distinct = recurring(values)
        if distinct is not None and distinct.str.contains(pattern).all():
            return pl.repeat(True, len(values), dtype=pl.Boolean, eager=True)
        return values.str.contains(pattern)

    return pl.col(name).map_batches(judge, return_dtype=pl.Boolean, is_elementwise=True)


def items_hold(name: str, each: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Return whether all items of each list of the column `name` hold; `each` says so of an item.

    A null item does not hold. Of a null list what comes is of no use.
    """
    one_by_one = pl.col(name).list.eval(each(pl.element())).list.all(ignore_nulls=False)
    together = each(pl.col(name)).fill_null(False).all()

    def judge(values: pl.Series) -> pl.Series:
        filled = values.filter(values.list.len() > 0)  # of an empty list a null would come
        if filled.explode().unique().to_frame().select(together).item():
            return pl.repeat(True, len(values), dtype=pl.Boolean, eager=True)
        return values.to_frame().select(one_by_one).to_series()

    return pl.col(name).map_batches(judge, return_dtype=pl.Boolean, is_elementwise=True)


def is_one_of(value: pl.Expr, known: tuple[str, ...]) -> pl.Expr:
    """Return whether a text is one of `known`."""
    if not 0 < len(known) <= _MOST_COMPARED:
        return value.is_in(list(known))
    found = value == known[0]
    for each in known[1:]:
        found = found | (value == each)
    return found


def read_apart(texts: pl.Series, read: Callable[[str | None], str | None]) -> pl.Series:
    """Return what `read` makes of each text, asking it once for each distinct one where they recur."""
    distinct = recurring(texts)
    if distinct is None:
        return pl.Series(texts.name, [read(text) for text in texts.to_list()], dtype=pl.String)
    told = [read(text) for text in distinct.to_list()]
    return texts.replace_strict(distinct, pl.Series(told, dtype=pl.String), default=None, return_dtype=pl.String)
