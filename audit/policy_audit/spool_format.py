"""What the writer and the reader of a spool agree on: the names of its files, and how a call is told from others."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policy_audit.view import instant

FORMAT = "policy-audit-spool/v1"
BLOBS = "blobs"
SUFFIX = ".spool.json"
#: In `BLOBS`, from when decisions on record are deleted until what they shared is: that they are gone is no loss.
COLLECTED = ".collected"
#: The member of an entry's context that says that it was spooled, by which call, as which of how many.
CONTEXT = "spooled"
MOST_OF_A_CALL = 1_000_000
_NAME = re.compile(r"([0-9]{8}T[0-9]{12})Z-([0-9a-f]{32})-([0-9]{1,7})-of-([0-9]{1,7})\.spool\.json")
_ID = re.compile(r"[0-9a-f]{32}")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Call:
    """One run of the program on a runner: the CI system's `run`, `attempt` and `job`, and an `id` of its own.

    The id is random: two calls of one job, and its jobs and attempts, differ in it whatever the CI system says.
    """

    run: str
    id: str
    attempt: str | None = None
    job: str | None = None

    def document(self) -> dict[str, str]:
        """Return what a file and an entry's context hold of it."""
        more = {"attempt": self.attempt, "job": self.job}
        return {"run": self.run, "call": self.id, **{key: value for key, value in more.items() if value is not None}}

    @property
    def label(self) -> str:
        """How it is told to people: RUN, RUN/ATTEMPT or RUN/ATTEMPT/JOB."""
        parts = [self.run, self.attempt or ("-" if self.job else None), self.job]
        return "/".join(part for part in parts if part is not None)


def read_call(value: Mapping[str, Any]) -> Call | None:
    """Return the call that `Call.document` wrote, with whatever else stands there; None where it is none."""
    run, identifier, attempt, job = (value.get(name) for name in ("run", "call", "attempt", "job"))
    if not _is_text(run) or not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        return None
    if not all(each is None or _is_text(each) for each in (attempt, job)):
        return None
    return Call(str(run), identifier, attempt, job)


def read_place(value: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return n and m of the n-th of m decisions of a call; None where there is no such."""
    n, of = value.get("n"), value.get("of")
    # `type`, because true is an int to `isinstance`
    if type(n) is not int or type(of) is not int or not 1 <= n <= of <= MOST_OF_A_CALL:
        return None
    return n, of


def file_name(moment: str, call: str, n: int, of: int) -> str:
    """Return the name of a decision's file; names sort as calls and their decisions do."""
    stamp = re.sub(r"[-:.]", "", moment)
    width = len(str(of))
    return f"{stamp}-{call}-{n:0{width}}-of-{of}{SUFFIX}"


def read_name(name: str) -> tuple[str, int, int] | None:
    """Return call, n and m of a decision's file by its name alone, which a torn one still has."""
    found = _NAME.fullmatch(name)
    return (found[2], int(found[3]), int(found[4])) if found else None


def time_in_name(name: str) -> str | None:
    """Return the time of recording in the name of a decision's file, as its entry says it; None where there is none."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        moment = datetime.strptime(found[1], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    return instant(moment)


@contextmanager
def holding(folder: Path, alone: bool = False) -> Iterator[bool]:
    """Hold the documents of a spool: several may write, and one `alone` may remove; give whether it is held.

    Whoever removes does not wait. Where the file system knows no locks a writer goes on, and nothing is removed.
    """
    if os.name != "posix":
        yield False
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            held = True
        except OSError:
            held = False
        yield held
    finally:
        os.close(descriptor)


def base64_text(data: bytes) -> str:
    """Return base64 as JSON holds it."""
    return b64encode(data).decode("ascii")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST
