"""From observations to facts: worked by hand, and the interval held to SciPy's."""

from __future__ import annotations

from fractions import Fraction

import pytest

from policy_engine.rollout.figures import stage_facts, wilson
from policy_engine.rollout.observations import Observation
from policy_engine.rollout.stages import Stage
from tests.rollouts import BEGUN, hours, seen


@pytest.mark.parametrize(
    ("errors", "requests", "low", "high"),
    [
        (0, 1, 0.0, 0.7934506856227626),
        (1, 1, 0.20654931437723745, 1.0),
        (0, 300, 0.0, 0.012642971224546036),
        (3, 300, 0.003406618437715286, 0.02898349336233983),
        (10, 10, 0.7224672001371109, 1.0),
        (48, 400, 0.09171539075382554, 0.1555139529402398),
        (500, 1000000, 0.00045806172127235115, 0.0005457758813475298),
    ],
)
def test_the_interval_is_that_of_scipy(errors: int, requests: int, low: float, high: float) -> None:
    """By scipy.stats.binomtest(errors, requests).proportion_ci(0.95, method="wilson"), SciPy 1.17.1."""
    assert wilson(errors, requests) == pytest.approx((low, high), abs=1e-12)


def test_ten_requests_without_an_error_prove_nothing() -> None:
    # Wilson's own form for none of n: z^2 / (n + z^2) = 3.8415 / 13.8415
    assert wilson(0, 10) == (0.0, pytest.approx(0.277533, abs=1e-6))


def test_figures_by_hand() -> None:
    rows = [
        seen("candidate", 6, 100, 1, quality=Fraction("0.9"), latency=Fraction("700.2")),
        seen("candidate", 10, 300, 3, quality=Fraction("0.8"), latency=Fraction(500)),
        seen("current", 9, 3600, 36, quality=Fraction("0.845"), latency=Fraction(400)),
    ]
    facts = stage_facts(rows, [], Stage(10.0), BEGUN, hours(12))
    assert (facts["stage.requests"], facts["observed.errors"], facts["observed.error_rate"]) == (400, 4, 0.01)
    # (100 x 0.9 + 300 x 0.8) / 400 = 0.825, and 0.845 - 0.825 = 0.02 exactly
    assert (facts["observed.quality"], facts["observed.quality_drop"]) == (0.825, 0.02)
    assert (facts["observed.latency_p95_ms"], facts["baseline.latency_p95_ms"]) == (701, 400)
    assert (facts["baseline.requests"], facts["baseline.error_rate"], facts["observed.share_percent"]) == (
        3600,
        0.01,
        10,
    )
    assert (facts["stage.hours"], facts["observed.longest_gap_hours"]) == (10.0, 9.0)


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        (seen("candidate", 8, errors=None), {"observed.error_rate", "observed.error_rate_high", "observed.errors"}),
        (seen("candidate", 8, quality=None), {"observed.quality", "observed.quality_drop"}),
        (seen("candidate", 8, latency=None), {"observed.latency_p95_ms"}),
        (seen("current", 8, errors=None), {"baseline.error_rate", "baseline.error_rate_high"}),
        (seen("current", 8, quality=None), {"baseline.quality", "observed.quality_drop"}),
        (seen("current", 8, latency=None), {"baseline.latency_p95_ms"}),
    ],
)
def test_what_one_observation_leaves_out_is_not_known(row: Observation, gone: set[str]) -> None:
    rows = [seen("candidate", 6), seen("current", 6)]
    before, after = (stage_facts(each, [], Stage(5.0), BEGUN, hours(12)) for each in (rows, [*rows, row]))
    assert gone <= before.keys()
    assert not gone & after.keys()


def test_requests_that_nobody_made_say_nothing() -> None:
    rows = [seen("candidate", 6), seen("candidate", 9, 0, None, quality=None, latency=None), seen("current", 6)]
    assert stage_facts(rows, [], Stage(5.0), BEGUN, hours(12))["observed.quality"] == 0.9
    assert "observed.error_rate" not in stage_facts([seen("candidate", 6, 0)], [], Stage(5.0), BEGUN, hours(12))


def test_a_time_without_requests_is_not_watched() -> None:
    rows = [seen("candidate", 6), seen("current", 6), seen("current", 20)]
    idle = [seen("candidate", hour, 0, 0) for hour in (12, 20, 26)] + [seen("current", 26, 0, 0)]
    facts = stage_facts([*rows, *idle], [], Stage(5.0), BEGUN, hours(27))
    assert (facts["stage.hours"], facts["observed.longest_gap_hours"], facts["observed.unpaired"]) == (6.0, 21.0, 1)
    none = stage_facts(idle, [], Stage(5.0), BEGUN, hours(27))
    assert none["stage.requests"] == 0
    assert not {"stage.hours", "observed.longest_gap_hours", "observed.unpaired"} & none.keys()


def test_only_a_stage_with_all_of_the_traffic_is_held_to_the_stage_before() -> None:
    before = [seen("current", 1, 500), seen("candidate", 1, 77)]
    rows = [seen("candidate", 6)]
    assert stage_facts(rows, before, Stage(100.0), BEGUN, hours(12))["baseline.requests"] == 500
    assert "baseline.requests" not in stage_facts(rows, before, Stage(50.0), BEGUN, hours(12))
