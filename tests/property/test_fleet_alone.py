"""A row that is decided alone has the finding that the kernel has, and that the decided workload's document tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from policy_engine.fleet.alone import Alone
from policy_engine.fleet.canonical import canonical_schema, frame_of, rows_of
from policy_engine.fleet.columns import HARDWARE, masked
from policy_engine.fleet.engine import FleetEngine
from policy_engine.fleet.intake import Job
from policy_engine.fleet.recording import differing
from policy_engine.fleet.source import source_columns
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.model.workload import Workload
from tests.property.worlds import AT, cases, decider, placed, shipped, workloads
from tests.unit.cli.sweep_scene import told

MASKS = ("fired", "indeterminate", "missing", "outstanding", "uncertain")


def job(policy: Policy) -> Job:
    return Job(policy, AT, source_columns(policy.vocabulary))


@settings(cases(6), phases=[Phase.explicit, Phase.generate])  # what fails is small enough, and shrinking takes long
@given(st.lists(workloads(), min_size=1, max_size=8), st.booleans())
def test_a_row_decided_alone_is_as_the_kernel_and_the_document_have_it(
    raws: list[dict[str, Any]], layered: bool
) -> None:
    policy = placed() if layered else shipped()
    engine = FleetEngine(policy, AT)
    alone = Alone(job(policy), decider(layered), engine.index)
    rows: list[dict[str, Any]] = []
    wanted = []
    for raw in raws:
        workload = Workload.model_validate(raw)
        evidence = check_evidence(workload, AT.date(), Path())
        rows += rows_of(workload, evidence, policy, len(rows))
        decision = decider(layered).decide(workload, evidence, AT)
        wanted += [told(task, decision.document["workload"]) for task in decision.document["tasks"]]
    frame = frame_of(rows, canonical_schema(policy))
    covered = frame.filter(engine.covered)
    found = {row["row"]: row for row in engine.findings(covered.lazy()).collect().iter_rows(named=True)}
    assert len(found) >= sum(row[HARDWARE] is None for row in rows)
    for row, document in zip(frame.to_dicts(), wanted, strict=True):
        finding = alone.finding(row)
        if row["row"] in found:
            assert differing(finding, found[row["row"]]) is None
        names = {mask: sorted(masked(finding, engine.index, mask)) for mask in MASKS}
        assert {name: (finding | names)[name] for name in document} == document


def test_frames_and_rows_are_each_made_of_the_other() -> None:
    policy = shipped()
    raw = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": {"name": "w", "owner": "o"}}
    raw |= {"spec": {"stage": "pilot", "tasks": [{"name": "t", "kind": "other"}]}}  # type: ignore[dict-item]
    rows = rows_of(Workload.model_validate(raw), {}, policy, 7)
    frame = frame_of(rows, canonical_schema(policy))
    assert frame.to_dicts() == rows
    assert frame["row"].to_list() == [7]
    assert frame.schema["row"] == pl.UInt64
