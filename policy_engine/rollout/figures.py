"""From observations to the facts that the rules of a rollout read. What nobody observed is absent, and so unknown.

Each fact is monotone in what is known: an observation that leaves something out leaves the fact out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise, product
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


def corners(
    rows: Sequence[Observation], baseline: Sequence[Observation]
) -> list[tuple[list[Observation], list[Observation]]]:
    """Return both with the extremes in place of what is not known, in every combination; the first is the best.

    A rule that is monotone in each figure by itself holds of whatever is not known where it holds of each of these. The
    best for the candidate is without errors, with the quality 1 and a current model of which everything failed. Nothing
    bounds a latency: the candidate's is 0 or a whole day, and the current model's stays unknown.
    """
    seen = [row for row in (*rows, *baseline) if row.requests]
    gone = [
        (model, name)
        for model, name in _EXTREMES
        if any(row.model == model and getattr(row, name) is None for row in seen)
    ]
    found = []
    for ends in product((0, 1), repeat=len(gone)):
        chosen = {key: _EXTREMES[key][end] for key, end in zip(gone, ends, strict=True)}
        found.append(tuple([_filled(row, chosen) for row in each] for each in (rows, baseline)))
    return [(own, before) for own, before in found]


def _filled(row: Observation, chosen: Mapping[tuple[str, str], Fraction]) -> Observation:
    """Return an observation with the figures that it leaves out; errors are a share of its requests."""
    given = {name: value for (model, name), value in chosen.items() if model == row.model}
    left_out: dict[str, Fraction | int] = {name: value for name, value in given.items() if getattr(row, name) is None}
    if "errors" in left_out:
        left_out["errors"] = int(left_out["errors"] * row.requests)
    return replace(row, **left_out)


_NONE, _WHOLE, _DAY_MS = Fraction(0), Fraction(1), Fraction(86_400_000)
#: The extremes of each figure, the best for the candidate first.
_EXTREMES = {
    (CANDIDATE, "errors"): (_NONE, _WHOLE),
    (CANDIDATE, "quality"): (_WHOLE, _NONE),
    (CANDIDATE, "latency_p95_ms"): (_NONE, _DAY_MS),
    (CURRENT, "errors"): (_WHOLE, _NONE),
    (CURRENT, "quality"): (_NONE, _WHOLE),
}
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
