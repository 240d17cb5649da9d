"""From a request to its answer: decided, recorded, and only then answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from policy_audit.groups import Group

from policy_engine.access.principal import Principal
from policy_engine.errors import Problem, RecordingError
from policy_engine.service import metrics
from policy_engine.service.asking import Answer, Asked, check_key
from policy_engine.service.bodies import begins_list
from policy_engine.service.committing import Committer
from policy_engine.service.deciding import LARGE_BYTES, Evaluator
from policy_engine.service.errors import BusyError, ConflictError
from policy_engine.service.excerpts import Given
from policy_engine.service.ground import BEARING, Ground, now
from policy_engine.service.memory import Decided
from policy_engine.service.meter import Meter
from policy_engine.service.observing import note_decisions
from policy_engine.service.settings import Limits
from policy_engine.service.written import answer_on_record
from policy_engine.telemetry import span
from policy_engine.telemetry.requests import carried

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, Recorded

T = TypeVar("T")
#: So often a decision is made anew because the ledger moved on before it was recorded.
_TRIES = 5
#: More decisions than these are prepared for the ledger in a thread, so that nobody else waits for it.
_AT_ONCE = 4


class Current(Protocol):
    """Gives the ground of a decision at `at`, read anew where that is asked for."""

    def __call__(self, at: datetime, *, anew: bool = False) -> Awaitable[Ground]: ...


Identify = Callable[[Asked, Ground, datetime], Principal]


class Read(Protocol):
    """Asks the ledger in a thread."""

    def __call__(self, question: Callable[[Ledger], T]) -> Awaitable[T]: ...


class Decisions:
    """Answers requests for decisions: on what `current` gives, for whom `identify` says it is."""

    def __init__(
        self,
        current: Current,
        identify: Identify,
        read: Read,
        evaluator: Evaluator,
        committer: Committer,
        limits: Limits,
        meter: Meter,
    ) -> None:
        self._current, self._identify, self._read = current, identify, read
        self._evaluator, self._committer, self._limits = evaluator, committer, limits
        self._meter = meter
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self.working = self.evaluating = 0

    async def decide(self, asked: Asked) -> Answer:
        """Decide the workloads of a body, record all in one commit, and return what may be shown.

        Raises:
            InputError: a workload is invalid; nothing was recorded.
            RecordingError: the ledger refused; nothing was recorded, and no decision is handed out.
            ForbiddenError: the principal may not do this, or not there.
            ConflictError: the idempotency key was given with another request.
            BusyError: too much is under way.
        """
        check_key(asked.key)
        if self.working >= self._limits.waiting:
            raise BusyError(Problem("busy", "too many requests are under way", help="come back in a second"))
        self.working += 1
        try:
            return await self._decide(asked)
        finally:
            self.working -= 1

    async def _decide(self, asked: Asked) -> Answer:
        anew = False
        for left in range(_TRIES - 1, -1, -1):
            at = now()
            ground = await self._current(at, anew=anew)
            principal = self._identify(asked, ground, at)
            principal.require("decide")
            if asked.key is not None:
                # before anything is evaluated: what was answered once may be refused, or take too long, by now
                bearing, answer = await self._repeated(asked, principal)
                if bearing != ground.size and left:
                    anew = True
                    continue
                if answer is not None:
                    return answer
            decided = ground.memory.get(asked.digest)
            if decided is None:
                decided = await self._in_time(self._evaluate(asked, principal, ground, at))
            else:
                self._meter.count(metrics.REMEMBERED)
            if asked.check is not None:
                asked.check(decided)
            principal.require_namespaces(decided.namespaces)
            try:
                return await self._record(asked, principal, decided, ground, at)
            except RecordingError as error:
                if error.code == "once-conflict":
                    raise _conflict() from error
                if error.code != "ledger-moved" or not left:
                    raise
                anew = True
        raise AssertionError("unreachable")

    async def _repeated(self, asked: Asked, principal: Principal) -> tuple[int, Answer | None]:
        """Return what bears on decisions, by its size, and the answer of an earlier request with the same key.

        Raises:
            ConflictError: that was another request.
            ForbiddenError: it is of a namespace that the principal does not reach.
        """
        once = asked.once(principal)

        def look(ledger: Ledger) -> tuple[int, list[bytes] | None]:
            size, recorded = ledger.latest(BEARING), ledger.asked(once) if once is not None else None
            if recorded is None:
                return size, None
            views = [ledger.entry(each.index).document.get("view", {}) for each in recorded]
            principal.require_namespaces({each["namespace"] for each in views if "namespace" in each})
            return size, _answered(ledger, recorded, asked.all_rules)

        try:
            size, documents = await self._read(look)
        except RecordingError as error:
            if error.code == "once-conflict":
                raise _conflict() from error
            raise
        if documents is None:
            return size, None
        return size, Answer(lambda: documents, len(documents) != 1 or begins_list(asked.body), True)

    async def _evaluate(self, asked: Asked, principal: Principal, ground: Ground, at: datetime) -> Decided:
        self.evaluating += 1
        try:
            async with self._turn(asked, principal):
                return await self._evaluator.decide(asked, ground, at)
        finally:
            self.evaluating -= 1

    def _turn(self, asked: Asked, principal: Principal) -> AbstractAsyncContextManager[None]:
        """Let each principal have one large body read at a time: nobody fills the queue that all of them share."""
        if len(asked.body) <= LARGE_BYTES:
            return nullcontext()
        return self._turns.setdefault((principal.known_by, principal.subject), asyncio.Lock())

    async def _in_time(self, deciding: Awaitable[Decided]) -> Decided:
        seconds = self._limits.request_seconds
        try:
            async with asyncio.timeout(seconds):
                return await deciding
        except TimeoutError:
            message = f"the request was not decided within {seconds:g} seconds, and nothing of it was recorded"
            help_ = "send fewer workloads at once, or come back when there is less to do"
            raise RecordingError(Problem("evaluation-timeout", message, help=help_)) from None

    async def _record(
        self, asked: Asked, principal: Principal, decided: Decided, ground: Ground, at: datetime
    ) -> Answer:
        once, context = asked.once(principal), asked.context(principal)
        made = [each.at(at) for each in decided.decisions]

        def entries() -> list[Any]:
            own = [each.entry(context) for each in made[1 if once is not None else 0 :]]
            used = [entry for each in made for entry in each.used(context)]
            return [*([made[0].draft(context, once)] if once is not None else []), *own, *used]

        loop = asyncio.get_running_loop()
        with span("record", decisions=len(made)) as current:
            drafts = entries() if len(made) <= _AT_ONCE else await loop.run_in_executor(None, carried(entries))
            recorded = await self._committer.append(Group(drafts, ground.guard))
            current.set("entry", lambda: recorded[0].index)
        if recorded[0].repeated:
            again = await self._read(lambda ledger: _answered(ledger, recorded, asked.all_rules))
            return Answer(lambda: again, decided.listed, True)
        note_decisions(self._meter, decided.decisions, recorded, asked.purpose)
        scratch = ground.ledger.is_scratch
        places = [ledger_part(each, scratch) for each in recorded[: len(made)]]
        given = [
            Given(timed.id, place["index"], each.excerpt)
            for timed, each, place in zip(made, decided.decisions, places, strict=True)
        ]

        def write() -> list[bytes]:
            return [each.answer(place, all_rules=asked.all_rules) for each, place in zip(made, places, strict=True)]

        return Answer(write, decided.listed, given=given)


def _conflict() -> ConflictError:
    message = "the idempotency key was given with another request"
    return ConflictError(Problem("idempotency-conflict", message, help="send the same request, or another key"))


def _answered(ledger: Ledger, recorded: Sequence[Recorded], all_rules: bool) -> list[bytes]:
    """Return what was answered when these entries were recorded."""
    found = []
    for each in recorded:
        document = ledger.entry(each.index).document
        if document["type"] == "decision":
            content = ledger.blob(document["blobs"]["decision"])
            owner = ledger.personal(each.index).get("owner")
            place = ledger_part(each, ledger.is_scratch)
            name = document["view"]["decision_id"]
            found.append(answer_on_record(content, owner, name, place, all_rules=all_rules))
    return found


def ledger_part(recorded: Recorded, scratch: bool) -> dict[str, Any]:
    """Return what a decision's document says of its place in the ledger."""
    return {
        "index": recorded.index,
        "leaf_hash": recorded.leaf_hash,
        "tree_size": recorded.tree_size,
        "recorded_at": recorded.recorded_at,
        "status": "scratch" if scratch else "recorded",
    }
