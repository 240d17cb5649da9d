"""Appends that wait share a commit, and each caller gets an answer of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from policy_audit.entry import Draft, EntryType, Prepared, prepare
from policy_audit.errors import LedgerError
from policy_audit.groups import Answer, Ready, Recorded
from policy_audit.waiting import MOST_ENTRIES, SharedCommits


def drafts(*numbers: int) -> list[Prepared]:
    return [prepare(Draft(EntryType.HOLD, body={"n": number})) for number in numbers]


class Log:
    """Commits in memory; `before` is called with what is about to be committed."""

    def __init__(self, before: Callable[[Sequence[Prepared]], None] = lambda batch: None) -> None:
        self.commits: list[list[Prepared]] = []
        self.before = before

    def __call__(self, groups: Sequence[Ready]) -> list[Answer]:
        batch = [prepared for group in groups for prepared in group.batch]
        self.before(batch)
        first = sum(map(len, self.commits))
        self.commits.append(list(batch))
        each = (Recorded(index, "00", first + len(batch), "t") for index in range(first, first + len(batch)))
        return [[next(each) for _ in group.batch] for group in groups]

    @property
    def entries(self) -> list[Prepared]:
        return [prepared for commit in self.commits for prepared in commit]


class Gate(Log):
    """The first commit waits until `release`, so that others have to wait for it."""

    def __init__(self, before: Callable[[Sequence[Prepared]], None] = lambda batch: None) -> None:
        super().__init__(before)
        self.first_is_in, self.release = threading.Event(), threading.Event()

    def __call__(self, groups: Sequence[Ready]) -> list[Answer]:
        if not self.first_is_in.is_set():
            self.first_is_in.set()
            assert self.release.wait(10)
        return super().__call__(groups)


def appended(shared: SharedCommits, batch: Sequence[Prepared]) -> list[Recorded]:
    """Append one group, as `append_many` does."""
    (answer,) = shared.append([Ready(batch)])
    if isinstance(answer, LedgerError):
        raise answer
    return answer


def together(log: Gate, shared: SharedCommits, batches: Sequence[list[Prepared]]) -> list[list[Recorded] | Exception]:
    """Append one entry, and all `batches` while it is being committed."""

    def append(batch: list[Prepared]) -> list[Recorded] | Exception:
        try:
            return appended(shared, batch)
        except LedgerError as error:
            return error

    with ThreadPoolExecutor(len(batches) + 1) as pool:
        first = pool.submit(append, drafts(-1))
        assert log.first_is_in.wait(10)
        waiting = [pool.submit(append, batch) for batch in batches]
        while len(shared._waiting) < len(batches):
            threading.Event().wait(0.001)
        log.release.set()
        first.result()
        return [each.result() for each in waiting]


def test_what_waits_is_committed_together_and_answered_apart() -> None:
    log = Gate()
    batches = [drafts(*range(number, number + number % 3 + 1)) for number in range(20)]
    answers = together(log, SharedCommits(log), batches)
    assert len(log.commits) == 2
    for batch, answer in zip(batches, answers, strict=True):
        assert isinstance(answer, list)
        assert [log.entries[each.index] for each in answer] == batch
        assert [each.index for each in answer] == list(range(answer[0].index, answer[0].index + len(batch)))


def test_a_commit_has_at_most_so_many_entries_unless_one_caller_has_more() -> None:
    log = Gate()
    many = drafts(*range(MOST_ENTRIES + 5))
    together(log, SharedCommits(log), [drafts(*range(400)), drafts(*range(400)), drafts(*range(400)), many])
    assert sorted(map(len, log.commits)) == [1, 400, 800, MOST_ENTRIES + 5]


def test_one_entry_that_the_database_refuses_does_not_refuse_the_others() -> None:
    bad = drafts(3)

    def refuse(batch: Sequence[Prepared]) -> None:
        if bad[0] in batch:
            raise LedgerError("no", code="ledger-database", help="h")

    log = Gate(refuse)
    batches = [drafts(1), drafts(2), bad, drafts(4, 5)]
    answers = together(log, SharedCommits(log), batches)
    assert [isinstance(answer, LedgerError) for answer in answers] == [False, False, True, False]
    assert len(log.entries) == 5
    assert bad[0] not in log.entries
    for batch, answer in zip(batches, answers, strict=True):
        if isinstance(answer, list):
            assert [log.entries[each.index] for each in answer] == batch


def test_a_ledger_that_refuses_refuses_all_who_wait_and_each_gets_an_error_of_its_own() -> None:
    def refuse(batch: Sequence[Prepared]) -> None:
        raise LedgerError("full", code="ledger-disk-full", help="make room")

    log = Gate(refuse)
    answers = together(log, SharedCommits(log), [drafts(n) for n in range(5)])
    assert all(isinstance(answer, LedgerError) and answer.code == "ledger-disk-full" for answer in answers)
    assert len({id(answer) for answer in answers}) == 5
    assert log.entries == []


def test_an_interrupt_is_never_an_acknowledgement() -> None:
    def interrupt(batch: Sequence[Prepared]) -> None:
        raise KeyboardInterrupt

    log = Log(interrupt)
    shared = SharedCommits(log)
    with pytest.raises(KeyboardInterrupt):
        appended(shared, drafts(1))
    log.before = lambda batch: None
    assert [each.index for each in appended(shared, drafts(2))] == [0]
    assert log.entries == drafts(2), "what was interrupted was recorded by the next caller"


def test_an_interrupted_commit_answers_those_who_wait_too() -> None:
    def interrupt(batch: Sequence[Prepared]) -> None:
        if len(batch) > 1:
            raise KeyboardInterrupt

    log = Gate(interrupt)
    shared = SharedCommits(log)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(appended, shared, drafts(-1))
        assert log.first_is_in.wait(10)
        waiting = [pool.submit(appended, shared, drafts(number)) for number in range(3)]
        while len(shared._waiting) < 3:
            threading.Event().wait(0.001)
        log.release.set()
        first.result()
        errors = [each.exception() for each in waiting]
    assert sorted(type(error).__name__ for error in errors) == ["KeyboardInterrupt", "LedgerError", "LedgerError"]
    assert {error.code for error in errors if isinstance(error, LedgerError)} == {"ledger-interrupted"}
    assert [each.index for each in appended(shared, drafts(9))] == [1]


def test_a_caller_that_is_interrupted_while_it_waits_records_nothing_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted:
        """The second time that somebody waits for it, an interrupt comes instead."""

        def __init__(self) -> None:
            self.asked = 0

        def acquire(self) -> None:
            self.asked += 1
            if self.asked == 2:
                raise KeyboardInterrupt

        def release(self) -> None: ...

    log = Gate()
    shared = SharedCommits(log)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(appended, shared, drafts(1))
        assert log.first_is_in.wait(10)
        with monkeypatch.context() as patch:
            patch.setattr("policy_audit.waiting.threading.Lock", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                appended(shared, drafts(2))
        log.release.set()
        first.result()
    assert [each.index for each in appended(shared, drafts(3))] == [1]
    assert log.entries == drafts(1, 3)
