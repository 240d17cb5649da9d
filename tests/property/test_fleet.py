"""A fleet decided by columns says of every task what a single decision says, to the last bit of a cost.

POLICY_PROPERTY_CASES sets how many rows and workloads are decided.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fleet_rows import fleet
from policy_engine.decide import Decider
from policy_engine.errors import RulesError
from policy_engine.fleet.columns import findings_columns
from policy_engine.fleet.engine import FleetEngine
from policy_engine.loading.evidence import check_evidence
from policy_engine.model.workload import Workload
from tests.canonical import Row, case_of, differences, expected, frame_of, rows_of, said, wanted
from tests.property.fleet_policies import extended_decider
from tests.property.worlds import AT, CASES, NOWHERE, cases, decider, workloads

ROWS = CASES or 150
DECIDERS = {
    "shipped": lambda: decider(False),
    "placed": lambda: decider(True),
    "extended": extended_decider,
}


@pytest.fixture(params=DECIDERS)
def deciding(request: pytest.FixtureRequest) -> Decider:
    found: Decider = DECIDERS[request.param]()
    return found


def decided(engine: FleetEngine, frame: pl.DataFrame) -> list[Row]:
    found = engine.findings(frame.lazy()).collect()
    assert found["row"].to_list() == frame["row"].to_list()
    return list(found.iter_rows(named=True))


def compared(deciding: Decider, engine: FleetEngine, row: Row, found: Row) -> str | None:
    """Return what a finding differs in from the decision of its row; nothing where the row has none."""
    try:
        result = deciding.judge.judge(case_of(row, AT))
    except RulesError:
        assert found["conflict"]
        assert found["verdict"] is None
        return None
    differing = differences(wanted(deciding, result, engine.index), said(found, engine.index))
    assert not differing, (row, differing)
    return result.verdict


def test_every_row_is_decided_as_alone(deciding: Decider) -> None:
    engine = FleetEngine(deciding.policy, AT)
    frame = fleet(deciding.policy, ROWS, seed=ROWS)
    verdicts = {
        compared(deciding, engine, row, found)
        for row, found in zip(frame.iter_rows(named=True), decided(engine, frame), strict=True)
    }
    assert {"deny", "review"} <= verdicts
    assert (None in verdicts) == (deciding is extended_decider())


@settings(cases(2, most=400), suppress_health_check=[*HealthCheck])
@given(raws=st.lists(workloads(), min_size=20, max_size=20))
@pytest.mark.parametrize("layered", [False, True])
def test_every_workload_is_decided_as_alone(layered: bool, raws: list[dict[str, Any]]) -> None:
    deciding = decider(layered)
    engine = FleetEngine(deciding.policy, AT)
    rows: list[Row] = []
    said_alone: list[Row] = []
    for raw in raws:
        raw["spec"].pop("hardware", None)
        workload = Workload.model_validate(raw)
        evidence = check_evidence(workload, AT.date(), NOWHERE)
        rows += rows_of(deciding.policy, workload, deciding.cases(workload, evidence, AT))
        said_alone += expected(deciding.decide(workload, evidence, AT), engine.index)
    found = decided(engine, frame_of(deciding.policy, rows))
    for row, alone, here in zip(rows, said_alone, found, strict=True):
        assert not differences(alone, said(here, engine.index)), row


def test_batches_and_kept_columns_change_nothing(tmp_path: Any) -> None:
    policy = decider(True).policy
    engine = FleetEngine(policy, AT)
    frame = fleet(policy, 3000, seed=7).with_columns(own=pl.col("row") * 3)
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=700)
    whole = engine.findings(frame.lazy(), keep=["own"]).collect()
    assert whole.columns == findings_columns(engine.index, ["own"])
    assert whole["own"].to_list() == [3 * row for row in whole["row"]]
    engine.findings(pl.scan_parquet(tmp_path / "rows.parquet"), keep=["own"]).sink_parquet(tmp_path / "found.parquet")
    assert pl.read_parquet(tmp_path / "found.parquet").equals(whole)
    parts = [engine.findings(part.lazy(), keep=["own"]).collect() for part in frame.iter_slices(1600)]
    assert pl.concat(parts).equals(whole)


def test_rows_with_claims_or_long_crossed_lists_are_not_covered() -> None:
    deciding = extended_decider()
    engine = FleetEngine(deciding.policy, AT)
    frame = fleet(deciding.policy, 4).with_columns(
        pl.Series("hardware", [None, "{}", None, None], dtype=pl.String),
        pl.Series("data.residency", [["us"], ["us"], ["us"] * 17, None], dtype=pl.List(pl.String)),
    )
    assert frame.select(engine.covered).to_series().to_list() == [True, False, False, True]
