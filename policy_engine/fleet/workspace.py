"""The folder that a sweep works in: beside what it writes, and gone when it ends, however it ends.

A second process waits for the end of this one and removes the folder then: what is killed cannot clean up itself.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from policy_engine.whole_files import KEPT, is_kept

_SYSTEM = re.compile(r"\(os error (\d+)\)")
_REAP = "import shutil, sys; sys.stdin.buffer.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


class Workspace:
    """A context that makes the folder and removes it.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, target: Path) -> None:
        self.target = Path(os.path.realpath(target))
        self.folder = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.sweep-", dir=self.target.parent))
        try:
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _REAP, str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._reaper.stdin is not None:
            self._reaper.stdin.close()
        self._reaper.wait()

    def part(self, kind: str, number: int) -> Path:
        """Return the place of a part of the rows of a `kind`, whose folder is made."""
        folder = self.folder / kind
        folder.mkdir(exist_ok=True)
        return folder / f"{number:08}.parquet"

    def parts(self, kind: str) -> list[Path]:
        """Return the parts of a `kind` that were written, in order."""
        return sorted((self.folder / kind).glob("*.parquet"))


def disk_error(error: Exception) -> str | None:
    """Return why something could not be written, in the system's words; None where the error is another.

    Polars tells the system's errors in the text of its own.
    """
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    found = _SYSTEM.search(str(error))
    return os.strerror(int(found[1])).lower() if found else None


def put_in_place(made: Path, target: Path) -> None:
    """Put a whole file where it belongs: durable, with the rights of what it replaces, and never over a ledger or key.

    Raises:
        OSError: it cannot be put there.
    """
    target = Path(os.path.realpath(target))
    if is_kept(target):
        raise OSError(errno.EPERM, KEPT)
    umask = os.umask(0)
    os.umask(umask)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~umask
    if os.stat(made).st_dev != os.stat(target.parent).st_dev:
        handle, other = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        try:
            shutil.copyfile(made, other)
            _settle(Path(other), target, mode)
        except BaseException:
            os.unlink(other)
            raise
        return
    _settle(made, target, mode)


def _settle(made: Path, target: Path, mode: int) -> None:
    with made.open("rb") as stream:
        os.fsync(stream.fileno())
    os.chmod(made, mode)
    os.replace(made, target)
