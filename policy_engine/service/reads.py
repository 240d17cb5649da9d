"""What is read through the server, on record before it is answered.

The first time that somebody asks a question its entry is durable before the answer is given; reads that wait share a
commit, as decisions do. Who asks the same question again within a minute, and is answered as much, is counted: the
count goes on record at the minute's end, so that a client that polls makes at most two entries a minute and question.
A worker that is killed takes a minute's count along, and never that the question was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from msgspec import Struct

from policy_engine.access.officer_reads import person_of, read_draft, told
from policy_engine.access.principal import Principal
from policy_engine.errors import PolicyError
from policy_engine.recorder import Context, recordable
from policy_engine.service.committing import Committer
from policy_engine.service.groups import Group

Parameters = Mapping[str, str | Sequence[str]]
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
    durable: asyncio.Task[None]
    repeated: int = 0


class Reads:
    """Puts reads on record; used in one event loop."""

    def __init__(self, committer: Committer, clock: Callable[[], float] = time.monotonic) -> None:
        self._committer, self._clock = committer, clock
        self._known: dict[Question, _Known] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to put counts on record."""
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Put on record what was counted."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._end(list(self._known))

    async def record(self, principal: Principal, query: str, parameters: Parameters, count: int, where: str) -> None:
        """Return once it is on record that `principal` read what this question found.

        Raises:
            RecordingError: it was refused; the answer is to be withheld.
        """
        question = question_of(principal, query, parameters, count, where)
        known = self._known.get(question)
        if known is not None and self._clock() - known.since < SAME_SECONDS:
            await asyncio.shield(known.durable)
            known.repeated += 1
            return
        if known is not None:
            await self._end([question])
        if len(self._known) >= MOST_KEPT:
            await self._end(list(self._known)[: MOST_KEPT // 4])
        task = asyncio.create_task(self._append(question, 0))
        self._known[question] = _Known(self._clock(), task)
        try:
            # whoever left has not kept the question from being recorded
            await asyncio.shield(task)
        except PolicyError:
            self._known.pop(question, None)
            raise

    async def _append(self, question: Question, repeated: int) -> None:
        draft = read_draft(
            question.query,
            question.command,
            question.count,
            context_of(question.principal),
            person=question.person,
            repeated=repeated,
        )
        await self._committer.append(Group([draft]))

    async def _end(self, questions: Sequence[Question]) -> None:
        ended = [(each, known.repeated) for each in questions if (known := self._known.pop(each, None)) is not None]
        again = [self._append(each, repeated) for each, repeated in ended if repeated]
        await asyncio.gather(*again, return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            before = self._clock() - SAME_SECONDS
            with contextlib.suppress(PolicyError):
                await self._end([each for each, known in self._known.items() if known.since < before])


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
