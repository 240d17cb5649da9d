"""Verifications of the ledger as jobs: files of the host, so that any of its workers says how far one is.

What is verified is what `policy audit verify` does, over the same steps. That it was asked for is on record by then,
and so is its result once it ends, as `--record` has it: where the ledger refuses that, the result says so.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from policy_audit.errors import AuditError

from policy_engine.access.principal import ForbiddenError, Principal
from policy_engine.asking.verifying import check_keys, run_draft, verification_value
from policy_engine.errors import PolicyError, Problem, UsageError
from policy_engine.recorder import recording_error
from policy_engine.service.errors import BusyError, NotFoundError
from policy_engine.service.jobs import BEAT_SECONDS, Job, Jobs
from policy_engine.service.reads import context_of
from policy_engine.service.telling import Telling

if TYPE_CHECKING:
    from policy_engine.recorder import Context
    from policy_engine.service.service import Service

#: Verifications that a host keeps; each is a few thousand bytes, and the ledger is read whole for it.
MOST_KEPT = 20
_UNDER_WAY = 2


class Pinned(Struct, frozen=True):
    """What a verification holds the ledger to: a verifier key, and checkpoints or receipts that somebody kept."""

    keys: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Verifications:
    """Runs the verifications of one worker, one at a time."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._service, self.jobs = service, Jobs(folder)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="verifier")
        self._mine: set[str] = set()

    def start(self, principal: Principal, pinned: Pinned) -> Job:
        """Begin one; blocks.

        Raises:
            ForbiddenError: the principal does not reach the whole ledger.
            UsageError: a key or a kept checkpoint is none, or the job cannot be kept.
            BusyError: as many are under way as may be.
        """
        if principal.namespaces is not None:
            message = "this reads the whole ledger, and your token reaches some namespaces alone"
            raise ForbiddenError(Problem("namespace", message, help="ask an administrator for one that reaches all"))
        check_keys(pinned.keys)
        _check_kept(pinned.kept)
        known = sorted(self.jobs.all(), key=lambda job: job.created_at)
        if sum(not job.ended for job in known) >= _UNDER_WAY:
            message = f"{_UNDER_WAY} verifications are under way"
            raise BusyError(Problem("busy", message, help="see how far they are, and come back"), 10)
        for old in [job for job in known if job.ended][: max(0, len(known) - MOST_KEPT + 1)]:
            self.jobs.remove(old.id)
        about = {"owner": principal.subject, "known_by": principal.known_by, "namespaces": None}
        job = self.jobs.new(report="verification", format="steps", **about)
        self._mine.add(job.id)
        self._pool.submit(self._run, job, pinned, context_of(principal))
        return job

    def latest(self, most: int) -> list[Job]:
        """Return the last ones, the newest first; blocks."""
        return sorted(self.jobs.all(), key=lambda job: job.created_at, reverse=True)[:most]

    def seen(self, principal: Principal, name: str) -> Job:
        """Return one; blocks.

        Raises:
            NotFoundError: there is none, or not for the principal.
        """
        job = self.jobs.get(name) if principal.namespaces is None else None
        if job is None:
            message = "there is no such verification"
            raise NotFoundError(Problem("verification-missing", message, help="they are kept for a day"))
        return job

    def stop(self) -> None:
        """End: what runs stops where it next tells how far it is."""
        for name in list(self._mine):
            self.jobs.cancel(name)
        self._pool.shutdown(cancel_futures=True)

    def _run(self, job: Job, pinned: Pinned, by: Context) -> None:
        ended = threading.Event()
        threading.Thread(target=self._beat, args=(job.id, ended), name="beat", daemon=True).start()
        told = Telling(self.jobs, replace(job, state="running"))
        try:
            job = replace(told.job, state="done", result=self._verified(pinned, told, by))
            job = replace(job, done=told.job.total, total=told.job.total)
        except AuditError as error:
            job = _failed(job, recording_error(error).problems[0])
        except PolicyError as error:
            job = _failed(job, error.problems[0])
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the thread goes on
            job = _failed(job, Problem("verification-failed", f"it broke off: {type(error).__name__}"))
        finally:
            ended.set()
            self._mine.discard(job.id)
            self.jobs.put(job)

    def _beat(self, name: str, ended: threading.Event) -> None:
        while not ended.wait(BEAT_SECONDS):
            self.jobs.beat(name)

    def _verified(self, pinned: Pinned, told: Telling, by: Context) -> dict[str, Any]:
        own = self._service.settings.pinned
        keys = list(pinned.keys) or ([own] if own is not None else [])
        ledger, kept = self._service.door.open(), len(pinned.kept)
        shown = verification_value(ledger.verify(keys or None, kept=pinned.kept, progress=told), given=bool(keys))
        found = {**shown, "kept": kept, "recorded": None, "not_recorded": None}
        try:
            return {**found, "recorded": ledger.append(run_draft(shown, kept, by)).index}
        except AuditError as error:
            self._service.door.heed(error)
            return {**found, "not_recorded": recording_error(error).problems[0].message}


def _check_kept(kept: Sequence[str]) -> None:
    """Refuse what is no checkpoint at all: that is a mistake of whoever gave it, and no finding about the ledger.

    Raises:
        UsageError: one is none.
    """
    from policy_audit.checkpoint import parse_checkpoint

    for text in kept:
        try:
            parse_checkpoint(text)
        except AuditError as error:
            hint = "paste the whole text of a signed checkpoint, or of a receipt, as it was kept"
            raise UsageError(Problem("kept-checkpoint", f"it is no checkpoint: {error.message}", help=hint)) from None


def _failed(job: Job, problem: Problem) -> Job:
    return replace(job, state="failed", error={"code": problem.code, "message": problem.message, "help": problem.help})
