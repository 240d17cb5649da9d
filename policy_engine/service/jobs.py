"""Jobs as files of one host: whichever of its workers is asked knows each, and what its worker's death leaves.

A job is a folder: `job.json`, written whole whenever its state changes; `beat`, touched while its worker lives;
`cancel`, where it is to stop; `content.zip`, put in place whole, when it is done. The folder of all is the host's own
(mode 0700): it holds who asked, and what they were given.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from policy_engine.errors import Problem, UsageError
from policy_engine.whole_files import write_whole

#: How long a job and what it made are kept, in seconds.
KEPT_SECONDS = 24 * 3600.0
#: A job whose worker has not said so for so long lives no more, in seconds.
DEAD_SECONDS = 15.0
BEAT_SECONDS = 2.0
MOST_JOBS = 50
#: How often, and how long after another, it is looked for a job that another thread or worker is beginning.
_LOOKS, _LOOK_SECONDS = 50, 0.02
JOB, BEAT, CANCEL, CONTENT = "job.json", "beat", "cancel", "content.zip"
_ID = re.compile(r"[0-9a-f]{24}")


class Job(Struct, frozen=True):
    """What is known of a job. `owner` and `known_by` are whoever asked, `namespaces` their reach then (None: all)."""

    id: str
    owner: str
    known_by: str
    namespaces: tuple[str, ...] | None
    report: str
    format: str
    created_at: float
    state: str = "queued"
    done: int = 0
    total: int = 0
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    sha256: str | None = None
    bytes: int | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed")


class Jobs:
    """The jobs in one folder of the host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, name: str) -> Path:
        """Return the folder of a job."""
        return self._folder / name

    def new(self, name: str | None = None, **about: Any) -> Job:
        """Begin a job, of this name where one is given.

        Raises:
            FileExistsError: there is one of this name.
            UsageError: its files cannot be written.
        """
        job = Job(id=name or secrets.token_hex(12), created_at=time.time(), **about)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.place(job.id).mkdir(mode=0o700)
            self.beat(job.id)
            self.put(job)
        except FileExistsError:
            raise
        except OSError as error:
            shutil.rmtree(self.place(job.id), ignore_errors=True)
            reason = (error.strerror or str(error)).lower()
            raise UsageError(Problem("state-unwritable", f"the server cannot keep the job: {reason}")) from error
        return job

    def begun(self, name: str) -> Job | None:
        """Return a job that somebody may be beginning at this moment; None where there is none."""
        for _ in range(_LOOKS):
            if (job := self.get(name)) is not None or not self.place(name).is_dir():
                return job
            time.sleep(_LOOK_SECONDS)
        return None

    def put(self, job: Job) -> None:
        """Write what is known of a job, unless it was taken away meanwhile."""
        if self.place(job.id).is_dir():
            write_whole(self.place(job.id) / JOB, msgspec.json.encode(job))

    def beat(self, name: str) -> None:
        """Say that the worker of a job lives."""
        with suppress(FileNotFoundError):
            path = self.place(name) / BEAT
            path.touch()
            os.utime(path)

    def get(self, name: str) -> Job | None:
        """Return a job; None where there is none. One whose worker died has failed, and says so."""
        if not _ID.fullmatch(name):
            return None
        try:
            job = msgspec.json.decode((self.place(name) / JOB).read_bytes(), type=Job)
            quiet = time.time() - (self.place(name) / BEAT).stat().st_mtime
        except (OSError, ValueError):
            return None
        if time.time() - job.created_at > KEPT_SECONDS:
            self.remove(name)
            return None
        if not job.ended and quiet > DEAD_SECONDS:
            message = "the worker that made this export ended before it was done"
            error = {"code": "worker-died", "message": message, "help": "ask for it again"}
            return replace(job, state="failed", error=error)
        return job

    def all(self) -> Iterator[Job]:
        """Yield the jobs that are kept; those whose time has passed are swept away."""
        names = sorted(os.listdir(self._folder)) if self._folder.is_dir() else []
        for name in names:
            if (job := self.get(name)) is not None:
                yield job
            elif self._is_left(name):
                self.remove(name)

    def _is_left(self, name: str) -> bool:
        """Whether a folder is what a job left that was taken away while it wrote."""
        try:
            quiet = time.time() - self.place(name).stat().st_mtime
        except OSError:
            return False
        return _ID.fullmatch(name) is not None and quiet > DEAD_SECONDS

    def cancel(self, name: str) -> None:
        """Have a job stop, where it runs."""
        with suppress(OSError):
            (self.place(name) / CANCEL).touch()

    def is_cancelled(self, name: str) -> bool:
        """Whether a job is to stop."""
        return not (self.place(name) / JOB).exists() or (self.place(name) / CANCEL).exists()

    def remove(self, name: str) -> None:
        """Take a job away, with what it made."""
        shutil.rmtree(self.place(name), ignore_errors=True)
