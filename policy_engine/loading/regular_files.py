"""Opening files that somebody else may have put there: a pipe of that name would be waited for, for good."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import IO

#: What a command is handed open, as by a shell's `<(command)`, and what is empty on purpose: no folder has these.
_HANDED = re.compile(r"/dev/(?:null|stdin|fd/\d+)|/proc/(?:self|\d+)/fd/\d+")
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file to be read, or one that the command was handed open and that was named as that.

    Raises:
        OSError: it cannot be opened, or is no regular file.
        ValueError: it is no path.
    """
    if _HANDED.fullmatch(os.path.abspath(path)):
        return path.open("rb")
    _check(os.stat(path).st_mode)
    handle = os.open(path, _FLAGS)
    try:
        _check(os.fstat(handle).st_mode)  # another one may have come into its place
        return os.fdopen(handle, "rb")
    except OSError:
        os.close(handle)
        raise


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file")
