"""The answer of `policy catalog compare` as a value for programs; None is unknown, or a sure none, as `state` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policy_engine.browsing.comparison import Cell, Line, Stated
from policy_engine.browsing.fields import KINDS, gap
from policy_engine.browsing.side_by_side import SideBySide
from policy_engine.browsing.stated import document


@dataclass(frozen=True)
class Compared:
    """Models side by side, and the lines of the two fields where these were asked for."""

    side_by_side: SideBySide
    fields: Sequence[Line]


def as_value(shown: Compared) -> dict[str, Any]:
    """Return the answer as a value for programs; None is unknown, or a sure none, as `state` says."""
    asked = shown.side_by_side
    device = asked.device
    return document(
        "CatalogComparison",
        asked.catalog,
        asked.day,
        models=list(asked.names),
        device=None
        if device is None
        else {
            "gpu": device.gpu.key,
            "devices": device.count,
            "quantization": device.quantization,
            "context_tokens": device.load.context_tokens,
        },
        lines=[_line_value(line, asked.names) for line in asked.lines] if asked.models else [],
        open_against_closed=[{**_line_value(line, KINDS), "closed_minus_open": gap(line)} for line in shown.fields],
    )


def _line_value(line: Line, names: Sequence[str]) -> dict[str, Any]:
    return {
        "group": line.group,
        "figure": line.key,
        "name": line.name,
        "unit": line.unit or None,
        "better": line.better,
        "best": [names[at] for at in line.best],
        "note": line.note or None,
        "cells": {name: _cell_value(cell) for name, cell in zip(names, line.cells, strict=True)},
    }


def _cell_value(cell: Cell) -> dict[str, Any]:
    return {
        "state": cell.state,
        "value": cell.value,
        "low": cell.low,
        "high": cell.high,
        "at_least": cell.at_least,
        "text": cell.text or None,
        "stated": _stated_value(cell.stated),
        "others": [{"value": other.value, "stated": _stated_value(other.stated)} for other in cell.others],
    }


def _stated_value(found: Stated | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "source": found.source,
        "as_of": found.as_of.isoformat(),
        "stale": found.stale,
        "disputes": list(found.disputes),
        "figure": found.figure,
    }
