"""A CPU that others were busy on: what it lacked of its processors while the best reading was taken counts."""

from __future__ import annotations

import pytest

from policy_engine.catalog.claims import GpuClaim, HardwareClaim
from policy_engine.loading.policy import load_policy
from policy_engine.probe.report import Device, Host, Memory, Rate, Report
from policy_engine.probe.verdicts import LEAST_BUSY, SHARED_FACTOR, judge_measured, slack


def device(*rates: Rate) -> Device:
    memory = Memory(total_bytes=1 << 34, touched_bytes=1 << 33, intact=True)
    return Device(
        index=0, type="cpu", backend="cpu", name="AMD EPYC", memory=memory, rates=rates, disturbed=("it is a CPU",)
    )


def copies(busy: tuple[float, ...], rounds: tuple[float, ...] = (4.9, 5.089, 5.0)) -> Rate:
    return Rate(name="copy", rounds=rounds, busy=busy)


@pytest.mark.parametrize(
    ("busy", "claimed", "verdict"),
    [
        # seen under four busy processes on two cores; undisturbed the device copies 26.3 GB/s
        ((0.3, 0.25, 0.2), 26.3, "unverifiable"),
        ((0.3, 0.25, 0.2), 263.0, "contradicted"),
        ((1.0, 1.0, 1.0), 26.3, "contradicted"),
        ((), 26.3, "contradicted"),
        ((0.3, 0.25, 0.2), 5.0, "verified"),
    ],
)
def test_what_a_busy_host_was_seen_to_do_contradicts_only_what_is_far_from_true(
    busy: tuple[float, ...], claimed: float, verdict: str
) -> None:
    report = Report(
        measured_at="2026-11-28T22:00:00Z", seconds=9.0, seed=1, host=Host(name="h"), devices=(device(copies(busy)),)
    )
    claim = HardwareClaim(gpus=(GpuClaim(name="cpu", count=1, bandwidth_gb_s=claimed),))
    found = {each.name: each.verdict for each in judge_measured(load_policy().catalog, claim, report)}
    assert found["bandwidth_gb_s"] == verdict


def test_the_part_that_counts_is_that_of_the_best_round_and_has_a_floor() -> None:
    rate = copies((0.9, 0.5, 0.1))
    assert slack(device(rate), rate) == pytest.approx(2 / 0.5)
    starved = copies((0.0, 0.0, 0.0))
    assert slack(device(starved), starved) == pytest.approx(2 / LEAST_BUSY)
    assert slack(device(), copies((0.9, 0.9, 0.9))) == SHARED_FACTOR


def test_one_sample_counts_for_less_than_three_rounds() -> None:
    # seen: one sample with a tenth of the processors, on a device that copies 49.6 GB/s undisturbed
    rate = copies((0.1,), (1.8,))
    assert slack(device(rate), rate) == pytest.approx(3 / 0.1)
    assert 49.6 * 0.75 < 1.8 * slack(device(rate), rate) < 496 * 0.75
