"""Verdicts on hardware claims by arithmetic: what they add to a decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from msgspec.structs import replace
from policy_audit.canonical import document_bytes

from policy_engine.catalog import Catalog, ClaimFinding, HardwareClaim
from policy_engine.catalog.boxes import box_of
from policy_engine.completing import add_hardware
from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.facts import FactSheet
from policy_engine.loading.policy import Policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.model.task_case import TaskCase

#: A workload that claims all there is to claim of one kind of device, what it serves and what it costs.
WORKLOAD = Path(__file__).resolve().parent.parent / "examples" / "support-tickets.yaml"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
ROUNDS = 30
CLAIMS = 200
AIM_US = 20
#: What is timed, and whether the aim is for it.
NAMES = (
    ("verdicts where the claims were judged before", True),
    ("verdicts on claims that differ each time, beside the choice", True),
    ("the same without it: what the devices come to as well", False),
    ("the claims as canonical JSON, in the recorded document", False),
)


def report(policy: Policy) -> None:
    """Print what verdicts cost where the claim was judged before, and where no two claims are the same."""
    (loaded,) = load_workload_documents(WORKLOAD.read_bytes(), str(WORKLOAD), policy.vocabulary)
    if isinstance(loaded, InputError):
        raise loaded
    decider, catalog = Decider(policy), policy.catalog
    (case,) = decider.cases(loaded.workload, {}, AT)
    findings, _ = add_hardware(case, FactSheet(case.facts), catalog)
    same = [(case, FactSheet(case.facts)) for _ in range(CLAIMS)]
    times: list[list[float]] = [[], [], [], [], []]
    for number in range(0, ROUNDS * CLAIMS, CLAIMS):
        # no claim of one round is one of another, and the catalog has room to remember those of one
        catalog.remembered.clear()
        decider.decide(loaded.workload, {}, AT)
        chosen, new = _cases(case, number), _cases(case, number + ROUNDS * CLAIMS)
        for each, _sheet in chosen:
            box_of(catalog, each.hardware)
        tasks: tuple[Callable[[], object], ...] = (
            partial(decider.decide, loaded.workload, {}, AT),
            partial(_judge, same, catalog),
            partial(_judge, chosen, catalog),
            partial(_judge, new, catalog),
            partial(_write, findings),
        )
        for task, found in zip(tasks, times, strict=True):
            started = perf_counter()
            task()
            found.append((perf_counter() - started) * 1e6)
    whole = median(times[0])
    print(f"  {f'a whole decision, unrecorded, with {len(findings)} claims':<60} {whole:7.1f} us")
    for (name, aim), runs in zip(NAMES, times[1:], strict=True):
        each_us = median(runs) / CLAIMS
        aimed = f", at most {AIM_US} is aimed at" if aim else ""
        print(f"  {name:<60} {each_us:7.1f} us, {each_us / whole:.1%} of it{aimed}")


def _judge(cases: Sequence[tuple[TaskCase, FactSheet]], catalog: Catalog) -> None:
    for case, sheet in cases:
        add_hardware(case, sheet, catalog)


def _write(findings: Sequence[ClaimFinding]) -> None:
    for _ in range(CLAIMS):
        document_bytes([finding.document() for finding in findings])


def _cases(case: TaskCase, first: int) -> list[tuple[TaskCase, FactSheet]]:
    """Return cases whose claims are like that of `case` and differ in memory, bandwidth and rate."""
    claim: HardwareClaim = case.hardware
    found = []
    for number in range(first, first + CLAIMS):
        less = number * 1e-6
        gpus = tuple(
            replace(gpu, memory_gb=gpu.memory_gb - less, bandwidth_gb_s=gpu.bandwidth_gb_s - less)
            for gpu in claim.gpus or ()
            if gpu.memory_gb is not None and gpu.bandwidth_gb_s is not None
        )
        serves = claim.serves
        if serves is not None and serves.tokens_per_hour is not None:
            serves = replace(serves, tokens_per_hour=serves.tokens_per_hour + number)
        other = replace(case, hardware=replace(claim, gpus=gpus, serves=serves))
        found.append((other, FactSheet(other.facts)))
    return found
