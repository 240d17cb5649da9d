"""One thread of a worker that appends: what waits is committed together, and each request gets its own answer.

A commit costs one sync of the disk, and most of its statements, however many entries it holds. Whoever comes while one
is under way is in the next; and where several shared a commit, the next waits some milliseconds at most for as many,
since they ask again. Who asks alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from policy_audit.groups import Group

from policy_engine.errors import Problem, RecordingError
from policy_engine.recorder import recording_error
from policy_engine.service import metrics
from policy_engine.service.meter import Meter
from policy_engine.telemetry.requests import here, shared_span

if TYPE_CHECKING:
    from policy_audit.ledger import Recorded

    from policy_engine.service.ledgers import LedgerDoor

MOST_GROUPS = 128
#: For so long, for each request of the commit before, and at most, a commit waits until as many wait for it: to read
#: and answer a request takes the event loop about as long.
SECONDS_EACH, MOST_SECONDS = 0.0005, 0.004

#: What commits of anybody are refused with, though the ledger can be read.
STANDING = frozenset({
    "ledger-disk-full", "ledger-io", "ledger-read-only", "ledger-corrupt", "ledger-tampered", "signing-program",
})  # fmt: skip


_UNKNOWN = (
    "whether this was recorded is not known: see what is on record, or send its Idempotency-Key again if it had one"
)


class _Waiting:
    __slots__ = ("answer", "group", "late_at", "place")

    def __init__(self, group: Group, answer: asyncio.Future[Any], late_at: float) -> None:
        self.group, self.answer, self.late_at = group, answer, late_at
        self.place = here()


class Committer:
    """Appends groups of entries for the coroutines of one event loop.

    INVARIANT: what waits is known to the loop's thread alone, and one commit is under way at a time.
    """

    def __init__(self, door: LedgerDoor, meter: Meter | None = None, seconds: float = 30.0) -> None:
        self._door, self._meter, self._seconds = door, meter or Meter(), seconds
        #: How large the ledger was after the last commit; 0 before the first.
        self.tree_size = 0
        #: When, by the monotonic clock, and with what of `STANDING` a commit was refused; None once one succeeded.
        self.refused: tuple[float, RecordingError] | None = None
        self._waiting: list[_Waiting] = []
        self._wanted, self._busy, self._ending = 1, False, False
        self._timer: asyncio.TimerHandle | None = None
        #: Those who wait for an answer, the one who has waited longest first; one timer is for all of them.
        self._unanswered: dict[_Waiting, None] = {}
        self._late: asyncio.TimerHandle | None = None
        self._queue: queue.SimpleQueue[list[_Waiting]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; answers are given in `loop`."""
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, and end; from another thread than the loop's. To be called once nobody hands in more."""
        if self._thread.is_alive():
            assert self._loop is not None  # noqa: S101 - it was started
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join()

    @property
    def waiting(self) -> int:
        """How many groups wait for a commit."""
        return len(self._waiting)

    async def append(self, group: Group) -> list[Recorded]:
        """Return once the group is durable.

        Raises:
            RecordingError: it was refused, and nothing of it was recorded; or the ledger did not say so in time.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Recorded] | Exception] = loop.create_future()
        # what was handed in is committed whether or not whoever asked is still there
        own = _Waiting(group, answer, loop.time() + self._seconds)
        self._waiting.append(own)
        self._offer()
        self._unanswered[own] = None
        if self._late is None:
            self._late = loop.call_at(own.late_at, self._tell_late)
        try:
            found = await answer
        finally:
            del self._unanswered[own]
        if isinstance(found, Exception):
            raise found
        return found

    def _tell_late(self) -> None:
        """Answer those who have waited too long, and come back for the next one."""
        loop = asyncio.get_running_loop()
        moment = loop.time()
        self._late = None
        for each in self._unanswered:
            if each.late_at > moment:
                self._late = loop.call_at(each.late_at, self._tell_late)
                break
            if not each.answer.done():
                each.answer.set_result(silent(_UNKNOWN))

    def _offer(self) -> None:
        """Have what waits committed, once it has the company that the commit before had, or has waited for it."""
        if self._busy or not self._waiting:
            return
        if self._ending or len(self._waiting) >= self._wanted:
            self._hand_over()
        elif self._timer is None:
            seconds = min(self._wanted * SECONDS_EACH, MOST_SECONDS)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True
        taken, self._waiting = self._waiting[:MOST_GROUPS], self._waiting[MOST_GROUPS:]
        self._queue.put(taken)

    def _done(self, taken: list[_Waiting], told: list[Any]) -> None:
        """Answer those of a commit, and see to the next one."""
        for waiting, answer in zip(taken, told, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        self._busy, self._wanted = False, len(taken) + len(self._waiting)
        self._offer()
        if self._ending and not self._busy:
            self._queue.put([])

    def _end(self) -> None:
        self._ending = True
        self._offer()
        if not self._busy:
            self._queue.put([])

    def _run(self) -> None:
        while taken := self._queue.get():
            self._commit(taken)

    def _commit(self, taken: list[_Waiting]) -> None:
        answers: list[Any]
        started = time.perf_counter()
        with shared_span("commit", [each.place for each in taken], groups=len(taken)):
            try:
                answers = self._door.open().append_groups([each.group for each in taken])
            except BaseException as error:  # noqa: BLE001 - the thread goes on, and everybody is told
                answers = [error] * len(taken)
        for each in answers:
            if isinstance(each, BaseException):
                self._door.heed(each)
        told = [_answer(each) for each in answers]
        self._count(told, time.perf_counter() - started)
        assert self._loop is not None  # noqa: S101 - `start` comes before `append`
        self._loop.call_soon_threadsafe(self._done, taken, told)

    def _count(self, told: list[Any], seconds: float) -> None:
        meter = self._meter
        entries = [each for found in told if isinstance(found, list) for each in found]
        refusals = [found for found in told if isinstance(found, RecordingError)]
        standing = [each for each in refusals if each.code in STANDING]
        if entries or standing:
            self.refused = None if entries else (time.monotonic(), standing[-1])
        meter.count(metrics.COMMITS, "committed" if entries else "refused")
        meter.observe(metrics.COMMIT_SECONDS, seconds)
        if entries:
            meter.observe(metrics.COMMIT_ENTRIES, len(entries))
            self.tree_size = max(self.tree_size, max(each.index for each in entries) + 1)


def silent(known: str) -> RecordingError:
    """Return the refusal of a request whose ledger does not answer; `known` says what became of it."""
    return RecordingError(Problem("ledger-timeout", "the ledger does not answer", help=f"{known}; come back later"))


def _answer(found: Any) -> Any:
    from policy_audit.errors import AuditError

    if isinstance(found, AuditError):
        return recording_error(found)
    if isinstance(found, BaseException) and not isinstance(found, RecordingError):
        text = f"the append failed: {type(found).__name__}"
        return RecordingError(Problem("ledger-interrupted", text, help="nothing is handed out; try again"))
    return found
