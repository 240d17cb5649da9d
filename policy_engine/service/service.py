"""The served engine without HTTP: decides, records, and only then answers.

One for each worker. What blocks runs in threads: evaluation in those of the evaluator, reading of the ledger in those
of `reading`, and appending in the committer's.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from policy_engine.access.authenticating import ANYBODY, authenticate
from policy_engine.access.principal import Principal, UnauthenticatedError
from policy_engine.errors import PolicyError, Problem, RecordingError
from policy_engine.service.admitting import Admission
from policy_engine.service.answering import Decisions
from policy_engine.service.asking import Answer, Asked
from policy_engine.service.committing import Committer, silent
from policy_engine.service.deciding import Evaluator
from policy_engine.service.errors import MISSING, NotFoundError
from policy_engine.service.exports import Exporter
from policy_engine.service.ground import BEARING, Ground, now
from policy_engine.service.identified import Identified
from policy_engine.service.in_force import RuleSheets
from policy_engine.service.ledgers import LedgerDoor
from policy_engine.service.meter import Meter
from policy_engine.service.observed_service import watch
from policy_engine.service.open_access import OpenAccess
from policy_engine.service.readiness import Readiness
from policy_engine.service.reads import Parameters, Reads
from policy_engine.service.reports import Reporter
from policy_engine.service.rules_in_force import RulesInForce
from policy_engine.service.settings import Settings
from policy_engine.service.still import Stillness
from policy_engine.service.verifying import Verifications
from policy_engine.telemetry import span
from policy_engine.telemetry.requests import carried

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.served_tiles import ServedTiles

    from policy_engine.loading.policy import Policy

T = TypeVar("T")
_READERS = 4
#: So long a start waits for the ledger at most.
_FIRST_SECONDS = 2.0
__all__ = ["Answer", "Asked", "Service"]


class Service:
    """Decides and reads for one worker."""

    def __init__(self, settings: Settings, meter: Meter | None = None) -> None:
        self.settings = settings
        self.meter = meter or Meter()
        self.door = LedgerDoor(settings)
        self.evaluator = Evaluator(settings.threads, settings.limits.documents, self.meter)
        self.committer = Committer(self.door, self.meter, settings.limits.commit_seconds)
        self.reads = Reads(self.committer, self.read)
        self.reporter = Reporter()
        self._own_state = None if settings.state else tempfile.TemporaryDirectory(prefix="policy-serve-state-")
        state = settings.state or Path(self._own_state.name)  # type: ignore[union-attr]
        self.exporter = Exporter(self, state / "exports")
        self.verifications = Verifications(self, state / "verifications")
        self.rule_sheets = RuleSheets(settings.layers)
        self.stillness = Stillness()
        self._tiles: ServedTiles | None = None
        self.admission = Admission(settings.limits, self.committer)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        self.rules = RulesInForce(settings)
        self._ground: Ground | None = None
        self._identified = Identified(None, None, None)
        self._refreshing = threading.Lock()
        self.open_access = OpenAccess(settings)
        self.decisions = Decisions(
            self._current, self._identify_asked, self.read, self.evaluator, self.committer, settings.limits, self.meter
        )
        self.reading = 0
        self.readiness = Readiness(self.read, self.committer)
        watch(self)

    async def start(self) -> None:
        """Load the rules and begin; the ledger is opened when it can be.

        Raises:
            RulesError: the rules are invalid.
        """
        self.committer.start(asyncio.get_running_loop())
        self.reads.start()
        await self._in(self._readers, self._load)
        self.rules.follow()
        # not there yet, or silent: the service starts all the same, is not ready, and tries again
        await asyncio.wait([asyncio.create_task(self._first_ground())], timeout=_FIRST_SECONDS)
        self.readiness.start()

    async def _first_ground(self) -> None:
        with contextlib.suppress(PolicyError):
            await self._in(self._readers, self.ground, now())
            await self.readiness.check()

    def _load(self) -> None:
        self.rules.load()
        self.evaluator.warm(self.policy)

    async def stop(self) -> None:
        """End once what was accepted is done."""
        self.rules.stop()
        await self.readiness.stop()
        await self.reads.stop()
        self.reporter.stop()
        await asyncio.to_thread(self.exporter.stop)
        await asyncio.to_thread(self.verifications.stop)
        if self._own_state is not None:
            self._own_state.cleanup()
        await self.admission.log_ins.stop()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.evaluator.close)
        await loop.run_in_executor(None, self.committer.stop)
        await asyncio.sleep(0)  # the last answers are given
        self._readers.shutdown()
        self.door.close()

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.rules.policy

    def ground(self, at: datetime, *, anew: bool = False, least: int = 0) -> Ground:
        """Return what a decision at `at` stands on, read from the ledger where the last reading does not do.

        `least`: what was appended before this index has to be in it. What somebody else was reading meanwhile may lack
        a revocation that the caller was told of.

        Raises:
            RecordingError: the ledger cannot be read.
        """
        found = self._ground
        if found is not None and not anew and self._holds(found, at):
            return found
        with self._refreshing:
            current = self._ground
            moved = current is not None and current is not found and current.size >= least
            if current is not None and moved and self._holds(current, at):
                return current
            try:
                read = Ground(self.policy, self.door.open())
                if len(read.tokens):
                    self.open_access.end()
                self._ground = read
            except RecordingError:
                raise
            except PolicyError as error:
                raise RecordingError(error.problems) from error
            except Exception as error:
                from policy_audit.errors import AuditError

                from policy_engine.recorder import recording_error

                if isinstance(error, AuditError):
                    self.door.heed(error)
                    raise recording_error(error) from error
                raise
            return self._ground

    async def principal(self, authorization: str | None, *, exact: bool = True, address: str = "") -> Principal:
        """Return who asks. Not `exact`: by a ground that may be some minutes old, for what a guard holds to the ledger.

        `address` is where the request comes from: those of nobody known are counted by it.

        Raises:
            UnauthenticatedError: that is not known.
            BusyError: they, or this address, ask too often.
            RecordingError: the ledger, which says who may ask, cannot be read.
        """
        with span("authenticate"):
            return await self._principal(authorization, exact, address)

    async def _principal(self, authorization: str | None, exact: bool, address: str) -> Principal:
        moment = now()
        ground = await self._current(moment)
        known: Principal | None = None
        try:
            known = self._identify(authorization, ground, moment)
            self.admission.admit(known)
        except UnauthenticatedError as error:
            if authorization is None:
                self.admission.check_stranger(address)
                raise
            self.admission.check_unknown(error, address)
        if known is not None and not exact and known.known_by != ANYBODY.known_by:
            return known
        # a token may have been made, or revoked, since the ground was read
        size = await self.read(lambda ledger: ledger.latest(BEARING))
        if size != ground.size:
            ground = await self._current(moment, anew=True, least=size)
        try:
            return self._identify(authorization, ground, moment)
        except UnauthenticatedError as error:
            self.admission.failed(error, address)
            raise

    async def is_open(self) -> bool:
        """Whether whoever reaches this server may use it: on loopback, as long as nobody was ever given a token.

        Where the ledger cannot say so, it is.
        """
        if not self.open_access.lasts:
            return False
        with contextlib.suppress(PolicyError):
            ground = await self._current(now())
            if not len(ground.tokens) and await self.read(lambda ledger: ledger.latest(BEARING)) != ground.size:
                ground = await self._current(now(), anew=True)
            return not len(ground.tokens)
        return True

    async def acquainted(self, authorization: str | None, address: str) -> Principal:
        """Return who asks by what was read of the ledger last, however long ago: for what holds nothing of anybody.

        Raises:
            UnauthenticatedError: that is not known.
            RecordingError: nothing was ever read of the ledger, and it cannot be read now.
        """
        moment = now()
        try:
            return await self.principal(authorization, exact=False, address=address)
        except RecordingError:
            if self._ground is None:
                raise
            return self._identify(authorization, self._ground, moment)

    async def identified(self, authorization: str | None, *, address: str = "") -> Principal:
        """Return who asks by what is on record now; their request was admitted, and is not counted again.

        Raises:
            UnauthenticatedError: that is not known any more.
            RecordingError: the ledger, which says who may ask, cannot be read.
        """
        moment = now()
        ground = await self._current(moment)
        size = await self.read(lambda ledger: ledger.latest(BEARING))
        if size != ground.size:
            ground = await self._current(moment, anew=True, least=size)
        return self._identify_asked(Asked(b"", authorization, address=address), ground, moment)

    def _identify_asked(self, asked: Asked, ground: Ground, at: datetime) -> Principal:
        try:
            return self._identify(asked.authorization, ground, at)
        except UnauthenticatedError as error:
            # it counted when the request came, and does no more
            if asked.address and asked.authorization is not None:
                self.admission.failed(error, asked.address)
            else:
                self.admission.log_ins.failed(error)
            raise

    def _identify(self, authorization: str | None, ground: Ground, at: datetime) -> Principal:
        oidc = self.rules.oidc
        if not self._identified.is_of(ground, at, oidc):
            self._identified = Identified(ground, at, oidc)
        found = self._identified.found.get(authorization)
        if found is not None:
            return found
        opened = authorization is None and self.open_access.lasts
        try:
            found = authenticate(authorization, ground.tokens, at, open_access=opened, oidc=oidc)
        except RecordingError as error:
            self.door.heed(error)
            raise
        if authorization is not None:
            self._identified.keep(authorization, found)
        return found

    def _holds(self, ground: Ground, at: datetime) -> bool:
        return ground.holds(self.policy, at) and self.door.is_open(ground.ledger)

    async def _current(self, at: datetime, *, anew: bool = False, least: int = 0) -> Ground:
        found = self._ground
        if found is not None and not anew and self._holds(found, at):
            return found
        return await self._in_time(lambda: self.ground(at, anew=anew, least=least))

    async def decide(self, asked: Asked) -> Answer:
        """Decide the workloads of a body, record all in one commit, and return what may be shown.

        Raises:
            InputError: a workload is invalid; nothing was recorded.
            RecordingError: the ledger refused; nothing was recorded, and no decision is handed out.
            ForbiddenError: the principal may not do this, or not there.
            ConflictError: the idempotency key was given with another request.
            BusyError: too much is under way.
        """
        return await self.decisions.decide(asked)

    async def record_read(
        self, principal: Principal, query: str, parameters: Parameters, count: int, *, where: str = ""
    ) -> None:
        """Put on record that `principal` was shown what `query` found; to be awaited before the answer is given.

        `query` is the question's name as the command line has it (`audit list`), `parameters` what it was asked with,
        by the names of the command's options, `count` how much was found, and `where` the route that asks it again.
        What is a person by its parameter's name (`access.officer_reads.PERSONS`) stays out of the text.

        Raises:
            RecordingError: the ledger refused; the answer is to be withheld.
        """
        await self.reads.record(principal, query, parameters, count, where)

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
                self.door.heed(error)
                if error.code in MISSING:
                    raise NotFoundError(Problem(error.code, error.message, help=error.help)) from error
                raise recording_error(error) from error

        return await self._in_time(ask)

    async def _in_time(self, ask: Callable[[], T]) -> T:
        self.reading += 1
        try:
            async with asyncio.timeout(self.settings.limits.request_seconds):
                return await self._in(self._readers, ask)
        except TimeoutError:
            raise silent("nothing was recorded") from None
        finally:
            self.reading -= 1

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Work something out in a thread of those that read."""
        return await self._in(self._readers, function, *arguments)

    def tiles(self, ledger: Ledger) -> ServedTiles:
        """Return the tiles of the ledger's log; they remember those that never change."""
        from policy_audit.served_tiles import tiles_of

        tiles = self._tiles
        if tiles is None or tiles.ledger is not ledger:  # it may have been opened again, for other files
            tiles = self._tiles = tiles_of(ledger)
        return tiles

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, carried(function), *arguments)
