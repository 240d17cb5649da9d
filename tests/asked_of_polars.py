"""Ask conditions of Polars as the fleet does, and say what an independent evaluation has against the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from policy_engine.language import kleene
from policy_engine.language.tree import Node
from policy_engine.lowering.to_polars import MOST_CROSSED, TYPES, Lowering

Record = Mapping[str, Any]
Answer = tuple[bool | None, frozenset[str]]


def answers(node: Node, records: Sequence[Record], types: Mapping[str, str]) -> list[Answer | None]:
    """Return the truth of `node` on each record, with what an unknown rests on; None where that is not covered."""
    lowering = Lowering()
    missing = lowering.missing(node)
    frame = pl.DataFrame({n: pl.Series(n, [r.get(n) for r in records], dtype=TYPES[t]) for n, t in types.items()})
    asked = {"truth": lowering.truth(node), **{f"missing {name}": each for name, each in missing.items()}}
    rows = frame.lazy().with_columns(**asked).collect().rows(named=True)
    found: list[Answer | None] = []
    for record, row in zip(records, rows, strict=True):
        if any(len(record.get(name) or ()) > MOST_CROSSED for name in lowering.crossed):
            found.append(None)
            continue
        names = frozenset(name for name in missing if row[f"missing {name}"])
        found.append((row["truth"], names if row["truth"] is None else frozenset()))
    return found


def disagreements(node: Node, records: Sequence[Record], types: Mapping[str, str], matches: Any) -> list[str]:
    """Return where Polars says something else than Kleene's logic does of the same record."""
    found = []
    for record, answer in zip(records, answers(node, records, types), strict=True):
        expected = kleene.truth(node, record, matches)
        if answer is not None and (answer[0] is not expected[0] or answer[1] != expected[1]):
            found.append(f"on {dict(record)}: Polars says {answer}, and it is {expected}")
    return found
