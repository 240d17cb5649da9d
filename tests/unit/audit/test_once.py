"""Within a day a request that is asked again is answered as the first time, and nothing is recorded for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from policy_audit.errors import LedgerError
from policy_audit.groups import Answer
from policy_audit.ledger import Draft, EntryType, Group, Guard, Ledger, Once, prepare_draft

from tests.integration.persons import decision as of_person
from tests.integration.tampering import decision, failed, file_alone
from tests.stores import Store
from tests.unit.audit.grouping import Clock, digest, hold, once, recorded, shown

MOVING = frozenset({"waiver-granted"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(store: Store, clock: Clock) -> Iterator[Ledger]:
    with store.open(clock=clock) as opened:
        yield opened


def ask(ledger: Ledger, *drafts: Draft) -> Answer:
    (answer,) = ledger.append_groups([Group(drafts)])
    return answer


def rows(store: Store) -> list[Any]:
    with store.connection() as connection:
        return list(connection.execute("SELECT leaf_index, entries FROM once ORDER BY leaf_index"))


def test_the_first_answer_is_given_again_and_nothing_is_recorded(ledger: Ledger, clock: Clock) -> None:
    ledger.append(hold(0))
    first = recorded(ask(ledger, replace(decision(1), once=once("k")), hold(2)))
    ledger.append(hold(3))
    assert ledger.asked(once("k")) == [replace(each, repeated=True) for each in first]
    assert ledger.asked(once("k2")) is None
    clock.move(hours=23, minutes=59)
    again = recorded(ask(ledger, hold(9, "k")))
    assert again == [replace(each, repeated=True) for each in first]
    assert not any(each.repeated for each in first)
    assert [each.index for each in again] == [1, 2]
    assert {each.tree_size for each in again} == {3}
    assert recorded(ledger.append_groups([Group([prepare_draft(hold(9, "k"))])])[0]) == again
    assert ledger.append_many([hold(9, "k")]) == again
    assert ledger.append(hold(9, "k")) == again[0]
    assert len(list(ledger.walk())) == 4
    assert ledger.verify().ok


def test_another_request_under_the_key_is_a_conflict_and_another_key_is_none(ledger: Ledger) -> None:
    ask(ledger, hold(1, "k"))
    assert shown(ask(ledger, hold(2, "k", "other"))) == "once-conflict"
    with pytest.raises(LedgerError) as error:
        ledger.asked(once("k", "other"))
    assert error.value.code == "once-conflict"
    assert shown(ask(ledger, hold(2, "other", "other"))) == [1]
    assert shown(ask(ledger, hold(2, "k", "other"))) == "once-conflict"


def test_the_same_key_twice_in_one_commit(ledger: Ledger) -> None:
    groups = [
        Group([hold(1, "a"), hold(2)]),
        Group([hold(3, "a")]),
        Group([hold(4, "b")]),
        Group([hold(5, "a", "other")]),
        Group([hold(6)]),
        Group([hold(7, "b"), hold(8)]),
    ]
    answers = ledger.append_groups(groups)
    assert [shown(answer) for answer in answers] == [[0, 1], [0, 1], [2], "once-conflict", [3], [2]]
    repeated = [isinstance(answer, list) and answer[0].repeated for answer in answers]
    assert repeated == [False, True, False, False, False, True]
    assert [entry.document["body"]["n"] for entry in ledger.walk()] == [1, 2, 4, 6]
    assert ledger.verify().ok


@file_alone
def test_a_refused_first_leaves_the_key_to_the_next(ledger: Ledger) -> None:
    ledger.append(Draft(EntryType.WAIVER_GRANTED))
    guard = Guard(MOVING, 0)
    answers = ledger.append_groups([Group([hold(1, "k")], guard), Group([hold(2, "k", "other")])])
    assert [shown(answer) for answer in answers] == ["ledger-moved", [1]]


@file_alone
def test_a_request_that_was_answered_is_answered_whatever_has_moved(ledger: Ledger) -> None:
    guard = Guard(MOVING, 0)
    assert [shown(answer) for answer in ledger.append_groups([Group([hold(1, "k")], guard)])] == [[0]]
    ledger.append(Draft(EntryType.WAIVER_GRANTED))
    assert [shown(answer) for answer in ledger.append_groups([Group([hold(1, "k")], guard)])] == [[0]]


def test_after_a_day_it_is_a_new_request_and_rows_are_forgotten(ledger: Ledger, store: Store, clock: Clock) -> None:
    ask(ledger, hold(1, "a"))
    ask(ledger, hold(2, "b"), hold(3))
    clock.move(hours=24)
    assert shown(ask(ledger, hold(4, "a", "other"))) == [3]
    assert rows(store) == [(3, 1)], "the others of that day are gone too"
    assert shown(ask(ledger, hold(4, "a"))) == "once-conflict"
    clock.move(hours=23)
    assert shown(ask(ledger, hold(4, "a", "other"))) == [3]
    report = ledger.verify()
    assert report.ok, report.problems


def test_rows_are_forgotten_by_commits_without_requests_too(ledger: Ledger, store: Store, clock: Clock) -> None:
    ask(ledger, hold(1, "a"))
    clock.move(hours=25)
    ledger.append(hold(2))
    assert rows(store) == []
    assert ledger.verify().ok
    with store.open(clock=clock) as other:  # which knows of no request
        assert shown(ask(other, hold(3, "a"))) == [2]
        clock.move(hours=25)
        other.append(hold(4))
        assert rows(store) == []
        assert other.verify().ok


@file_alone
def test_a_clock_that_runs_back_forgets_nothing(ledger: Ledger, store: Store, clock: Clock) -> None:
    ask(ledger, hold(1, "a"))
    clock.move(days=-10)
    assert shown(ask(ledger, hold(2, "a"))) == [0]
    ledger.append(hold(3))
    clock.move(days=10)
    assert shown(ask(ledger, hold(4, "a"))) == [0]
    assert ledger.verify().ok


def test_it_holds_for_another_process_and_after_opening_again(ledger: Ledger, store: Store, clock: Clock) -> None:
    ask(ledger, hold(1, "a"))
    with store.open(clock=clock) as other:
        assert shown(ask(other, hold(2, "a"))) == [0]
        assert shown(ask(other, hold(2, "b"))) == [1]
    assert shown(ask(ledger, hold(3, "b"))) == [1]


def test_an_erased_entry_answers_and_leaves_no_key_to_guess(ledger: Ledger, store: Store) -> None:
    draft = replace(of_person(0, "alice@acme.example"), once=once("k"))
    first = recorded(ask(ledger, draft))
    ledger.erase("alice@acme.example", reason="request under Art. 17")
    assert recorded(ask(ledger, draft)) == [replace(each, repeated=True) for each in first]
    raw = ledger.entry(0).raw
    assert digest("k").encode() not in raw
    assert digest("same").encode() not in raw
    with store.connection() as connection:
        ((salt,),) = connection.execute("SELECT salt FROM once")
    assert len(salt) == 22
    assert salt.encode() not in raw
    assert ledger.verify().ok


@file_alone
@pytest.mark.parametrize("bad", ["", "x" * 64, "A" * 64, digest("k") + "\n", None])
def test_what_is_no_sha256_is_refused(ledger: Ledger, bad: Any) -> None:
    for both in ((bad, digest("r")), (digest("k"), bad)):
        assert shown(ask(ledger, replace(hold(1), once=Once(*both)))) == "not-canonical"


@file_alone
def test_the_size_of_the_entry_counts_the_number_of_entries_too(ledger: Ledger) -> None:
    room = 65_535 - len(ledger.entry(recorded(ask(ledger, hold(0, "a")))[0].index).raw)
    full = Draft(EntryType.HOLD, body={"n": 0, "x": "x" * (room - len(',"x":""'))}, once=once("b"))
    assert shown(ask(ledger, full, *map(hold, range(9)))) == "entry-too-large"
    assert shown(ask(ledger, full, *map(hold, range(8)))) == [1, *range(2, 10)]


ATTACKS = {
    "deleted": "DELETE FROM once",
    "key": "UPDATE once SET request_key = '" + digest("x") + "' WHERE leaf_index = 1",
    "request": "UPDATE once SET request = '" + digest("x") + "' WHERE leaf_index = 1",
    "salt": "UPDATE once SET salt = 'AAAAAAAAAAAAAAAAAAAAAA' WHERE leaf_index = 1",
    "entries": "UPDATE once SET entries = 1 WHERE leaf_index = 1",
    "time": "UPDATE once SET recorded_at = '2026-03-02T12:00:00.000000Z' WHERE leaf_index = 1",
    "index": "UPDATE once SET leaf_index = 0 WHERE leaf_index = 1",
    "of no entry": "UPDATE once SET leaf_index = 99 WHERE leaf_index = 1",
    "entries that are none": "UPDATE once SET entries = 'x' WHERE leaf_index = 1",
    "a time that is none": "UPDATE once SET recorded_at = X'00' WHERE leaf_index = 1",
    "far too many": f"UPDATE once SET entries = {2**63 - 1} WHERE leaf_index = 1",
    "another": "INSERT INTO once SELECT 0, 'k', request, salt, entries, recorded_at FROM once",
    "below all": "INSERT INTO once SELECT -5, 'k', request, salt, entries, recorded_at FROM once",
}


ADDED = ("another", "below all")


@file_alone
@pytest.mark.parametrize("attack", ATTACKS)
def test_every_column_of_every_row_is_verified(ledger: Ledger, store: Store, attack: str) -> None:
    ledger.append(hold(0))
    ask(ledger, hold(1, "k"), hold(2))
    assert ledger.verify().ok
    with store.administrator() as connection:
        connection.execute(ATTACKS[attack])
    assert failed(ledger.verify()) == ["view"]


@file_alone
@pytest.mark.parametrize("attack", [name for name in ATTACKS if name not in ("deleted", "key", "request", *ADDED)])
def test_a_row_that_was_changed_answers_for_nothing(ledger: Ledger, store: Store, attack: str) -> None:
    ledger.append(hold(0))
    ask(ledger, hold(1, "k"), hold(2))
    with store.administrator() as connection:
        connection.execute(ATTACKS[attack])
    answers = ledger.append_groups([Group([hold(3, "k")]), Group([hold(4)])])
    assert [shown(answer) for answer in answers] == ["ledger-tampered", [3]]


def test_a_row_may_be_missing_after_a_day_alone(ledger: Ledger, store: Store, clock: Clock) -> None:
    ask(ledger, hold(1, "k"))
    with store.administrator() as connection:
        connection.execute("DELETE FROM once")
    clock.move(hours=23, minutes=59)
    ledger.append(hold(2))
    report = ledger.verify()
    assert (failed(report), report.first_failing_index) == (["view"], 0)
    clock.move(minutes=1)
    ledger.append(hold(3))
    assert ledger.verify().ok
