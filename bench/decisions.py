"""A whole decision, unrecorded: facts, engine, combining, explanation and digest, on the example workloads.

What the search for counterfactuals takes of it is shown beside it, as a share.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.timing import interleaved
from policy_engine.counterfactuals.found import Search
from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.loading.workload_file import load_workload_documents

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
ROUNDS = 30
AIM_US = 500
MOST_CHANGES_US = 5_000


def report(policy: Policy) -> None:
    """Print the median of each example, and of all."""
    decider = Decider(policy)
    search = Search(decider.judge)
    names, tasks, searches = [], [], []
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for loaded in load_workload_documents(path.read_bytes(), str(path), policy.vocabulary):
            if isinstance(loaded, InputError):
                raise loaded
            workload, evidence = loaded.workload, check_evidence(loaded.workload, AT.date(), path.parent)
            results = decider.decide(workload, evidence, AT).results
            names.append(f"{path.stem} ({len(workload.spec.tasks)} tasks)")
            tasks.append(lambda w=workload, e=evidence: decider.decide(w, e, AT))
            searches.append(lambda found=results: [search.of(result) for result in found])
    runs = interleaved([*tasks, *searches], ROUNDS)
    medians = [median(each) * 1e6 for each in runs]
    whole, parts = medians[: len(names)], medians[len(names) :]
    for name, microseconds, part in zip(names, whole, parts, strict=True):
        print(f"  {name:<42} {microseconds:8.0f} us, {part / microseconds:4.0%} of it counterfactuals")
    print(f"  {'median of the examples':<42} {median(whole):8.0f} us, without them at most {AIM_US} is aimed at")
    print(
        f"  {'counterfactuals, median and most':<42} {median(parts):8.0f} and {max(parts):.0f} us of {MOST_CHANGES_US}"
    )
