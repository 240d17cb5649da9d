"""The served engine without HTTP: decides, records, and only then answers.

One for each worker. What blocks runs in threads: evaluation in those of the evaluator, reading of the ledger in those
of `reading`, and appending in the committer's.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from policy_engine.access.authenticating import ANYBODY, authenticate
from policy_engine.access.principal import Principal, UnauthenticatedError
from policy_engine.errors import PolicyError, Problem, RecordingError
from policy_engine.recorder import Context, Drafter, recordable, shown
from policy_engine.service.admitting import Admission
from policy_engine.service.committing import Committer
from policy_engine.service.deciding import Decided, Evaluator, workloads_of
from policy_engine.service.errors import MISSING, BusyError, NotFoundError
from policy_engine.service.exports import Exporter
from policy_engine.service.ground import BEARING, Ground, now
from policy_engine.service.groups import Group, latest
from policy_engine.service.in_force import RuleSheets
from policy_engine.service.ledgers import LedgerDoor
from policy_engine.service.reads import Parameters, Reads
from policy_engine.service.reports import Reporter
from policy_engine.service.settings import Settings

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.served_tiles import ServedTiles

    from policy_engine.access.oidc import Verifier
    from policy_engine.loading.policy import Policy

T = TypeVar("T")
_READERS = 4
#: So often a decision is made anew because the ledger moved on before it was recorded.
_TRIES = 5


class Asked(Struct, frozen=True):
    """A request for decisions. `details` go into the entries' context: run, repository, commit and the like."""

    body: bytes
    authorization: str | None
    purpose: str = "draft"
    details: Mapping[str, str] = {}
    key: str | None = None
    """The idempotency key, where one was given."""


class Answer(Struct, frozen=True):
    """What may be shown: the decisions in the order of the body, and whether that was a list."""

    decisions: list[dict[str, Any]]
    listed: bool
    repeated: bool = False


class Service:
    """Decides and reads for one worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.door = LedgerDoor(settings)
        self.evaluator = Evaluator(settings.threads, settings.limits.documents)
        self.committer = Committer(self.door)
        self.reads = Reads(self.committer)
        self.reporter = Reporter()
        self._own_state = None if settings.state else tempfile.TemporaryDirectory(prefix="policy-serve-state-")
        self.exporter = Exporter(self, (settings.state or Path(self._own_state.name)) / "exports")  # type: ignore[union-attr]
        self.rule_sheets = RuleSheets(settings.layers)
        self._tiles: ServedTiles | None = None
        self.admission = Admission(settings.limits, self.committer)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        self._policy: Policy | None = None
        self._oidc: Verifier | None = None
        self._ground: Ground | None = None
        self._drafter: Drafter | None = None
        self._refreshing = threading.Lock()
        self._working = 0

    async def start(self) -> None:
        """Load the rules and begin; the ledger is opened when it can be.

        Raises:
            RulesError: the rules are invalid.
        """
        self.committer.start(asyncio.get_running_loop())
        self.reads.start()
        await self._in(self._readers, self._load)
        # not there yet: the service starts all the same, is not ready, and tries again
        with contextlib.suppress(PolicyError):
            await self._in(self._readers, self.ground, now())

    def _load(self) -> None:
        from policy_engine.loading.policy import load_policy

        oidc = self.settings.oidc
        verifier = None
        if oidc is not None:
            from policy_engine.access.oidc import Verifier

            verifier = Verifier(oidc)
        self._policy = load_policy(self.settings.layers, self.settings.policy_digest)
        self._oidc = verifier
        self._drafter = Drafter(self._policy)

    async def stop(self) -> None:
        """End once what was accepted is done."""
        await self.reads.stop()
        self.reporter.stop()
        await asyncio.to_thread(self.exporter.stop)
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
        assert self._policy is not None  # noqa: S101 - `start` comes first
        return self._policy

    def ground(self, at: datetime, *, anew: bool = False, least: int = 0) -> Ground:
        """Return what a decision at `at` stands on, read from the ledger where the last reading does not do.

        `least`: what was appended before this index has to be in it. What somebody else was reading meanwhile may lack
        a revocation that the caller was told of.

        Raises:
            RecordingError: the ledger cannot be read.
        """
        found = self._ground
        if found is not None and not anew and found.holds(self.policy, at):
            return found
        with self._refreshing:
            current = self._ground
            moved = current is not None and current is not found and current.size >= least
            if current is not None and moved and current.holds(self.policy, at):
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
            self.evaluator.forget()
            return self._ground

    async def principal(self, authorization: str | None, *, exact: bool = True, address: str = "") -> Principal:
        """Return who asks. Not `exact`: by a ground that may be some minutes old, for what a guard holds to the ledger.

        `address` is where the request comes from: those of nobody known are counted by it.

        Raises:
            UnauthenticatedError: that is not known.
            BusyError: they, or this address, ask too often.
            RecordingError: the ledger, which says who may ask, cannot be read.
        """
        moment = now()
        ground = await self._current(moment)
        known: Principal | None = None
        try:
            known = self._identify(authorization, ground, moment)
            self.admission.admit(known)
        except UnauthenticatedError as error:
            if authorization is None and not (self.settings.on_loopback and not len(ground.tokens)):
                self.admission.check_stranger(address)
                raise
            self.admission.check_unknown(error, address)
        if known is not None and not exact and known.known_by != ANYBODY.known_by:
            return known
        # a token may have been made, or revoked, since the ground was read
        size = await self.read(lambda ledger: latest(ledger, BEARING))
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
        if not self.settings.on_loopback or self.settings.oidc is not None:
            return False
        with contextlib.suppress(PolicyError):
            ground = await self._current(now())
            if not len(ground.tokens) and await self.read(lambda ledger: latest(ledger, BEARING)) != ground.size:
                ground = await self._current(now(), anew=True)
            return not len(ground.tokens)
        return True

    def _identify(self, authorization: str | None, ground: Ground, at: datetime) -> Principal:
        on_loopback = self.settings.on_loopback
        return authenticate(authorization, ground.tokens, at, open_access=on_loopback, oidc=self._oidc)

    async def _current(self, at: datetime, *, anew: bool = False, least: int = 0) -> Ground:
        found = self._ground
        if found is not None and not anew and found.holds(self.policy, at):
            return found
        return await self._in(self._readers, lambda: self.ground(at, anew=anew, least=least))

    async def decide(self, asked: Asked) -> Answer:
        """Decide the workloads of a body, record all in one commit, and return what may be shown.

        Raises:
            InputError: a workload is invalid; nothing was recorded.
            RecordingError: the ledger refused; nothing was recorded, and no decision is handed out.
            ForbiddenError: the principal may not do this, or not there.
            BusyError: too much is under way.
        """
        if self._working >= self.settings.limits.waiting:
            raise BusyError(Problem("busy", "too many requests are under way", help="come back in a second"))
        self._working += 1
        try:
            return await self._decide(asked)
        finally:
            self._working -= 1

    async def _decide(self, asked: Asked) -> Answer:
        anew = False
        for left in range(_TRIES - 1, -1, -1):
            at = now()
            ground = await self._current(at, anew=anew)
            principal = self._identify(asked.authorization, ground, at)
            principal.require("decide")
            decided = self.evaluator.remembered(asked.body, ground, at)
            if decided is None:
                decided = await self._in(self.evaluator.pool, self.evaluator.decide, asked.body, ground, at)
            principal.require_namespaces(workloads_of(decided))
            try:
                return await self._record(asked, principal, decided, ground)
            except RecordingError as error:
                if error.code != "ledger-moved" or not left:
                    raise
                anew = True
        raise AssertionError("unreachable")

    async def _record(self, asked: Asked, principal: Principal, decided: Decided, ground: Ground) -> Answer:
        assert self._drafter is not None  # noqa: S101 - `start` comes first
        details = {key: kept for key, value in asked.details.items() if (kept := recordable(value))}
        if principal.token is not None:
            details["token"] = principal.token
        context = Context(asked.purpose, recordable(principal.subject) or None, principal.known_by, details)
        drafts = [self._drafter.draft(each, context) for each in decided.decisions]
        used = [draft for each in decided.decisions for draft in self._drafter.used(each, context)]
        recorded = await self.committer.append(Group([*drafts, *used], ground.guard))
        scratch = ground.ledger.is_scratch
        parts = [ledger_part(each, scratch) for each in recorded[: len(drafts)]]
        rows = [shown(each, part) for each, part in zip(decided.decisions, parts, strict=True)]
        return Answer(rows, decided.listed)

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
                if error.code in MISSING:
                    raise NotFoundError(Problem(error.code, error.message, help=error.help)) from error
                raise recording_error(error) from error

        return await self._in(self._readers, ask)

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Work something out in a thread of those that read."""
        return await self._in(self._readers, function, *arguments)

    def tiles(self, ledger: Ledger) -> ServedTiles:
        """Return the tiles of the ledger's log; they remember those that never change."""
        from policy_audit.served_tiles import tiles_of

        if self._tiles is None:
            self._tiles = tiles_of(ledger)
        return self._tiles

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)


def ledger_part(recorded: Any, scratch: bool) -> dict[str, Any]:
    """Return what a decision's document says of its place in the ledger."""
    return {
        "index": recorded.index,
        "leaf_hash": recorded.leaf_hash,
        "tree_size": recorded.tree_size,
        "recorded_at": recorded.recorded_at,
        "status": "scratch" if scratch else "recorded",
    }
