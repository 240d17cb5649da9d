"""Verify a live ledger: derive everything again from the entries' bytes and compare (`report.STEPS`, in order).

Runs inside one read transaction, so on one snapshot. Rows are read in pages; what stays in memory is a page,
the frontier, 32 bytes for each document, and a key for each person. The database is hostile: a column may hold
anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, func, select

from policy_audit.checkpoint import Checkpoint
from policy_audit.cosignature import Quorum
from policy_audit.entry import DIGEST, Entry, EntryType, parse_entry
from policy_audit.epochs import Restore, explain, findings, lost_checkpoint, read_restore
from policy_audit.errors import CanonicalError, VerificationError
from policy_audit.fsck_once import OnceCheck
from policy_audit.fsck_personal import DocumentCheck, PersonalCheck, by_index_and_name
from policy_audit.fsck_views import ViewCheck, number, page
from policy_audit.merkle import Frontier, leaf_hash
from policy_audit.report import VerificationReport
from policy_audit.rotating import key_history
from policy_audit.rotation import KeyHistory
from policy_audit.schema import differences
from policy_audit.tables import BLOB, CHECKPOINT, ENTRY, HEAD, METADATA, PERSONAL
from policy_audit.vault import Vault

Progress = Callable[[int, int], None]
_PAGE = 1000
_BLOB_PAGE = 16
_PROGRESS_EVERY = 256


def verify_database(
    connection: Connection,
    verifier_keys: list[str],
    origin: str,
    kept: list[str],
    progress: Progress | None = None,
    quorum: Quorum | None = None,
    vault: Vault | None = None,
) -> VerificationReport:
    """Run all steps and report them; a failure in one does not keep the others from running.

    `verifier_keys` and `origin` are pinned by the verifier, `kept` are checkpoints that someone kept, and `quorum` says
    which witnesses must have cosigned each of them. Without a personal key in the `vault`, sealed values are counted
    and not opened.
    """
    verification = _Verification(connection, verifier_keys, origin, progress, vault or Vault(None))
    readable = verification.check_schema()
    if readable:
        verification.read_rotations()
    verification.open_kept(kept, quorum or Quorum())
    if readable:
        verification.check_blobs()
        verification.check_log()
        verification.check_left_over()
    else:
        verification.fail_unopened()
    return verification.report


class _Verification:
    """The state of one pass. INVARIANT: `frontier.size` is the number of entries seen so far."""

    def __init__(
        self, connection: Connection, verifier_keys: list[str], origin: str, progress: Progress | None, vault: Vault
    ) -> None:
        self.connection = connection
        self.verifier_keys = verifier_keys
        self.origin = origin
        self.keys = KeyHistory(origin, verifier_keys)
        self.progress = progress
        self.report = VerificationReport(origin)
        self.done = self.total = 0
        self.frontier = Frontier()
        self.next_index = 0
        self.covered = 0
        self.last_checkpoint = -1
        self.recorded_at: str | None = None
        self.tree_is_broken = False
        self.blobs: set[bytes] = set()
        self.unnamed: set[bytes] = set()
        self.changed: set[bytes] = set()
        self.personal = PersonalCheck(connection, self.report.step("personal"), vault)
        self.documents = DocumentCheck(self.report.step("blobs"), self.blobs)
        self.kept: list[Checkpoint] = []
        self.unmet: list[tuple[Checkpoint, str]] = []
        self.unopened: list[tuple[str, str]] = []
        """Kept notes that no key in force opens, each with why: a restore on record may know them."""
        self.agreed: list[int] = []
        self.restores: list[Restore] = []
        self.views = ViewCheck(connection, self.report.step("view"))
        self.once = OnceCheck(connection, self.report.step("view"))

    def open_kept(self, kept: Sequence[str], quorum: Quorum) -> None:
        """Step 8, first half: verify the kept checkpoints themselves."""
        step = self.report.step("kept")
        for note in kept:
            step.done = True
            try:
                quorum.verify(note)
                self.kept.append(self.keys.open(note))
            except VerificationError as error:
                self.unopened.append((note, f"a kept checkpoint does not verify: {error.message}"))
        self.kept.sort(key=lambda checkpoint: checkpoint.size, reverse=True)

    def fail_unopened(self) -> None:
        """Step 8: a kept note that does not verify fails, by the name of a restore where one names it as lost."""
        keys = self.keys.keys or self.verifier_keys
        for note, problem in self.unopened:
            found = lost_checkpoint(note, self.origin, keys, self.restores)
            if found is None:
                self.report.step("kept").fail(problem)
            else:
                self.unmet.append((found[0], problem))

    def check_schema(self) -> bool:
        """Step 1; return whether the tables can be read at all."""
        step = self.report.step("schema")
        broken, problems = differences(self.connection)
        for problem in broken + problems:
            step.fail(problem)
        if not broken and self.connection.execute(select(HEAD.c.id)).scalars().all() != [1]:
            step.fail("the table `log_head` does not hold exactly its one row")
        step.checked, step.done = len(METADATA.tables), True
        return not broken

    def read_rotations(self) -> None:
        """Step 2, first half: which key signs from which size on. That no rotation is hidden, step 3 shows."""
        self.keys = key_history(self.connection, self.origin, self.verifier_keys)
        for index, problem in self.keys.problems:
            self.report.step("checkpoints").fail(problem, index)

    def check_blobs(self) -> None:
        """Step 5, first half: each stored document has its digest."""
        tables = (BLOB, ENTRY)
        counts = (self.connection.execute(select(func.count()).select_from(table)) for table in tables)
        self.total = sum(count.scalar_one() for count in counts)
        step = self.report.step("blobs")
        step.done = True
        for digest, content in self.connection.execute(select(BLOB).execution_options(yield_per=_BLOB_PAGE)):
            step.checked += 1
            self._advance()
            if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
                step.fail(f"{digest!a:.80} is not a digest")
                continue
            named = bytes.fromhex(digest.removeprefix("sha256:"))
            self.blobs.add(named)
            if not isinstance(content, bytes) or sha256(content).digest() != named:
                self.changed.add(named)  # reported with the first entry that names it
        self.unnamed = set(self.blobs)

    def check_log(self) -> None:
        """Steps 2, 3, 4, 6 and 7, in one pass over the entries, page by page."""
        for name in ("checkpoints", "entries", "tree", "personal", "view"):
            self.report.step(name).done = True
        self.personal.read_keys()
        checkpoints = self._checkpoints()
        due = self._check_roots(next(checkpoints, None), checkpoints)
        last: int | None = None
        more = True
        while more:
            rows = page(self.connection, ENTRY.c.leaf_index, last, None, limit=_PAGE)
            more = len(rows) == _PAGE
            end = rows[-1].leaf_index if more else None
            personal = by_index_and_name(page(self.connection, PERSONAL.c.leaf_index, last, end))
            self.views.read_page(last, end)
            self.once.read_page(last, end)
            for row in rows:
                entry = self._check_entry(row)
                due = self._check_roots(due, checkpoints)
                self.personal.check(row.leaf_index, entry, personal.pop(row.leaf_index, {}))
                self.views.check(row.leaf_index, entry)
                self.once.check(row.leaf_index, entry)
            for index, rows_of in personal.items():
                self.personal.used.update(r.subject for r in rows_of.values() if isinstance(r.subject, str))
                self.report.step("personal").fail("a personal value belongs to no entry", number(index))
            self.views.end_page()
            self.once.end_page()
            last = rows[-1].leaf_index if rows else last
        self.views.end()
        self.once.end()
        self._check_end(due, checkpoints)

    def check_left_over(self) -> None:
        """Steps 5, 6 and 8, second half: what nothing names, what is missing, what is not reached."""
        for digest in sorted(self.changed):
            self.report.step("blobs").fail(f"the document `sha256:{digest.hex()}` was changed")
        for digest in sorted(self.unnamed):
            self.report.step("blobs").fail(f"no entry names the document `sha256:{digest.hex()}`")
        self.documents.finish()
        self.personal.finish()
        size = self.frontier.size
        for checkpoint in self.kept:
            problem = f"a kept checkpoint covers {checkpoint.size} entries, the ledger has {size}: "
            self.unmet.append((checkpoint, problem + "its tail was dropped, or an older copy restored"))
        self.fail_unopened()
        explain(self.report.step("kept"), self.unmet, self.agreed, self.restores, size)
        self.report.findings += findings(self.keys, self.restores)

    def _checkpoints(self) -> Iterator[Any]:
        """Step 2: yield the checkpoints' rows by size, each after its signature and columns were checked."""
        step, more = self.report.step("checkpoints"), True
        query = select(CHECKPOINT).order_by(CHECKPOINT.c.size).limit(_PAGE)
        last: int | None = None
        while more:
            part = query if last is None else query.where(CHECKPOINT.c.size > last)
            rows = self.connection.execute(part).all()
            more = len(rows) == _PAGE
            for row in rows:
                if step.checked == 0 and row.size != 0:
                    step.fail("the first checkpoint, of size 0, is missing")
                step.checked += 1
                self._check_signature(row)
                yield row
                last = row.size
        if step.checked == 0:
            step.fail("there is no checkpoint")

    def _check_signature(self, row: Any) -> None:
        step = self.report.step("checkpoints")
        try:
            signed = self.keys.open(row.note)
        except (VerificationError, AttributeError, TypeError) as error:
            reason = error.message if isinstance(error, VerificationError) else "it is not text"
            step.fail(f"the checkpoint of size {row.size} does not verify: {reason}")
            return
        if (signed.size, signed.root) != (row.size, row.root):
            step.fail(f"the columns of the checkpoint of size {row.size} are not what is signed")

    def _check_entry(self, row: Any) -> Entry | None:
        """Step 3; return the entry where it can be read."""
        step, index = self.report.step("entries"), row.leaf_index
        step.checked += 1
        self._advance()
        in_sequence = index == self.next_index
        if index < 0:
            step.fail(f"no entry can have the index {index}", index)
        else:
            if not in_sequence:
                step.fail(f"the entry {self.next_index} is missing", self.next_index)
            self.next_index = index + 1
        raw = row.entry if isinstance(row.entry, bytes) else b""
        leaf = leaf_hash(raw)
        self._check_rotation(index)
        self.frontier.append(leaf)
        self.report.entries = self.frontier.size
        if leaf != row.leaf_hash:
            step.fail(f"the entry {index} does not have its leaf hash", index)
        try:
            entry = parse_entry(raw)
        except CanonicalError as error:
            step.fail(f"the entry {index} is malformed: {error.message}", index)
            self.recorded_at = None
            return None
        self._check_commit(index, entry.recorded_at, in_sequence)
        if entry.type == EntryType.RESTORE:
            self.restores.append(read_restore(index, len(self.restores) + 2, entry.body))
        if (entry.type, entry.recorded_at) != (row.type, row.recorded_at):
            step.fail(f"the columns of the entry {index} are not those of its bytes", index)
        for digest in entry.blobs.values():
            named = bytes.fromhex(digest.removeprefix("sha256:"))
            self.unnamed.discard(named)
            if named in self.changed:
                self.changed.discard(named)
                self.report.step("blobs").fail(f"the document `{digest}` of the entry {index} was changed", index)
        self.documents.check(index, entry)
        return entry

    def _check_rotation(self, index: int) -> None:
        """Step 2, second half: what old and new key signed of the log so far is what it is."""
        rotation = self.keys.rotations.get(index)
        if rotation is not None and rotation.root != self.frontier.root():
            problem = f"the key rotation at entry {index} was signed for another tree than the one before it"
            self.report.step("checkpoints").fail(problem, index)

    def _check_commit(self, index: int, recorded_at: str, in_sequence: bool) -> None:
        """Step 4: a commit gives all its entries one time, so where the time changes a checkpoint must stand."""
        changes = in_sequence and self.recorded_at not in (None, recorded_at)
        if changes and self.last_checkpoint != index:
            self.report.step("tree").fail(f"no checkpoint ends the commit of the entry {index - 1}", index - 1)
        self.recorded_at = recorded_at

    def _check_roots(self, due: Any, checkpoints: Iterator[Any]) -> Any:
        """Steps 4 and 8: compare the tree so far with the checkpoints of its size; return the next one due."""
        while due is not None and due.size <= self.frontier.size:
            self._check_root(due)
            self.last_checkpoint = due.size
            due = next(checkpoints, None)
        while self.kept and self.kept[-1].size <= self.frontier.size:
            checkpoint = self.kept.pop()
            self.report.step("kept").checked += 1
            if checkpoint.root == self.frontier.root():
                self.agreed.append(checkpoint.size)
            else:
                problem = f"the tree does not continue the kept checkpoint of size {checkpoint.size}"
                self.unmet.append((checkpoint, problem))
        return due

    def _check_root(self, row: Any) -> None:
        step = self.report.step("tree")
        step.checked += 1
        if self.tree_is_broken:
            return  # every later root is wrong for the same reason
        root = self.frontier.root()
        if (row.size, row.root) != (self.frontier.size, root):
            self.tree_is_broken = True
            problem = f"the entries do not give the root of the checkpoint of size {row.size}"
            step.fail(problem, self.covered, row.size - 1)
        elif row.frontier != self.frontier.to_bytes():
            step.fail(f"the frontier of the checkpoint of size {row.size} was changed")
        else:
            self.covered = row.size
            self.report.size, self.report.root = row.size, root.hex()

    def _check_end(self, due: Any, checkpoints: Iterator[Any]) -> None:
        step, size = self.report.step("tree"), self.frontier.size
        while due is not None:
            step.checked += 1
            step.fail(f"a checkpoint covers {due.size} entries, the ledger has {size}", size)
            due = next(checkpoints, None)
        if self.covered < size and not self.tree_is_broken:
            step.fail(f"no checkpoint covers the entries from {self.covered} on", self.covered)
        if self.progress is not None:
            self.progress(self.total, self.total)

    def _advance(self) -> None:
        self.done += 1
        if self.progress is not None and self.done % _PROGRESS_EVERY == 0:
            self.progress(self.done, self.total)
