"""Signals that end a command: interrupts, held back over what must not be torn apart."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from policy_engine.cli.ending import Ending, terminated_as_interrupted

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def two_steps(number: signal.Signals, *, held: bool, error: Exception | None = None) -> list[str]:
    """Return how far a program came that got a signal in the first of two steps, and what ended it."""
    done: list[str] = []
    try:
        with terminated_as_interrupted() as ending:
            with ending.held() if held else nullcontext():
                signal.raise_signal(number)
                done.append("first")
                if error is not None:
                    raise error
            done.append("second")
    except (KeyboardInterrupt, ZeroDivisionError) as ended:
        done.append(type(ended).__name__)
    return done


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts_at_once_or_where_it_is_held_back_at_the_end(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    assert two_steps(number, held=True) == ["first", "KeyboardInterrupt"]
    assert two_steps(number, held=False) == ["KeyboardInterrupt"]
    assert two_steps(number, held=True, error=ZeroDivisionError()) == ["first", "ZeroDivisionError"]
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_nothing_is_held_back_once_that_is_done() -> None:
    done = []

    def run() -> None:
        with terminated_as_interrupted() as ending:
            with ending.held():
                done.append("held")
            signal.raise_signal(signal.SIGTERM)
            done.append("after")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert done == ["held"]


def test_an_interrupt_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with terminated_as_interrupted() as ending, ending.held():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_changes_nothing() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]

    def run() -> tuple[Ending, list[object]]:
        with terminated_as_interrupted() as ending, ending.held():
            return ending, [signal.getsignal(each) for each in SIGNALS]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result()[1] == before
