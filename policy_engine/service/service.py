"""The served engine without HTTP: decides, records, and only then answers.

One for each worker. What blocks runs in threads: evaluation in those of the evaluator, reading of the ledger in those
of `reading`, and appending in the committer's.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from policy_engine.access.authenticating import authenticate
from policy_engine.access.principal import Principal, UnauthenticatedError
from policy_engine.errors import PolicyError, RecordingError
from policy_engine.service.answering import Decisions
from policy_engine.service.asking import Answer, Asked
from policy_engine.service.committing import Committer
from policy_engine.service.deciding import Evaluator
from policy_engine.service.ground import BEARING, Ground, now
from policy_engine.service.groups import latest
from policy_engine.service.ledgers import LedgerDoor
from policy_engine.service.settings import Settings

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy

T = TypeVar("T")
_READERS = 4
__all__ = ["Answer", "Asked", "Service"]


class Service:
    """Decides and reads for one worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open_access = settings.on_loopback
        self.door = LedgerDoor(settings)
        self.evaluator = Evaluator(settings.threads, settings.limits.documents)
        self.committer = Committer(self.door)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        self._policy: Policy | None = None
        self._ground: Ground | None = None
        self._refreshing = threading.Lock()
        self.decisions = Decisions(
            self._current, self._identify, self.read, self.evaluator, self.committer, settings.limits
        )

    async def start(self) -> None:
        """Load the rules and begin; the ledger is opened when it can be.

        Raises:
            RulesError: the rules are invalid.
        """
        self.committer.start(asyncio.get_running_loop())
        await self._in(self._readers, self._load)
        # not there yet: the service starts all the same, is not ready, and tries again
        with contextlib.suppress(PolicyError):
            await self._in(self._readers, self.ground, now())

    def _load(self) -> None:
        from policy_engine.loading.policy import load_policy

        self._policy = load_policy(self.settings.layers, self.settings.policy_digest)
        self.evaluator.warm(self._policy)

    async def stop(self) -> None:
        """End once what was accepted is done."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.evaluator.close)
        await loop.run_in_executor(None, self.committer.stop)
        await asyncio.sleep(0)  # the last answers are given
        self._readers.shutdown()
        self.door.close()

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        assert self._policy is not None  # noqa: S101 - `start` comes first
        return self._policy

    def ground(self, at: datetime, *, anew: bool = False) -> Ground:
        """Return what a decision at `at` stands on, read from the ledger where the last reading does not do.

        Raises:
            RecordingError: the ledger cannot be read.
        """
        found = self._ground
        if found is not None and not anew and found.holds(self.policy, at):
            return found
        with self._refreshing:
            current = self._ground
            if current is not None and current is not found and current.holds(self.policy, at):
                return current
            try:
                self._ground = Ground(self.policy, self.door.open())
            except RecordingError:
                raise
            except PolicyError as error:
                raise RecordingError(error.problems) from error
            except Exception as error:
                from policy_audit.errors import AuditError

                from policy_engine.recorder import recording_error

                if isinstance(error, AuditError):
                    raise recording_error(error) from error
                raise
            return self._ground

    async def principal(self, authorization: str | None, *, exact: bool = True) -> Principal:
        """Return who asks. Not `exact`: by a ground that may be some minutes old, for what a guard holds to the ledger.

        Raises:
            UnauthenticatedError: that is not known.
            RecordingError: the ledger, which says who may ask, cannot be read.
        """
        moment = now()
        ground = await self._current(moment)
        if not exact:
            with contextlib.suppress(UnauthenticatedError):
                return self._identify(authorization, ground, moment)
        # a token may have been made, or revoked, since the ground was read
        if await self.read(lambda ledger: latest(ledger, BEARING)) != ground.size:
            ground = await self._current(moment, anew=True)
        return self._identify(authorization, ground, moment)

    def _identify(self, authorization: str | None, ground: Ground, at: datetime) -> Principal:
        return authenticate(authorization, ground.tokens, at, open_access=self._open_access)

    async def _current(self, at: datetime, *, anew: bool = False) -> Ground:
        found = self._ground
        if found is not None and not anew and found.holds(self.policy, at):
            return found
        return await self._in(self._readers, lambda: self.ground(at, anew=anew))

    async def decide(self, asked: Asked) -> Answer:
        """Decide the workloads of a body, record all in one commit, and return what may be shown.

        Raises:
            InputError: a workload is invalid; nothing was recorded.
            RecordingError: the ledger refused; nothing was recorded, and no decision is handed out.
            ForbiddenError: the principal may not do this, or not there.
            BusyError: too much is under way.
        """
        return await self.decisions.decide(asked)

    async def read(self, question: Callable[[Ledger], T]) -> T:
        """Ask the ledger in a thread.

        Raises:
            RecordingError: it cannot be read.
        """

        def ask() -> T:
            from policy_audit.errors import AuditError

            from policy_engine.recorder import recording_error

            try:
                return question(self.door.open())
            except AuditError as error:
                raise recording_error(error) from error

        return await self._in(self._readers, ask)

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)
