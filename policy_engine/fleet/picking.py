"""Which contender an option uses in each row, and what it costs: the order of `catalog.choice`, step by step.

Each step keeps those of a row's contenders that come first by one more measure, until one is left.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import reduce
from math import inf
from operator import add

import polars as pl

from policy_engine.catalog.cost import SELF_RUN
from policy_engine.fleet.building import Plan, Truth, both, column, either, first_of, negated
from policy_engine.fleet.contenders import Contender
from policy_engine.fleet.needed import NeedColumns
from policy_engine.fleet.qualifying import Qualified

_USD = pl.Float64


class Costs:
    """What each way of paying costs in each row; those that are equal are worked out once. Null without a volume."""

    def __init__(self, needs: NeedColumns) -> None:
        self._needs = needs
        self._known: dict[Hashable, pl.Expr] = {}

    def of(self, plan: Plan, contender: Contender) -> pl.Expr | None:
        """Return the column of the contender's cost, for use after the next step; None where it has no price."""
        if not contender.lines:
            return None
        own = contender.option in SELF_RUN
        key = (own, contender.lines)
        if key not in self._known:
            line = self._box if own else self._price
            each = [line(*values) for values in contender.lines]
            self._known[key] = plan.let(each[0] if len(each) == 1 else pl.min_horizontal(each))
        return self._known[key]

    def _price(self, into: float | None, out: float | None) -> pl.Expr:
        # the same operations in the same order as `slate.cost_of`, so that the same bits come out
        return (self._needs.into * into + self._needs.out * out) / (self._needs.nought + 1e6)

    def _box(self, usd: float | None, most: float | None, engineers: float | None) -> pl.Expr:
        tokens, nought = self._needs.tokens, self._needs.nought
        if most is None:
            return nought + ((usd or 0.0) + (engineers or 0.0))
        boxes = (tokens / (nought + most)).ceil().clip(lower_bound=1.0)
        return boxes * usd + engineers if engineers else boxes * usd


class Picked:
    """The contender of an option that each row comes to use."""

    def __init__(self, needs: NeedColumns, qualified: Qualified, codes: Mapping[str, int]) -> None:
        self._needs, self._qualified, self._codes = needs, qualified, codes
        self.contenders: list[Contender] = [each.contender for each in qualified.entries]
        self._left: list[Truth] = []
        #: Whether an unknown volume leaves open which of several is the cheapest.
        self.volume_decides: Truth = False
        self.usd: pl.Expr = pl.lit(None, dtype=_USD)
        self._costed: Truth = False
        self.model: pl.Expr = pl.lit(None, dtype=pl.UInt16)

    def start(self, plan: Plan) -> None:
        """Take those that surely meet the needs, else the nearest."""
        pairs = zip(self._qualified.entries, self._qualified.nearest, strict=True)
        self._left = [plan.hold(either([entry.sure, near])) for entry, near in pairs]

    def undominated(self, plan: Plan) -> None:
        """Without a volume: leave out what another undercuts whatever the volume is, and what has no price."""
        unknown = self._needs.volume_unknown
        present = self._by([each.rates for each in self.contenders])
        priced = either(there for rates, there in present.items() if rates is not None)
        beaten = {
            rates: either(
                there for other, there in present.items() if other not in (None, rates) and _below(other, rates)
            )
            if rates is not None
            else priced
            for rates in present
        }
        kept = [
            plan.hold(both(here, negated(both(unknown, beaten[each.rates]))))
            for here, each in zip(self._left, self.contenders, strict=True)
        ]
        self._left = kept

    def decide_volume(self, plan: Plan) -> None:
        """Say where several are left for want of a volume."""
        count = reduce(add, [column(here).cast(pl.UInt16) for here in self._left], pl.lit(0, dtype=pl.UInt16))
        several = count > 1 if len(self._left) > 1 else False
        self.volume_decides = plan.hold(both(self._needs.volume_unknown, self._qualified.any_sure, several))

    def best(self, plan: Plan) -> None:
        """Where the best is asked for: leave those with the highest score."""
        better: list[list[Truth]] = [[] for _ in self.contenders]
        for place, read in enumerate(self._needs.reads):
            ranks = [_descending(each.scores[place]) for each in self.contenders]
            for index, ahead in enumerate(self._ahead(plan, ranks)):
                better[index].append(both(read, ahead))
        self._pending = [
            both(here, negated(both(self._needs.best, either(ahead))))
            for here, ahead in zip(self._left, better, strict=True)
        ]

    def cost(self, plan: Plan, costs: Costs) -> None:
        """Name who is left and what each would cost; after another step."""
        self._left = [plan.hold(here) for here in self._pending]
        self._cost = [costs.of(plan, each) for each in self.contenders]

    def cheapest(self, plan: Plan) -> None:
        """Find the least cost; after another step."""
        groups: dict[str, tuple[pl.Expr, list[Truth]]] = {}
        for here, cost in zip(self._left, self._cost, strict=True):
            if cost is not None:
                groups.setdefault(str(cost), (cost, []))[1].append(here)
        asked = [pl.when(column(either(heres))).then(cost) for cost, heres in groups.values()]
        if asked:
            self.usd = plan.let(pl.min_horizontal(asked) if len(asked) > 1 else asked[0])

    def tie(self, plan: Plan) -> None:
        """Leave those of the least cost; where none is known, the smallest: after another step."""
        self._costed = plan.hold(self.usd.is_not_null()) if any(cost is not None for cost in self._cost) else False
        costed = self.usd.is_not_null() if self._costed is not False else False
        same: dict[str, pl.Expr] = {}
        kept = []
        for here, cost in zip(self._left, self._cost, strict=True):
            equal: Truth = False
            if cost is not None:
                equal = same.setdefault(str(cost), (cost == self.usd).fill_null(False))
            kept.append(plan.hold(both(here, either([negated(costed), equal]))))
        self._left = kept

    def smallest(self, plan: Plan) -> None:
        """Where no cost is known, and not the best is asked for: leave the smallest; after another step."""
        unpriced = both(negated(self._costed), negated(self._needs.best))
        ahead = self._ahead(plan, [each.size for each in self.contenders])
        self._pending = [
            both(here, negated(both(unpriced, each))) for here, each in zip(self._left, ahead, strict=True)
        ]

    def named(self, plan: Plan) -> None:
        """Name who is left; after another step."""
        self._left = [plan.hold(here) for here in self._pending]

    def first(self, plan: Plan, routes: Mapping[str, Truth]) -> None:
        """Take what a route names, else all; the highest score, then the name, decide. After another step."""
        routed = [routes.get(each.name, False) for each in self.contenders]
        chains = []
        for place, read in enumerate(self._needs.reads):
            order = sorted(
                range(len(self.contenders)),
                key=lambda at, place=place: (  # type: ignore[misc]
                    _descending(self.contenders[at].scores[place]),
                    self.contenders[at].name,
                ),
            )
            cases: list[tuple[Truth, pl.Expr]] = []
            for named in (True, False):
                for at in order:
                    here = both(self._left[at], routed[at]) if named else self._left[at]
                    if here is not False:
                        cases.append((here, pl.lit(self._codes[self.contenders[at].name], dtype=pl.UInt16)))
            chains.append((order, read, first_of(cases, pl.lit(None, dtype=pl.UInt16))))
        (order, read, one), (other_order, _, other) = chains
        self.model = plan.let(one if order == other_order else pl.when(column(read)).then(one).otherwise(other))

    def _by(self, keys: Sequence[Hashable]) -> dict[Hashable, Truth]:
        """Return, for each of `keys`, whether a contender that has it is left."""
        found: dict[Hashable, list[Truth]] = {}
        for here, key in zip(self._left, keys, strict=True):
            found.setdefault(key, []).append(here)
        return {key: either(heres) for key, heres in found.items()}

    def _ahead(self, plan: Plan, ranks: Sequence[float]) -> list[Truth]:
        """Return, for each contender, whether one of a lower rank is left."""
        present = self._by(ranks)
        before: Truth = False
        ahead: dict[float, Truth] = {}
        for rank in sorted(present):  # type: ignore[type-var]
            ahead[rank] = before  # type: ignore[index]
            before = either([before, present[rank]])
        return [ahead[rank] for rank in ranks]


def _below(one: object, other: object) -> bool:
    return one[0] <= other[0] and one[1] <= other[1]  # type: ignore[index,no-any-return]


def _descending(score: float | None) -> float:
    return inf if score is None else -score
