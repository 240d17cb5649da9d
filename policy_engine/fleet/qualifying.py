"""Which contenders of an option meet the needs of each row, in three values (`catalog.qualify`)."""

from __future__ import annotations

import polars as pl

from policy_engine.catalog.cost import SELF_RUN
from policy_engine.fleet.building import Plan, Truth, both, column, either, negated
from policy_engine.fleet.contenders import Contender
from policy_engine.fleet.needed import NeedColumns


class Entry:
    """A contender in the plan: whether it surely meets the needs, or may, and what makes it uncertain."""

    def __init__(self, needs: NeedColumns, contender: Contender) -> None:
        self.contender = contender
        self.name = contender.name
        self._needs = needs
        self._out: list[Truth] = []
        self._open: list[Truth] = []
        self._gaps: list[Truth] = []
        self._gap_count: pl.Expr | None = None
        #: What makes this contender uncertain where it makes not all of them so, by the fact that would tell.
        self.waits: dict[str, Truth] = {}
        self._check_model()
        self._check_scores()
        self._check_place()
        self._parts: tuple[Truth, Truth] = (False, False)
        self.sure: Truth = False
        self.maybe: Truth = False

    def check(self, plan: Plan) -> None:
        """Name what the checks say; after the step that named the needs."""
        self._parts = plan.hold(either(self._out)), plan.hold(either([*self._open, self._needs.blank]))

    def settle(self, plan: Plan) -> None:
        """Name what the checks come to; after the next step."""
        out, unknown = self._parts
        self.sure = plan.hold(both(negated(out), negated(unknown)))
        self.maybe = plan.hold(both(negated(out), unknown))

    @property
    def gaps(self) -> pl.Expr | int:
        """How many figures the catalog lacks that would tell."""
        fixed = sum(part is True for part in self._gaps)
        parts = [part.cast(pl.UInt8) for part in self._gaps if not isinstance(part, bool)]
        if self._gap_count is not None:
            parts.append(self._gap_count)
        if not parts:
            return fixed
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total + pl.lit(fixed, dtype=pl.UInt8)

    def _check_model(self) -> None:
        needs, candidate = self._needs, self.contender.candidate
        model = candidate.model
        if candidate.meant is None:
            self._lacking(True)
        if model.modalities is None:
            self._lacking(negated(needs.modalities_unknown))
        else:
            self._out += [asked for name, asked in needs.modality.items() if name not in model.modalities]
        if model.context_tokens is None:
            self._lacking(negated(needs.context_unknown))
        else:
            self._out.append(needs.above(model.context_tokens))
        if candidate.option in SELF_RUN:
            self._check_licence()
        if candidate.option == "edge":
            self._out.append(needs.edge_unwanted)

    def _check_licence(self) -> None:
        needs = self._needs
        verdict = needs.policy.catalog.licence(self.name)
        if verdict is None:
            self._lacking(negated(needs.not_commercial))
        elif verdict == "forbidden":
            self._out.append(needs.commercial)
            self._waiting("workload.organisation", needs.commercial_unknown)

    def _check_scores(self) -> None:
        needs, bar = self._needs, self._needs.policy.catalog.rules.high_quality_score
        out, unknown, gaps = needs.floor_truths(self.contender)
        self._out.append(out)
        self._open.append(unknown)
        self._gap_count = gaps
        for score, read in zip(self.contender.scores, needs.reads, strict=True):
            if score is None:
                self._lacking(both(read, either([needs.high, needs.best, needs.quality_unknown])))
            elif score < bar:
                self._out.append(both(read, needs.high))
                if score < 0.0:
                    self._out.append(both(read, needs.best))
            if score is None or score < bar:
                self._waiting("task.quality", both(read, needs.quality_unknown))

    def _check_place(self) -> None:
        if self.contender.option in SELF_RUN:
            return
        out, unknown = self._needs.placed(self.contender)
        self._out.append(out)
        self._waiting("data.residency", unknown)

    def _lacking(self, where: Truth) -> None:
        self._open.append(where)
        self._gaps.append(where)

    def _waiting(self, fact: str, where: Truth) -> None:
        self._open.append(where)
        self.waits[fact] = either([self.waits.get(fact, False), where])


class Qualified:
    """The contenders of one option, and which of them come nearest where none surely meets the needs."""

    def __init__(self, option: str, entries: list[Entry]) -> None:
        self.option, self.entries = option, entries
        self.any_sure: Truth = False
        self.any_maybe: Truth = False
        self.nearest: list[Truth] = []

    def settle(self, plan: Plan) -> None:
        """Name what the option has; after the step that settled its entries."""
        self.any_sure = plan.hold(either(each.sure for each in self.entries))
        self.any_maybe = plan.hold(either(each.maybe for each in self.entries))
        self._least = self._least_gaps()
        if self._least is not None:
            self._least = plan.let(self._least)

    def settle_nearest(self, plan: Plan) -> None:
        """Name those of which the catalog knows most, where none surely meets the needs; after another step."""
        for each in self.entries:
            near: Truth = True
            if self._least is not None:
                gaps = each.gaps
                near = self._least == (pl.lit(gaps, dtype=pl.UInt8) if isinstance(gaps, int) else gaps)
                near = near.fill_null(False)
            self.nearest.append(plan.hold(both(negated(self.any_sure), each.maybe, near)))

    def _least_gaps(self) -> pl.Expr | None:
        """The fewest gaps of those that may meet the needs; None where all have the same."""
        counts = [each.gaps for each in self.entries]
        if len({count if isinstance(count, int) else -1 - place for place, count in enumerate(counts)}) <= 1:
            return None
        fixed: dict[int, list[Truth]] = {}
        found = []
        for each, count in zip(self.entries, counts, strict=True):
            if isinstance(count, int):
                fixed.setdefault(count, []).append(each.maybe)
            else:
                found.append(pl.when(column(each.maybe)).then(count))
        for count, maybes in fixed.items():
            found.append(pl.when(column(either(maybes))).then(pl.lit(count, dtype=pl.UInt8)))
        return pl.min_horizontal(found)
