"""The findings as files: Parquet with masks or ids, CSV for people and spreadsheets, JSON Lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl

from policy_engine.fleet.columns import MASKS, WORD, FleetIndex

ROWS_IN_GROUP = 65_536
#: Every reader of Parquet has it, and it takes a third less work than what packs a quarter tighter.
_COMPRESSION: Literal["snappy"] = "snappy"
#: Makes a text safe for spreadsheets.
Safe = Callable[[str], str]
_JOINED = ";"
_MOST_KNOWN = 100_000
#: Every text that may have to be made safe: of other than plain characters, or with a sign where a cell may begin.
_DOUBTFUL = r"[^\x20-\x7e]|(^|;)\s*[=+\-@']"


def index_path(target: Path) -> Path:
    """Return where the index of the masks stands, beside the findings."""
    return target.with_name(f"{target.name}.index.json")


def write_index(path: Path, index: FleetIndex) -> None:
    path.write_bytes(orjson.dumps(index.document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_masks(findings: pl.LazyFrame, path: Path, index: FleetIndex) -> None:
    """Write Parquet with masks, and their index in its metadata too, under `policy-engine.index`."""
    told: Any = {"policy-engine.index": orjson.dumps(index.document()).decode()}
    findings.sink_parquet(
        path, row_group_size=ROWS_IN_GROUP, compression=_COMPRESSION, metadata=told, maintain_order=True
    )


def write_as(findings: Path, path: Path, kind: str, index: FleetIndex, safe: Safe) -> None:
    """Write the findings (Parquet with masks) with ids in the place of masks, as Parquet, CSV or JSON Lines."""
    frame = expanded(pl.scan_parquet(findings, glob=False), index, joined=kind == "csv")
    if kind == "parquet":
        frame.sink_parquet(path, row_group_size=ROWS_IN_GROUP, compression=_COMPRESSION, maintain_order=True)
    elif kind == "csv":
        _for_spreadsheets(frame, safe).sink_csv(
            path, line_terminator="\r\n", maintain_order=True, check_extension=False
        )
    else:
        frame.sink_ndjson(path, maintain_order=True, check_extension=False)


def expanded(frame: pl.LazyFrame, index: FleetIndex, joined: bool = False) -> pl.LazyFrame:
    """Return the findings with a list of names for each mask, in the place of its words; `joined` as one text."""
    words = {column: mask for mask in MASKS for column in index.columns(mask)}
    order = list(dict.fromkeys(words.get(name, name) for name in frame.collect_schema().names()))
    return frame.with_columns(**{mask: _names(index, mask, joined) for mask in MASKS}).select(order)


def _names(index: FleetIndex, mask: str, joined: bool) -> pl.Expr:
    """Return the names that a mask holds; what recurs is looked up once."""
    columns, kind = index.columns(mask), pl.String() if joined else pl.List(pl.String)
    known: dict[tuple[int, ...], Any] = {}

    def look_up(words: pl.Series) -> pl.Series:
        found = []
        for row in words.struct.unnest().iter_rows():
            if row not in known:
                if len(known) > _MOST_KNOWN:
                    known.clear()
                names = index.expand(mask, [word or 0 for word in row])
                known[row] = _JOINED.join(names) if joined else names
            found.append(known[row])
        return pl.Series(mask, found, dtype=kind)

    if not columns:
        return pl.lit("" if joined else [], dtype=kind)
    return pl.struct(columns).map_batches(look_up, return_dtype=kind, is_elementwise=True)


def _for_spreadsheets(frame: pl.LazyFrame, safe: Safe) -> pl.LazyFrame:
    """Return the frame with every text as no formula, and what is nested as JSON."""

    def made_safe(texts: pl.Series) -> pl.Series:
        if not texts.str.contains(_DOUBTFUL).any():
            return texts
        return pl.Series(texts.name, [None if text is None else safe(text) for text in texts], dtype=pl.String)

    cells: list[pl.Expr] = []
    schema = frame.collect_schema()
    for name, kind in schema.items():
        cell = pl.col(name)
        if kind.is_nested():
            cell = cell.map_elements(_json, return_dtype=pl.String)
        if kind == pl.String or kind.is_nested() or isinstance(kind, pl.Categorical):
            cell = cell.cast(pl.String).map_batches(made_safe, return_dtype=pl.String, is_elementwise=True)
        cells.append(cell)
    renamed = {name: safe(name) for name in schema.names() if safe(name) != name}
    return frame.select(cells).rename(renamed)


def _json(value: Any) -> str:
    plain = value.to_list() if isinstance(value, pl.Series) else value
    return orjson.dumps(plain, default=str).decode()


def counted_bits(index: FleetIndex, mask: str) -> list[pl.Expr]:
    """Return for each name of a mask in how many rows it stands, as a column of that name."""
    names, columns = index.names(mask), index.columns(mask)
    return [
        ((pl.col(columns[place // WORD]) // (1 << (place % WORD))) % 2).sum().cast(pl.UInt64).alias(name)
        for place, name in enumerate(names)
    ]
