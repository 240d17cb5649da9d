"""One pass over a folder's tiles and entries, in order, in constant memory: a bundle, and a tile of each level.

Each tile is held against the level below as it lies in the folder, and the partial tiles against the signed root.
So a changed entry, leaf or node is found where it is, and a change that goes all the way up is found at the root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from policy_audit.checkpoint import Checkpoint
from policy_audit.errors import VerificationError
from policy_audit.folder import Folder
from policy_audit.folder_report import FolderReport
from policy_audit.plain_entry import PlainEntry, read_plain
from policy_audit.tiled_tree import rows_root
from policy_audit.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    perfect_root,
    scan_bundle,
    split_hashes,
    tile_levels,
    tiles_at,
)

MAX_PROBLEMS = 100
"""After so many problems a pass ends: a checkpoint may speak of more tiles than anyone can look for."""

OnEntry = Callable[[int, PlainEntry], None]
Progress = Callable[[int, int], None]


class LogPass:
    """The state of one pass. `on_entry` is called for each entry of ours."""

    def __init__(self, folder: Folder, checkpoint: Checkpoint, report: FolderReport, on_entry: OnEntry) -> None:
        self.folder = folder
        self.checkpoint = checkpoint
        self.report = report
        self.on_entry = on_entry
        self.tree, self.entries, self.canonical = (report.step(name) for name in ("tree", "entries", "canonical"))
        #: For each level above 0, the roots of the tiles below that wait for their tile; None where one is not known.
        self.waiting: list[list[bytes | None]] = [[] for _ in range(tile_levels(checkpoint.size))]
        self.next_index = [0 for _ in self.waiting]
        #: The hashes of the partial tiles, from level 0 up: together they give the root.
        self.partial: list[list[bytes] | None] = [[] for _ in self.waiting]

    def run(self, hashes_only: bool, progress: Progress | None) -> None:
        """Read everything below the checkpoint."""
        self.tree.done = True
        self.entries.done = self.canonical.done = not hashes_only
        size = self.checkpoint.size
        for tile in tiles_at(0, size):
            if max(self.tree.problems, self.entries.problems, self.canonical.problems) >= MAX_PROBLEMS:
                self.report.remarks.append(f"stopped after {MAX_PROBLEMS} problems, at the entry {tile.index * WIDTH}")
                return
            hashes = self._read(tile)
            leaves = None if hashes_only else self._check_bundle(tile, hashes)
            self._pass_up(tile, hashes or leaves)
            if progress is not None:
                progress(tile.index * WIDTH + tile.width, size)
        for level in range(1, len(self.waiting)):
            if self.waiting[level]:
                self._check_level(level)
        self._check_root()

    def _read(self, tile: Tile) -> list[bytes] | None:
        self.tree.checked += 1
        try:
            return split_hashes(self.folder.read_tile(tile), tile.width)
        except VerificationError as error:
            self.tree.fail(error.message, *self._covers(tile, 0, tile.width))
            return None

    def _pass_up(self, tile: Tile, hashes: list[bytes] | None) -> None:
        """Hand a tile's root to the level above, or keep the hashes of a partial tile."""
        if tile.width < WIDTH:
            self.partial[tile.level] = hashes
            return
        above = tile.level + 1
        self.waiting[above].append(None if hashes is None else perfect_root(hashes))
        if len(self.waiting[above]) == WIDTH:
            self._check_level(above)

    def _check_level(self, level: int) -> None:
        """Hold a tile above level 0 against the roots of the tiles below it."""
        roots, self.waiting[level] = self.waiting[level], []
        index, self.next_index[level] = self.next_index[level], self.next_index[level] + 1
        tile = Tile(level, index, len(roots))
        hashes = self._read(tile)
        for place, root in enumerate(roots if hashes else ()):
            if root is not None and hashes is not None and root != hashes[place]:
                below = Tile(level - 1, index * WIDTH + place)
                problem = f"the hash {place} of `{tile.path}` is not the root of `{below.path}`"
                self.tree.fail(problem, *self._covers(tile, place, 1))
        known = [root for root in roots if root is not None]
        self._pass_up(tile, hashes or (known if len(known) == len(roots) else None))

    def _check_root(self) -> None:
        size, rows = self.checkpoint.size, [row for row in self.partial if row is not None]
        if len(rows) < len(self.partial):
            return  # a tile that the root is made of is missing, which was said
        if rows_root(size, rows) != self.checkpoint.root:
            # what is wrong below is named already, and then says more than that something is
            anywhere = () if self.tree.problems else (0, max(0, size - 1))
            self.tree.fail("the hash tiles do not give the signed root", *anywhere)

    def _check_bundle(self, tile: Tile, hashes: Sequence[bytes] | None) -> list[bytes] | None:
        """Hold entries against their leaf hashes; return the hashes that they give, where all are there."""
        first = tile.index * WIDTH
        bundle = Tile(ENTRIES, tile.index, tile.width)
        try:
            data = self.folder.read_tile(bundle)
            entries, problem = scan_bundle(data, tile.width)
        except VerificationError as error:
            self.entries.fail(error.message, first)
            return None
        leaves = [sha256(b"\x00" + entry).digest() for entry in entries]
        self.entries.checked += len(leaves)
        for place, leaf in enumerate(leaves if hashes is not None and leaves != hashes else ()):
            if hashes is not None and leaf != hashes[place]:
                self.entries.fail(f"the entry {first + place} does not have its leaf hash", first + place)
        if problem is not None:
            self.entries.fail(f"`{bundle.path}`: {problem}", first + min(len(entries), tile.width - 1))
        self._check_entries(first, entries)
        return leaves if problem is None else None

    def _check_entries(self, first: int, entries: Sequence[bytes]) -> None:
        for index, entry in enumerate(entries, start=first):
            try:
                plain = read_plain(entry)
            except VerificationError as error:
                self.canonical.fail(f"the entry {index}: {error.message}", index)
                continue
            if plain is not None:
                self.canonical.checked += 1
                self.on_entry(index, plain)

    def _covers(self, tile: Tile, place: int, count: int) -> tuple[int, int]:
        """Return the first and the last entry below `count` hashes of `tile` from `place` on."""
        start = (tile.index * WIDTH + place) << (8 * tile.level)
        return start, min(start + (count << (8 * tile.level)), self.checkpoint.size) - 1
