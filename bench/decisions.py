"""A whole decision, unrecorded: facts, engine, combining, explanation and digest, on the example workloads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.timing import interleaved
from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.loading.workload_file import load_workload_documents

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
ROUNDS = 30
AIM_US = 500


def report(policy: Policy) -> None:
    """Print the median of each example, and of all."""
    decider = Decider(policy)
    names, tasks = [], []
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for loaded in load_workload_documents(path.read_bytes(), str(path), policy.vocabulary):
            if isinstance(loaded, InputError):
                raise loaded
            workload, evidence = loaded.workload, check_evidence(loaded.workload, AT.date(), path.parent)
            names.append(f"{path.stem} ({len(workload.spec.tasks)} tasks)")
            tasks.append(lambda w=workload, e=evidence: decider.decide(w, e, AT))
    medians = [median(runs) * 1e6 for runs in interleaved(tasks, ROUNDS)]
    for name, microseconds in zip(names, medians, strict=True):
        print(f"  {name:<42} {microseconds:8.0f} us")
    print(f"  {'median of the examples':<42} {median(medians):8.0f} us, at most {AIM_US} is aimed at")
