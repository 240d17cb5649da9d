"""Which keys sign an exported log: the pinned ones, and those that its key rotations lead to from there.

The checkpoint may be signed by a key that nobody pinned, and then nothing says yet that the entries which lead to it
are the log's. So the rotations are read first, from the bytes that lie there, and believed as far as their own
signatures go. That they are the log's entries, and were signed for the tree before them, is shown when it was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_audit.checkpoint import Checkpoint, open_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.folder import Folder
from policy_audit.note import unpinned_keys
from policy_audit.report import Step
from policy_audit.rotation import ENTRY_TYPE, KeyHistory
from policy_audit.tiled_tree import TiledTree
from policy_audit.tiles import ENTRIES, scan_bundle, tiles_at

_MARK = f'"{ENTRY_TYPE}"'.encode()


class FolderKeys:
    """The keys that speak for the log, by what is pinned and by the rotations in its entries, where they are read.

    The key that has the origin's name must have signed a checkpoint; where none has, as other programs' logs may have
    it, the first one must.
    """

    def __init__(self, origin: str, pinned: Sequence[str]) -> None:
        self._origin, self._pinned = origin, list(pinned)
        names = [key.partition("+")[0] for key in pinned]
        self._name = origin if origin in names else names[0]
        self.history = KeyHistory(origin, self._pinned)
        self.were_read = False

    @property
    def log_keys(self) -> list[str]:
        """The keys that are the log's: those of its rotations, else those pinned."""
        return self.history.keys or self._pinned

    def read(self, folder: Folder, size: int) -> None:
        """Read the rotations among the first `size` entries; nothing says yet that these are the log's."""
        self.history = KeyHistory.from_entries(self._origin, self._pinned, _rotation_entries(folder, size))
        self.were_read = True

    def open(self, note: str) -> Checkpoint:
        """Verify a checkpoint's note as of its size.

        Raises:
            VerificationError: it is not the pinned log's checkpoint, or not signed by the key in force at its size.
        """
        try:
            if self.history.keys:
                return self.history.open(note)
            return open_checkpoint(note, self._pinned, self._origin, self._name)
        except VerificationError as error:
            others = unpinned_keys(note, self._name, self._pinned) if error.code == "no-known-signature" else []
            if not others:
                raise
            why = "no key rotation in this folder leads to it" if self.were_read else "no key rotations were read"
            message = f"the key {others[0].hex()} that signed it is not pinned, and {why}"
            raise VerificationError(message, code=error.code) from None

    def check(self, step: Step, tree: TiledTree, seen: Sequence[int]) -> None:
        """Hold each rotation against the tree, and against the indexes that were `seen` when the log was read."""
        for index, rotation in self.history.rotations.items():
            step.checked += 1
            try:
                root = tree.root(index)
            except VerificationError as error:
                step.fail(f"the tree before the key rotation at entry {index} cannot be read: {error.message}", index)
                continue
            if root != rotation.root:
                problem = f"the key rotation at entry {index} was signed for another tree than the one before it"
                step.fail(problem, index)
        if not self.history.problems and list(self.history.rotations) != list(seen):
            step.fail("the folder was changed while it was read: its key rotations are others than before")


def _rotation_entries(folder: Folder, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield index and bytes of the entries that may be key rotations, up to the first that cannot be read.

    `size` may be a lie: the first bundle that is not there ends it, and the step `entries` says which that is.
    """
    for bundle in tiles_at(ENTRIES, size):
        try:
            data = folder.read_tile(bundle)
        except VerificationError:
            return
        if _MARK not in data:
            continue
        entries, problem = scan_bundle(data, bundle.width)
        for place, entry in enumerate(entries):
            if _MARK in entry:
                yield bundle.index * bundle.full.width + place, entry
        if problem is not None:
            return
