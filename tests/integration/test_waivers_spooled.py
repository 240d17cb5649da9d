"""Decisions that used waivers, spooled: decision and uses are one file, and come on record together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from policy_audit.changing import By
from policy_audit.errors import SpoolError
from policy_audit.ledger import EntryType
from policy_audit.spool import Spool, new_call
from policy_audit.spool_reading import SpoolFolder

from policy_engine.collecting import Collector
from policy_engine.recorder import SHARED_ROLES, Context, Drafter
from policy_engine.replay import replay
from policy_engine.spooled import check_spooled
from tests.integration.test_waivers_replayed import NOW, World, deciders, world
from tests.spools import files, forge, forge_entry
from tests.stores import SQLITE
from tests.unit.waivers.making import ANN

__all__ = ["deciders", "world"]
pytestmark = pytest.mark.parametrize("store", [SQLITE], indirect=True)


@pytest.fixture
def spool(world: World, tmp_path: Path) -> Path:
    """A spool of a decision that a waiver on record allowed, as a runner could make it that was told of the waiver."""
    world.grant(ANN)
    decision = world.decide(world.found())
    assert decision.verdict == "allow_with_conditions"
    folder = tmp_path / "spool"
    folder.mkdir()
    drafter, context = Drafter(world.decider.policy), Context("deploy", None, "asserted", {"run": "1"})
    drafts = [drafter.draft(decision, context), *drafter.used(decision, context)]
    assert len(drafts) > 1
    Spool(folder, lambda: NOW + timedelta(minutes=1)).write([drafts], new_call("1"), SHARED_ROLES)
    return folder


def test_decision_and_uses_come_on_record_together(world: World, spool: Path) -> None:
    world.clock = NOW + timedelta(minutes=10)
    found = Collector(world.ledger, By(), timedelta(days=1)).collect([spool], [])
    assert found.whole
    (place,) = found.placed
    used = list(world.ledger.list_entries(type=EntryType.WAIVER_USED))
    assert [entry.index for entry in used] == [place.index + 1]
    assert found.entries == [place.index + 2]
    assert replay(world.ledger, world.ledger.entry(place.index)).status == "equal"
    assert world.verified()[0]
    again = Collector(world.ledger, By(), timedelta(days=1)).collect([spool], [])
    assert [(each.index, each.already) for each in again.placed] == [(place.index, True)]
    assert again.entries == []


def refused(spool: Path) -> str:
    (path,) = files(spool)
    with pytest.raises(SpoolError) as error:
        check_spooled(SpoolFolder(spool).read(path.name))
    return error.value.code


def test_a_use_that_is_left_out_or_changed_is_refused(world: World, spool: Path) -> None:
    (path,) = files(spool)
    whole = path.read_bytes()
    check_spooled(SpoolFolder(spool).read(path.name))
    forge(path, lambda it: it["entries"].pop())
    assert refused(spool) == "spool-view"
    path.write_bytes(whole)
    forge(path, lambda it: it["entries"].append(it["entries"][1]))
    assert refused(spool) == "spool-view"
    for change in ({"lifts": "nothing"}, {"waiver": "0" * 64}, {"more": 1}):
        path.write_bytes(whole)
        forge_entry(path, lambda it, change=change: it["body"].update(change), 1)
        assert refused(spool) == "spool-view"
    path.write_bytes(whole)
    forge_entry(path, lambda it: it["context"].update(workload="other"), 1)
    assert refused(spool) == "spool-view"
    path.write_bytes(whole)
    forge_entry(path, lambda it: it.update(recorded_at="2026-01-01T00:00:00.000000Z"), 1)
    assert refused(spool) == "spool-changed"
