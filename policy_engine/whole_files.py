"""Files that are written whole or not at all, and never in the place of a ledger or a key."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

KEPT = "it is a ledger or a key"
#: How a SQLite database begins, its write-ahead log, a signing key, the personal key, and a key that a program has.
_KEPT = (
    b"SQLite format 3\0",
    b"7\x7f\x06\x82",
    b"7\x7f\x06\x83",
    b"PRIVATE+KEY+",
    b"PERSONAL+KEY+",
    b"policy-audit/signing-program/",
)


def is_kept(path: Path) -> bool:
    """Whether a ledger or a key stands there: nothing that is written takes the place of either, whoever asks."""
    if not os.path.isfile(path):  # to open a pipe is to wait for whoever writes to it
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(64).startswith(_KEPT)
    except OSError:
        return False


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` whole or not at all, through links to what they name; a device or pipe takes it as it comes.

    Raises:
        OSError: it cannot be written, or a ledger or a key stands there.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        path.write_bytes(content)
        return
    path = Path(os.path.realpath(path))
    if is_kept(path):
        raise OSError(errno.EPERM, KEPT)
    umask = os.umask(0)
    os.umask(umask)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
        try:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            os.chmod(stream.name, mode)
            os.replace(stream.name, path)
        except BaseException:
            os.unlink(stream.name)
            raise
