"""Write a ledger as a folder in tlog-tiles layout: `checkpoint`, `tile/...`, `tile/entries/...`, and documents.

Streams in pages inside one read transaction. A folder is either extended or refused: its checkpoint must be one that
this ledger signed, and its tiles must lead to it. The checkpoint is written last, so that a folder whose checkpoint is
there has everything below it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from policy_audit.checkpoint import Checkpoint, parse_checkpoint
from policy_audit.durable import sync_folder
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.folder import CHECKPOINT, DOCUMENTS, Folder
from policy_audit.folder_check import document_path
from policy_audit.merkle import leaf_hash
from policy_audit.names import CHECKPOINT as CHECKPOINT_TABLE
from policy_audit.names import ENTRY
from policy_audit.note import MAX_NOTE_BYTES
from policy_audit.plain_entry import read_plain
from policy_audit.reading import has_blob, read_blob, read_checkpoint, read_disposed_documents
from policy_audit.rotating import key_history
from policy_audit.tiled_tree import TileBuilder, TiledTree, rows_root
from policy_audit.tiles import ENTRIES, WIDTH, Tile, encode_bundle, tile_levels

_PAGE = 4 * WIDTH
_REMEMBERED = 10_000
_OURS = {CHECKPOINT, f"{CHECKPOINT}.new", "tile", DOCUMENTS}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the log up to `checkpoint`, of which `continued` entries were in the folder already.

    `root` is hexadecimal; `documents` counts those that were written now, `disposed` those that the ledger had no more.
    """

    origin: str
    size: int
    root: str
    checkpoint: str
    continued: int
    documents: int
    disposed: int = 0


class LogFolder:
    """A folder that is being written. `write` puts all but the checkpoint there, and `publish` the checkpoint."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._touched: set[Path] = set()

    def write(
        self,
        connection: Connection,
        verifier_key: str | None,
        *,
        documents: bool = False,
        progress: Progress | None = None,
    ) -> Exported:
        """Write everything below the ledger's latest checkpoint, and return what `publish` makes valid.

        Raises:
            LedgerError: the folder holds something else, or cannot be written.
            VerificationError: the ledger is not what it signed, or the folder is of another history.
        """
        note = read_checkpoint(connection)
        head = _head(connection, note, verifier_key)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            start = self._continued(connection, head)
            self._write_log(connection, head, start, progress)
            documents = documents or (self.root / DOCUMENTS).exists()
            written, gone = self._write_documents(connection, head.size) if documents else (0, 0)
            for folder in sorted(self._touched):
                _sync(folder)
        except OSError as error:
            raise _unwritable(self.root, error) from error
        return Exported(head.origin, head.size, head.root.hex(), note, start.size if start else 0, written, gone)

    def publish(self, exported: Exported) -> None:
        """Write the checkpoint: from now on the folder says that it holds the log."""
        target = self.root / CHECKPOINT
        new = target.with_name(f"{CHECKPOINT}.new")
        try:
            _write(new, exported.checkpoint.encode())
            os.replace(new, target)
            _sync(self.root)
            _sync(self.root.parent)
        except OSError as error:
            raise _unwritable(self.root, error) from error

    def _continued(self, connection: Connection, head: Checkpoint) -> Checkpoint | None:
        """Return the checkpoint that the folder holds, once it is known to be this ledger's; None in a new folder."""
        folder = Folder(self.root)
        data = folder.read(CHECKPOINT, MAX_NOTE_BYTES)
        if data is None:
            others = sorted(set(os.listdir(self.root)) - _OURS)
            if others:
                raise _other(f"the folder `{self.root}` holds `{others[0][:80]}`, and no log")
            return None
        try:
            found = parse_checkpoint(data.decode("utf-8", "surrogateescape"))
        except VerificationError as error:
            raise _other(f"the checkpoint in `{self.root}` is malformed: {error.message}") from None
        if found.origin != head.origin:
            raise _other(f"the folder `{self.root}` holds the log `{found.origin[:80]}`, not `{head.origin}`")
        if found.size > head.size:
            raise _history(f"it covers {found.size:,} entries, and the ledger has {head.size:,}")
        if found != _signed(connection, found.size):
            raise _history(f"the ledger never signed its checkpoint of size {found.size:,}")
        return found

    def _builder(self, start: Checkpoint | None) -> TileBuilder:
        """Return the builder of the log in the folder, up to its last full tile of leaf hashes."""
        if start is None:
            return TileBuilder()
        rows = TiledTree(start.size, Folder(self.root).read_tile).rows()
        if rows_root(start.size, rows) != start.root:
            raise VerificationError(
                f"the tiles in `{self.root}` do not give the root of its checkpoint",
                code="export-damaged",
                help="verify the folder, and export into a new one",
            )
        base = start.size - start.size % WIDTH
        return TileBuilder(base, [[], *rows[1:]][: tile_levels(base)])

    def _write_log(
        self, connection: Connection, head: Checkpoint, start: Checkpoint | None, progress: Progress | None
    ) -> None:
        builder, bundle = self._builder(start), list[bytes]()
        for entry in _entries(connection, builder.size, head.size):
            bundle.append(entry)
            for tile, data in builder.append(leaf_hash(entry)):
                self._put(tile.path, data)
            if start is not None and builder.size == start.size and builder.root() != start.root:
                raise _changed(f"the entries do not give the root of size {start.size:,}")
            if len(bundle) == WIDTH:
                self._put(Tile(ENTRIES, builder.size // WIDTH - 1).path, encode_bundle(bundle))
                bundle.clear()
                if progress is not None:
                    progress(builder.size, head.size)
        if builder.root() != head.root:
            raise _changed(f"the entries do not give the signed root of size {head.size:,}")
        for tile, data in builder.partial():
            self._put(tile.path, data)
        if bundle:
            self._put(Tile(ENTRIES, head.size // WIDTH, len(bundle)).path, encode_bundle(bundle))

    def _write_documents(self, connection: Connection, size: int) -> tuple[int, int]:
        """Write each document that an entry names and that is not in the folder yet; return how many, and the rest.

        The rest is what was disposed of: the entry that says so is in the log, for whoever verifies the folder.
        """
        seen: set[str] = set()
        written, disposed, gone = 0, read_disposed_documents(connection), set[str]()
        for entry in _entries(connection, 0, size):
            plain = read_plain(entry)
            for digest in plain.documents if plain is not None else ():
                if digest in seen:
                    continue
                if len(seen) >= _REMEMBERED:
                    seen.clear()
                seen.add(digest)
                path = document_path(digest)
                if (self.root / path).exists():
                    continue
                if digest in disposed and not has_blob(connection, digest):
                    gone.add(digest)
                    continue
                self._put_whole(path, read_blob(connection, digest))
                written += 1
        self._make_folder(self.root / DOCUMENTS)
        return written, len(gone)

    def _put(self, path: str, data: bytes) -> None:
        target = self.root / path
        self._make_folder(target.parent)
        _write(target, data)

    def _put_whole(self, path: str, data: bytes) -> None:
        """Write a file so that, once it is there, it is whole: later exports do not look into it again."""
        target = self.root / path
        self._make_folder(target.parent)
        new = target.with_name(f"{target.name}.new")
        _write(new, data)
        os.replace(new, target)

    def _make_folder(self, folder: Path) -> None:
        if folder not in self._touched:
            below = [each for each in (folder, *folder.parents) if self.root in each.parents]
            for each in reversed(below):
                # whoever may write into the folder may not make the ledger's owner write elsewhere
                if each.is_symlink():
                    raise _other(f"`{each}` is a symbolic link")
                each.mkdir(exist_ok=True)
            self._touched.update((*below, self.root))


def _head(connection: Connection, note: str, verifier_key: str | None) -> Checkpoint:
    """Return the ledger's checkpoint, verified where the ledger was opened with a key of its own, old or new."""
    if verifier_key is None:
        return parse_checkpoint(note)
    return key_history(connection, verifier_key.partition("+")[0], [verifier_key]).open(note)


def _signed(connection: Connection, size: int) -> Checkpoint | None:
    """Return the checkpoint of this size that the ledger holds."""
    query = select(CHECKPOINT_TABLE.c.note).where(CHECKPOINT_TABLE.c.size == size)
    note: Any = connection.execute(query).scalar_one_or_none()
    return parse_checkpoint(note) if isinstance(note, str) else None


def _entries(connection: Connection, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of the entries [start, end), page by page; a gap is an error."""
    while start < end:
        columns = (ENTRY.c.leaf_index, ENTRY.c.entry)
        wanted = select(*columns).where(ENTRY.c.leaf_index >= start, ENTRY.c.leaf_index < end)
        rows = connection.execute(wanted.order_by(ENTRY.c.leaf_index).limit(_PAGE)).all()
        for index, entry in rows:
            if index != start or not isinstance(entry, bytes):
                raise _changed(f"the entry {start} is missing, or is not bytes")
            yield entry
            start += 1
        if not rows:
            raise _changed(f"the entry {start} is missing")


def _write(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some network file systems have no fsync of folders
        sync_folder(folder)


def _changed(reason: str) -> VerificationError:
    return VerificationError(
        f"the ledger is not what it signed: {reason}", code="tree-changed", help="run `policy audit verify`"
    )


def _history(reason: str) -> VerificationError:
    return VerificationError(
        f"the folder holds a history that is not this ledger's: {reason}",
        code="other-history",
        help="keep the folder: it is evidence; run `policy audit verify --kept FOLDER/checkpoint`",
    )


def _other(message: str) -> LedgerError:
    return LedgerError(message, code="export-folder", help="name a new folder, or one with an older export of this log")


def _unwritable(root: Path, error: OSError) -> LedgerError:
    reason = (error.strerror or str(error)).lower()
    return LedgerError(f"the folder `{root}` cannot be written: {reason}", code="export-unwritable")
