"""What each row needs of a model, as columns: the needs of `catalog.needs`, by what is asked of a contender."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from policy_engine.fleet.building import Plan, Truth, both, either
from policy_engine.fleet.columns import MIN_SCORES
from policy_engine.fleet.contenders import OUT, UNKNOWN, Contender, floors_verdict
from policy_engine.fleet.lookups import (
    RESIDENCY_KEY,
    UNKNOWN_KEY,
    Distinct,
    Table,
    floors_of,
    kept_residency_key,
    residency_of,
)
from policy_engine.loading.policy import Policy

VOLUME = ("volume.input_tokens_per_month", "volume.output_tokens_per_month")


def is_null(name: str) -> pl.Expr:
    return pl.col(name).is_null()


def holds(expression: pl.Expr) -> pl.Expr:
    """Return whether `expression` is true: unknown is not."""
    return expression.fill_null(False)


class NeedColumns:
    """The needs of each row. Truths are never null: what is not known has one of its own."""

    def __init__(self, plan: Plan, policy: Policy, distinct: Distinct) -> None:
        self.policy = policy
        kept_residency_key(plan)
        self._scalars(plan)
        self._edge(plan)
        self._volume(plan)
        self._modalities(plan)
        self.floors = Table("~floors", distinct.floors)
        self.residency = Table("~residency", distinct.residencies)
        self._floors = [floors_of(key) for key in distinct.floors]
        self.residencies = [residency_of(key) for key in distinct.residencies]
        self._verdicts: dict[tuple[tuple[str, float], ...], tuple[Truth, Truth, list[Truth]]] = {}
        self.no_floors = self.floors.flags([each is None for each in self._floors])
        self.no_residency = self.residency.flags([each is None for each in self.residencies])
        self.no_floor = {
            name: self.floors.flags([each is not None and each.get(name, 0.0) is None for each in self._floors])
            for name in policy.catalog.benchmarks
        }
        self.over: dict[int, pl.Expr] = {}
        self._plan = plan

    def _scalars(self, plan: Plan) -> None:
        stage, organisation, quality = (
            pl.col(name) for name in ("workload.stage", "workload.organisation", "task.quality")
        )
        free = holds((stage == "prototype") | (organisation == "research"))
        self.not_commercial = plan.let(free)
        self.commercial_unknown = plan.let(~free & (stage.is_null() | organisation.is_null()))
        self.commercial = plan.let(~free & stage.is_not_null() & organisation.is_not_null())
        self.high = plan.let(holds(quality == "high"))
        self.best = plan.let(holds(quality == "best"))
        self.quality_unknown = plan.let(quality.is_null())
        self.organisation_unknown = plan.let(organisation.is_null())
        self.complexity_unknown = plan.let(is_null("task.complexity"))
        coding = pl.col("task.kind") == "coding"
        #: Whether the quality bar reads each of `contenders.BENCHMARKS`.
        self.reads: tuple[Truth, Truth] = (plan.let(~coding), plan.let(coding))
        bar = quality.is_null() | (quality != "sufficient")
        #: Whether the quality bar asks, or may ask, for a score of each.
        self.asks_score: tuple[Truth, Truth] = (plan.let(~coding & bar), plan.let(coding & bar))
        self.routed = plan.let(pl.col("workload.task_count") > 1)
        self.context_unknown = plan.let(is_null("task.context_tokens"))

    def _edge(self, plan: Plan) -> None:
        limit = self.policy.rules.values["edge_latency_ms"]
        needed, fast = pl.col("needs.edge"), pl.col("task.latency_p95_ms") < limit
        wanted = holds(needed | fast)
        self.edge_unknown = plan.let(~wanted & (needed.is_null() | fast.is_null()))
        self.edge_unwanted = plan.let(~wanted & needed.is_not_null() & fast.is_not_null())

    def _volume(self, plan: Plan) -> None:
        share = pl.col("task.share")
        sent, answered = (pl.col(name).cast(pl.Float64) * share for name in VOLUME)
        known = pl.col(VOLUME[0]).is_not_null() & pl.col(VOLUME[1]).is_not_null()
        self.volume_unknown = plan.let(~known)
        self.into, self.out = plan.let(sent), plan.let(answered)
        self.tokens = plan.let(sent + answered)
        #: 0.0 in every row with a volume, as a column: see `to_polars.divided`.
        self.nought = plan.let((sent + answered).is_nan().cast(pl.Float64))
        self.unknown_volumes: tuple[Truth, ...] = tuple(plan.let(is_null(name)) for name in VOLUME)

    def _modalities(self, plan: Plan) -> None:
        asked = pl.col("task.modalities")
        self.modalities_unknown = plan.let(asked.is_null())
        values = self.policy.vocabulary.facts["task.modalities"].values or ()
        self.modality = {name: plan.let(holds(asked.list.contains(name))) for name in values}

    def above(self, window: int) -> pl.Expr:
        """Return whether the context asked for is above `window` tokens."""
        if window not in self.over:
            self.over[window] = self._plan.let(holds(pl.col("task.context_tokens") > window))
        return self.over[window]

    def floor_truths(self, contender: Contender) -> tuple[Truth, Truth, list[Truth]]:
        """Return whether the floors rule a contender out, leave it open, and whether one score lacks, or two, ..."""
        candidate = contender.candidate
        profile = tuple(sorted(candidate.scores.items()))
        if profile not in self._verdicts:
            catalog = self.policy.catalog
            found = [floors_verdict(catalog, candidate, floors) if floors else None for floors in self._floors]
            standings = [each.standing if each is not None else 0 for each in found]
            gaps = [each.gaps if each is not None else 0 for each in found]
            self._verdicts[profile] = (
                self.floors.flags([each == OUT for each in standings]),
                self.floors.flags([each == UNKNOWN for each in standings]),
                [self.floors.flags([gap > count for gap in gaps]) for count in range(max(gaps, default=0))],
            )
        return self._verdicts[profile]

    def placed(self, contender: Contender) -> tuple[Truth, Truth]:
        """Return whether residency leaves another set of its offers, or none; and whether that is not known."""
        standing = contender.standing
        flags = self.residency.flags
        return flags([each == OUT for each in standing]), flags([each == UNKNOWN for each in standing])

    def look_up(self, plan: Plan) -> None:
        """Look up what floors and residencies came to; once every contender has asked for it."""
        self.floors.look_up(plan, pl.col(MIN_SCORES).fill_null(UNKNOWN_KEY))
        self.residency.look_up(plan, pl.col(RESIDENCY_KEY))

    def settle(self, plan: Plan) -> None:
        """Name what was looked up; after the next step."""
        self.floors.settle(plan)
        self.residency.settle(plan)

    def named_by_routes(self, routes: Sequence[tuple[str, str | None]]) -> Truth:
        """Return whether the task's kind and complexity are among `routes`."""
        by_complexity: dict[str | None, list[str]] = {}
        for kind, complexity in routes:
            by_complexity.setdefault(complexity, []).append(kind)
        parts: list[Truth] = []
        for complexity, kinds in by_complexity.items():
            same = self.complexity_unknown if complexity is None else holds(pl.col("task.complexity") == complexity)
            parts.append(both(same, pl.col("task.kind").is_in(kinds)))
        return both(self.routed, either(parts))

    @property
    def blank(self) -> Truth:
        """Whether something is unknown that every model is asked for."""
        return either([self.modalities_unknown, self.context_unknown, self.no_floors])
