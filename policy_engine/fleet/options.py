"""The catalog's answer for each option and row (`catalog.choice`, `completing`): a model, its cost, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl
from msgspec.structs import replace

from policy_engine.catalog.choice import route_of
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.fleet.building import Plan, Truth, both, either, negated
from policy_engine.fleet.columns import MIN_SCORES
from policy_engine.fleet.contenders import EASY, contenders
from policy_engine.fleet.facts import ModelNames, model_codes
from policy_engine.fleet.needed import VOLUME, NeedColumns
from policy_engine.fleet.picking import Costs, Picked
from policy_engine.fleet.qualifying import Entry, Qualified
from policy_engine.model.vocabulary import OPTIONS

Missing = dict[str, Truth]


class OptionState:
    """One option in the plan. `available` and `undecided` exclude each other; neither is "no model"."""

    def __init__(self, option: str, qualified: Qualified, picked: Picked) -> None:
        self.option, self.qualified, self.picked = option, qualified, picked
        self.available: Truth = False
        self.undecided: Truth = False
        #: By fact: what would tell whether a model serves it, and what could let another model be chosen.
        self.missing: Missing = {}
        self.waits: Missing = {}
        self.volume_unknown: tuple[Truth, ...] = ()
        self.settled: Truth = False
        self.unpriced: Truth = False
        self.cost_open: Truth = False

    @property
    def usd(self) -> pl.Expr:
        return self.picked.usd

    @property
    def model(self) -> pl.Expr:
        return self.picked.model


def options_of(plan: Plan, needs: NeedColumns, day: date) -> list[OptionState]:
    """Add to `plan` what the catalog says of every option, and return where it stands."""
    catalog = needs.policy.catalog
    found = [
        Qualified(option, [Entry(needs, each) for each in contenders(catalog, option, day, needs.residencies)])
        for option in OPTIONS
    ]
    plan.step()
    needs.look_up(plan)
    plan.step()
    needs.settle(plan)
    plan.step()
    entries = [each for qualified in found for each in qualified.entries]
    for each in entries:
        each.check(plan)
    plan.step()
    for each in entries:
        each.settle(plan)
    plan.step()
    for qualified in found:
        qualified.settle(plan)
    plan.step()
    for qualified in found:
        qualified.settle_nearest(plan)
    plan.step()
    states = _picked(plan, needs, found, day)
    for state in states:
        _settle(plan, needs, state)
    plan.step()
    for state in states:
        _wait(plan, state)
    plan.step()
    return states


def _picked(plan: Plan, needs: NeedColumns, found: Sequence[Qualified], day: date) -> list[OptionState]:
    """Add the choice of a model, a step for each measure of the order."""
    picked = [Picked(needs, each, model_codes(needs.policy.catalog)) for each in found]
    costs = Costs(needs)
    steps = (
        lambda each: each.start(plan),
        lambda each: each.undominated(plan),
        lambda each: (each.decide_volume(plan), each.best(plan)),
        lambda each: each.cost(plan, costs),
        lambda each: each.cheapest(plan),
        lambda each: each.tie(plan),
        lambda each: each.smallest(plan),
        lambda each: each.named(plan),
        lambda each: each.first(plan, _routes(plan, needs, found[picked.index(each)].option, day)),
    )
    for do in steps:
        for each in picked:
            do(each)
        plan.step()
    return [OptionState(each.option, each, choice) for each, choice in zip(found, picked, strict=True)]


def _routes(plan: Plan, needs: NeedColumns, option: str, day: date) -> dict[str, Truth]:
    """Return, by model, whether a route names it for the task of a row."""
    facts, catalog = needs.policy.vocabulary.facts, needs.policy.catalog
    named: dict[str, list[tuple[str, str | None]]] = {}
    for kind in facts["task.kind"].values or ():
        for complexity in (None, *(facts["task.complexity"].values or ())):
            route = route_of(catalog, option, replace(EASY, kind=kind, complexity=complexity), day)
            for model in route.models if route else ():
                named.setdefault(model, []).append((kind, complexity))
    return {model: needs.named_by_routes(pairs) for model, pairs in named.items()}


def _settle(plan: Plan, needs: NeedColumns, state: OptionState) -> None:
    """Name availability, and the facts that would tell of what is not known."""
    found = state.qualified
    edge = state.option == "edge"
    open_edge: Truth = needs.edge_unknown if edge else False
    state.available = plan.hold(both(found.any_sure, negated(open_edge)))
    doubtful = both(negated(found.any_sure), found.any_maybe)
    state.undecided = plan.hold(either([doubtful, both(open_edge, found.any_sure)]))
    for fact, where in nearest_missing(needs, found).items():
        state.missing[fact] = plan.hold(both(doubtful, where))
    if edge:
        either_way = both(open_edge, either([found.any_sure, found.any_maybe]))
        for fact in ("needs.edge", "task.latency_p95_ms"):
            state.missing[fact] = plan.hold(either_way)
    waits: Missing = {"task.quality": needs.quality_unknown}
    if state.option in SELF_RUN:
        waits["workload.organisation"] = needs.organisation_unknown
    waits["task.complexity"] = both(needs.routed, needs.complexity_unknown)
    for name, unknown in zip(VOLUME, needs.unknown_volumes, strict=True):
        waits[name] = both(state.picked.volume_decides, unknown)
    state.waits = {name: plan.hold(where) for name, where in waits.items()}
    state.volume_unknown = needs.unknown_volumes


def _wait(plan: Plan, state: OptionState) -> None:
    """Name whether the choice is settled, and whether the cost waits for facts."""
    waiting = either(state.waits.values())
    state.settled = plan.hold(both(state.available, negated(waiting)))
    unpriced = either([negated(either([state.available, state.undecided])), state.usd.is_null()])
    state.unpriced = plan.hold(unpriced)
    volume = both(unpriced, either(state.volume_unknown))
    state.cost_open = plan.hold(either([state.undecided, waiting, volume]))


def nearest_missing(needs: NeedColumns, found: Qualified) -> Missing:
    """Return, by fact, whether it would tell of the nearest contenders of an option."""
    return {
        **_asked_of_all(needs),
        **{
            fact: either(
                both(near, entry.waits.get(fact, False))
                for entry, near in zip(found.entries, found.nearest, strict=True)
            )
            for fact in ("task.quality", "workload.organisation", "data.residency")
        },
    }


def _asked_of_all(needs: NeedColumns) -> Missing:
    """Return the facts that every model waits for."""
    return {
        "task.modalities": needs.modalities_unknown,
        "task.context_tokens": needs.context_unknown,
        MIN_SCORES: needs.no_floors,
        **{f"{MIN_SCORES}.{name}": where for name, where in needs.no_floor.items()},
    }


class Proposed:
    """What the catalog makes of the model that a row proposes for the option that it proposes."""

    def __init__(
        self, plan: Plan, needs: NeedColumns, states: Sequence[OptionState], deployment: pl.Expr, model: pl.Expr
    ) -> None:
        names = ModelNames(needs.policy.catalog)
        chosen = {state.option: plan.let((deployment == state.option).fill_null(False)) for state in states}
        is_model = {key: plan.let(model.is_in(places).fill_null(False)) for key, places in names.places.items()}
        plan.step()
        sure: list[Truth] = []
        maybe: list[Truth] = []
        waits: dict[str, list[Truth]] = {}
        for state in states:
            here = chosen[state.option]
            open_: list[Truth] = []
            #: Which contenders wait for a fact, by the fact and by where they do.
            waiting: dict[tuple[str, str], tuple[Truth, list[Truth]]] = {}
            for entry in state.qualified.entries:
                perhaps = both(is_model[entry.name], entry.maybe)
                open_.append(perhaps)
                for fact, where in entry.waits.items():
                    waiting.setdefault((fact, str(where)), (where, []))[1].append(perhaps)
            surely = [both(is_model[entry.name], entry.sure) for entry in state.qualified.entries]
            sure.append(both(here, either(surely)))
            maybe.append(both(here, either(open_)))
            for (fact, _), (where, entries) in waiting.items():
                waits.setdefault(fact, []).append(both(here, where, either(entries)))
        self.unknown_model = plan.hold(model.is_null())
        self.sure = plan.hold(either(sure))
        self.maybe = plan.hold(either(maybe))
        self._waits = {fact: plan.hold(either(parts)) for fact, parts in waits.items()}
        self._all = _asked_of_all(needs)

    @property
    def fails(self) -> Truth:
        """Whether the model surely does not serve."""
        return both(negated(self.unknown_model), negated(self.sure), negated(self.maybe))

    @property
    def missing(self) -> Missing:
        """Return, by fact, whether it would tell of the model (that none is named is not among them)."""
        return {fact: both(self.maybe, where) for fact, where in self._all.items()} | self._waits
