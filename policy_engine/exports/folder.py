"""A folder that is put in place whole or not at all: written beside its place, synced, then renamed."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from policy_audit.durable import sync_folder

from policy_engine.errors import InputError, Problem, UsageError

_READABLE, _OPEN_FOLDER = 0o666, 0o777


@dataclass(frozen=True)
class FileRecord:
    """What was written: `rows` where the file is a table."""

    name: str
    bytes: int
    sha256: str
    rows: int | None = None


class _Hashed(io.RawIOBase):
    """A file that is digested as it is written, which goes forward only."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._file.write(view)
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.size


class Staging:
    """The folder while it is written. `publish` puts it in place."""

    def __init__(self, target: Path, staged: Path) -> None:
        self.target, self._staged = target, staged
        self.files: dict[str, FileRecord] = {}
        self._folders = {staged}

    @contextmanager
    def file(self, name: str, rows: list[int] | None = None) -> Iterator[IO[bytes]]:
        """Write a file of this name, with `/` between folders; `rows` holds their number when the file is closed."""
        path = self._staged / name
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True)
            self._folders.add(path.parent)
        with path.open("xb", buffering=1 << 20) as file:
            hashed = _Hashed(file)
            yield hashed  # type: ignore[misc]
            file.flush()
            os.fsync(file.fileno())
        self.files[name] = FileRecord(name, hashed.size, hashed.digest.hexdigest(), rows[0] if rows else None)

    def put(self, name: str, data: bytes) -> FileRecord:
        """Write a whole file."""
        with self.file(name) as stream:
            stream.write(data)
        return self.files[name]

    def sync(self) -> None:
        """Make the folders durable; the files are."""
        for folder in sorted(self._folders, reverse=True):
            sync_folder(folder)

    def publish(self) -> None:
        """Put the folder in place of nothing, or of an empty folder."""
        umask = os.umask(0)
        os.umask(umask)
        self._staged.chmod(_OPEN_FOLDER & ~umask)
        self.sync()
        if os.name == "nt" and self.target.exists():
            self.target.rmdir()
        os.rename(self._staged, self.target)
        sync_folder(self.target.parent)


@contextmanager
def staging(target: Path) -> Iterator[Staging]:
    """Make a folder beside `target` to write into; whatever fails, nothing of it stays.

    Raises:
        InputError: something stands at `target`, and is not an empty folder.
        UsageError: the folder cannot be written.
    """
    target = Path(os.path.abspath(target))
    refuse_taken(target)
    staged: Path | None = None
    try:
        staged = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        yield Staging(target, staged)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"the folder `{target}` cannot be written: {reason}"
        raise UsageError(Problem("export-unwritable", message, help="name another place")) from error
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)


def refuse_taken(target: Path) -> None:
    """Refuse a place where something stands.

    Raises:
        InputError: it is not an empty folder, and not nothing.
    """
    try:
        taken = target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir())))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(Problem("export-unwritable", f"the folder `{target}` cannot be read: {reason}")) from error
    if taken:
        message = f"`{target}` is there, and is not an empty folder"
        raise InputError(
            Problem("export-folder", message, help="an export never takes the place of anything: name a new folder")
        )
