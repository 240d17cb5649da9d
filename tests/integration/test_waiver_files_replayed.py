"""Decisions by signed files of waivers: they replay, and those by files that do not count do not come out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.model.waiver import Waiver
from policy_engine.replay import replay
from policy_engine.waivers.checking import active_waivers
from policy_engine.waivers.from_files import GivenFile, WaiversInFiles
from policy_engine.waivers.register import waiver_register
from tests.integration.waiver_world import NOW, Forge, World, deciders_in
from tests.stores import sqlite_store
from tests.unit.waivers.making import ANN, AT, EVE, WORKLOAD, asked_for, file_of, waiver_file


@pytest.fixture(scope="module")
def deciders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Decider]:
    return deciders_in(tmp_path_factory)


@pytest.fixture
def world(tmp_path: Path, deciders: dict[int, Decider]) -> Iterator[World]:
    with ExitStack() as until:
        yield World(sqlite_store(tmp_path), deciders, until)


def test_a_decision_by_a_file_that_was_never_granted_comes_out_again(world: World) -> None:
    """And what became of it later, or meanwhile, changes nothing about that decision."""
    world.clock = NOW
    file = GivenFile("wv.yaml", waiver_file(world.made, ANN))
    given = WaiversInFiles([file], lambda: world.ledger, world.ledger.now)
    approvers = world.decider.policy.approvers
    waivers = active_waivers(given.candidates(WORKLOAD), WORKLOAD, AT, approvers, given.now)
    decision = world.decide(waivers)
    assert decision.verdict == "allow_with_conditions"
    world.clock = NOW + timedelta(seconds=30)
    world.revoke()
    assert replay(world.ledger, world.record(decision)).status == "equal"
    assert active_waivers(given.candidates(WORKLOAD), WORKLOAD, AT, approvers, given.now)[0].problem is None, (
        "read once"
    )
    later = WaiversInFiles([file], lambda: world.ledger, world.ledger.now)
    (found,) = active_waivers(later.candidates(WORKLOAD), WORKLOAD, AT, approvers, later.now)
    assert found.problem == "it was revoked"
    assert replay(world.ledger, world.record(world.decide([found]))).status == "equal"
    assert world.verified()[0]
    (row,) = waiver_register(world.ledger, AT)
    assert row["by_file_index"] is None, "whoever records here records the grant, too"
    assert len(row["used_out_of_time"]) == len(row["uses"]) == 1


def test_what_the_runner_could_not_ask_makes_no_forgery_of_its_decision(world: World, tmp_path: Path) -> None:
    """A spool is collected into a ledger in which the waiver had been revoked: the register tells that, no replay."""
    (tmp_path / "acme").mkdir()
    head = f"waivers: {{files_of: [{world.ledger.origin}]}}\n"
    (tmp_path / "acme" / "approvers.yaml").write_text(file_of(ANN.entry(), head=head), encoding="utf-8")
    world.decider = Decider(load_policy([tmp_path / "acme"], use_cache=False))
    world.grant(ANN)
    world.revoke()
    world.clock = NOW
    given = WaiversInFiles([GivenFile("wv.yaml", waiver_file(world.made, ANN))], None, world.ledger.now)
    waivers = active_waivers(given.candidates(WORKLOAD), WORKLOAD, AT, world.decider.policy.approvers, given.now)
    decision = world.decide(waivers)
    assert decision.verdict == "allow_with_conditions"
    assert replay(world.ledger, world.record(decision)).status == "equal"
    assert world.verified()[0]
    (row,) = waiver_register(world.ledger, AT)
    assert (row["status"], len(row["used_out_of_time"])) == ("revoked", 1)


FILE = {"source": "file", "entry": 0, "leaf": ""}
UNASKED = {**FILE, "source": "file-unasked"}


def a_file_that_nobody_asked_for(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [world.forged(replace(world.made, ticket="OPS-8"), ANN, grounds=FILE)]


def a_file_of_another_ledger(world: World) -> Sequence[Waiver]:
    made = asked_for(world.ledger, world.unasked, origin="policy-ledger.local/ffffffff")
    world.grant(ANN)
    return [world.forged(made, ANN, grounds=FILE)]


def a_file_whose_ledger_the_policy_does_not_name(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [world.forged(world.made, ANN, grounds=UNASKED)]


def a_file_that_was_revoked(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    world.revoke()
    return [world.forged(world.made, ANN, grounds={**FILE, "revoked": False})]


def a_file_for_another_time(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    made = [world.forged(world.made, ANN, grounds={**FILE, "made_at": AT + timedelta(hours=2)})]
    world.clock = AT + timedelta(hours=2)
    return made


def a_file_that_a_stranger_signed(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [world.forged(world.made, EVE, grounds=UNASKED)]


FORGERIES: dict[Forge, str] = {
    a_file_that_nobody_asked_for: "no request of it is on record before the decision",
    a_file_of_another_ledger: "it was asked for in the ledger policy-ledger.local/ffffffff, and lifts nothing in",
    a_file_whose_ledger_the_policy_does_not_name: "which cannot be asked here whether it was revoked",
    a_file_that_was_revoked: "it was revoked before the decision, by the entry",
    a_file_for_another_time: "lifts nothing for another time than the present",
    a_file_that_a_stranger_signed: "no signature is by a key that the policy names",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_file_that_does_not_count_does_not_come_out_again(world: World, forge: Forge) -> None:
    decision = world.decide(forge(world))
    assert decision.verdict == "allow_with_conditions", "the engine believes what it is told"
    found = replay(world.ledger, world.record(decision))
    assert found.status == "differs", found
    said = {each.path: str(each.replayed) for each in found.differences}
    assert FORGERIES[forge] in said["waivers.known[0].problem"]
    assert said["verdict"] == '"deny"'
    assert not world.verified()[0]
