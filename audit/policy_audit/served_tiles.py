"""The log as C2SP tlog-tiles, read out of the database file by file, with the bytes that `export_log` writes.

No file takes more than a few hundred short reads, however long the log is. The root of any perfect subtree follows from
the last checkpoint inside of it, whose frontier has all of it but its end, and the leaves of that end, which are not
more than one commit has. Full tiles above level 0 never change and are remembered, by the last leaf that they cover:
where a database was restored under a server, the log that grew in the place of the lost one has other leaves.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from policy_audit.asking import Ask, Row, ask_all
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.merkle import HASH_BYTES, Frontier, leaf_hash
from policy_audit.reading import read_checkpoint
from policy_audit.tiles import ENTRIES, WIDTH, Tile, encode_bundle, join_hashes, parse_path, width_in

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

#: Of 8 KiB each.
MOST_REMEMBERED = 256


class ServedTiles:
    """The files of a ledger's log, as of its latest checkpoint at each call; safe to share among threads."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Tile, bytes], bytes] = OrderedDict()

    @property
    def checkpoint(self) -> bytes:
        """The latest signed note."""
        return self.ledger.checkpoint().encode()

    def tile(self, path: str) -> bytes:
        """Return a tile of hashes, `tile/<L>/<N>[.p/<W>]`, or a bundle, `tile/entries/<N>[.p/<W>]`.

        A partial tile is as wide as its path says: it is the beginning of the one that the latest tree has.

        Raises:
            LedgerError: the latest tree has none of this path (`tile-missing`).
            VerificationError: what it is made of was changed.
        """
        try:
            tile = parse_path(path)
        except VerificationError as error:
            raise _missing(error.message) from None
        with self.ledger.snapshot() as connection:
            size = parse_checkpoint(read_checkpoint(connection)).size
            if tile.width > width_in(tile.level, tile.index, size):
                raise _missing(f"a log of {size:,} entries has no `{tile.path}`")
            if tile.level == ENTRIES:
                return encode_bundle(_entries(connection, tile))
            if tile.level == 0 or tile.width < WIDTH:
                return join_hashes(_hashes(connection, tile))
            return self._remembered(connection, tile)

    def _remembered(self, connection: Connection, tile: Tile) -> bytes:
        end = (tile.index + 1) * WIDTH ** (tile.level + 1)
        key = tile, _leaves(connection, [(end - 1, end)])[0][0]
        with self._lock:
            known = self._known.pop(key, None)
        data = join_hashes(_hashes(connection, tile)) if known is None else known
        with self._lock:
            self._known[key] = data
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return data


def tiles_of(ledger: Ledger) -> ServedTiles:
    """Return the files of a ledger's log."""
    return ServedTiles(ledger)


def _entries(connection: Connection, tile: Tile) -> list[bytes]:
    first = tile.index * WIDTH
    statement = "SELECT leaf_index, leaf_hash, entry FROM log_entry WHERE leaf_index >= ? AND leaf_index < ? "
    rows = ask_all(connection, [Ask(statement + "ORDER BY leaf_index", (first, first + tile.width))])[0].rows
    for index, (found, leaf, entry) in enumerate(rows, start=first):
        if found != index or not isinstance(entry, bytes) or leaf_hash(entry) != leaf:
            raise _changed(f"the entry {index}")
    if len(rows) != tile.width:
        raise _changed(f"the entries from {first} on")
    return [entry for _, _, entry in rows]


def _hashes(connection: Connection, tile: Tile) -> list[bytes]:
    """Return the hashes of a tile: each the root of the leaves below it, `below` of them."""
    below = WIDTH**tile.level
    first = tile.index * WIDTH * below
    if below == 1:
        return _leaves(connection, [(first, first + tile.width)])[0]
    starts = [first + place * below for place in range(tile.width)]
    frontiers = _frontiers(connection, starts, below)
    ends = _leaves(
        connection, [(start + each.size, start + below) for start, each in zip(starts, frontiers, strict=True)]
    )
    for frontier, leaves in zip(frontiers, ends, strict=True):
        for leaf in leaves:
            frontier.append(leaf)
    return [frontier.root() for frontier in frontiers]


def _frontiers(connection: Connection, starts: Sequence[int], width: int) -> list[Frontier]:
    """Return for each subtree what the last checkpoint inside of it has of it: a frontier that begins at its start."""
    statement = "SELECT size, root, frontier FROM log_checkpoint WHERE size > ? AND size < ? ORDER BY size DESC LIMIT 1"
    answers = ask_all(connection, [Ask(statement, (start, start + width)) for start in starts])
    return [_within(answer.rows, width) for answer in answers]


def _within(rows: Sequence[Row], width: int) -> Frontier:
    if not rows:
        return Frontier()
    size, root, nodes = rows[0]
    frontier = Frontier.from_bytes(nodes) if isinstance(nodes, bytes) else Frontier()
    if frontier.size != size or frontier.root() != root:
        raise _changed(f"the frontier of the checkpoint of size {size}")
    inside = size % width  # its lower bits are those of the nodes after the subtree's start
    return Frontier(inside, frontier.nodes[len(frontier.nodes) - inside.bit_count() :])


def _leaves(connection: Connection, ranges: Sequence[tuple[int, int]]) -> list[list[bytes]]:
    """Return the leaf hashes of each range of indexes."""
    statement = "SELECT leaf_hash FROM log_entry WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index"
    answers = ask_all(connection, [Ask(statement, each) for each in ranges])
    found = [[row[0] for row in answer.rows] for answer in answers]
    for (start, end), leaves in zip(ranges, found, strict=True):
        if len(leaves) != end - start or not all(map(_is_hash, leaves)):
            raise _changed(f"the entries from {start} on")
    return found


def _is_hash(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) == HASH_BYTES


def _missing(reason: str) -> LedgerError:
    return LedgerError(
        f"there is no such tile: {reason}", code="tile-missing", help="the latest checkpoint says which there are"
    )


def _changed(what: str) -> VerificationError:
    return VerificationError(f"{what} is not what was recorded", code="tree-changed", help="run `policy audit verify`")
