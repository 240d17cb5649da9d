"""Decide a fleet by columns: the canonical frame in, one row of findings out for each row, in one lazy plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from policy_engine.fleet.columns import HARDWARE, IDENTITY, FleetIndex, findings_columns, index_of
from policy_engine.fleet.outcomes import Conditions
from policy_engine.fleet.tasks import TaskPlan
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_polars import MOST_CROSSED


class FleetEngine:
    """Decides frames of tasks under one policy at one time. Made once; `findings` for each frame.

    `index` says what the bits of the masks stand for (`index.document()` is kept beside the findings).

    Raises:
        RulesError: a rule cannot be said in Polars; the problem names it.
    """

    def __init__(self, policy: Policy, at: datetime) -> None:
        self.policy, self.at = policy, at
        self.index: FleetIndex = index_of(policy, list(policy.catalog.benchmarks))
        self._conditions = Conditions(policy)

    @property
    def covered(self) -> pl.Expr:
        """Whether `findings` decides a row of the canonical frame; the others are decided one by one. Never null."""
        found = pl.col(HARDWARE).is_null()
        for name in sorted(self._conditions.crossed):
            found = found & (pl.col(name).list.len().fill_null(0) <= MOST_CROSSED)
        return found

    def findings(self, rows: pl.LazyFrame, keep: Sequence[str] = ()) -> pl.LazyFrame:
        """Return one row of findings for each of `rows` (all of them `covered`), in their order.

        The columns are `columns.findings_columns(self.index, keep)`: those of `keep` are passed through. `conflict` is
        true where two rules give one fact different values: the row has no decision (its verdict is null), and
        deciding it alone raises the error that says so. What is distinct among floors, residencies and regions is
        read before, in passes over those columns alone.
        """
        task = TaskPlan(self._conditions, self.index, self.at.astimezone(UTC).date(), rows)
        return task.decided([*IDENTITY, *keep]).select(findings_columns(self.index, keep))
