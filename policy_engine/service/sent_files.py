"""The files that came with a workload, for as long as it is decided.

What evidence names is looked for among these alone: the server's own files are nobody's evidence.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from policy_engine.errors import InputError, Problem, RecordingError

#: What a file system says of a name that it takes from nobody.
_NAMES = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL})


class SentFiles:
    """A folder of this process, where folders of sent files are made; safe in several threads.

    Whoever cleans the place for temporary files may take it away: then another is made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.folder = _made()

    @property
    def empty(self) -> Path:
        """A folder without any files.

        Raises:
            OSError: it is gone, and cannot be made again.
        """
        with self._lock:
            empty = self.folder / "empty"
            if not _is_own(empty):
                # not under the old name, which somebody else may have taken since
                self.close()
                self.folder = _made()
            return self.folder / "empty"

    @contextmanager
    def of(self, files: Mapping[str, bytes]) -> Iterator[Path]:
        """Give a folder with these files and no others.

        Raises:
            InputError: a file's name is none that the file system takes.
            RecordingError: the file system does not keep them now.
        """
        made: Path | None = None
        try:
            try:
                folder = self.empty
                if files:
                    folder = made = Path(tempfile.mkdtemp(dir=folder.parent, prefix="sent-"))
                for name, content in files.items():
                    _keep(folder / name, content, name)
            except OSError as error:
                message = f"the files cannot be kept while they are looked at: {(error.strerror or 'no place').lower()}"
                help_ = "whoever runs the server: is there room for temporary files, and may it write there?"
                raise RecordingError(Problem("temporary-files", message, help=help_)) from error
            yield folder
        finally:
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)

    def close(self) -> None:
        """Take all away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="policy-serve-"))
    (folder / "empty").mkdir(mode=0o700)
    return folder


def _is_own(folder: Path) -> bool:
    for each in (folder.parent, folder):
        try:
            found = each.lstat()
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return False
    return True


def _keep(place: Path, content: bytes, name: str) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    except ValueError as error:
        raise InputError(Problem("multipart", f"the file `{name[:80]}` cannot be kept")) from error
    except OSError as error:
        if error.errno not in _NAMES:
            raise
        raise InputError(Problem("multipart", f"the name `{name[:80]}` is none that a file here can have")) from error
