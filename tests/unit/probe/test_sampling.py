"""Rounds: interleaved, within the time, by a clock that may be odd, of work that may fail in any way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest
import torch

from policy_engine.probe.asking import parse_seconds
from policy_engine.probe.budget import MARGIN, Budget
from policy_engine.probe.device import Bench
from policy_engine.probe.report import Rate
from policy_engine.probe.sampling import NO_TIME, measure
from policy_engine.probe.sustained import over, sustain
from policy_engine.probe.threads import candidates
from policy_engine.probe.work import Work

BENCH = Bench(torch, torch.device("cpu"))
ONE = torch.ones(1)


def work(call: Callable[[int], object] = lambda _: ONE, name: str = "copy") -> Work:
    return Work(name, 1.0, None, call)  # type: ignore[arg-type]


def rates(*works: Work, budget: Budget) -> tuple[Rate, ...]:
    return measure(BENCH, works, budget)


def test_rounds_are_interleaved() -> None:
    seen: list[str] = []

    def noted(name: str) -> Callable[[int], object]:
        def call(_: int) -> object:
            if seen[-1:] != [name]:
                seen.append(name)
            return ONE

        return call

    found = rates(work(noted("a")), work(noted("b"), "fp32"), budget=Budget(0.3))
    assert seen == ["a", "b"] * 3
    assert [len(each.rounds) for each in found] == [3, 3]


def test_the_time_is_kept() -> None:
    def slow(_: int) -> object:
        time.sleep(0.02)
        return ONE

    begun = time.perf_counter()
    budget = Budget(1.0)
    rates(work(slow), work(slow, "fp32"), budget=budget)
    assert time.perf_counter() - begun < 1.0


def test_without_time_nothing_is_measured_and_that_is_said() -> None:
    budget = Budget(1.0, began=time.perf_counter() - 10)
    budget.plan()
    assert rates(work(), budget=budget) == (Rate(name="copy", problem=NO_TIME),)
    assert sustain([BENCH], [work()], budget) == (None,)


def test_where_setting_up_took_the_time_one_sample_of_each_is_taken_before_the_end() -> None:
    now = [100.0]

    def clock() -> float:
        now[0] += 1e-4
        return now[0]

    budget = Budget(10.0, began=100.0, clock=clock)
    budget.plan()
    now[0] = 108.0  # the rounds should have ended, and the run has not
    assert budget.left_of("rounds") == 0
    found = rates(work(), work(name="fp32"), budget=budget)
    assert [(rate.problem, len(rate.rounds)) for rate in found] == [(None, 1), (None, 1)]
    now[0] = 109.5
    assert {rate.problem for rate in rates(work(), budget=budget)} == {NO_TIME}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("\"addmm_impl_cpu_\" not implemented for 'BFloat16'"),
        NotImplementedError("no kernel\nfor this"),
        MemoryError(),
        OSError(5, "i/o error"),
        ValueError("x" * 5000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_is_a_problem_of_that_rate_alone(error: Exception) -> None:
    def fails(_: int) -> object:
        raise error

    bad, good = rates(work(fails, "bf16"), work(), budget=Budget(0.3))
    assert bad.rounds == ()
    assert bad.problem is not None
    assert bad.problem.startswith(type(error).__name__)
    assert "\n" not in bad.problem
    assert len(bad.problem) < 250
    assert good.problem is None
    assert good.best is not None


def stopped() -> Iterator[float]:
    return repeat(5.0)


def backwards() -> Iterator[float]:
    return (1000.0 - number for number in range(100_000))


def jumping() -> Iterator[float]:
    """Run well until the rounds begin, then leap ahead by a day."""
    return chain((number / 1000 for number in range(30)), (86400.0 + number / 1000 for number in range(100_000)))


@pytest.mark.parametrize("ticks", [stopped, backwards, jumping])
def test_an_odd_clock_ends_the_rounds_and_gives_no_rate_that_is_infinite(ticks: Callable[[], Iterator[float]]) -> None:
    clock = ticks()
    budget = Budget(1.0, clock=lambda: next(clock))
    for rate in rates(work(), work(name="fp32"), budget=budget):
        assert rate.problem is not None or all(0 < each < 1e9 for each in rate.rounds)
        assert rate.problem is not None or rate.rounds


def test_a_budget_leaves_a_margin_and_shares_what_is_left() -> None:
    now = [100.0]
    budget = Budget(30.0, began=90.0, clock=lambda: now[0])
    budget.plan()
    assert budget.end_of("between") == pytest.approx(90 + 30 * (1 - MARGIN))
    assert budget.end_of("touch") < budget.end_of("rounds") < budget.end_of("between")
    whole = budget.left_of("rounds")
    with budget.narrowed("rounds", 4):
        assert budget.left_of("rounds") == pytest.approx(whole / 4)
    assert budget.left_of("rounds") == whole
    now[0] = 50.0
    assert budget.left_of("rounds") == 0.0


def test_throttling_shows_between_the_first_and_the_last_second() -> None:
    steady = [(each / 10, each / 10 + 0.1, 1.0) for each in range(50)]
    slowed = [(begin, end, amount if begin < 2.5 else amount / 2) for begin, end, amount in steady]
    found = over(slowed)
    assert found is not None
    assert (found.first, found.last, found.ratio) == (pytest.approx(10), pytest.approx(5), pytest.approx(0.5))
    assert over(steady).ratio == pytest.approx(1)  # type: ignore[union-attr]
    assert over([]) is None
    assert over(steady[:1]) is None


@pytest.mark.parametrize(("most", "tried"), [(1, [1]), (2, [2, 1]), (3, [3, 1]), (64, [64, 32, 1])])
def test_threads_are_tried_from_all_to_one(most: int, tried: list[int]) -> None:
    assert candidates(most) == tried


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30.0), ("20", 20.0), ("1m", 60.0), ("1.5m", 90.0), ("7.5", 7.5)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "5s", "0", "-3", "61m", "1h", "30 seconds", "1e3", "nan", "inf", "٣٠", "3 0"]
)
def test_other_times_are_refused_with_the_least(text: str) -> None:
    with pytest.raises(ValueError, match=r"30s|between 6s and 60m"):
        parse_seconds(text)
