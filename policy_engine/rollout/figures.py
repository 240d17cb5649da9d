"""From observations to the facts that the rules of a rollout read. What nobody observed is absent, and so unknown.

Each fact is monotone in what is known: an observation that leaves something out leaves the fact out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from policy_engine.rollout.observations import Observation
from policy_engine.rollout.stages import ALL, Stage
from policy_engine.rollout.vocabulary import CANDIDATE, CURRENT

#: The 97.5th percentile of the standard normal distribution: two sides of 95 percent.
_Z = 1.959963984540054
_HOUR = timedelta(hours=1)


def wilson(errors: int, requests: int) -> tuple[float, float]:
    """Return the 95 percent score interval of a share (Wilson 1927), of one request at least."""
    share, weight = errors / requests, _Z * _Z / requests
    middle = (share + weight / 2) / (1 + weight)
    half = _Z * math.sqrt(share * (1 - share) / requests + weight / (4 * requests)) / (1 + weight)
    return (0.0 if errors == 0 else max(0.0, middle - half)), (1.0 if errors == requests else min(1.0, middle + half))


def stage_facts(
    rows: Sequence[Observation], baseline: Sequence[Observation], stage: Stage, since: datetime, at: datetime
) -> dict[str, Any]:
    """Return the facts of a stage that is on `since` then, from the observations of both models in it.

    `baseline` is what was seen in the stage before: one with all of the traffic has nothing of the current model.
    """
    candidate, own = ([row for row in rows if row.model == model] for model in (CANDIDATE, CURRENT))
    before = [row for row in baseline if row.model == CURRENT] if stage.percent == ALL else []
    current = before or own
    facts: dict[str, Any] = _errors("observed", candidate)
    facts["stage.requests"] = facts.pop("observed.requests", None)
    facts |= {name: value for name, value in _errors("baseline", current).items() if name in _BASELINE}
    facts["observed.latency_p95_ms"], facts["baseline.latency_p95_ms"] = map(_latency, (candidate, current))
    quality, other = _quality(candidate), _quality(current)
    facts["observed.quality"], facts["baseline.quality"] = map(_as_float, (quality, other))
    if quality is not None and other is not None:
        facts["observed.quality_drop"] = float(other - quality)
    # where nobody asked anything, nothing was watched
    watched, beside = ([row for row in each if row.requests] for each in (candidate, own))
    if watched:
        facts["stage.hours"] = (max(row.at for row in watched) - since) / _HOUR
        facts["observed.longest_gap_hours"] = max(_gaps(each, since, at) for each in (watched, beside) if each)
        facts["observed.unpaired"] = len({row.at for row in watched} ^ {row.at for row in beside})
    requests = [sum(row.requests for row in each) for each in (candidate, own)]
    if sum(requests):
        facts["observed.share_percent"] = 100 * requests[0] / sum(requests)
    return {name: value for name, value in facts.items() if value is not None}


def at_best(rows: Sequence[Observation]) -> list[Observation]:
    """Return observations with the best for the candidate in place of what is not known: facts of these are bounds.

    Its errors are 0 then and its quality 1, the current model's requests all failed and its quality is 0. A latency is
    left out, so that the highest that is known stays.
    """
    found = []
    for row in rows:
        own = row.model == CANDIDATE
        errors = row.errors if row.errors is not None else 0 if own else row.requests
        quality = row.quality if row.quality is not None else Fraction(int(own))
        known = row.latency_p95_ms if row.latency_p95_ms is not None or not own else Fraction(0)
        found.append(replace(row, errors=errors, quality=quality, latency_p95_ms=known))
    return found


_BASELINE = frozenset({"baseline.requests", "baseline.error_rate", "baseline.error_rate_high"})


def _errors(who: str, rows: Sequence[Observation]) -> dict[str, Any]:
    if not rows:
        return {}
    requests = sum(row.requests for row in rows)
    found: dict[str, Any] = {f"{who}.requests": requests}
    errors = _total(rows, lambda row: row.errors)
    if errors is not None and requests:
        low, high = wilson(int(errors), requests)
        rates = {"error_rate": int(errors) / requests, "error_rate_low": low, "error_rate_high": high}
        found |= {f"{who}.errors": int(errors), **{f"{who}.{name}": value for name, value in rates.items()}}
    return found


def _total(rows: Sequence[Observation], of: Callable[[Observation], Fraction | int | None]) -> Fraction | None:
    """Return the sum over what has requests; None where one of these does not say."""
    values = [of(row) for row in rows if row.requests]
    return None if None in values else sum((Fraction(value) for value in values if value is not None), Fraction())


def _quality(rows: Sequence[Observation]) -> Fraction | None:
    """Return the mean quality of the requests."""
    requests = sum(row.requests for row in rows)
    total = _total(rows, lambda row: None if row.quality is None else row.quality * row.requests)
    return total / requests if total is not None and requests else None


def _latency(rows: Sequence[Observation]) -> int | None:
    """Return the highest of the percentiles: from percentiles of parts, that of the whole is not known any closer."""
    values = [row.latency_p95_ms for row in rows if row.requests]
    return None if None in values else max((math.ceil(value) for value in values if value is not None), default=None)


def _as_float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _gaps(rows: Sequence[Observation], since: datetime, at: datetime) -> float:
    """Return the longest time in hours without an observation, from the stage's beginning to the decision."""
    moments = [since, *sorted(row.at for row in rows), at]
    return max((after - before) / _HOUR for before, after in pairwise(moments))
