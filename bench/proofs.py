"""`policy prove` over all workloads, beside deciding workloads one by one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.loading.policy import Policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.proofs.proving import prove_all

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
WORKLOAD = Path(__file__).resolve().parent.parent / "examples" / "support-tickets.yaml"
POLICY = str(Path(sys.executable).with_name("policy"))
RUNS, DECISIONS = 3, 300
AIM_SECONDS = 10.0
#: What deciding one by one as many workloads as there are would take is beyond any clock; so many are allowed to.
MOST_DECISIONS = 10_000


def report(policy: Policy) -> None:
    """Print what the whole command takes, how many decisions that is, and the longest of what is proved."""
    times = [_whole() for _ in range(RUNS)]
    one = _decision(policy)
    seconds = median(times)
    print(
        f"  policy prove, the whole command    {seconds:6.1f} s    at most {AIM_SECONDS:g} s is aimed at on two cores"
    )
    print(
        f"    as many decisions, unrecorded    {seconds / one:8,.0f} of {one * 1e3:.2f} ms"
        f"    at most {MOST_DECISIONS:,} are aimed at"
    )
    results = prove_all(policy, (), AT)
    for each in sorted(results, key=lambda each: -each.seconds)[:3]:
        print(f"    {each.id:<34} {each.seconds:6.2f} s    {each.status}")


def _whole() -> float:
    with tempfile.TemporaryDirectory() as home:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("POLICY_", "OTEL_", "XDG_", "PYTHON"))}
        began = perf_counter()
        subprocess.run((POLICY, "prove"), env={**kept, "HOME": home}, check=True, capture_output=True)
        return perf_counter() - began


def _decision(policy: Policy) -> float:
    """Return the seconds that one decision takes, its document included."""
    (loaded,) = load_workload_documents(WORKLOAD.read_bytes(), str(WORKLOAD), policy.vocabulary)
    if isinstance(loaded, InputError):
        raise loaded
    decider = Decider(policy)
    decider.decide(loaded.workload, {}, AT)
    began = perf_counter()
    for _ in range(DECISIONS):
        decider.decide(loaded.workload, {}, AT)
    return (perf_counter() - began) / DECISIONS
