"""The rules that a supervisor read and checked, in a private folder, for its workers.

The supervisor alone reads the layers' folders. A worker takes what is here, when it starts and whenever it changed, so
that one which starts while somebody edits the rules has those of the others. INVARIANT: `current.json` names files that
stand beside it, each under the SHA-256 of its bytes; all of them are written whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from policy_engine.errors import Problem
from policy_engine.whole_files import write_whole

_CURRENT = "current.json"


class Failed(Struct, frozen=True):
    """A reload that failed: since when the rules in force are older than those given (RFC 3339), and why."""

    since: str
    problems: list[dict[str, Any]]


class Standing(Struct, frozen=True):
    """What is in force: the policy's digest, since when this server has it, and the files of layers and pinned keys."""

    policy: str
    loaded_at: str
    layers: str
    keys: str | None = None
    failed: Failed | None = None

    def files(self) -> tuple[str, ...]:
        """Return the names of all files that have to be there."""
        return (_CURRENT, self.layers, *([self.keys] if self.keys is not None else []))


class RulesFolder:
    """The folder, as supervisor and workers use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Write a file that `publish` may name; return its name.

        Raises:
            OSError: it cannot be written.
        """
        name = sha256(content).hexdigest()
        path = self._folder / name
        if not path.exists():
            write_whole(path, content)
        return name

    def publish(self, standing: Standing) -> None:
        """Have the workers take what `standing` names, and forget all other files.

        Raises:
            OSError: it cannot be written; what was in force stays.
        """
        before = self.read()
        write_whole(self._folder / _CURRENT, msgspec.json.encode(standing))
        # a worker that read the name a moment ago may still come for what was in force until now
        kept = {each for one in (before, standing) if one is not None for each in one.files()}
        for path in self._folder.iterdir():
            if path.name not in kept and not path.name.startswith("."):
                with contextlib.suppress(OSError):
                    path.unlink()

    def stamp(self) -> tuple[int, int] | None:
        """Return what is another after each `publish`; None where nothing is there."""
        try:
            found = (self._folder / _CURRENT).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def read(self) -> Standing | None:
        """Return what is in force; None where that cannot be read."""
        try:
            return msgspec.json.decode((self._folder / _CURRENT).read_bytes(), type=Standing)
        except (OSError, ValueError):
            return None

    def file(self, name: str) -> bytes:
        """Return a file that a standing names.

        Raises:
            OSError: it cannot be read, or is not what it was.
        """
        content = self.path(name).read_bytes()
        if sha256(content).hexdigest() != name:
            raise OSError(f"`{name}` was changed")
        return content

    def path(self, name: str) -> Path:
        """Return where a file stands."""
        return self._folder / name


def failed(before: Standing, problems: Sequence[Problem], at: str) -> Standing:
    """Return `before` with a reload that failed; `since` is when the first one failed after the last good one."""
    since = before.failed.since if before.failed is not None else at
    return replace(before, failed=Failed(since, [_problem(each) for each in problems]))


def _problem(problem: Problem) -> dict[str, Any]:
    found: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.span is not None:
        found["place"] = str(problem.span)
    if problem.help is not None:
        found["help"] = problem.help
    return found
