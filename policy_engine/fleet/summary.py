"""What a sweep comes to: counts by verdict, recommendation and rule."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from msgspec import Struct

from policy_engine.fleet.columns import FleetIndex
from policy_engine.fleet.writing import counted_bits
from policy_engine.model.task_case import VERDICTS
from policy_engine.model.vocabulary import OPTIONS

#: Where nothing is recommended.
NOTHING = "none"


class Summary(Struct, frozen=True):
    """Counts of the rows that were decided: by verdict and recommendation, and how often each rule fired."""

    verdicts: dict[str, int]
    recommendations: dict[str, int]
    rules: dict[str, int]


def summary_of(findings: Path, index: FleetIndex) -> Summary:
    """Count the findings, in one pass over them."""
    frame = pl.scan_parquet(findings, glob=False)
    verdicts, recommended = pl.col("verdict").cast(pl.String), pl.col("recommendation").cast(pl.String)
    counts = [(verdicts == name).sum().alias(f"verdict {name}") for name in VERDICTS]
    counts += [(recommended == name).sum().alias(f"option {name}") for name in OPTIONS]
    counts.append(recommended.is_null().sum().alias(f"option {NOTHING}"))
    row = frame.select(*counts, *counted_bits(index, "fired")).collect(engine="streaming").to_dicts()[0]
    return Summary(
        {name: int(row[f"verdict {name}"] or 0) for name in VERDICTS},
        {name: int(row[f"option {name}"] or 0) for name in (*OPTIONS, NOTHING)},
        {name: int(row[name] or 0) for name in index.rules},
    )
