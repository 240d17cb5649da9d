"""Files that must outlive a crash, or be read by their owner alone. Standard library only: keys need it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class ExposedError(OSError):
    """Others than its owner can read or write the file."""


def sync_folder(folder: Path) -> None:
    """Make the names of files in a folder durable.

    Raises:
        OSError: the file system refuses, as some network file systems do.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path, most: int) -> bytes:
    """Return a file's first `most` bytes, and one more where it has more.

    Raises:
        ExposedError: others than its owner can read or write it.
        OSError: it is missing, or cannot be read.
    """
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        data = file.read(most + 1)
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ExposedError(f"`{path}` can be read or written by others than its owner")
    return data


def write_private(path: Path, content: bytes) -> None:
    """Create a file with mode 0600, durably; what cannot be written whole is not left there.

    Raises:
        FileExistsError: there is one already: nothing is overwritten.
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
