"""Load by wrk, which costs little itself: a closed loop over kept connections, and nothing unanswered at its end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from math import ceil
from pathlib import Path

SCRIPT = Path(__file__).with_name("serve_load.lua")
#: How long an answer may take, and how long is waited for the last ones.
LATE_SECONDS = 30
INSTALLING = "the load comes from wrk, which is not installed: `apt-get install wrk` (Debian), `brew install wrk`"


class LoadError(Exception):
    """The load could not be made; the text says why."""


@dataclass(frozen=True)
class Stream:
    """What is asked of one server: bodies a line in a file, by `POST` to a path, under a bearer token where given."""

    bodies: Path
    url: str
    path: str
    token: str = ""


@dataclass(frozen=True)
class Load:
    """What came of it: answers by status, the seconds from the first request to the last answer, latencies in ms."""

    statuses: dict[str, int]
    seconds: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    broken: int
    generator_seconds: float

    @property
    def answered(self) -> int:
        return self.statuses.get("200", 0)

    @property
    def failed(self) -> int:
        """How many requests were answered with another status than 200, or were broken off."""
        return sum(self.statuses.values()) - self.answered + self.broken

    @property
    def rate(self) -> float:
        """Answers a second, those alone with status 200."""
        return self.answered / self.seconds if self.seconds else 0.0


def generator() -> str:
    """Return the program that makes the load.

    Raises:
        LoadError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError(INSTALLING)
    return found


def ask(stream: Stream, connections: int, seconds: float, first: int = 0) -> Load:
    """Ask `stream` over so many connections for so long; the first request has the number `first` + 1.

    Raises:
        LoadError: there is no wrk, or it failed.
    """
    program = generator()
    whole = ceil(seconds) + LATE_SECONDS
    command = [program, "-t1", f"-c{connections}", f"-d{whole}s", "--timeout", f"{LATE_SECONDS}s", "-s", str(SCRIPT)]
    arguments = [str(stream.bodies), stream.path, stream.token, str(seconds), str(first)]
    before = os.times()
    done = subprocess.run([*command, stream.url, "--", *arguments], capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode or not done.stdout.strip():
        raise LoadError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    found = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    own = after.children_user + after.children_system - before.children_user - before.children_system
    p50, p99, most = (found[name] / 1000 for name in ("p50", "p99", "most"))
    return Load(found["statuses"], found["seconds"], p50, p99, most, found["broken"], own)
