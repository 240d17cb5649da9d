"""Reading an exported folder that may hold anything: every file is bounded, and nothing is followed out of the folder.

A problem of a file is a `VerificationError`, whatever the operating system says; a file that is not there is None.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from policy_audit.errors import VerificationError
from policy_audit.merkle import HASH_BYTES
from policy_audit.tiles import ENTRIES, MAX_BUNDLE_BYTES, WIDTH, Tile, encode_bundle, scan_bundle

CHECKPOINT = "checkpoint"
DOCUMENTS = "blob"
_MAX_DEPTH = 16
_CHUNK = 1 << 20
# Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Folder:
    """A folder in tlog-tiles layout, which somebody else wrote."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Of the folders on the way to a file the same few are asked for again and again.
        self._is_real = lru_cache(maxsize=256)(self._look_at_folder)

    def read(self, path: str, most: int) -> bytes | None:
        """Return the bytes of the file at `path` (with `/` between its parts), None where there is none.

        Raises:
            VerificationError: it has more than `most` bytes, is no ordinary file, lies behind a symbolic link, or
                cannot be read.
        """
        descriptor = self._open(path)
        if descriptor is None:
            return None
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            if size > most:
                raise VerificationError(f"`{path}` has {size:,} bytes, more than {most:,}")
            try:
                data = file.read(most + 1) or b""
                # an unbuffered read may return less than there is
                while len(data) <= most and (more := file.read(most + 1 - len(data))):
                    data += more
            except OSError as error:
                raise _unreadable(path, error) from None
        if len(data) > most:
            raise VerificationError(f"`{path}` has more than {most:,} bytes")
        return data

    def digest(self, path: str, most: int) -> bytes | None:
        """Return the SHA-256 of a file of at most `most` bytes, None where there is none."""
        descriptor = self._open(path)
        if descriptor is None:
            return None
        total, left = sha256(), most
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            try:
                while left >= 0 and (chunk := file.read(_CHUNK)):
                    total.update(chunk)
                    left -= len(chunk)
            except OSError as error:
                raise _unreadable(path, error) from None
        if left < 0:
            raise VerificationError(f"`{path}` has more than {most:,} bytes")
        return total.digest()

    def read_tile(self, tile: Tile) -> bytes:
        """Return the bytes of a tile or bundle as wide as `tile`; where it is partial, the full one serves as well.

        Raises:
            VerificationError: neither is there, or what is there has another size.
        """
        data = self.read(tile.path, _most(tile))
        if data is None and tile.width < WIDTH:
            # tlog-tiles, "Partial Tiles": a log may delete a partial tile once the full one is there
            full = self.read(tile.full.path, _most(tile.full))
            data = None if full is None else cut_tile(tile, full)
        if data is None:
            raise VerificationError(f"`{tile.path}` is missing")
        if tile.level != ENTRIES and len(data) != tile.width * HASH_BYTES:
            wanted = f"{tile.width * HASH_BYTES:,} of {tile.width} hashes"
            raise VerificationError(f"`{tile.path}` has {len(data):,} bytes, not the {wanted}")
        return data

    def walk(self) -> Iterator[tuple[str, bool]]:
        """Yield the path of all that is in the folder but folders, and whether it is an ordinary file.

        Symbolic links are not followed; a folder that cannot be read, or is too deep, is yielded as if it were a file.
        """
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(self.root / folder) as entries:
                    for entry in entries:
                        path = f"{folder}/{entry.name}" if folder else entry.name
                        if entry.is_dir(follow_symlinks=False) and path.count("/") < _MAX_DEPTH:
                            waiting.append(path)
                        else:
                            yield path, entry.is_file(follow_symlinks=False)
            except OSError:
                yield f"{folder}/", False

    def has_folder(self, name: str) -> bool:
        """Tell whether there is a folder of this name, or anything in its place."""
        return os.path.lexists(self.root / name)

    def _open(self, path: str) -> int | None:
        for part in _folders_of(path):
            if not self._is_real(part):
                return None
        try:
            descriptor = os.open(self.root / path, _FLAGS)
        except FileNotFoundError:
            return None
        except OSError as error:
            if os.path.islink(self.root / path):
                raise VerificationError(f"`{path}` is a symbolic link") from None
            raise _unreadable(path, error) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise VerificationError(f"`{path}` is not a file")
        return descriptor

    def _look_at_folder(self, path: str) -> bool:
        try:
            mode = os.lstat(self.root / path).st_mode
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unreadable(path, error) from None
        if stat.S_ISLNK(mode):
            raise VerificationError(f"`{path}` is a symbolic link")
        if not stat.S_ISDIR(mode):
            raise VerificationError(f"`{path}` is not a folder")
        return True


def cut_tile(tile: Tile, wider: bytes) -> bytes:
    """Return the part of a wider tile's or bundle's bytes that `tile` holds; what follows is not looked at.

    What is cut off before is returned as far as it goes, for its reader to refuse.
    """
    if tile.level != ENTRIES:
        return wider[: tile.width * HASH_BYTES]
    entries = scan_bundle(wider, tile.width)[0]
    return encode_bundle(entries) if entries else b""


def _most(tile: Tile) -> int:
    return MAX_BUNDLE_BYTES // WIDTH * tile.width if tile.level == ENTRIES else tile.width * HASH_BYTES


@lru_cache(maxsize=1024)
def _folders_of(path: str) -> tuple[str, ...]:
    parts = path.split("/")[:-1]
    return tuple("/".join(parts[: count + 1]) for count in range(len(parts)))


def _unreadable(path: str, error: OSError) -> VerificationError:
    return VerificationError(f"`{path}` cannot be read: {(error.strerror or 'unknown reason').lower()}")
