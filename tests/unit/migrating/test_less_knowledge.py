"""Taking knowledge away never makes done what was not: what nobody says is no proof that something was done."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.migrating.case import Case
from policy_engine.migrating.forms import EvaluationBody, RolloutBody, read_body
from policy_engine.migrating.playbook import playbook_of
from policy_engine.migrating.records import Evaluation, Records, Rollout
from policy_engine.model.workload import Workload
from tests.unit.cli.migrate_scene import compared, report, rollout

FILE = Path(__file__).parents[3] / "examples" / "migration.yaml"
TICKETS = load_workloads(FILE, None, load_policy().vocabulary)[0].document.value
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
#: Of two tasks one was compared with another model than is replaced, and the other came out worse.
REPORTS = [compared(current="gpt-4o-mini"), compared("summaries", "summarisation", verdict="worse")]
RECORDS = Records(
    3,
    tuple(
        Evaluation(index, date(2026, 11, 20), read_body(report(each).body, EvaluationBody), None)
        for index, each in enumerate(REPORTS)
    ),
    (Rollout(2, date(2026, 11, 20), read_body(rollout("sorting", "hold").body, RolloutBody)),),
)


@pytest.fixture(scope="module")
def decider() -> Decider:
    return Decider(load_policy())


def states(decider: Decider, document: Any) -> dict[tuple[str, str | None], str]:
    workload = Workload.model_validate(document)
    evidence = check_evidence(workload, AT.date(), Path())
    found = playbook_of(Case(decider, workload, evidence, AT, RECORDS, "tickets.yaml"))
    return {(item.id, item.task): item.state for item in found.items}


def fields(spec: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the ways to what a file may leave open: sections and their fields, those of one task among them."""
    for key, value in spec.items():
        if key in ("name", "kind", "share", "stage", "tasks", "deployment", "evidence"):
            continue
        yield (*way, key)
        if isinstance(value, dict):
            yield from fields(value, (*way, key))


WAYS = [*fields(TICKETS["spec"]), *(("tasks", 0, *way) for way in fields(TICKETS["spec"]["tasks"][0]))]
WAYS += [("evidence", name) for name in TICKETS["spec"]["evidence"]]


@pytest.mark.parametrize("gone", [False, True], ids=["as it is", "pilot"])
def test_less_knowledge_makes_nothing_done(decider: Decider, gone: bool) -> None:
    whole = deepcopy(TICKETS)
    if gone:
        whole["spec"]["stage"] = "pilot"
    before = states(decider, whole)
    assert before["outcome", "sorting"] == before["outcome", "summaries"] == "missing"
    assert len(WAYS) > 40
    for way in WAYS[gone::2]:  # each way once, in one of the two
        less = deepcopy(whole)
        place = less["spec"]
        for step in way[:-1]:
            place = place[step]
        del place[way[-1]]
        after = states(decider, less)
        better = [key for key, state in after.items() if state == "done" and before.get(key) not in ("done", None)]
        assert better == [], way
