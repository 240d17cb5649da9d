"""Restores and gaps: an older copy put back is never taken for the whole, whatever an entry says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from policy_audit.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.heartbeat import OFF, ON, gaps, heartbeat
from policy_audit.keys import generate_signer
from policy_audit.ledger import Draft, EntryType
from policy_audit.restoring import restore_draft

from tests.integration.anchoring import Anchored
from tests.integration.tampering import decision, verify
from tests.stores import Store


def rolled_back(anchored: Anchored, *after: int) -> tuple[str, str]:
    """Grow by three and by two, put the copy of eleven back, and go on; return the two checkpoints that were kept."""
    restore = anchored.backup()
    anchored.grow(20, 21, 22)
    first = anchored.checkpoint()
    anchored.grow(23, 24)
    second = anchored.checkpoint()
    restore()
    if after:
        anchored.grow(*after)
    return first, second


def record(anchored: Anchored, *kept: str) -> dict[str, object]:
    with anchored.open() as ledger:
        draft = restore_draft(ledger, "backup of Sunday", "the disk failed", kept)
        ledger.append(draft)
    return dict(draft.body)


def test_the_ledger_itself_does_not_notice(anchored: Anchored) -> None:
    kept = rolled_back(anchored)
    assert verify(anchored.store).ok
    report = verify(anchored.store, *kept)
    assert report.step("kept").status == "failed"
    assert "older copy restored" in report.problems[0]


def test_what_a_restore_names_as_lost_fails_with_its_own_word(anchored: Anchored) -> None:
    kept = rolled_back(anchored)
    body = record(anchored, *kept)
    assert body["epoch"] == 2
    assert [(each["size"], each["first"], each["last"]) for each in body["lost"]] == [(14, 11, 13), (16, 11, 15)]  # type: ignore[attr-defined]
    report = verify(anchored.store, *kept)
    step = report.step("kept")
    assert not report.ok, "an operator with the key could have written the entry over a tail that he dropped"
    assert (step.status, step.problems) == ("restored", 2)
    assert step.first_problem == (
        "the ledger was restored at entry 11 (epoch 2): "
        "the kept checkpoint of size 14 covers entries lost with the old epoch"
    )


def test_a_restore_is_told_where_nothing_was_kept(anchored: Anchored) -> None:
    rolled_back(anchored)
    record(anchored)
    report = verify(anchored.store)
    assert report.ok
    assert len(report.findings) == 1
    assert report.findings[0].startswith("restored: at entry 11 (epoch 2), from `backup of Sunday`")


def test_a_checkpoint_that_the_restore_does_not_name_fails_as_ever(anchored: Anchored) -> None:
    first, second = rolled_back(anchored)
    record(anchored, first)
    report = verify(anchored.store, first, second)
    assert report.step("kept").status == "failed"
    assert report.step("kept").restored == 1
    report = verify(anchored.store, second)
    assert report.step("kept").status == "failed"
    assert "does not name it as lost" in report.problems[0]


def test_a_restored_ledger_that_went_on_says_which_were_replaced(anchored: Anchored) -> None:
    first, second = rolled_back(anchored, 30, 31, 32, 33)
    body = record(anchored, first, second)
    lost = body["lost"]
    assert [sorted(each) for each in lost] == [["root", "size"], ["first", "last", "root", "size"]]  # type: ignore[attr-defined]
    anchored.grow(*range(40, 50))
    assert verify(anchored.store, first, second).step("kept").status == "restored"


def test_what_the_ledger_still_continues_is_not_lost(anchored: Anchored) -> None:
    before = anchored.checkpoint()
    first, _ = rolled_back(anchored)
    body = record(anchored, before, first)
    assert body["lost_checkpoints"] == 1
    report = verify(anchored.store, before)
    assert report.ok
    assert report.step("kept").status == "ok"


def test_a_restore_names_no_checkpoint_that_the_log_has_not_signed(anchored: Anchored) -> None:
    other = sign_checkpoint(Checkpoint(anchored.origin, 99, bytes(32)), generate_signer(anchored.origin))
    with anchored.open() as ledger, pytest.raises(VerificationError):
        restore_draft(ledger, "x", "y", [other])


def test_epochs_are_counted_and_not_believed(anchored: Anchored) -> None:
    first, second = rolled_back(anchored)
    with anchored.open() as ledger:
        ledger.append(Draft(EntryType.RESTORE, body={"epoch": 7, "lost": "everything", "from": 3}))
        ledger.append(Draft(EntryType.RESTORE, body={"lost": [{"size": True, "root": "x"}, {"size": "14"}, 4]}))
    assert record(anchored, first)["epoch"] == 4
    report = verify(anchored.store, first, second)
    assert [finding.split(")")[0] for finding in report.findings] == [
        "restored: at entry 11 (epoch 2",
        "restored: at entry 12 (epoch 3",
        "restored: at entry 13 (epoch 4",
    ]


def test_many_lost_checkpoints_fit_into_one_entry(anchored: Anchored) -> None:
    restore, kept = anchored.backup(), []
    with anchored.open() as ledger:
        for number in range(600):
            ledger.append(decision(number + 20))
            kept.append(ledger.checkpoint())
    restore()
    body = record(anchored, *kept)
    assert body["lost_checkpoints"] == 600
    assert [each["size"] for each in body["lost"]][:: len(body["lost"]) - 1] == [112, 611]  # type: ignore[attr-defined, arg-type, index]
    assert parse_checkpoint(anchored.checkpoint()).size == 12


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_gaps_restores_and_rotations_are_listed_in_order(store: Store) -> None:
    clock, hour = Clock(), timedelta(hours=1)
    with store.open(clock=clock) as ledger:
        assert gaps(ledger, hour, until=clock.now + 9 * hour) == []

        def append(after: timedelta, draft: Draft) -> None:
            clock.now += after
            ledger.append(draft)

        append(hour, heartbeat(ON))
        append(hour, decision(1))
        append(2 * hour, decision(2))
        append(hour, heartbeat(OFF))
        append(5 * hour, heartbeat(ON))
        append(timedelta(0), heartbeat(ON))
        ledger.rotate_key(generate_signer(ledger.origin))
        append(timedelta(minutes=5), Draft(EntryType.RESTORE, body={}))
        found = gaps(ledger, hour, until=clock.now + 3 * hour)
    assert [(gap.kind, gap.after, gap.before, gap.off) for gap in found] == [
        ("silence", 1, 2, False),
        ("silence", 3, 4, True),
        ("unclean", 4, 5, False),
        ("rotation", 5, 6, False),
        ("restore", 6, 7, False),
        ("silence", 7, None, False),
    ]
    assert (found[0].since, found[0].until) == ("2026-01-31T14:00:00.000000Z", "2026-01-31T16:00:00.000000Z")


@pytest.mark.parametrize("value", ["not a time", "\x7f", "2026-01-31T12:00:00"])
def test_a_changed_time_gives_no_gaps(filled: Store, value: object) -> None:
    with filled.administrator() as connection:
        connection.execute("UPDATE log_entry SET recorded_at = ? WHERE leaf_index = 5", (value,))
    with filled.open(read_only=True) as ledger, pytest.raises(VerificationError):
        gaps(ledger, timedelta(hours=1))


def test_a_heartbeat_is_on_off_or_beat() -> None:
    with pytest.raises(ValueError, match="maybe"):
        heartbeat("maybe")
