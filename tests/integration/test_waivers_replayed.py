"""Decisions by waivers that were not granted, written by whoever holds the ledger's key: a replay does not agree.

The forger runs the engine on what they like, so that the bytes follow from the inputs; the inputs are the lie.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.canonical import document_bytes
from policy_audit.entry import Draft

from policy_engine.decide import Decider
from policy_engine.model.waiver import Waiver
from policy_engine.recorder import Context, Recorder
from policy_engine.replay import replay
from policy_engine.replays import recomputing
from tests.integration.waiver_world import NOW, Forge, World, deciders_in
from tests.stores import Store
from tests.unit.waivers.making import (
    ANN,
    BOB,
    EVE,
    asked_for,
)


@pytest.fixture(scope="module")
def deciders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Decider]:
    return deciders_in(tmp_path_factory)


@pytest.fixture
def world(store: Store, deciders: dict[int, Decider]) -> Iterator[World]:
    with ExitStack() as until:
        yield World(store, deciders, until)


def test_an_honest_decision_by_a_waiver_comes_out_again(world: World) -> None:
    world.grant(ANN)
    decision = world.decide(world.found())
    assert decision.verdict == "allow_with_conditions"
    entry = world.record(decision)
    assert replay(world.ledger, entry).status == "equal"
    assert world.verified()[0]


def test_so_does_one_beside_which_it_was_revoked(world: World) -> None:
    """A revocation that came on record while the decision was being made could not be known to it."""
    world.grant(ANN)
    decision = world.decide(world.found())
    world.clock = NOW + timedelta(seconds=30)
    world.revoke()
    assert replay(world.ledger, world.record(decision)).status == "equal"
    later = world.decide(world.found())
    assert later.verdict == "deny"
    assert replay(world.ledger, world.record(later)).status == "equal"


def nobody_signed(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [world.forged(world.made)]


def eve_signed(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [world.forged(world.made, EVE)]


def no_note(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [replace(world.forged(world.made), grounds=None)]


def a_signature_of_something_else(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    longer = replace(world.made, valid_until=date(2027, 1, 5))
    return [replace(world.forged(world.made, ANN), id=longer.id, statement=longer, ends=longer.valid_until)]


def signed_and_never_granted(world: World) -> Sequence[Waiver]:
    """Ann signed another waiver, and it was never granted: her note lies in a file."""
    world.grant(ANN)
    return [world.forged(replace(world.made, ticket="OPS-8"), ANN)]


def granted_afterwards(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    other = replace(world.made, ticket="OPS-8")
    return [world.forged(other, ANN, grounds={"entry": len(world.ledger.list_entries()) + 2})]


def granted_and_never_asked_for(world: World) -> Sequence[Waiver]:
    index = world.grant(ANN, made=world.unasked)
    leaf, at = world.ledger.entry(index).leaf_hash, datetime.fromisoformat(world.ledger.entry(index).recorded_at)
    told = replace(world.found()[0].grounds, entry=index, leaf=leaf, granted_at=at.astimezone(UTC))  # type: ignore[type-var]
    asked = replace(told.asked, told=True)  # type: ignore[union-attr]
    return [world.forged(world.unasked, ANN, grounds={"asked": asked})]


def of_another_ledger(world: World) -> Sequence[Waiver]:
    made = asked_for(world.ledger, world.unasked, origin="policy-ledger.local/ffffffff")
    world.grant(ANN, made=made)
    return [world.forged(made, ANN)]


def revoked(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    world.revoke()
    return [world.forged(world.made, ANN, grounds={"revoked": False})]


def expired(world: World) -> Sequence[Waiver]:
    """Recorded months later, and said to have been made in its time."""
    world.grant(ANN)
    waivers = world.found()
    world.clock = NOW + timedelta(days=90)
    return waivers


def one_of_two(world: World) -> Sequence[Waiver]:
    world.decider = world.deciders[2]
    world.grant(ANN)
    return [world.forged(world.made, ANN)]


def one_person_twice(world: World) -> Sequence[Waiver]:
    world.decider = world.deciders[2]
    world.grant(ANN, ANN)
    return [world.forged(world.made, ANN, ANN)]


def self_approved(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    (waiver,) = world.found()
    asked = replace(waiver.grounds.asked, by=("ann",))  # type: ignore[union-attr]
    return [world.forged(world.made, ANN, grounds={"asked": asked})]


def too_long(world: World) -> Sequence[Waiver]:
    long = asked_for(world.ledger, replace(world.unasked, valid_until=date(2027, 2, 1)))
    world.grant(ANN, made=long)
    return [replace(world.found()[0], problem=None)]


def ends_later(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [replace(world.found()[0], ends=date(2028, 1, 1))]


def more_keys(world: World) -> Sequence[Waiver]:
    world.grant(ANN)
    return [replace(world.found()[0], keys=(ANN.signer.key_id.hex(), BOB.signer.key_id.hex()))]


FORGERIES: dict[Forge, str] = {
    nobody_signed: "its note is no waiver on this workload",
    eve_signed: "no signature is by a key that the policy names",
    no_note: "no signed note of it is on record",
    a_signature_of_something_else: "",
    signed_and_never_granted: "it is not what the entry",
    granted_afterwards: "no grant of it is on record before the decision",
    granted_and_never_asked_for: "no request of it is on record before its grant",
    of_another_ledger: "it was asked for in the ledger policy-ledger.local/ffffffff, and lifts nothing in another",
    revoked: "it was revoked before the decision, by the entry",
    expired: "it was checked at",
    one_of_two: "it has 1 of 2 approvals",
    one_person_twice: "it has 1 of 2 approvals",
    self_approved: "`ann` asked for it, and nobody approves what they asked for",
    too_long: "it runs 74 days, and the policy allows 60",
    ends_later: "",
    more_keys: "",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_waiver_that_was_not_granted_does_not_come_out_again(world: World, forge: Forge) -> None:
    decision = world.decide(forge(world))
    assert decision.verdict == "allow_with_conditions", "the engine believes what it is told"
    entry = world.record(decision)
    if forge is granted_afterwards:
        assert world.grant(ANN, made=replace(world.made, ticket="OPS-8")) == entry.index + 2
    found = replay(world.ledger, entry)
    assert found.status == "differs", found
    said = {each.path: str(each.replayed) for each in found.differences}
    assert FORGERIES[forge] in said.get("waivers.known[0].problem", "")
    if FORGERIES[forge]:
        assert said["verdict"] == '"deny"'
    verified, problem = world.verified()
    assert not verified
    assert f"the decision of the entry {entry.index} does not follow" in problem


def test_a_use_that_is_not_on_record_is_a_difference(world: World) -> None:
    world.grant(ANN)
    decision = world.decide(world.found())
    entry = world.record(decision, used=False)
    (difference,) = replay(world.ledger, entry).differences
    assert difference.path == "waiver-used"
    assert not world.verified()[0]
    world.clock += timedelta(minutes=1)
    world.record(decision)
    assert replay(world.ledger, entry).status == "differs", "another decision's use is not its own"


def test_other_bytes_of_the_same_waivers_are_a_difference(world: World) -> None:
    world.grant(ANN)
    decision = world.decide(world.found())
    content = decision.waivers_content
    assert content is not None
    recorder, context = Recorder(world.ledger, world.decider.policy), Context("deploy", None, "asserted", {})
    honest = recorder.draft(decision, context)
    blobs = {**honest.blobs, "waivers": content.replace(b'{"apiVersion"', b'{ "apiVersion"')}
    draft = Draft(honest.type, honest.body, honest.context, honest.personal, blobs, honest.view, honest.tags)
    entry = world.ledger.entry(world.ledger.append_many([draft, *recorder.used(decision, context)])[0].index)
    found = replay(world.ledger, entry)
    assert [each.path for each in found.differences] == ["entry.blobs.waivers"]


BROKEN = [
    b"{}",
    b'{"apiVersion":"policy-engine/v1","kind":"Waivers","waivers":[{}]}',
    b'{"apiVersion":"policy-engine/v1","kind":"Waivers","waivers":null}',
]


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_no_document_of_waivers_is_not_replayable(world: World, content: bytes) -> None:
    world.grant(ANN)
    decision = world.decide(world.found())
    recorder = Recorder(world.ledger, world.decider.policy)
    honest = recorder.draft(decision, Context("deploy", None, "asserted", {}))
    blobs = {**honest.blobs, "waivers": content}
    draft = Draft(honest.type, honest.body, honest.context, honest.personal, blobs, honest.view, honest.tags)
    entry = world.ledger.entry(world.ledger.append(draft).index)
    assert replay(world.ledger, entry).reason == "malformed"
    assert not world.verified()[0]


GROUNDS: list[dict[str, Any]] = [
    {"made_at": "9999-12-31T23:59:59-12:00"},
    {"made_at": "0001-01-01T00:00:00+12:00"},
    {"made_at": "2026-11-24T12:01:00"},
    {"made_at": "2026-11-24T13:01:00+01:00"},
    {"granted_at": None},
    {"granted_at": "0001-01-01T00:00:00+12:00"},
    {"note": "\n\n"},
    {"note": 5},
    {"entry": -1},
    {"entry": 2**53 - 1},
    {"leaf": ""},
    {"revoked": True},
    {"asked": {"by": ["ann", "ann", ""], "told": True, "as_signed": True}},
    {"asked": {"by": [], "told": False, "as_signed": True}},
    {"asked": {"by": [], "told": True, "as_signed": False}},
    {"asked": []},
    {"more": 1},
]


def test_no_grounds_that_somebody_made_up_come_out_again_or_break_the_replay(world: World) -> None:
    world.grant(ANN)
    decision = world.decide(world.found())
    recorder, context = Recorder(world.ledger, world.decider.policy), Context("deploy", None, "asserted", {})
    honest = recorder.draft(decision, context)
    for change in GROUNDS:
        document = json.loads(decision.waivers_content or b"")
        document["waivers"][0]["grounds"].update(change)
        blobs = {**honest.blobs, "waivers": document_bytes(document)}
        draft = Draft(honest.type, honest.body, honest.context, honest.personal, blobs, honest.view, honest.tags)
        entry = world.ledger.entry(world.ledger.append_many([draft, *recorder.used(decision, context)])[0].index)
        assert replay(world.ledger, entry).status in ("differs", "not_replayable"), change
    step = world.ledger.verify(recompute=recomputing()).step("recompute")
    assert (step.checked, step.problems) == (len(GROUNDS), len(GROUNDS))
