"""What is read through the server, on record before it is answered.

The first time that somebody asks a question its entry is durable before the answer is given; reads that wait share a
commit, as decisions do. Who asks the same question again within a minute, and is answered as much, is counted: the
count goes on record at the minute's end, so that a client that polls makes at most two entries a minute and question.
A worker that is killed takes a minute's count along, and never that the question was asked; counts that the ledger
refuses are kept, and tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from msgspec import Struct
from policy_audit.entry import EntryType
from policy_audit.groups import Group, Guard

from policy_engine.access.officer_reads import person_of, read_draft, told
from policy_engine.access.principal import Principal
from policy_engine.errors import PolicyError, RecordingError
from policy_engine.recorder import Context, recordable
from policy_engine.service.committing import Committer
from policy_engine.service.errors import NotFoundError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

Parameters = Mapping[str, str | Sequence[str]]
Read = Callable[[Callable[["Ledger"], Any]], Awaitable[Any]]
#: The entries that take persons out of the ledger.
ERASING = frozenset({EntryType.ERASURE.value, EntryType.DISPOSAL.value})
_TRIES = 5
#: For so long the same question is counted instead of being recorded again, in seconds.
SAME_SECONDS = 60.0
#: Questions that a worker keeps apart; with more, the oldest go on record early.
MOST_KEPT = 4096
_SWEEP_SECONDS = 5.0


class Question(Struct, frozen=True):
    """What was asked, by whom; equal ones are the same question with an answer of the same size."""

    principal: Principal
    query: str
    command: str
    person: str | None
    count: int
    asked: tuple[tuple[str, tuple[str, ...]], ...]


class _Known(Struct):
    since: float
    #: Gives the index of the question's entry once it is durable.
    durable: asyncio.Task[int]
    repeated: int = 0


class _Owed(Struct):
    """How often a question was asked that is not on record yet, and the last entry that says who asked it."""

    index: int
    repeated: int


class Reads:
    """Puts reads on record; used in one event loop."""

    def __init__(self, committer: Committer, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self._committer, self._read, self._clock = committer, read, clock
        self._known: dict[Question, _Known] = {}
        self._owed: dict[Question, _Owed] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to put counts on record."""
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Put on record what was counted."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._settling is not None:
            await self._settling
        self._end(list(self._known))
        await self._settle()

    async def record(self, principal: Principal, query: str, parameters: Parameters, count: int, where: str) -> None:
        """Return once it is on record that `principal` read what this question found.

        Raises:
            RecordingError: it was refused; the answer is to be withheld.
        """
        question = question_of(principal, query, parameters, count, where)
        known = self._known.get(question)
        if known is not None and self._clock() - known.since < SAME_SECONDS:
            index = await asyncio.shield(known.durable)
            if self._known.get(question) is known:
                known.repeated += 1
            else:  # its minute was over while the ledger was waited for
                self._owe(question, index, 1)
            return
        # nothing is waited for between the look and this: whoever comes now finds the new one
        self._end([question, *(list(self._known)[: MOST_KEPT // 4] if len(self._known) >= MOST_KEPT else ())])
        known = _Known(self._clock(), asyncio.create_task(self._begin(question)))
        self._known[question] = known
        try:
            # whoever left has not kept the question from being recorded
            await asyncio.shield(known.durable)
        except PolicyError:
            if self._known.get(question) is known:
                del self._known[question]
            raise

    async def _begin(self, question: Question) -> int:
        await self._settle()
        by = context_of(question.principal)
        draft = read_draft(question.query, question.command, question.count, by, person=question.person)
        (recorded,) = await self._committer.append(Group([draft]))
        return recorded.index

    def _end(self, questions: Sequence[Question]) -> None:
        """Count no more of these; what was counted is owed to the record."""
        for each in questions:
            known = self._known.pop(each, None)
            if known is not None and known.repeated:
                self._owe(each, known.durable.result(), known.repeated)

    def _owe(self, question: Question, index: int, repeated: int) -> None:
        before = self._owed.get(question)
        if before is not None:
            index, repeated = max(index, before.index), repeated + before.repeated
        self._owed[question] = _Owed(index, repeated)

    async def _settle(self) -> None:
        """Put on record what is owed; what the ledger refuses is owed still."""
        owed, self._owed = self._owed, {}

        async def settle(question: Question, due: _Owed) -> None:
            try:
                await self._repeat(question, due)
            except PolicyError:
                self._owe(question, due.index, due.repeated)

        await asyncio.gather(*(settle(each, due) for each, due in owed.items()))

    async def _repeat(self, question: Question, due: _Owed) -> None:
        """Append a count, with those persons alone who are still held where the question was asked first.

        Who was erased meanwhile is not written again: the ledger checks in the commit that nobody else was.
        """
        for left in range(_TRIES - 1, -1, -1):
            size, held = await self._read(lambda ledger: ledger.latest(ERASING)), await self._held(due.index)
            by = context_of(question.principal)
            by = by if "actor" in held else Context(by.purpose, None, by.actor_known_by, by.details)
            person = question.person if "subject" in held else None
            draft = read_draft(
                question.query, question.command, question.count, by, person=person, repeated=due.repeated
            )
            try:
                await self._committer.append(Group([draft], Guard(ERASING, size)))
            except RecordingError as error:
                if error.code != "ledger-moved" or not left:
                    raise
                continue
            return

    async def _held(self, index: int) -> Mapping[str, str]:
        """Return the personal values that an entry still has; none where it is gone itself."""
        try:
            return await self._read(lambda ledger: ledger.personal(index))  # type: ignore[no-any-return]
        except NotFoundError:
            return {}

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            before = self._clock() - SAME_SECONDS
            self._end([each for each, known in self._known.items() if known.since < before and known.durable.done()])
            self._settling = asyncio.create_task(self._settle())
            await asyncio.shield(self._settling)


def question_of(principal: Principal, query: str, parameters: Parameters, count: int, where: str) -> Question:
    """Return a question: its text for the record, with no person in it, and what tells it from others."""
    given = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in parameters.items()}
    asked = tuple(sorted((name, values) for name, values in given.items() if values))
    words = urlencode([(name, told(name, value)) for name, values in asked for value in values])
    command = " ".join([*filter(None, (where, words))])
    return Question(principal, query, command or query, person_of(given), count, asked)


def context_of(principal: Principal) -> Context:
    """Return the context of an entry of what somebody does through the server."""
    details = {"token": principal.token} if principal.token is not None else {}
    return Context("draft", recordable(principal.subject) or None, principal.known_by, details)
