"""What a decision under the 40 rules costs in parts, from the bytes of a request to a prepared entry, in one thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from policy_audit.canonical import document_bytes
from policy_audit.entry import prepare

from bench.serve_rules import AT
from bench.serve_workloads import documents, loaded
from bench.timing import interleaved
from policy_engine.completing import complete
from policy_engine.decide import Decider
from policy_engine.explain import Explainer
from policy_engine.judging import Judge
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.model.personal import redacted_document
from policy_engine.recorder import Drafter, context_from_environment
from policy_engine.service.bodies import read_workloads

ROUNDS = 10


def report(policy: Policy, seed: int) -> None:
    """Print the median of each part over the workloads of `seed` under `policy`, in microseconds."""
    bodies = [json.dumps(each) for each in documents(seed)]
    with TemporaryDirectory() as folder:
        named = _parts(policy, bodies, folder)
        for (name, _), runs in zip(named, interleaved([task for _, task in named], ROUNDS), strict=True):
            print(f"  {name:<62} {median(runs) / len(bodies) * 1e6:8.1f} us")


def _each(function: Callable[..., object], *columns: Sequence[Any]) -> Callable[[], object]:
    def run() -> None:
        for row in zip(*columns, strict=True):
            function(*row)  # kept nowhere: what is kept would be gone through by the collector

    return run


def _parts(policy: Policy, bodies: Sequence[str], folder: str) -> list[tuple[str, Callable[[], object]]]:
    decider, judge = Decider(policy), Judge(policy)
    workloads = [loaded(each, policy) for each in bodies]
    held = [check_evidence(each, AT.date(), Path(folder)) for each in workloads]
    pairs = list(zip(workloads, held, strict=True))
    cases = [decider.cases(*pair, AT)[0] for pair in pairs]
    completed = [complete(case, policy.catalog, judge.parameters) for case in cases]
    outcomes = [judge.infer(each) for each in completed]
    results = [judge.judge(case) for case in cases]
    decisions = [decider.decide(*pair, AT) for pair in pairs]
    explainer = Explainer(judge)
    drafter, context = Drafter(policy), context_from_environment("deploy", {"POLICY_ACTOR": "bench"})
    drafts = [drafter.draft(each, context) for each in decisions]

    def combined(number: int) -> object:
        return judge.combine(cases[number], completed[number], outcomes[number], policy.catalog)

    def read(body: bytes) -> object:
        return read_workloads(body, policy.vocabulary, 1, is_json=True)

    return [
        ("the request's bytes -> a workload, as served (JSON)", _each(read, [each.encode() for each in bodies])),
        ("  the same text by the YAML reader, as files are read", _each(lambda body: loaded(body, policy), bodies)),
        ("  of it json.loads alone", _each(json.loads, bodies)),
        ("evidence", _each(lambda w: check_evidence(w, AT.date(), Path(folder)), workloads)),
        ("declared facts", _each(lambda w, h: decider.cases(w, h, AT), workloads, held)),
        ("computed facts (catalog, cost)", _each(lambda c: complete(c, policy.catalog, judge.parameters), cases)),
        ("the 40 conditions, durable_rules", _each(judge.infer, completed)),
        ("combining", _each(combined, range(len(cases)))),
        ("explanation of the task", _each(explainer.task, results)),
        ("  with missing, disputes, releases", _each(decider.as_it_is, results)),
        ("counterfactuals", _each(decider._changes.of, results)),
        ("the workload's own canonical bytes", _each(lambda w: document_bytes(redacted_document(w)), workloads)),
        ("the decision as a whole, without its bytes", _each(lambda w, h: decider.decide(w, h, AT), workloads, held)),
        ("the decision's canonical bytes", _each(lambda d: document_bytes(d.document), decisions)),
        ("draft of the entry", _each(lambda d: drafter.draft(d, context), decisions)),
        ("prepare: canonical JSON of the entry, commitments, digests", _each(prepare, drafts)),
    ]
