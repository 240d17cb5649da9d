"""The findings as files: Parquet with masks or ids, CSV for people and spreadsheets, JSON Lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from policy_engine.fleet.columns import MASKS, WORD, FleetIndex

ROWS_IN_GROUP = 65_536
#: Makes a text safe for spreadsheets.
Safe = Callable[[str], str]
_JOINED = ";"


def index_path(target: Path) -> Path:
    """Return where the index of the masks stands, beside the findings."""
    return target.with_name(f"{target.name}.index.json")


def write_index(path: Path, index: FleetIndex) -> None:
    path.write_bytes(orjson.dumps(index.document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_masks(findings: pl.LazyFrame, path: Path, index: FleetIndex) -> None:
    """Write Parquet with masks, and their index in its metadata too, under `policy-engine.index`."""
    told: Any = {"policy-engine.index": orjson.dumps(index.document()).decode()}
    findings.sink_parquet(path, row_group_size=ROWS_IN_GROUP, metadata=told, maintain_order=True)


def write_as(findings: Path, path: Path, kind: str, index: FleetIndex, safe: Safe) -> None:
    """Write the findings (Parquet with masks) with ids in the place of masks, as Parquet, CSV or JSON Lines."""
    frame = expanded(pl.scan_parquet(findings, glob=False), index)
    if kind == "parquet":
        frame.sink_parquet(path, row_group_size=ROWS_IN_GROUP, maintain_order=True)
    elif kind == "csv":
        _for_spreadsheets(frame, safe).sink_csv(
            path, line_terminator="\r\n", maintain_order=True, check_extension=False
        )
    else:
        frame.sink_ndjson(path, maintain_order=True, check_extension=False)


def expanded(frame: pl.LazyFrame, index: FleetIndex) -> pl.LazyFrame:
    """Return the findings with a list of names for each mask, in the place of its words."""
    order: list[str] = []
    lists = {}
    words = {column: mask for mask in MASKS for column in index.columns(mask)}
    for name in frame.collect_schema().names():
        mask = words.get(name, name)
        if mask not in order:
            order.append(mask)
    for mask in MASKS:
        lists[mask] = _names(index, mask)
    return frame.with_columns(**lists).select(order)


def _names(index: FleetIndex, mask: str) -> pl.Expr:
    """Return the names that a mask holds; what recurs is looked up once."""
    columns, names = index.columns(mask), index.names(mask)
    known: dict[tuple[int, ...], list[str]] = {}

    def look_up(words: pl.Series) -> pl.Series:
        found = []
        for row in words.struct.unnest().iter_rows():
            if row not in known:
                if len(known) > 100_000:
                    known.clear()
                known[row] = index.expand(mask, [word or 0 for word in row])
            found.append(known[row])
        return pl.Series(mask, found, dtype=pl.List(pl.String))

    if not names:
        return pl.lit([], dtype=pl.List(pl.String))
    return pl.struct(columns).map_batches(look_up, return_dtype=pl.List(pl.String), is_elementwise=True)


def _for_spreadsheets(frame: pl.LazyFrame, safe: Safe) -> pl.LazyFrame:
    """Return the frame with lists joined, and every text as no formula."""

    def made_safe(texts: pl.Series) -> pl.Series:
        return pl.Series(
            texts.name, [None if text is None else safe(text) for text in texts.to_list()], dtype=pl.String
        )

    cells: list[pl.Expr] = []
    for name, kind in frame.collect_schema().items():
        cell = pl.col(name)
        if kind == pl.List(pl.String):
            cell = cell.list.join(_JOINED)
        elif kind.is_nested():
            cell = cell.map_elements(lambda value: orjson.dumps(value, default=str).decode(), return_dtype=pl.String)
        if kind == pl.String or kind.is_nested():
            cell = cell.map_batches(made_safe, return_dtype=pl.String, is_elementwise=True)
        cells.append(cell)
    renamed = {name: safe(name) for name in frame.collect_schema().names()}
    return frame.select(cells).rename({name: other for name, other in renamed.items() if other != name})


def counted_bits(index: FleetIndex, mask: str) -> list[pl.Expr]:
    """Return for each name of a mask in how many rows it stands, as a column of that name."""
    names, columns = index.names(mask), index.columns(mask)
    return [
        ((pl.col(columns[place // WORD]) // (1 << (place % WORD))) % 2).sum().cast(pl.UInt64).alias(name)
        for place, name in enumerate(names)
    ]


def columns_of(findings: Path) -> Sequence[str]:
    """Return the columns of a file of findings."""
    return pl.scan_parquet(findings, glob=False).collect_schema().names()
