"""What is on record is decided again to the same bytes, from the ledger alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_audit.ledger import Ledger, open_ledger

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.recorded_policy import recorded_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.recorder import Context, Recorder
from policy_engine.replay import Replayer, replay
from tests.property.made_up_rules import CONDITIONS, extended, rule_of
from tests.property.recorded_worlds import GOOD, laid_over, recorded_workloads
from tests.property.worlds import cases, shipped

CONTEXT = Context("draft", "anna.actor@acme.example", "asserted", {})
TIMES = [
    datetime(2026, 11, 24, 12, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2027, 2, 1, tzinfo=UTC),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where evidence lies."""
    path = tmp_path_factory.mktemp("evidence") / "inside"
    path.mkdir()
    (path / "dpa.pdf").write_bytes(GOOD)
    (path.parent / "outside.pdf").write_bytes(GOOD)
    return path


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with open_ledger("sqlite:///:memory:") as opened:
        yield opened


@pytest.fixture(scope="module")
def replayer(ledger: Ledger) -> Replayer:
    return Replayer(ledger)


def record(ledger: Ledger, engine: Decider, raws: list[dict[str, Any]], at: datetime, folder: Path) -> list[int]:
    """Decide as the command does, and return the entries' indexes."""
    decisions = []
    for raw in raws:
        (loaded,) = load_workloads(json.dumps(raw, ensure_ascii=False), None, engine.policy.vocabulary)
        evidence = check_evidence(loaded.workload, at.date(), folder)
        decisions.append(engine.decide(loaded.workload, evidence, at))
    return [each["index"] for each in Recorder(ledger, engine.policy).record(decisions, CONTEXT)]


@pytest.mark.parametrize("layered", [False, True])
def test_a_recorded_decision_is_derived_again_to_the_byte(
    ledger: Ledger, replayer: Replayer, folder: Path, layered: bool
) -> None:
    engine = Decider(laid_over() if layered else shipped())

    @cases(60)
    @given(st.lists(recorded_workloads(layered), min_size=3, max_size=3), st.sampled_from(TIMES))
    def law(raws: list[dict[str, Any]], at: datetime) -> None:
        for index in record(ledger, engine, raws, at, folder):
            found = replayer.replay(ledger.entry(index))
            assert (found.status, found.differences, found.why) == ("equal", (), None)
            assert not found.engine_changed

    law()


@cases(12)
@given(
    st.lists(st.tuples(CONDITIONS, st.sampled_from(range(5))), min_size=1, max_size=4),
    st.lists(recorded_workloads(True), min_size=2, max_size=2),
)
def test_so_is_one_under_made_up_rules(
    ledger: Ledger, folder: Path, made: list[tuple[str, int]], raws: list[dict[str, Any]]
) -> None:
    effects: list[dict[str, Any]] = [
        {"forbid": ("proprietary_api", "proposal"), "enforcement": "mandatory"},
        {"prefer": {"open_api": 3, "edge": 1}, "disfavour": {"self_hosted": 2}, "topic": "hardware"},
        {"require": {"dpa": ("proprietary_api",), "owner_named": ("edge", "open_api")}, "grade": "attached"},
        {"forbid": ("edge",), "enforcement": "advisory", "disputes": ("DISPUTE-1",)},
        {"advise": "think of {task.name}"},
    ]
    rules = [
        rule_of(f"made-up-{number}", when, origin="chance", message=f"rule {number}", **dict(effects[kind]))
        for number, (when, kind) in enumerate(made)
    ]
    engine = extended(laid_over(), *rules)
    for index in record(ledger, engine, raws, TIMES[0], folder):
        found = replay(ledger, ledger.entry(index))
        assert (found.status, found.differences, found.why) == ("equal", (), None)


@pytest.mark.parametrize("layered", [False, True])
def test_a_policy_is_the_same_after_it_was_on_record(layered: bool) -> None:
    policy = laid_over() if layered else shipped()
    found = recorded_policy(policy.document, policy.layers_document, policy.catalog.document)
    assert found.digest == policy.digest
    assert found.catalog.digest == policy.catalog.digest
    assert [(rule.id, rule.layer, rule.stratum, rule.condition) for rule in found.rules.rules] == [
        (rule.id, rule.layer, rule.stratum, rule.condition) for rule in policy.rules.rules
    ]
    assert found.strata == policy.strata
