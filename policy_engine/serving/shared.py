"""The folders that the workers of one supervisor share.

`--state DIR` may hold what is somebody else's: only what a server made is ever removed from it, and one server at a
time has it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec.structs import replace

from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.service.settings import Settings

_PREFIX = "policy-serve-"
_LOCK = ".policy-serve.lock"
#: Below the folder of a supervisor; what it holds is its rules, which nobody else's folder has there.
RULES = "rules"


@contextmanager
def shared_state(settings: Settings) -> Iterator[Settings]:
    """Give the workers folders that they share: `state`, and one of this supervisor alone for rules and counts.

    Raises:
        UsageError: none can be made, or another server has `state`.
    """
    handle = None
    try:
        if settings.state is not None:
            settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = _locked(settings.state)
            _clean(settings.state)
        own = TemporaryDirectory(prefix=_PREFIX, dir=settings.state, ignore_cleanup_errors=True)
    except OSError as error:
        _let_go(handle)
        message = f"cannot make a folder for the workers: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("state-folder", message, help="name one with --state that may be written")) from error
    try:
        with own as folder:
            rules = Path(folder, RULES)
            rules.mkdir(mode=0o700)
            yield replace(settings, state=settings.state or Path(folder), rules=rules)
    finally:
        _let_go(handle)


def _locked(state: Path) -> int:
    handle = os.open(state / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        message = f"another server has the folder `{state}`"
        raise UsageError(Problem("state-taken", message, help="stop it, or give each its own with --state")) from None
    return handle


def _let_go(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def _clean(state: Path) -> None:
    """Remove what a server left that was killed; the lock says that none is there now."""
    for path in state.glob(f"{_PREFIX}*"):
        ours = re.fullmatch(rf"{_PREFIX}[a-z0-9_]{{8}}", path.name) and (path / RULES).is_dir()
        if ours and not path.is_symlink() and path.stat().st_uid == os.getuid():
            shutil.rmtree(path, ignore_errors=True)
