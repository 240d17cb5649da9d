"""Waivers on a workload that no task of its decision shows are findings, too."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.findings import Collector, Finding
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.model.waiver import Waiver
from policy_engine.waivers.checking import active_waivers
from tests.unit.cli.waiver_scene import WORKLOAD as TEXT
from tests.unit.waivers.making import ANN, AT, ORIGIN, RULE, WORKLOAD, approvers, candidate, statement

MATURE = TEXT.replace("mlops: none", "mlops: mature")


@pytest.fixture(scope="module")
def decider() -> Decider:
    return Decider(load_policy([], use_cache=False))


def waiver(**more: object) -> Waiver:
    source = more.pop("source", "ledger")
    made = candidate(statement(**more), ANN, source=source)
    (found,) = active_waivers([made], WORKLOAD, AT, approvers(ANN.approver(), files_of=(ORIGIN,)), AT)
    return found


def findings(decider: Decider, *waivers: Waiver) -> list[Finding]:
    (loaded,) = load_workload_documents(MATURE.encode(), "w.yaml", decider.policy.vocabulary)
    assert not isinstance(loaded, Exception)
    evidence = check_evidence(loaded.workload, AT.date(), Path.cwd())
    decision = decider.decide(loaded.workload, evidence, AT, waivers)
    found = Collector(decider.judge).of(decision, loaded.document)
    return [each for each in found if each.kind.startswith("waiver")]


def test_one_that_ended_is_listed_as_such_though_its_rule_holds_nothing_any_more(decider: Decider) -> None:
    (found,) = findings(decider, waiver(valid_until=date(2026, 11, 23)))
    assert (found.kind, found.effect, found.code, found.task) == ("waiver-not-honoured", "advice", RULE, "t")
    assert found.grounds[1] == "it ended on 2026-11-23"
    assert "does not apply: it ended on 2026-11-23" in found.message


def test_one_on_record_that_is_not_needed_now_is_no_finding_and_one_from_a_file_is(decider: Decider) -> None:
    assert findings(decider, waiver()) == []
    (found,) = findings(decider, waiver(source="file-unasked"))
    assert "there is nothing that it could lift" in found.message


def test_each_is_there_once_whatever_its_task(decider: Decider) -> None:
    other = waiver(source="file-unasked", scope={"task": "gone"})
    several = findings(decider, other, replace(waiver(source="file-unasked", ticket="OPS-9")))
    assert len({each.fingerprint for each in several}) == len(several) == 2
    assert {each.task for each in several} == {"t"}
