"""The log's checkpoint and tiles (C2SP tlog-tiles) out of the database, byte for byte as `export_log` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.merkle import leaf_hash
from policy_audit.reading import read_checkpoint
from policy_audit.tables import ENTRY
from policy_audit.tiles import ENTRIES, WIDTH, encode_bundle, join_hashes, parse_path, perfect_root, width_in

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


class ServedTiles:
    """The files of a ledger's log, as of its latest checkpoint at each call."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def checkpoint(self) -> bytes:
        """The latest signed note."""
        return self._ledger.checkpoint().encode()

    def tile(self, path: str) -> bytes:
        """Return a tile of hashes, or a bundle of entries.

        Raises:
            LedgerError: the latest tree has none of this path (`tile-missing`).
        """
        try:
            tile = parse_path(path)
        except VerificationError as error:
            raise LedgerError(error.message, code="tile-missing") from None
        with self._ledger.snapshot() as connection:
            size = parse_checkpoint(read_checkpoint(connection)).size
            if tile.width > width_in(tile.level, tile.index, size):
                raise LedgerError(f"a log of {size:,} entries has no `{tile.path}`", code="tile-missing")
            span = WIDTH ** max(tile.level, 0)
            first = tile.index * WIDTH * span
            index = ENTRY.c.leaf_index
            query = select(ENTRY.c.entry).where(index >= first, index < first + tile.width * span).order_by(index)
            entries = list(connection.execute(query).scalars())
        if tile.level == ENTRIES:
            return encode_bundle(entries)
        hashes = [leaf_hash(each) for each in entries]
        return join_hashes([perfect_root(hashes[start : start + span]) for start in range(0, len(hashes), span)])


def tiles_of(ledger: Ledger) -> ServedTiles:
    """Return the files of a ledger's log."""
    return ServedTiles(ledger)
