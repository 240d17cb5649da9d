"""Appends that wait for the writer's turn share one commit: whoever gets the turn commits for all who wait.

A commit costs one sync of the disk, however many entries it holds, so that many threads together append many times
as fast as one after the other. There is no thread in the background and nothing waits for company.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from policy_audit.errors import AuditError, LedgerError
from policy_audit.groups import Answer, Ready

MOST_ENTRIES = 1000
Commit = Callable[[Sequence[Ready]], list[Answer]]


class _Waiting:
    """A group, and, once it is there, its answer."""

    __slots__ = ("answer", "group")

    def __init__(self, group: Ready) -> None:
        self.group = group
        self.answer: Answer | None = None


class _Append:
    """One caller's groups.

    `answered` is held until the caller has something to do: take its answers, or, where it `has_turn`, commit.
    """

    __slots__ = ("answered", "entries", "groups", "has_turn")

    def __init__(self, groups: Sequence[Ready]) -> None:
        self.groups = [_Waiting(group) for group in groups]
        self.entries = sum(len(group.batch) for group in groups)
        self.has_turn = False
        self.answered = threading.Lock()
        self.answered.acquire()


class SharedCommits:
    """Commits what threads hand in, in the order in which they came, each group all or none."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._turn_is_taken = False
        self._waiting: deque[_Append] = deque()

    def append(self, groups: Sequence[Ready]) -> list[Answer]:
        """Return where the entries of each group stand, once all are committed, or why it was refused."""
        own = _Append(groups)
        with self._lock:
            self._waiting.append(own)
            own.has_turn = not self._turn_is_taken
            self._turn_is_taken = True
        if not own.has_turn:
            self._wait(own)
        if own.has_turn:
            try:
                self._commit_together(self._take())
            finally:
                self._pass_on()
        return [each.answer if each.answer is not None else _interrupted() for each in own.groups]

    def _wait(self, own: _Append) -> None:
        try:
            own.answered.acquire()
        except BaseException:
            with self._lock:
                if own in self._waiting:  # it must not be recorded later, by the next caller's turn
                    self._waiting.remove(own)
            if own.has_turn:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give the turn to whoever has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting[0].has_turn = True
                self._waiting[0].answered.release()
            else:
                self._turn_is_taken = False

    def _take(self) -> list[_Append]:
        with self._lock:
            taken = [self._waiting.popleft()]
            entries = taken[0].entries
            while self._waiting and entries + self._waiting[0].entries <= MOST_ENTRIES:
                taken.append(self._waiting.popleft())
                entries += taken[-1].entries
            return taken

    def _commit_together(self, taken: Sequence[_Append]) -> None:
        try:
            self._commit_all([group for each in taken for group in each.groups])
        finally:
            for each in taken[1:]:  # the first is the caller's own
                each.answered.release()

    def _commit_all(self, groups: Sequence[_Waiting]) -> None:
        try:
            answers = self._commit([each.group for each in groups])
        except AuditError as error:
            if len(groups) > 1 and not _concerns_all(error):
                # one group's entry must not refuse the others': by halves, so that one costs few commits
                middle = len(groups) // 2
                self._commit_all(groups[:middle])
                self._commit_all(groups[middle:])
                return
            for each in groups:
                each.answer = own_copy(error)
            return
        for each, answer in zip(groups, answers, strict=True):
            each.answer = answer


def _concerns_all(error: AuditError) -> bool:
    """Whether the ledger as a whole refuses, rather than one of the entries.

    What looks tampered with concerns all, unless it is the database that said so of a row.
    """
    if error.code == "ledger-tampered":
        return not isinstance(error.__cause__, SQLAlchemyError)
    return error.code not in ("ledger-database", "not-canonical", "entry-too-large")


def _interrupted() -> LedgerError:
    # whether it was committed is not known, so it is not acknowledged
    return LedgerError("the append was interrupted", code="ledger-interrupted")


def own_copy(error: AuditError) -> LedgerError:
    """Return the error as one of its own: a traceback must not grow in several threads at once."""
    kind = type(error) if isinstance(error, LedgerError) else LedgerError
    copy = kind(error.message, code=error.code, help=error.help)
    copy.__cause__ = error
    return copy
