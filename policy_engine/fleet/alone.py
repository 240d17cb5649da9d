"""Rows that are decided one by one, as `policy evaluate` decides them, into the columns of the kernel's findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import polars as pl

from policy_engine.decide import Decider
from policy_engine.fleet.canonical import case_of
from policy_engine.fleet.columns import HARDWARE, IDENTITY, MASKS, WORD, FleetIndex
from policy_engine.fleet.intake import Job
from policy_engine.fleet.yaml_rows import STATUSES, decoded
from policy_engine.missing import MissingFacts
from policy_engine.model.task_case import TaskCase, TaskResult
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.waiver import Waiver


class OnRecord(Protocol):
    """The waivers of a ledger."""

    def workloads(self) -> list[tuple[str, str]]: ...

    def of(self, workload: tuple[str, str], at: Any) -> tuple[Waiver, ...]: ...


class Alone:
    """Decides rows of the canonical frame one by one; `waivers` are those on record, None where none is looked for."""

    def __init__(self, job: Job, decider: Decider, index: FleetIndex, waivers: OnRecord | None = None) -> None:
        self._job, self._decider, self._index, self.waivers = job, decider, index, waivers
        self._missing = MissingFacts(decider.judge)

    def finding(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the finding of a row.

        Raises:
            RulesError: two rules give one fact different values.
        """
        found = self.finding_of(self._decider.judge.judge(self._case(row)))
        return found | {name: row[name] for name in (*IDENTITY, *self._job.keep)}

    def finding_of(self, result: TaskResult) -> dict[str, Any]:
        """Return what the findings say of a task that was decided, but for what names it."""
        return finding_of(result, self._index, self._missing)

    def _case(self, row: Mapping[str, Any]) -> TaskCase:
        from msgspec.structs import replace

        place = (row["workload.namespace"], row["workload.name"])
        waivers = self.waivers.of(place, self._job.at) if self.waivers is not None else ()
        case = case_of(row, self._job.policy, self._job.at, waivers)
        text = row.get(STATUSES)
        if text is None:
            return case
        from policy_engine.vouching.attested import measured

        evidence = decoded(text)
        return replace(case, evidence=evidence, measured=measured(self._job.policy.catalog, case.hardware, evidence))

    def needed(self, covered: pl.Expr, columns: Sequence[str]) -> pl.Expr:
        """Return which rows are for this: those that the kernel does not cover, with waivers, or attested."""
        alone = ~covered
        if STATUSES in columns:
            alone = alone | (pl.col(STATUSES).is_not_null() & pl.col(HARDWARE).is_not_null())
        places = self.waivers.workloads() if self.waivers is not None else []
        if places:
            names = [f"{namespace}/{name}" for namespace, name in places]
            identity = pl.concat_str("workload.namespace", "workload.name", separator="/")
            alone = alone | identity.is_in(names)
        return alone


def finding_of(result: TaskResult, index: FleetIndex, missing: MissingFacts) -> dict[str, Any]:
    """Return what the findings say of a decided task; `masks` as words."""
    named = result.ranking.recommended or result.ranking.provisional
    models = result.models[named] if named is not None else None
    chosen = (models.chosen or models.provisional) if models is not None else None
    found: dict[str, Any] = {
        "verdict": result.verdict,
        "judged": result.judged,
        "recommendation": result.ranking.recommended,
        "provisional": result.ranking.provisional,
        "firm": result.ranking.firm,
        "model": chosen.name if chosen is not None else None,
        "monthly_usd": models.monthly_usd if models is not None else None,
        "cheapest": result.ranking.cheapest,
        "fallback_verdict": result.fallback_verdict,
        "conflict": False,
    }
    for option in OPTIONS:
        standing = result.standings[option]
        found |= {f"status.{option}": standing.status, f"score.{option}": standing.score}
        found |= {f"score_low.{option}": standing.low, f"score_high.{option}": standing.high}
        found[f"monthly_usd.{option}"] = standing.monthly_usd
    rules = index.rules
    names = {
        "fired": [rules[place] for place, outcome in enumerate(result.outcomes) if outcome],
        "indeterminate": [rules[place] for place, outcome in enumerate(result.outcomes) if outcome is None],
        "missing": missing.of(result)[0],
        "outstanding": [each.evidence for each in result.obligations if each.status == "outstanding"],
        "uncertain": [each.evidence for each in result.obligations if each.status == "uncertain"],
    }
    for mask in MASKS:
        found |= zip(index.columns(mask), words(index.names(mask), names[mask]), strict=True)
    return found


@lru_cache(maxsize=16)
def _places(names: tuple[str, ...]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(names)}


def words(all_names: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return the mask of `names`, a word of 64 bits each, the lowest first."""
    places = _places(tuple(all_names))
    whole = sum(1 << places[name] for name in set(names))
    return [(whole >> (WORD * number)) & ((1 << WORD) - 1) for number in range(-(-len(all_names) // WORD))]
