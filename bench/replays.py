"""Replays of recorded decisions beside the decisions themselves: a replay reads, decides, writes and compares."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from policy_audit.ledger import open_ledger

from bench.decisions import AT, EXAMPLES
from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.recorder import Context, Recorder
from policy_engine.replay import Replayer

ROUNDS = 10


def report(policy: Policy) -> None:
    """Print how many of the examples are decided, and how many replayed, in a second of this process."""
    decider, inputs = Decider(policy), []
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for loaded in load_workload_documents(path.read_bytes(), str(path), policy.vocabulary):
            if isinstance(loaded, InputError):
                raise loaded
            inputs.append((loaded.workload, check_evidence(loaded.workload, AT.date(), path.parent)))
    with open_ledger("sqlite:///:memory:") as ledger:
        decisions = [decider.decide(workload, evidence, AT) for workload, evidence in inputs]
        recorded = Recorder(ledger, policy).record(decisions, Context("draft", None, "asserted", {}))
        entries = [ledger.entry(each["index"]) for each in recorded]
        replayer = Replayer(ledger)
        assert {replayer.replay(entry).status for entry in entries} == {"equal"}
        rounds: dict[str, list[float]] = {"decided, with their bytes": [], "replayed": []}
        for _ in range(ROUNDS):
            rounds["decided, with their bytes"].append(
                _seconds(lambda: [decider.decide(*each, AT).content for each in inputs])
            )
            rounds["replayed"].append(_seconds(lambda: [replayer.replay(entry) for entry in entries]))
    for name, seconds in rounds.items():
        print(f"  {name:<42} {len(inputs) / median(seconds):8.0f} /s")


def _seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started
