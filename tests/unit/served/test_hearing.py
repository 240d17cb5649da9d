"""What a server is told by signals: noted at any moment, and acted on when it comes to it."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import wait

import pytest

from policy_engine.serving.hearing import hearing, unless_ended

NUMBERS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
STORMED = """
import time
from policy_engine.serving.hearing import hearing
with hearing() as told:
    print("hears", flush=True)
    while not told.ends():
        told.reload()
        told.rest()
print("ended")
"""
STORM = "import os, sys, time\nend = time.time() + 1\nwhile time.time() < end: os.kill(int(sys.argv[1]), 1)"


def test_signals_are_noted_in_a_block_and_in_blocks_within() -> None:
    before = [signal.getsignal(each) for each in NUMBERS]
    with hearing() as told:
        assert (told.reload(), told.ends()) == (False, [])
        for each in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(each)
        assert wait([told.woken], 5) == [told.woken]
        told.rest()
        assert wait([told.woken], 0) == []
        with hearing() as inner:
            assert inner.ends() == [signal.SIGTERM, signal.SIGINT]
        assert (told.reload(), told.reload()) == (True, False)
        signal.raise_signal(signal.SIGHUP)
        assert told.reload()
    assert [signal.getsignal(each) for each in NUMBERS] == before
    with hearing() as other:
        assert other.ends() == []


def test_no_handler_can_be_interrupted_by_the_next_signal() -> None:
    with hearing():
        assert all(inspect.isbuiltin(signal.getsignal(each)) for each in NUMBERS)


def test_a_storm_neither_kills_nor_wedges() -> None:
    with subprocess.Popen([sys.executable, "-c", STORMED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hears\n"
        senders = [subprocess.Popen([sys.executable, "-c", STORM, str(process.pid)]) for _ in range(3)]
        assert [each.wait(20) for each in senders] == [0, 0, 0]
        process.terminate()
        assert (process.communicate(timeout=20)[0], process.returncode) == ("ended\n", 0)


def test_a_start_that_hangs_is_left_when_it_is_told_to_end() -> None:
    hangs = threading.Event()
    with hearing() as told:
        assert unless_ended(lambda: 7, told, 0) == 7
        with pytest.raises(TimeoutError):
            unless_ended(lambda: hangs.wait(0) or (_ for _ in ()).throw(TimeoutError), told, 0)
        signal.raise_signal(signal.SIGTERM)
        assert unless_ended(lambda: 7, told, 5) == 7
        started = time.monotonic()
        assert unless_ended(lambda: hangs.wait(20), told, 0.01) is None
        assert time.monotonic() - started < 5
    hangs.set()
