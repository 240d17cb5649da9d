"""Verify an exported folder in tlog-tiles layout against pinned keys: the steps of `folder_report.STEPS`, in order.

Everything in the folder is hostile until the signed root covers it. Needs the standard library and `cryptography`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from policy_audit.checkpoint import Checkpoint, parse_checkpoint
from policy_audit.epochs import ENTRY_TYPE as RESTORE
from policy_audit.epochs import Restore, findings, read_restore
from policy_audit.errors import VerificationError
from policy_audit.folder import CHECKPOINT, DOCUMENTS, Folder, cut_tile
from policy_audit.folder_kept import KeptCheck
from policy_audit.folder_keys import FolderKeys
from policy_audit.folder_log import LogPass, Progress
from policy_audit.folder_report import FolderReport
from policy_audit.merkle import EMPTY_ROOT
from policy_audit.note import MAX_NOTE_BYTES
from policy_audit.plain_entry import PlainEntry
from policy_audit.rotation import ENTRY_TYPE as ROTATION
from policy_audit.tiled_tree import TiledTree
from policy_audit.tiles import ENTRIES, Tile, parse_path, tile_levels, width_in

DISPOSAL = "disposal"
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
MAX_RESTORES = 100
_FEW = 10


@dataclass(frozen=True)
class Wanted:
    """What is pinned, and what is asked for. `kept` are texts by name: checkpoints, or tlog-proof receipts.

    `origin` is the log's name, by default the first key's. `strict` makes a failure of what is not covered,
    `documents` of documents that are not there. `hashes_only` takes a folder without entries.
    """

    verifier_keys: Sequence[str]
    origin: str | None = None
    kept: Sequence[tuple[str, str]] = ()
    hashes_only: bool = False
    documents: bool = False
    strict: bool = False


def verify_folder(root: Path, wanted: Wanted, progress: Progress | None = None) -> FolderReport:
    """Verify the folder at `root` and report every step; whatever the folder holds, nothing is raised for it."""
    check = _Check(Folder(root), wanted)
    # Without a signature there is nothing to hold the rest against, not even a size to read up to.
    if check.check_checkpoint():
        check.check_log(progress)
        check.check_rotations()
        check.check_kept()
        check.check_files()
    return check.report


@dataclass
class _Check:
    folder: Folder
    wanted: Wanted
    checkpoint: Checkpoint = field(init=False)
    named: set[str] = field(default_factory=set)
    """The documents that entries name, where the folder holds documents: about 150 bytes for each."""
    absent: set[str] = field(default_factory=set)
    """Those of them that are not in the folder."""
    missing: dict[str, int] = field(default_factory=dict)
    """Those of these that no disposal names since an entry did, by the index of that entry."""
    without: int = 0
    last_time: str = ""
    spooled: int = 0
    rotations: list[int] = field(default_factory=list)
    """The indexes of the key rotations that were met."""
    restores: list[Restore] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = [key.partition("+")[0] for key in self.wanted.verifier_keys]
        self.report = FolderReport(self.wanted.origin or names[0])
        self.keys = FolderKeys(self.report.origin, self.wanted.verifier_keys)
        self.has_documents = self.folder.has_folder(DOCUMENTS)
        if self.report.origin not in names:
            self.report.remarks.append(f"no key has the origin's name: `{names[0]}` is taken for the log's own")

    def check_checkpoint(self) -> bool:
        """Step 1; return whether there is a signed size and root to hold the rest against."""
        step = self.report.step("checkpoint")
        step.done = True
        try:
            data = self.folder.read(CHECKPOINT, MAX_NOTE_BYTES)
            if data is None:
                raise VerificationError(f"`{CHECKPOINT}` is missing")
            note = _text(data)
            self._read_keys(parse_checkpoint(note).size)
            self.checkpoint = self.keys.open(note)
            if self.checkpoint.size == 0 and self.checkpoint.root != EMPTY_ROOT:
                raise VerificationError("the root of a log without entries is not that of the empty tree")
        except VerificationError as error:
            step.fail(error.message)
            return False
        step.checked = 1
        self.report.size, self.report.root = self.checkpoint.size, self.checkpoint.root.hex()
        return True

    def _read_keys(self, size: int) -> None:
        """Step 6, first half: find the key rotations, by which steps 1 and 7 go."""
        if self.wanted.hashes_only:
            self.report.remarks.append(
                "without entries no key rotation is seen: that the key was in force is not known"
            )
            return
        self.keys.read(self.folder, size)
        step = self.report.step("rotations")
        for index, problem in self.keys.history.problems:
            if index is not None:
                step.fail(problem, index)

    def check_log(self, progress: Progress | None) -> None:
        """Steps 2 to 5, in one pass."""
        step = self.report.step("documents")
        step.done = self.has_documents and not self.wanted.hashes_only
        LogPass(self.folder, self.checkpoint, self.report, self._on_entry).run(self.wanted.hashes_only, progress)
        self.report.own = self.report.step("canonical").checked
        for digest, index in self.missing.items():
            step.fail(f"the document `{document_path(digest)}` of the entry {index} is missing", index)
        if disposed := len(self.absent) - len(self.missing):
            self.report.remarks.append(f"documents that are not here, and were disposed of on record: {disposed:,}")
        if self.spooled:
            self.report.remarks.append(f"entries collected from spools, with their runners' times: {self.spooled:,}")
        if self.without:
            text = f"{self.without:,} times an entry names a document, and this folder holds none"
            if self.wanted.documents:
                step.fail(text)
            else:
                self.report.remarks.append(text)

    def _on_entry(self, index: int, entry: PlainEntry) -> None:
        if entry.spooled:
            self.spooled += 1  # whose time is its runner's
        else:
            if entry.recorded_at < self.last_time and not any("went back" in text for text in self.report.remarks):
                self.report.remarks.append(f"the time of recording went back at the entry {index}: a clock was set")
            self.last_time = entry.recorded_at
        if entry.type == ROTATION:
            self.rotations.append(index)
        if entry.type == RESTORE and len(self.restores) <= MAX_RESTORES:
            self.restores.append(read_restore(index, len(self.restores) + 2, entry.body))
        if not self.has_documents:
            self.without += len(entry.documents)
            return
        for digest in entry.documents:
            if digest not in self.named:
                self.named.add(digest)
                self._check_document(index, digest)
            if digest in self.absent:
                self.missing.setdefault(digest, index)
        gone = entry.body.get("documents") if entry.type == DISPOSAL else None
        for digest in gone if isinstance(gone, list) else ():
            if isinstance(digest, str):
                self.missing.pop(digest, None)

    def _check_document(self, index: int, digest: str) -> None:
        step, path = self.report.step("documents"), document_path(digest)
        step.checked += 1
        try:
            found = self.folder.digest(path, MAX_DOCUMENT_BYTES)
        except VerificationError as error:
            step.fail(error.message, index)
            return
        if found is None:
            self.absent.add(digest)
        elif f"sha256:{found.hex()}" != digest:
            step.fail(f"the document `{path}` of the entry {index} was changed", index)

    def check_rotations(self) -> None:
        """Step 6, second half."""
        step = self.report.step("rotations")
        if not self.wanted.hashes_only:
            step.done = True
            # What could not be read, or is not the log's, was said, and leaves nothing to compare.
            read = not any(self.report.step(name).problems for name in ("entries", "canonical"))
            self.keys.check(step, self._tree(), self.rotations if read else list(self.keys.history.rotations))
            for problem in (problem for index, problem in self.keys.history.problems if index is None):
                # Another program's log holds no rotations of ours, and several pinned keys are no contradiction.
                if self.checkpoint.size and not self.report.own:
                    self.report.remarks.append(problem)
                else:
                    step.fail(problem)
        self.report.remarks += findings(self.keys.history, self.restores[:MAX_RESTORES])
        if len(self.restores) > MAX_RESTORES:
            self.report.remarks.append(
                f"more than {MAX_RESTORES} restores are on record: later ones were not looked at"
            )

    def check_kept(self) -> None:
        """Step 7."""
        restores = self.restores[:MAX_RESTORES]
        KeptCheck(self.report, self.keys, self._tree(), self.checkpoint).run(self.wanted.kept, restores)

    def _tree(self) -> TiledTree:
        return TiledTree(self.checkpoint.size, self.folder.read_tile)

    def check_files(self) -> None:
        """Step 8: look at every file that the steps before did not ask for."""
        step = self.report.step("files")
        step.done = True
        for path, is_file in self.folder.walk():
            step.checked += 1
            if path != CHECKPOINT and not (is_file and self._is_covered(path)):
                self.report.uncovered += 1
                if len(self.report.uncovered_files) < _FEW:
                    self.report.uncovered_files.append(path)
        if self.report.uncovered and self.wanted.strict:
            step.fail(f"{self.report.uncovered:,} files are not covered by the checkpoint")

    def _is_covered(self, path: str) -> bool:
        if path.startswith(f"{DOCUMENTS}/"):
            digest = f"sha256:{path.rpartition('/')[2]}"
            return digest in self.named and path == document_path(digest)
        try:
            tile = parse_path(path)
        except VerificationError:
            return False
        size = self.checkpoint.size
        width = width_in(tile.level, tile.index, size) if tile.level < tile_levels(size) else 0
        if tile.level == ENTRIES and self.wanted.hashes_only:
            return False
        if width == tile.width:
            return True
        return width > 0 and self._agrees(tile, Tile(tile.level, tile.index, width))

    def _agrees(self, other: Tile, covered: Tile) -> bool:
        """Hold a narrower or wider tile than the checkpoint's against that; return whether all of it is covered."""
        try:
            mine = self.folder.read_tile(covered)
        except VerificationError:
            return False  # which an earlier step said
        try:
            theirs = self.folder.read_tile(other)
        except VerificationError as error:
            self.report.step("files").fail(error.message)
            return False
        narrower = other.width < covered.width
        if theirs != cut_tile(other, mine) if narrower else mine != cut_tile(covered, theirs):
            self.report.step("files").fail(f"`{other.path}` does not agree with `{covered.path}`")
            return False
        return narrower


def document_path(digest: str) -> str:
    """Return where the document with this digest (`sha256:` and 64 digits) lies in a folder."""
    name = digest.removeprefix("sha256:")
    return f"{DOCUMENTS}/{name[:2]}/{name}"


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise VerificationError(f"`{CHECKPOINT}` is not text in UTF-8") from None
