"""Files that must outlive a crash, be read by their owner alone, or may be anything. The standard library alone."""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path

#: So many seconds a pipe may give nothing: one that nobody writes to would be waited for without end.
PIPE_SECONDS = 30.0
_PART = 1 << 20


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


def read_given(path: Path, most: int) -> bytes:
    """Return the first `most` bytes of a file that somebody handed over, and one more where it has more.

    It may be a pipe, as a shell makes one in the place of a file, and then has to give something every `PIPE_SECONDS`.

    Raises:
        OSError: it is missing, cannot be read, or gives nothing.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        waits = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        data = b""
        while len(data) <= most and (part := _read_part(descriptor, most + 1 - len(data), waits)):
            data += part
    finally:
        os.close(descriptor)
    return data


def _read_part(descriptor: int, most: int, waits: bool) -> bytes:
    if waits:
        # without a writer a pipe seems to end; once it had one, it says that it hung up
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(PIPE_SECONDS * 1000):
            raise OSError(errno.ETIMEDOUT, "it is a pipe, and nothing came out of it")
    return os.read(descriptor, min(most, _PART))
