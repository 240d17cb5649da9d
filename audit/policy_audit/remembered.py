"""The largest head of a ledger that was seen or committed, against an older copy that is put back under a program.

A ledger cannot notice that it is an older copy of itself; who has it open can. What is remembered may be shared with
other processes through a file. It lasts as long as they do: whoever starts anew knows nothing.

INVARIANT: a head that is smaller, or has another root at a size that was seen, is neither read nor extended, unless a
restore was put on record since (`restoring`): that begins a new epoch, and with it a new largest head. What merely
says that it is a restore, and is none of the signed tree, counts for nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from policy_audit.asking import Ask, Row, ask_all, ask_one
from policy_audit.errors import LedgerError
from policy_audit.merkle import leaf_hash
from policy_audit.stored_tree import StoredTree

HEAD_ASK = Ask("SELECT size, root, frontier, note FROM log_checkpoint ORDER BY size DESC LIMIT 1", often=True)
_COLUMNS = 4
#: The same, and the root at a size that was seen, and the last restore.
_WHOLE = (
    "SELECT size, root, frontier, note, (SELECT root FROM log_checkpoint WHERE size = ?), "
    "(SELECT leaf_hash FROM log_entry WHERE type = 'restore' AND type <> 'decision' ORDER BY leaf_index DESC LIMIT 1) "
    "FROM log_checkpoint ORDER BY size DESC LIMIT 1"
)
_RESTORES = "SELECT leaf_index, leaf_hash, entry FROM log_entry WHERE type = 'restore' AND type <> 'decision'"
#: One head, and one with many restores.
_FEW_BYTES, _MOST_BYTES = 1 << 12, 1 << 20


class Head(NamedTuple):
    """A head: whose, how large, its root, and the leaf hashes of all restores that were ever seen on record.

    `seal` tells its note and the key that signed it, where the process that signed it said so itself: its signature
    need not be verified by the others.
    """

    origin: str
    size: int
    root: str
    restores: tuple[str, ...] = ()
    seal: str = ""

    @property
    def rank(self) -> tuple[int, int]:
        """What is later: each restore begins a new epoch, in which sizes count anew."""
        return len(self.restores), self.size

    def grown(self, note: str, key: str) -> Head:
        """Return the head that a note of the same log signs, which this process has just made with `key`."""
        _, size, root, _ = note.split("\n", 3)
        return self._replace(size=int(size), root=b64decode(root).hex(), seal=_seal(note, key))

    def is_sealed(self, note: object, key: str) -> bool:
        """Whether a process that shares what is remembered signed this very note, with `key`."""
        return isinstance(note, str) and self.seal == _seal(note, key)


class Remembered:
    """What a process remembers; safe among threads. Processes that name one `path` share it.

    It is of one epoch: after a restore everything is refused. Whoever works with a ledger remembers more of it than its
    head, as what is stored and who was let in, and some of that may be lost: they begin anew, with a new one of these.
    """

    def __init__(self, path: Path | None = None, restored: Callable[[Head, Head], None] | None = None) -> None:
        self._path, self._restored = path, restored
        self._epoch: tuple[str, ...] | None = None
        self._lock = threading.Lock()
        self._head: Head | None = None
        self._file: FileIO | None = None
        self._read: tuple[bytes, Head | None] = b"", None
        self._alone = True

    def ask(self, floor: Head | None) -> Ask:
        """Return the question for the head, with what it is held to beside it where others append as well.

        That is one step in an index more each, and on a server as much again as the question itself. Who appends alone
        finds the head that is remembered, and needs none of it.
        """
        return HEAD_ASK if self._alone else _whole(floor)

    def floor(self) -> Head | None:
        """Return the largest head that is known. INVARIANT: asked for before the transaction that is held to it."""
        if self._path is not None:
            with self._lock, suppress(OSError):
                self._head = self._shared(self._path, None)
        return self._head

    def held(self, connection: Connection, floor: Head | None, rows: Sequence[Row]) -> Head | None:
        """Hold the head that `ask` gave to what was remembered; None where it is none, as whoever reads it says.

        Raises:
            LedgerError: it is older, or of another history or ledger, or of another epoch than what was read before.
        """
        head = self._held(connection, floor, rows)
        if head is not None:
            with self._lock:
                self._epoch = head.restores if self._epoch is None else self._epoch
            if head.restores != self._epoch:
                self.take(head)  # which tells those that share it
                raise _restored_since()
        return head

    def _held(self, connection: Connection, floor: Head | None, rows: Sequence[Row]) -> Head | None:
        if not rows or not _well_formed(*rows[0]):
            return None
        size, root, _, note = rows[0][:_COLUMNS]
        origin = note.partition("\n")[0]
        self._alone = floor is not None and (origin, size, root.hex()) == floor[:3]
        if self._alone:
            return floor
        row = rows[0] if len(rows[0]) > _COLUMNS else ask_all(connection, [_whole(floor)])[0].rows[0]
        then, last = row[_COLUMNS:]
        known = floor.restores if floor is not None else ()
        new = _restores(connection, size, root) - {*known} if last is not None and last.hex() not in known else ()
        known = tuple(sorted({*known, *new})) if new else known
        found = Head(origin, size, root.hex(), known)
        if floor is None:
            return found
        if origin != floor.origin:
            raise _other(origin, floor)
        if then is None or then.hex() != floor.root:
            if not new:
                raise _rolled_back(size, floor)
            if self._restored is not None:
                self._restored(floor, found)
        return found

    def take(self, head: Head | None) -> None:
        """Remember a committed head, where it is larger than what is known."""
        if head is None or (self._head is not None and head.rank <= self._head.rank):
            return
        with self._lock:
            self._head = _larger(self._head, head)
            # a full disk costs the others this one's knowledge, and nobody a decision
            if self._path is not None:
                with suppress(OSError):
                    self._head = self._shared(self._path, head)

    def _shared(self, path: Path, head: Head | None) -> Head | None:
        """Return the largest of what is known here, `head`, and what the file has, which is told of `head`."""
        descriptor = self._open(path)
        fcntl.flock(descriptor, fcntl.LOCK_SH if head is None else fcntl.LOCK_EX)
        try:
            data = os.pread(descriptor, _FEW_BYTES, 0)
            if len(data) == _FEW_BYTES:
                data = os.pread(descriptor, _MOST_BYTES, 0)
            if data != self._read[0]:
                self._read = data, _parsed(data)
            largest = _larger(_larger(self._head, self._read[1]), head)
            if head is not None and largest is not None and largest != self._read[1]:
                fresh = json.dumps(largest).encode()
                os.pwrite(descriptor, fresh, 0)
                if len(fresh) < len(data):
                    os.ftruncate(descriptor, len(fresh))
                self._read = fresh, largest
            return largest
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _open(self, path: Path) -> int:
        """Return the file, which stays open: every commit needs it. One that was cleaned away is made anew."""
        if self._file is None or not os.fstat(self._file.fileno()).st_nlink:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        return self._file.fileno()


def _larger(one: Head | None, other: Head | None) -> Head | None:
    """Return the later of two; of what is not one ledger's, the first."""
    if one is None or other is None:
        return one or other
    return other if one.origin == other.origin and other.rank > one.rank else one


def _parsed(data: bytes) -> Head | None:
    with suppress(ValueError, TypeError):
        origin, size, root, restores, seal = json.loads(data)
        return Head(str(origin), int(size), str(root), tuple(map(str, restores)), str(seal))
    return None


def _seal(note: str, key: str) -> str:
    return sha256(f"{key}\n{note}".encode("utf-8", "surrogatepass")).hexdigest()


def _restores(connection: Connection, size: int, root: bytes) -> set[str]:
    """Return the leaf hashes of the restores that the tree with this root has: the column beside them is not signed."""
    tree = StoredTree(connection)
    return {
        leaf.hex()
        for index, leaf, entry in ask_one(connection, _RESTORES)
        if isinstance(entry, bytes) and leaf_hash(entry) == leaf and _is_restore(entry)
        if tree.includes(index, leaf, size, root)
    }


def _is_restore(entry: bytes) -> bool:
    with suppress(ValueError, TypeError, KeyError):
        return bool(json.loads(entry)["type"] == "restore")
    return False


def _whole(floor: Head | None) -> Ask:
    return Ask(_WHOLE, (-1 if floor is None else floor.size,), often=True)


def _well_formed(size: Any, root: Any, _: Any, note: Any, *hashes: Any) -> bool:
    taken = all(each is None or isinstance(each, bytes) for each in hashes)
    return isinstance(size, int) and isinstance(root, bytes) and isinstance(note, str) and taken


def _rolled_back(size: int, floor: Head) -> LedgerError:
    what = f"has {size:,} entries" if size < floor.size else f"has another history in its first {floor.size:,} entries"
    return LedgerError(
        f"the ledger was put back to an older copy: it {what}, and {floor.size:,} were acknowledged",
        code="ledger-rolled-back",
        help="nothing was recorded; put the newer one back, or say that it was restored, with `policy audit restored`",
    )


def _restored_since() -> LedgerError:
    return LedgerError(
        "the ledger was restored since it was opened, and what is remembered of it is of the old epoch",
        code="ledger-restored",
        help="nothing was recorded; try again, or start this program again",
    )


def _other(origin: str, floor: Head) -> LedgerError:
    return LedgerError(
        f"another ledger, `{origin[:80]}`, stands in the place of `{floor.origin[:80]}`",
        code="ledger-replaced",
        help="nothing was recorded; put the ledger back, or start this program again for the other one",
    )
