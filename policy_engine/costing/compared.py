"""Each option that one runs oneself against each API: total cost, pay-back, return, break-even."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.costing.curve import BreakEven, break_even
from policy_engine.costing.lines import Line
from policy_engine.costing.returns import Returns, returns
from policy_engine.model.ranges import Range, total


class Compared(Struct, frozen=True):
    """A self-run line against an API's. `returns` None where the volume is not stated."""

    own: Line
    api: Line
    break_even: BreakEven
    returns: Returns | None


def best_own(lines: Sequence[Line]) -> list[Line]:
    """Return the line of each self-run option and way to have machines: of the chosen model, else the cheapest one."""
    found: dict[tuple[str, bool], list[Line]] = {}
    for line in lines:
        if line.self_run and line.machine is not None and line.curve is not None:
            found.setdefault((line.option, line.machine.owned), []).append(line)
    return [min(each, key=_rank) for each in found.values()]


def _rank(line: Line) -> tuple[bool, int, float]:
    cost = line.monthly or (line.curve.at(1e9) if line.curve else None)
    by_status = {True: 0, None: 1, False: 2}[line.qualifies]
    return not line.chosen, by_status, cost.central if cost else 0.0


def compare(lines: Sequence[Line]) -> Iterator[Compared]:
    """Yield each comparison, the cheaper API first."""
    apis = [line for line in lines if not line.self_run and line.curve is not None]
    for own in best_own(lines):
        for api in sorted(apis, key=lambda line: line.curve.usd_per_million.central if line.curve else 0.0):
            if own.curve is not None and api.curve is not None:
                even = break_even(own.curve, api.curve)
                yield Compared(own, api, replace(even, at_least=even.at_least or own.at_least), _returns(own, api))


def _returns(own: Line, api: Line) -> Returns | None:
    if own.outlay is None or api.outlay is None:
        return None
    # a move that either way makes is no part of what self-running is paid back for
    alike = {name for name, cost in own.once.items() if api.once.get(name) == cost}
    outlays = (replace(own.outlay, once=_once(own, alike)), replace(api.outlay, once=_once(api, alike)))
    return returns(*outlays, floor=own.at_least)


def _once(line: Line, but: set[str]) -> Range:
    return total(cost for name, cost in line.once.items() if name not in but and name != "purchase")
