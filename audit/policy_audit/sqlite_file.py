"""The file of a SQLite ledger: made, looked at, opened, and held to its name for as long as it is open.

A connection goes on writing to the file that it opened, whatever became of the name: a file that was deleted, moved or
replaced takes commits that nobody will find. INVARIANT: what is acknowledged is in the files that have the names.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from policy_audit.errors import LedgerError

BUSY_SECONDS = 10.0
MEMORY = ":memory:"
_MAGIC = b"SQLite format 3\x00"
_Identity = tuple[int, int]
#: The files that this process has looked into. To close one once more would drop the locks of all its connections
#: (POSIX), and another process would delete the write-ahead log under them.
_looked_into: set[_Identity] = set()


class FileConnection(sqlite3.Connection):
    """A connection that knows which write-ahead log it has open; None where it keeps none."""

    log: _Identity | None = None


class Placed:
    """The name of a ledger's file, and which file it was when it was opened."""

    def __init__(self, path: Path) -> None:
        self._path, self._log = str(path), f"{path}-wal"
        self._file: _Identity | None = None

    def opened(self, connection: FileConnection) -> None:
        """Note which files a new connection has open. The first one says which file is the ledger's.

        Raises:
            LedgerError: it opened another file than the connections before it.
        """
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # it opens the log where it first reads
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            connection.log = _identity(self._log)
        if self._file is None:
            self._file = _identity(self._path)
        self.check(connection)

    def check(self, connection: FileConnection) -> None:
        """Refuse to go on with files that no longer have their names.

        Raises:
            LedgerError: the file or its write-ahead log is gone, or another one is there.
        """
        found = _identity(self._path)
        if found is None:
            raise LedgerError(
                f"the file of the ledger `{self._path}` is gone",
                code="ledger-gone",
                help="nothing was recorded; put it back where it was, or restore a backup",
            )
        if found != self._file:
            raise _replaced(f"another file stands at `{self._path}` than the ledger that was opened")
        if connection.log is not None and _identity(self._log) != connection.log:
            raise _replaced(f"the write-ahead log `{self._log}` was deleted or replaced under the open ledger")


def _replaced(message: str) -> LedgerError:
    return LedgerError(
        message,
        code="ledger-replaced",
        help="nothing was recorded; stop what uses a ledger before its files are touched, and verify it",
    )


def _identity(path: str) -> _Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_file_connection(path: Path | None, placed: Placed | None) -> sqlite3.Connection:
    """Return a new connection to the file at `path`, which must be there; None is a database in memory.

    Raises:
        LedgerError: it is another file than `placed` has known.
    """
    connection = sqlite3.connect(
        _target(path),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=FileConnection,
    )
    try:
        # Text that is not UTF-8 must reach the verifier as what it is, not as an exception of the driver.
        connection.text_factory = _decode
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA recursive_triggers = ON")  # what REPLACE deletes fires the triggers on DELETE, too
        # What is erased is overwritten, and does not stay in a page that nothing uses any more.
        connection.execute("PRAGMA secure_delete = ON")
        if placed is not None:
            placed.opened(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def create_sqlite_file(path: Path) -> None:
    """Make the empty file of a new database, readable by its owner alone, and its folder.

    Raises:
        LedgerError: the folder or the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerError(
            f"the ledger `{path}` cannot be created: {error.strerror}", code="ledger-unwritable"
        ) from None


def check_sqlite_file(path: Path) -> None:
    """Refuse a file that is no SQLite database, before SQLite touches it.

    Raises:
        LedgerError: it is something else, or cannot be read.
    """
    try:
        known = os.stat(path)
        identity = known.st_dev, known.st_ino
        if identity in _looked_into and stat.S_ISREG(known.st_mode):
            return  # SQLite itself refuses what has become something else
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise LedgerError(f"the ledger `{path}` cannot be read: {error.strerror}", code="ledger-unreadable") from None
    if start and start != _MAGIC:
        raise LedgerError(f"the file `{path}` is not a SQLite database", code="not-a-ledger")
    _looked_into.add(identity)


def _target(path: Path | None) -> str:
    """Return the URI that opens `path` with as many rights as there are, and never creates it."""
    if path is None:
        return MEMORY
    log = path.with_name(path.name + "-wal")
    effective = os.access in os.supports_effective_ids
    writable = all(os.access(place, os.W_OK, effective_ids=effective) for place in (path, path.parent))
    if writable:
        mode = "mode=rw"
    elif log.exists():
        mode = "mode=ro"
    else:
        # Without a write-ahead log and without the right to make one, nobody is writing.
        mode = "immutable=1"
    return f"file:{quote(str(path))}?{mode}"


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
