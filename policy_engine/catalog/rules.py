"""The parameters that the catalog's arithmetic and choices read; their values live in parameters.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from policy_engine.catalog.fields import LEAST, MOST
from policy_engine.catalog.layers import Problems
from policy_engine.errors import Problem

#: A hundred years: what is older is nobody's figure, and what is longer no number of days.
MOST_DAYS = 36_500


class Rules(Struct, frozen=True):
    """Parameters by name, in the units that the names say; scores in points of the benchmark, days in days."""

    high_quality_score: float
    catalog_stale_days: float
    edge_max_parameters_billions: float
    memory_utilisation: float
    memory_overhead_gib: float
    collective_overhead_gib: float
    card_gib_per_gb: float
    engineer_usd_per_month: float
    self_hosting_engineers: float


def read_rules(parameters: Mapping[str, Any], problems: Problems) -> Rules | None:
    """Read what the catalog needs of `parameters`; others are none of its business."""
    found: dict[str, float] = {}
    for field in fields(Rules):
        value = parameters.get(field.name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not (value == 0 or LEAST <= value <= MOST):
            message = f"the catalog needs the parameter `{field.name}`, zero or a number from {LEAST:g} to {MOST:g}"
            problems.found.append(Problem("catalog-parameter", message, None, "state it in parameters.yaml"))
            continue
        if field.name.endswith("_days") and value > MOST_DAYS:
            message = f"the parameter `{field.name}` is more than {MOST_DAYS:,} days"
            problems.found.append(Problem("catalog-parameter", message, None, "state fewer in parameters.yaml"))
            continue
        found[field.name] = float(value)
    return Rules(**found) if len(found) == len(fields(Rules)) else None
