"""Appends that wait for the writer's turn share one commit: whoever gets the turn commits for all who wait.

A commit costs one sync of the disk, however many entries it holds, so that many threads together append many times
as fast as one after the other. There is no thread in the background and nothing waits for company.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from policy_audit.appending import Recorded
from policy_audit.entry import Prepared
from policy_audit.errors import AuditError, LedgerError

MOST_ENTRIES = 1000
Commit = Callable[[Sequence[Prepared]], list[Recorded]]


class _Append:
    """One caller's entries, and, once `done`, where they stand or why they were refused.

    `answered` is held until the caller has something to do: take its answer, or, where it `has_turn`, commit.
    """

    __slots__ = ("answered", "batch", "done", "error", "has_turn", "recorded")

    def __init__(self, batch: Sequence[Prepared]) -> None:
        self.batch = batch
        self.done = False
        self.recorded: list[Recorded] = []
        self.error: LedgerError | None = None
        self.has_turn = False
        self.answered = threading.Lock()
        self.answered.acquire()


class SharedCommits:
    """Commits what threads hand in, in the order in which they came, each caller's entries all or none."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._turn_is_taken = False
        self._waiting: deque[_Append] = deque()

    def append(self, batch: Sequence[Prepared]) -> list[Recorded]:
        """Return once `batch` is committed.

        Raises:
            LedgerError: it was refused; nothing of it was recorded.
        """
        own = _Append(batch)
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
        if own.error is not None:
            raise own.error
        return own.recorded

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
            entries = len(taken[0].batch)
            while self._waiting and entries + len(self._waiting[0].batch) <= MOST_ENTRIES:
                taken.append(self._waiting.popleft())
                entries += len(taken[-1].batch)
            return taken

    def _commit_together(self, taken: Sequence[_Append]) -> None:
        try:
            self._commit_all(taken)
        finally:
            for each in taken:
                if not each.done:  # an interrupt: whether it was committed is not known, so it is not acknowledged
                    each.error = LedgerError("the append was interrupted", code="ledger-interrupted")
                    each.done = True
            for each in taken[1:]:  # the first is the caller's own
                each.answered.release()

    def _commit_all(self, taken: Sequence[_Append]) -> None:
        try:
            recorded = iter(self._commit([prepared for each in taken for prepared in each.batch]))
        except AuditError as error:
            if len(taken) > 1 and not _concerns_all(error):
                for each in taken:  # one caller's entry must not refuse the others'
                    self._commit_all([each])
                return
            for each in taken:
                each.error, each.done = _own_copy(error), True
            return
        for each in taken:
            each.recorded = [next(recorded) for _ in each.batch]
            each.done = True


def _concerns_all(error: AuditError) -> bool:
    """Whether the ledger as a whole refuses, rather than one of the entries."""
    return error.code not in ("ledger-database", "ledger-tampered", "not-canonical", "entry-too-large")


def _own_copy(error: AuditError) -> LedgerError:
    # Each thread raises an error of its own: a traceback must not grow in several at once.
    kind = type(error) if isinstance(error, LedgerError) else LedgerError
    copy = kind(error.message, code=error.code, help=error.help)
    copy.__cause__ = error
    return copy
