"""Where a number turns something: the pieces of the range of one numeric fact of one task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import inf

from policy_engine.catalog import api_price
from policy_engine.counterfactuals.changed import COSTS, SPEND, VOLUME, VOLUMES, Changed, World
from policy_engine.counterfactuals.cuts import Cuts
from policy_engine.counterfactuals.pieces import Number, Piece, after, cut_up, first, starts_at, turns
from policy_engine.facts import DAYS_PER_MONTH
from policy_engine.language.tree import Compare
from policy_engine.model.fields import LARGEST_COUNT
from policy_engine.model.vocabulary import Fact

Function = Callable[[Number], Number | None]
_DECADES = tuple(10**power for power in range(16))
_FAR = 1_000_000_000


def pieces_of(fact: Fact, world: World, cuts: Cuts) -> list[Piece]:
    """Return the pieces of the fact's range, by every condition and by what the catalog compares it with.

    Not by the order of costs, which `counterfactuals.costs` adds where it matters.
    """
    whole = fact.type == "int"
    low = fact.minimum if fact.minimum is not None else (-LARGEST_COUNT if whole else -inf)
    high = fact.maximum if fact.maximum is not None else (LARGEST_COUNT if whole else inf)
    starts = [start for op, cut in cuts.numbers.get(fact.name, ()) for start in starts_at(op, cut, whole)]
    starts += _needed(fact, world)
    reached = [fact.name]
    if fact.name in VOLUME:
        reached += [*VOLUMES, SPEND, *COSTS.values()]
        starts += _through_volume(fact.name, world, cuts, low, high)
    elif fact.name == "budget.api_spend_usd_per_month":
        starts += [start for op, cut in cuts.numbers.get(SPEND, ()) for start in starts_at(op, cut, whole)]
        reached.append(SPEND)
    nodes = list({id(node): node for name in reached for node in cuts.computed.get(name, ())}.values())
    starts += _solved(fact, world, nodes, low, high)
    return cut_up(starts, low, high)


def _needed(fact: Fact, world: World) -> Iterator[Number]:
    """Yield where the choice of models turns: at their context windows, and at the latency that asks for the edge."""
    if fact.name == "task.context_tokens":
        yield from (window + 1 for window in world.masks.contexts())
    elif fact.name == "task.latency_p95_ms":
        yield int(world.judge.parameters["edge_latency_ms"])


def _through_volume(name: str, world: World, cuts: Cuts, low: Number, high: Number) -> Iterator[Number]:
    """Yield where a sum of the volumes, or the API spend, passes what it is compared with."""
    for computed, function in _functions(name, world).items():
        for op, cut in cuts.numbers.get(computed, ()):
            yield from passing(function, op, cut, low, high)
    for computed in COSTS.values():
        if computed in cuts.numbers:

            def cost(at: Number, computed: str = computed) -> Number | None:
                found: Number | None = Changed(world, {name: int(at)}).get(computed)
                return found

            for op, cut in cuts.numbers[computed]:
                yield from passing(cost, op, cut, low, high)


def passing(function: Function, op: str, cut: Number, low: Number, high: Number) -> Iterator[Number]:
    """Yield the starts that `function(x) op cut` makes, of a function that never falls and is known, or nowhere."""
    near, far = function(low), function(_FAR)
    if near is None or far is None:
        return
    guess = (cut - near) / (far - near) * (_FAR - low) + low if far > near else high
    if op in ("<", ">=", "==", "!="):
        found = first(lambda at: (function(at) or 0) >= cut, low, high, True, guess)
        yield from () if found is None else (found,)
    if op in ("<=", ">", "==", "!="):
        found = first(lambda at: (function(at) or 0) > cut, low, high, True, guess)
        yield from () if found is None else (found,)


def _functions(name: str, world: World) -> dict[str, Function]:
    """Return what is computed of one direction's tokens, while the other stays as it is."""
    facts, sent = world.facts, name == VOLUME[0]
    other = facts.get(VOLUME[1] if sent else VOLUME[0])
    if other is None:
        return {}
    found: dict[str, Function] = {
        VOLUMES[0]: lambda at: min(at + other, LARGEST_COUNT),
        VOLUMES[1]: lambda at: min(at + other, LARGEST_COUNT) / DAYS_PER_MONTH,
    }
    share = facts.get("task.share")
    if share is not None:
        found[VOLUMES[2]] = lambda at: min(at + other, LARGEST_COUNT) * share
    spend = _spend(other, sent, world) if facts.get("budget.api_spend_usd_per_month") is None else None
    return found if spend is None else {**found, SPEND: spend}


def _spend(other: int, sent: bool, world: World) -> Function | None:
    """Return the API spend by one direction's tokens; None where no price is known."""
    for model in (world.facts.get("migration.from.model"), str(world.judge.parameters["reference_model"])):
        price = api_price(world.catalog, model, world.case.day) if model is not None else None
        if price is not None:
            usd = price.usd
            return partial(_first, usd, other) if sent else partial(usd, other)
    return None


def _first(usd: Callable[[float, float], float], other: float, at: float) -> float:
    return usd(at, other)


def _solved(fact: Fact, world: World, nodes: list[Compare], low: Number, high: Number) -> Iterator[Number]:
    """Yield where comparisons turn that are no plain ones: with another fact, or of something calculated."""
    if not nodes:
        return
    value, whole = world.judge.value, fact.type == "int"
    now = world.facts.get(fact.name)
    samples = [
        each for each in (low, high, now, *_DECADES) if each is not None and low <= each <= high and abs(each) < inf
    ]
    for node in nodes:

        def sign(at: Number, node: Compare = node) -> int | None:
            facts = Changed(world, {fact.name: int(at) if whole else float(at)})
            left, right = value(node.left, facts), value(node.right, facts)
            return None if left is None or right is None else (left > right) - (left < right)

        yield from turns(sign, samples, whole)


def floor_pieces(benchmark: str, world: World, high: float) -> list[Piece]:
    """Return the pieces of a score that is asked for: a model with that score meets it, and nothing above."""
    return cut_up([after(score, False) for score in world.masks.scores(benchmark)], 0.0, high)
