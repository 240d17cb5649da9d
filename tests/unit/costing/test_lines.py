"""What each assumption does to a month: it moves the costs that it says it moves, in the direction that it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from policy_engine.catalog import Considered
from policy_engine.costing.lines import Line, Load, Setting, lines_of
from policy_engine.costing.moving import Move
from policy_engine.loading.assumptions import read_assumptions
from policy_engine.loading.policy import load_policy
from policy_engine.model.ranges import ZERO, Range, exactly, total

AT = datetime(2026, 11, 22, tzinfo=UTC).date()
POLICY = load_policy()
ASSUMED = read_assumptions((), POLICY)
LOAD = Load(400e9, 100e9, exactly(0.8), ASSUMED["tokens_per_request"].range)
#: Those that a line of self_hosted, on rented or bought machines at a stated volume, does not rest on.
ELSEWHERE = {"edge_engineers", "prompt_share", "set_up_engineer_months", "migration_weeks", "migration_engineers"}


def lines(changes: dict[str, Range], load: Load = LOAD, option: str = "self_hosted") -> tuple[Line, ...]:
    assumed = {name: replace(each, range=changes.get(name, each.range)) for name, each in ASSUMED.items()}
    per_request = changes.get("tokens_per_request", load.tokens_per_request)
    move = Move(False, None, None, ZERO, ZERO)
    setting = Setting(POLICY.catalog, AT, assumed, replace(load, tokens_per_request=per_request), None, move)
    model: Any = Considered("llama-3.1-8b", True, (), (), None, None, None, None, ())
    return lines_of(setting, option, model, chosen=True)


def months(found: tuple[Line, ...]) -> list[Range]:
    return [line.monthly for line in found if line.monthly is not None]


@pytest.mark.parametrize("name", [name for name in ASSUMED if name != "hours_per_month"])
def test_an_assumption_moves_costs_as_it_says(name: str) -> None:
    each = ASSUMED[name]
    ends = (exactly(each.range.low), exactly(each.range.high))
    cheap, dear = (months(lines({name: end})) for end in (reversed(ends) if each.lowers_cost else ends))
    assert len(cheap) == len(dear) == 2
    assert all(one.central <= other.central for one, other in zip(cheap, dear, strict=True))
    moved = any(one.central < other.central for one, other in zip(cheap, dear, strict=True))
    assert moved is (name not in ELSEWHERE)


def test_fewer_hours_are_cheaper_at_a_small_volume_alone() -> None:
    """A machine that runs half the month costs half: for a large volume twice as many are bought."""
    half = {"hours_per_month": exactly(730.5 / 2)}
    small = Load(4e6, 1e6, exactly(0.8), LOAD.tokens_per_request)
    rented = [months(lines(change, small))[0].central for change in (half, {})]
    bought = [months(lines(change))[1].central for change in (half, {})]
    assert rented[0] < rented[1]
    assert bought[0] > bought[1]


def test_a_month_is_the_sum_of_its_parts_and_lies_between_its_ends() -> None:
    for line in lines({}):
        assert line.monthly is not None
        assert line.parts is not None
        assert line.curve is not None
        assert line.monthly == total(line.parts.values())
        at = line.curve.at(500e9)
        for end in ("low", "central", "high"):
            assert getattr(at, end) == pytest.approx(getattr(line.monthly, end))


def test_nothing_is_free_where_nothing_is_asked() -> None:
    idle = lines({}, Load(0.0, 0.0, exactly(0.8), LOAD.tokens_per_request))
    for line in idle:
        assert line.monthly is not None
        assert line.monthly.low > 8000


def test_an_unknown_speed_makes_a_floor() -> None:
    (edge,) = lines({}, option="edge")
    assert edge.at_least
    assert edge.curve is not None
    assert edge.curve.capacity is None
    assert edge.curve.at(1e15) == edge.curve.at(1.0)


def test_no_more_requests_run_at_once_than_their_cache_fits() -> None:
    """Beyond some hundreds nothing is left to gain on one card of 80 GB: the memory is full."""
    few, many, more = (lines({"requests_at_once": exactly(count)})[0].curve for count in (8.0, 1e5, 1e6))
    assert few is not None
    assert many is not None
    assert more is not None
    assert few.capacity is not None
    assert many.capacity is not None
    assert few.capacity.central < many.capacity.central
    assert many.capacity == more.capacity
