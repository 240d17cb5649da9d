"""Decisions off the event loop: an engine for each thread, and what was decided once a day ago is not worked out again.

The same workload on the same ground and day has the same decision but for the second that it was made in. So what
takes long is remembered by the body's digest, and a decision of another second is that one with its time put in.
"""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from policy_engine.decide import Decider, format_time
from policy_engine.errors import FieldError, InputError, Problem
from policy_engine.loading.evidence import check_evidence
from policy_engine.model.decision import Decision
from policy_engine.service.bodies import read_workloads
from policy_engine.service.observing import fired_rules
from policy_engine.vouching.voucher import Voucher

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy
    from policy_engine.loading.workload_file import LoadedWorkload
    from policy_engine.service.ground import Ground

MOST_REMEMBERED = 512


class Decided(Struct, frozen=True):
    """What a body came to: its decisions in its order, and whether it was a list."""

    decisions: tuple[Decision, ...]
    listed: bool
    fired: tuple[frozenset[str], ...] = ()
    """The rules that fired in each."""


class Evaluator:
    """Decides bodies in threads of its own."""

    def __init__(self, threads: int, most_documents: int) -> None:
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="evaluator")
        self._most = most_documents
        self._local = threading.local()
        self._remembered: OrderedDict[tuple[bytes, int], Decided] = OrderedDict()
        self._lock = threading.Lock()
        # files that evidence names are looked for here, and none is: the server's own files are nobody's evidence
        self._folder = tempfile.TemporaryDirectory(prefix="policy-serve-")

    def remembered(self, body: bytes, ground: Ground, at: datetime) -> Decided | None:
        """Return what was decided on this body on this ground, as of `at`; None where it has to be decided."""
        key = (sha256(body).digest(), id(ground))
        with self._lock:
            found = self._remembered.get(key)
            if found is None:
                return None
            self._remembered.move_to_end(key)
            if found.decisions[0].document["decided_at"] != format_time(at):
                found = Decided(tuple(_again(each, at) for each in found.decisions), found.listed, found.fired)
                self._remembered[key] = found
            return found

    def decide(self, body: bytes, ground: Ground, at: datetime) -> Decided:
        """Decide the workloads of `body`; to be called in a thread of the pool.

        Raises:
            InputError: a workload is invalid; none of the body is decided.
        """
        loaded, listed = read_workloads(body, ground.policy.vocabulary, self._most)
        decider = self._decider(ground.policy)
        voucher = Voucher(ground.policy, lambda: ground.ledger)
        folder = Path(self._folder.name)
        problems: list[Problem] = []
        made: list[Decision] = []
        for each in loaded:
            evidence = check_evidence(each.workload, at.date(), folder, voucher.of(each.workload, at, folder))
            try:
                made.append(decider.decide(each.workload, evidence, at, ground.waivers(each.workload, at)))
            except InputError as error:
                problems += placed(error, each).problems
        if problems:
            raise InputError(problems)
        found = Decided(tuple(made), listed, tuple(fired_rules(each) for each in made))
        with self._lock:
            self._remembered[sha256(body).digest(), id(ground)] = found
            while len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    def forget(self) -> None:
        """Forget all decisions: the ground is another."""
        with self._lock:
            self._remembered.clear()

    def close(self) -> None:
        """End the threads, once what they do is done."""
        self.pool.shutdown()
        self._folder.cleanup()

    def _decider(self, policy: Policy) -> Decider:
        decider: Decider | None = getattr(self._local, "decider", None)
        if decider is None or decider.policy is not policy:
            decider = self._local.decider = Decider(policy)
        return decider


def _again(decision: Decision, at: datetime) -> Decision:
    return replace(decision, document={**decision.document, "decided_at": format_time(at)})


def placed(error: InputError, loaded: LoadedWorkload) -> InputError:
    """Give problems that were found while deciding the place of the document that they stand in."""
    document = loaded.document
    place = document.key_span(*error.path) if isinstance(error, FieldError) else document.span("spec", "tasks")
    return InputError(Problem(p.code, p.message, p.span or place, p.help) for p in error.problems)


def workloads_of(decided: Decided) -> Sequence[str]:
    """Return the namespaces that decisions are in."""
    return [each.workload.namespace for each in decided.decisions]
