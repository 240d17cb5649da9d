"""Decisions off the event loop: an engine for each thread, and no request holds the others up for long.

Each workload of a list is a job of its own, so that who asks for one gets a turn between those of who asks for a
hundred. Bodies that take long to read have a thread to themselves.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from policy_engine.decide import Decider
from policy_engine.errors import FieldError, InputError, Problem
from policy_engine.loading.evidence import check_evidence
from policy_engine.service.bodies import read_workloads
from policy_engine.service.memory import Decided
from policy_engine.service.meter import Meter
from policy_engine.service.observed_service import measured
from policy_engine.service.sent_files import SentFiles
from policy_engine.service.standing import Standing
from policy_engine.telemetry.requests import carried
from policy_engine.vouching.voucher import Voucher

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy
    from policy_engine.loading.workload_file import LoadedWorkload
    from policy_engine.service.asking import Asked
    from policy_engine.service.ground import Ground

T = TypeVar("T")
#: Bodies of more bytes wait for each other, in a thread of their own.
LARGE_BYTES = 64 << 10


class Evaluator:
    """Decides bodies in threads of its own."""

    def __init__(self, threads: int, most_documents: int, meter: Meter | None = None) -> None:
        self._meter = meter or Meter()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="evaluator")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="evaluator-large")
        self._threads = threads
        self._most = most_documents
        self._local = threading.local()
        self._sent = SentFiles()

    def warm(self, policy: Policy) -> None:
        """Give each thread its engine, so that no request waits for one."""
        together = threading.Barrier(self._threads)

        def make() -> None:
            together.wait(60)
            self._decider(policy)

        for each in [self._pool.submit(make) for _ in range(self._threads)] + [
            self._large.submit(self._decider, policy)
        ]:
            each.result()

    async def decide(self, asked: Asked, ground: Ground, at: datetime) -> Decided:
        """Decide the workloads that are `asked` for on `ground`, and remember it there.

        Raises:
            InputError: a workload is invalid; none of the body is decided.
        """
        pool = self._large if len(asked.body) > LARGE_BYTES else self._pool
        loaded, listed, found = await self._in(pool, partial(self._first, asked, ground, at))
        made = [found, *[await self._in(pool, partial(self._one, each, asked, ground, at)) for each in loaded[1:]]]
        problems = [problem for each in made if isinstance(each, list) for problem in each]
        if problems:
            raise InputError(problems)
        decided = Decided(tuple(each for each in made if isinstance(each, Standing)), listed)
        if ground.lasts(at):
            ground.memory.keep(asked.digest, decided)
        return decided

    def _first(
        self, asked: Asked, ground: Ground, at: datetime
    ) -> tuple[list[LoadedWorkload], bool, Standing | list[Problem]]:
        loaded, listed = read_workloads(asked.body, ground.policy.vocabulary, self._most, is_json=asked.is_json)
        return loaded, listed, self._one(loaded[0], asked, ground, at)

    def _one(self, loaded: LoadedWorkload, asked: Asked, ground: Ground, at: datetime) -> Standing | list[Problem]:
        workload = loaded.workload
        with self._sent.of(asked.files) as folder:
            vouch = Voucher(ground.policy, lambda: ground.ledger).of(workload, at, folder)
            evidence = check_evidence(workload, at.date(), folder, vouch)
        try:
            decision = self._decider(ground.policy).decide(workload, evidence, at, ground.waivers(workload, at))
        except InputError as error:
            return list(placed(error, loaded).problems)
        standing = Standing(decision, ground.drafter, asked.digest)
        if not asked.in_short:
            standing.write(all_rules=asked.all_rules)
        return standing

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, carried(measured(self._meter, function)))

    def close(self) -> None:
        """End the threads, once what they do is done."""
        self._pool.shutdown()
        self._large.shutdown()
        self._sent.close()

    def _decider(self, policy: Policy) -> Decider:
        decider: Decider | None = getattr(self._local, "decider", None)
        if decider is None or decider.policy is not policy:
            decider = self._local.decider = Decider(policy)
        return decider


def placed(error: InputError, loaded: LoadedWorkload) -> InputError:
    """Give problems that were found while deciding the place of the document that they stand in."""
    document = loaded.document
    place = document.key_span(*error.path) if isinstance(error, FieldError) else document.span("spec", "tasks")
    return InputError(Problem(p.code, p.message, p.span or place, p.help) for p in error.problems)
