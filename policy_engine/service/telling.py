"""How far a job is, told in its file about once a second; there a job learns that it is to stop."""

from __future__ import annotations

import time

from msgspec.structs import replace

from policy_engine.errors import PolicyError, Problem
from policy_engine.service.jobs import Job, Jobs

_EVERY_SECONDS = 1.0


class CancelledError(PolicyError):
    """Somebody took the job away."""


class Telling:
    """Called with done and total; about once a second it writes them, and stops a job that was taken away."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self._jobs, self.job, self._told = jobs, job, 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._told < _EVERY_SECONDS:
            return
        self._told = time.monotonic()
        if self._jobs.is_cancelled(self.job.id):
            raise CancelledError(Problem("cancelled", "it was stopped"))
        self.job = replace(self.job, done=done, total=total)
        self._jobs.put(self.job)
