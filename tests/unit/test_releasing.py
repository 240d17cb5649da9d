"""A policy that is dropped gives its memory back, in whichever thread, and what still runs is not touched.

durable_rules is C, and crashes where it is told to delete what is in use: each test is a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "model-router.yaml"
#: What forty policies may leave behind; before they were released it was 5 MB each, in each thread. Some wait for the
#: collector at a time, and how many hangs on how much else is allocated.
MOST_MB = 100

COMMON = f"""
import gc, os, sys, threading
from datetime import UTC, datetime
from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workload_documents

policy = load_policy()
(loaded,) = load_workload_documents(open({str(EXAMPLE)!r}, "rb").read(), "example", policy.vocabulary)
at = datetime(2026, 11, 22, tzinfo=UTC)

def decide(decider):
    return decider.decide(loaded.workload, {{}}, at).id

def used_mb():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

expected = decide(Decider(policy))
before = used_mb()
"""

SCENES = {
    "one thread, and nobody collects circles": """
gc.disable()
for _ in range(40):
    assert decide(Decider(policy)) == expected
""",
    "only the collector finds it": """
for _ in range(40):
    circle = [Decider(policy)]
    decide(circle[0])
    circle.append(circle)
    del circle
gc.collect()
""",
    "threads that end before it": """
for _ in range(10):
    decider = Decider(policy)
    threads = [threading.Thread(target=decide, args=(decider,)) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
del decider, threads
""",
    "threads that live on": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    for _ in range(10):
        decider, together = Decider(policy), threading.Barrier(4)
        found = [pool.submit(lambda d, b: (b.wait(), decide(d))[1], decider, together) for _ in range(4)]
        assert {each.result() for each in found} == {expected}
        del decider, found
""",
    "a server that takes another policy while it answers": """
sys.setswitchinterval(1e-5)
current, stop, answers = [Decider(policy)], threading.Event(), set()
def serve():
    while not stop.is_set():
        try:
            answers.add(decide(current[0]))
        except BaseException as error:
            answers.add(repr(error))
threads = [threading.Thread(target=serve) for _ in range(4)]
for thread in threads: thread.start()
for _ in range(40):
    current[0] = Decider(policy)
    stop.wait(0.01)
stop.set()
for thread in threads: thread.join()
assert answers == {expected}, answers
del current, threads
""",
    "an evaluation that was interrupted": """
from policy_engine.inference import _Session

class Interrupted:
    def __init__(self, session, name, after):
        self.session, self.engine, self.name, self.after = session, session.engine, name, after
        session.engine = self
    def __getattr__(self, name):
        return self.interrupt if name == self.name else getattr(self.engine, name)
    def interrupt(self, *arguments):
        self.session.engine = self.engine
        if self.after:
            getattr(self.engine, self.name)(*arguments)
        raise KeyboardInterrupt

definition, *_ = [spec.definition for stratum in policy.strata for spec in stratum.networks]
whole, _Session._fire = _Session._fire, lambda session, body: (_ for _ in ()).throw(KeyboardInterrupt)
for _ in range(40):
    try:
        _Session(definition)
        raise AssertionError("not interrupted")
    except KeyboardInterrupt:
        pass
_Session._fire = whole
CALLS = ("assert_fact", "start_action_for_state", "complete_and_start_action", "retract_facts")
for number in range(40):
    session = _Session(definition)
    Interrupted(session, CALLS[number % 4], number // 4 % 2)
    try:
        session.run('"_w":1')
        raise AssertionError("not interrupted")
    except KeyboardInterrupt:
        pass
    assert number // 8 % 2 or session.run('"_w":1') == ["_w"]
    del session
""",
}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say what a process uses")
@pytest.mark.parametrize("scene", SCENES)
def test_what_is_dropped_is_given_back(scene: str) -> None:
    after = f"\nleft = used_mb() - before\nassert left < {MOST_MB}, f'{{left:.0f}} MB are left'\n"
    run(COMMON + SCENES[scene] + after)


def test_the_end_of_the_process_finds_sessions_that_run() -> None:
    endless = """
def forever(decider):
    while True: decide(decider)
held = [Decider(policy) for _ in range(3)]
for each in held:
    decide(each)
    threading.Thread(target=forever, args=(each,), daemon=True).start()
threading.Event().wait(0.1)
"""
    run(COMMON + endless)


def test_an_engine_that_always_fails_says_so() -> None:
    failing = """
from policy_engine.inference import _Session

class Failing:
    def __init__(self, engine): self.engine = engine
    def __getattr__(self, name): return getattr(self.engine, name)
    def start_action_for_state(self, *arguments): raise self.engine.error("no action today")

session = _Session("{}")
session.engine, engine = Failing(session.engine), session.engine
for _ in range(3):
    try:
        session.run('"_w":1')
        raise AssertionError("did not fail")
    except engine.error as error:
        assert str(error) == "no action today"
session.engine = engine
try:
    session.run('"_w":1')
    raise AssertionError("what was asserted before is still there")
except RuntimeError as error:
    assert str(error) == "a stale durable_rules session"
assert session.run('"_w":1') == ["_w"]
"""
    run(COMMON + failing)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_forked_process_releases_its_own() -> None:
    forked = """
decider = Decider(policy)
decide(decider)
child = os.fork()
assert decide(decider) == expected
del decider
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    run(COMMON + forked)


def run(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
