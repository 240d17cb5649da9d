"""The files of a folder that is checked: names, sizes and digests. Links are not followed out of it, or anywhere."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import IO

from policy_engine.exports.manifest import MANIFEST, RECORD_ENTRY, RECORD_PROOF, Manifest, Refused

__all__ = ["Refused", "check_files", "open_file", "read_bytes"]

_PART = 1 << 20
_NOT_LISTED = {MANIFEST, RECORD_ENTRY, RECORD_PROOF}


def check_files(folder: Path, manifest: Manifest) -> int:
    """Compare every file with the manifest, and return how many there are.

    Raises:
        Refused: with the first file that is missing, other than listed, or not listed.
    """
    for name, (size, digest) in manifest.files.items():
        with open_file(folder, name) as stream:
            found = os.fstat(stream.fileno()).st_size
            if found != size:
                raise Refused(f"`{name}` has {found:,} bytes, and the manifest says {size:,}")
            hashed = sha256()
            while part := stream.read(_PART):
                hashed.update(part)
        if hashed.hexdigest() != digest:
            raise Refused(f"`{name}` does not have the SHA-256 that the manifest says")
    for name in _names(folder):
        if name not in manifest.files and name not in _NOT_LISTED:
            raise Refused(f"`{name[:200]}` is here, and the manifest does not list it")
    return len(manifest.files)


def open_file(folder: Path, name: str) -> IO[bytes]:
    """Open a plain file below `folder`, no part of whose path is a link.

    Raises:
        Refused: it is not there, or something else is.
    """
    path = folder
    try:
        for part in name.split("/"):
            path /= part
            if stat.S_ISLNK(path.lstat().st_mode):
                raise Refused(f"`{name}` is a link, or behind one")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        stream = os.fdopen(descriptor, "rb")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise Refused(f"`{name}` cannot be read: {reason}") from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise Refused(f"`{name}` is not a file")
    return stream


def read_bytes(folder: Path, name: str, most: int) -> bytes:
    """Return a file's bytes, of which there may be so many."""
    with open_file(folder, name) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise Refused(f"`{name}` has more than {most:,} bytes")
    return data


def _names(folder: Path) -> list[str]:
    found = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/") for name in files + links]
    return sorted(found)
