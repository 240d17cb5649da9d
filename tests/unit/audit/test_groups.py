"""Groups share a commit, and each is answered by itself; a guard refuses what was made from what has changed since."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, Group, Guard, Ledger, open_ledger, prepare_draft

from tests.integration.tampering import decision, file_alone
from tests.stores import POSTGRESQL, Store
from tests.unit.audit.grouping import hold, recorded, shown

MOVING = frozenset({"waiver-granted", "waiver-revoked"})
GRANT = Draft(EntryType.WAIVER_GRANTED, body={"waiver": "w"})


@pytest.fixture
def ledger(store: Store) -> Iterator[Ledger]:
    with store.open() as opened:
        yield opened


def sizes(store: Store) -> list[int]:
    with store.connection() as connection:
        return [row[0] for row in connection.execute("SELECT size FROM log_checkpoint ORDER BY size")]


def test_groups_are_contiguous_in_one_commit_and_in_order(ledger: Ledger, store: Store) -> None:
    groups = [Group([hold(1)]), Group([prepare_draft(decision(2)), hold(3)]), Group([]), Group([hold(4)])]
    answers = [recorded(answer) for answer in ledger.append_groups(groups)]
    assert [[each.index for each in answer] for answer in answers] == [[0], [1, 2], [], [3]]
    assert [entry.document["body"]["n"] for entry in ledger.walk()] == [1, 2, 3, 4]
    assert sizes(store) == [0, 4]
    assert {each.tree_size for answer in answers for each in answer} == {4}
    for answer in answers:
        for each in answer:
            assert (ledger.entry(each.index).leaf_hash, each.repeated) == (each.leaf_hash, False)
    assert ledger.append_groups([]) == []
    assert ledger.verify().ok


REFUSED: dict[str, tuple[Group, str]] = {
    "a float": (Group([hold(9), Draft(EntryType.HOLD, body={"n": 0.5})]), "not-canonical"),
    "too large": (Group([Draft(EntryType.HOLD, body={"n": "x" * 65_536}), hold(9)]), "entry-too-large"),
    "a name": (Group([Draft(EntryType.HOLD, body={"owner": "Ann"})]), "personal-field"),
    "a rotation": (Group([Draft(EntryType.KEY_ROTATION)]), "not-an-entry"),
    "a guard": (Group([hold(9)], Guard(MOVING, 0)), "ledger-moved"),
    "once on the second": (Group([hold(8), hold(9, "k")]), "not-an-entry"),
    "once of the caller's": (Group([Draft(EntryType.HOLD, context={"once": {}})]), "not-an-entry"),
}


@file_alone
@pytest.mark.parametrize("name", REFUSED)
def test_one_groups_refusal_refuses_no_others(ledger: Ledger, name: str) -> None:
    bad, code = REFUSED[name]
    ledger.append(GRANT)
    answers = ledger.append_groups([Group([hold(1)]), bad, Group([hold(2), hold(3)])])
    assert [shown(answer) for answer in answers] == [[1], code, [2, 3]]
    assert len(list(ledger.walk())) == 4
    assert ledger.verify().ok


@pytest.mark.parametrize("store", [POSTGRESQL], indirect=True)
def test_what_the_database_refuses_of_one_group_is_no_other_groups(ledger: Ledger, store: Store) -> None:
    chance = random.Random(1)  # noqa: S311
    long = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(9000))  # for an index, and not for an entry
    bad = Group([hold(9), replace(decision(99), view={**decision(99).view, "workload": long})])
    groups = [Group([decision(number)]) for number in range(11)]
    answers = ledger.append_groups([*groups[:5], bad, *groups[5:8], bad, *groups[8:]])
    codes = [number for number, answer in enumerate(answers) if shown(answer) == "entry-too-large"]
    assert codes == [5, 9]
    indexes = [each.index for answer in answers if not isinstance(answer, LedgerError) for each in answer]
    assert indexes == list(range(11))
    assert [entry.document["body"]["n"] for entry in ledger.walk()] == list(range(11))
    assert ledger.verify().ok


def test_what_concerns_the_ledger_is_the_answer_to_all(ledger: Ledger, store: Store) -> None:
    with store.administrator() as connection:
        connection.execute("UPDATE log_checkpoint SET root = zeroblob(32)")
    answers = ledger.append_groups([Group([hold(number)]) for number in range(5)])
    assert [shown(answer) for answer in answers] == ["ledger-tampered"] * 5
    assert len({id(answer) for answer in answers}) == 5
    with store.open(read_only=True) as reader:
        assert [shown(answer) for answer in reader.append_groups([Group([hold(1)])])] == ["ledger-read-only"]
    assert list(ledger.walk()) == []


def test_a_guard_sees_what_was_recorded_since_and_nothing_else(ledger: Ledger) -> None:
    assert ledger.latest(MOVING) == 0
    ledger.append_many([hold(0), GRANT, hold(2), decision(3)])
    size = ledger.latest(MOVING)
    assert size == 2
    ledger.append_many([hold(4), decision(5), Draft(EntryType.ERASURE)])

    def ask(*guards: Guard | None) -> list[Any]:
        return [shown(answer) for answer in ledger.append_groups([Group([hold(9)], guard) for guard in guards])]

    assert ask(Guard(MOVING, size), Guard(MOVING, size - 1), Guard(frozenset(), 0)) == [[7], "ledger-moved", [8]]
    assert ask(Guard(frozenset({"waiver-revoked"}), 0), Guard(MOVING | {"no-such-type"}, 9)) == [[9], [10]]
    ledger.append(Draft(EntryType.WAIVER_REVOKED))
    assert ask(Guard(MOVING, size), None) == ["ledger-moved", [12]]
    assert ask(Guard(MOVING, ledger.latest(MOVING))) == [[13]]


def test_a_guard_may_name_decisions_too(ledger: Ledger) -> None:
    ledger.append_many([decision(0), GRANT])
    both = frozenset({"decision", "waiver-granted"})
    assert (ledger.latest(["decision"]), ledger.latest(both)) == (1, 2)
    groups = [Group([hold(1)], Guard(frozenset({"decision"}), size)) for size in (0, 1)]
    assert [shown(answer) for answer in ledger.append_groups(groups)] == ["ledger-moved", [2]]


def test_a_guard_sees_an_earlier_group_of_the_same_commit_and_none_that_was_refused(ledger: Ledger) -> None:
    guard = Guard(MOVING, 0)
    refused = Group([GRANT, Draft(EntryType.HOLD, body={"n": 0.5})])
    groups = [refused, Group([hold(1)], guard), Group([hold(2), GRANT]), Group([hold(3)], guard), Group([hold(4)])]
    answers = [shown(answer) for answer in ledger.append_groups(groups)]
    assert answers == ["not-canonical", [0], [1, 2], "ledger-moved", [3]]
    own = Group([GRANT, hold(5)], Guard(MOVING, 3))
    assert [shown(answer) for answer in ledger.append_groups([own, own])] == [[4, 5], "ledger-moved"]


def test_another_handle_is_seen_by_a_guard(ledger: Ledger, store: Store) -> None:
    size = ledger.latest(MOVING)
    with store.open() as other:
        other.append(GRANT)
    assert [shown(answer) for answer in ledger.append_groups([Group([hold(1)], Guard(MOVING, size))])] == [
        "ledger-moved"
    ]


def test_threads_that_append_many_and_groups_share_the_turn(ledger: Ledger) -> None:
    def work(name: int) -> list[int]:
        found: list[int] = []
        for number in range(10):
            if name % 2:
                found += [each.index for each in ledger.append_many([hold(number), hold(number)])]
            else:
                for answer in ledger.append_groups([Group([hold(number)]), Group([hold(number)], Guard(MOVING, 0))]):
                    found += [each.index for each in recorded(answer)]
        return found

    with ThreadPoolExecutor(4) as pool:
        indexes = [index for part in pool.map(work, range(4)) for index in part]
    assert sorted(indexes) == list(range(80))
    assert ledger.verify().ok


def test_statements_of_a_commit_do_not_grow_with_its_groups() -> None:
    """In a scratch ledger, whose statements can be counted: one for each question, and one for each table."""
    with open_ledger("sqlite:///:memory:") as ledger:
        ledger.append_groups([Group([decision(0)])])
        with ledger.snapshot() as connection:
            driver: Any = connection.connection.driver_connection
        counted: list[str] = []
        driver.set_trace_callback(counted.append)
        guard = Guard(MOVING, 0)
        numbers = []
        for count in (2, 16):
            counted.clear()
            ledger.append_groups([Group([decision(0)], guard) for _ in range(count)])
            selects = [each for each in counted if each.startswith("SELECT") and "FROM log_entry WHERE type" in each]
            numbers.append(len([each for each in counted if not each.startswith(("INSERT", "--"))]))
            assert len([each for each in selects if "max(leaf_index)" in each]) == 1
    assert numbers[0] == numbers[1]
