"""Check an exported folder with nothing but a pinned key: hostile input, bounded before it is used.

1. manifest: every file is there with its SHA-256, and no other; 2. checkpoint: signed by a pinned key for the pinned
log; 3. record: the ledger has an entry of this export, which names this manifest; 4. proofs: every exported entry is
in the log under the checkpoint; 5. rows: the table says what the entries say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.exports.check_files import Refused, check_files, read_bytes
from policy_engine.exports.check_rows import check_rows
from policy_engine.exports.evidence import entry_name, other_key, proof_name, proven
from policy_engine.exports.manifest import CHECKPOINT, MANIFEST, RECORD_ENTRY, RECORD_PROOF, Manifest, read_manifest

if TYPE_CHECKING:
    from policy_audit.checkpoint import Checkpoint

MAX_MANIFEST_BYTES = 128 * 1024 * 1024
MAX_ENTRY_BYTES = 65_535
MAX_PROOF_BYTES = 64 * 1024
TITLES = {
    "manifest": "every file is there with its SHA-256, and no other",
    "checkpoint": "the checkpoint is signed by a pinned key for the pinned log",
    "record": "the ledger has an entry of this export, which names this manifest",
    "proofs": "every exported entry is in the log under the checkpoint",
    "rows": "the table says what the entries say",
}


@dataclass(frozen=True)
class Pinned:
    """What the checker brings: keys, the log's name, and whether an export that is not on record will do."""

    verifier_keys: Sequence[str]
    origin: str
    unrecorded: bool = False


@dataclass
class Step:
    """One step: `status` is `passed`, `failed` or `skipped`; `problem` says why it is not passed."""

    name: str
    checked: int = 0
    status: str = "passed"
    problem: str | None = None

    @property
    def title(self) -> str:
        return TITLES[self.name]


@dataclass
class Checked:
    """What was found: `ok` only where no step failed."""

    steps: list[Step] = field(default_factory=list)
    manifest: Manifest | None = None

    @property
    def ok(self) -> bool:
        return self.manifest is not None and all(step.status != "failed" for step in self.steps)


def check_export(folder: Path, pinned: Pinned) -> Checked:
    """Check the export in `folder`; whatever is wrong with it is in the steps."""
    found = Checked()
    data = b""

    def manifest() -> int:
        nonlocal data
        data = read_bytes(folder, MANIFEST, MAX_MANIFEST_BYTES)
        found.manifest = read_manifest(data)
        return check_files(folder, found.manifest)

    _run(found, "manifest", manifest)
    if found.manifest is None:
        return found
    check = _Check(folder, pinned, found.manifest, data)
    _run(found, "checkpoint", check.checkpoint)
    _run(found, "record", check.record)
    _run(found, "proofs", check.proofs)
    _run(found, "rows", check.rows)
    return found


class Skipped(Exception):  # noqa: N818 - nothing is wrong
    """A step that has nothing to check, and why."""


def _run(found: Checked, name: str, step: Callable[[], int]) -> None:
    from policy_audit.errors import AuditError

    result = Step(name)
    found.steps.append(result)
    try:
        result.checked = step()
    except Skipped as reason:
        result.status, result.problem = "skipped", str(reason)
    except Refused as error:
        result.status, result.problem = "failed", str(error)
    except AuditError as error:
        result.status, result.problem = "failed", error.message


class _Check:
    def __init__(self, folder: Path, pinned: Pinned, manifest: Manifest, data: bytes) -> None:
        self._folder, self._pinned, self._manifest, self._data = folder, pinned, manifest, data

    def checkpoint(self) -> int:
        """Verify the checkpoint's signature, and that the manifest means this one."""
        note, checkpoint = self._note()
        manifest = self._manifest
        if note != manifest.note or (checkpoint.size, checkpoint.root.hex()) != (manifest.size, manifest.root):
            raise Refused("the manifest is of another checkpoint than the one beside it")
        if checkpoint.origin != manifest.origin:
            raise Refused(f"the manifest is of the log `{manifest.origin[:80]}`")
        return 1

    def record(self) -> int:
        """Verify the entry of the export, and that it names this manifest."""
        from hashlib import sha256

        if not (self._folder / RECORD_ENTRY).exists() and not (self._folder / RECORD_PROOF).exists():
            if self._manifest.recorded or not self._pinned.unrecorded:
                raise Refused("no entry of the ledger names this manifest, so that nobody vouches for it")
            raise Skipped("the export is not on record, so that nobody vouches for what was left out of it")
        body = self._proven(RECORD_ENTRY, RECORD_PROOF, "export").body
        expected: dict[str, Any] = {
            "manifest": f"sha256:{sha256(self._data).hexdigest()}",
            "format": self._manifest.format,
            "table": self._manifest.table,
            "selected": self._manifest.selected,
            "size": self._manifest.size,
            "root": self._manifest.root,
        }
        for name, value in expected.items():
            if body.get(name) != value:
                raise Refused(f"the entry of the export says another `{name}` than the manifest")
        return 1

    def proofs(self) -> int:
        """Verify every exported entry's proof."""
        names = self._manifest.files
        indexes = proven(names)
        if len(indexes) != self._manifest.proofs_count or any(proof_name(index) not in names for index in indexes):
            raise Refused(f"{len(indexes):,} entries are here, and the manifest says {self._manifest.proofs_count:,}")
        note, checkpoint = self._note()
        for index in indexes:
            self._prove(index, note, checkpoint)
        if not indexes:
            raise Skipped("the export has no proofs")
        return len(indexes)

    def rows(self) -> int:
        """Compare the table with the entries."""
        if self._manifest.table != "decisions":
            raise Skipped("a report's rows do not follow from entries alone; the manifest has the file's SHA-256")
        indexes = proven(self._manifest.files)
        return check_rows(self._folder, self._manifest, indexes, lambda index: self._entry_bytes(entry_name(index)))

    def _note(self) -> tuple[str, Checkpoint]:
        from policy_audit.checkpoint import open_checkpoint

        note = _text(read_bytes(self._folder, CHECKPOINT, MAX_PROOF_BYTES), CHECKPOINT)
        with self._known(note):
            return note, open_checkpoint(note, list(self._pinned.verifier_keys), self._pinned.origin)

    @contextmanager
    def _known(self, note: str) -> Iterator[None]:
        """Say, where no pinned key signed, which one did: an export holds no key rotation that leads to it."""
        from policy_audit.errors import VerificationError

        try:
            yield
        except VerificationError as error:
            hint = other_key(note, self._pinned.origin, self._pinned.verifier_keys)
            if error.code != "no-known-signature" or hint is None:
                raise
            raise Refused(f"{error.message}: {hint}") from error

    def _prove(self, index: int, note: str, checkpoint: Checkpoint) -> None:
        from policy_audit.merkle import leaf_hash, verify_inclusion
        from policy_audit.proof import parse_proof

        name = proof_name(index)
        proof = parse_proof(_text(read_bytes(self._folder, name, MAX_PROOF_BYTES), name))
        if proof.index != index or proof.checkpoint != note:
            raise Refused(f"`{name}` is the proof of another entry, or under another checkpoint")
        if index >= checkpoint.size:
            raise Refused(f"`{name}` is beyond the checkpoint's {checkpoint.size:,} entries")
        leaf = leaf_hash(self._entry_bytes(entry_name(index)))
        verify_inclusion(index, checkpoint.size, leaf, proof.hashes, checkpoint.root)

    def _proven(self, entry: str, proof: str, kind: str) -> Any:
        """Return an entry of this type that is in the log, under whichever checkpoint of it."""
        from policy_audit.entry import parse_entry
        from policy_audit.proof import parse_proof

        data = self._entry_bytes(entry)
        text = _text(read_bytes(self._folder, proof, MAX_PROOF_BYTES), proof)
        parsed = parse_proof(text)
        with self._known(parsed.checkpoint):
            parsed.verify(data, list(self._pinned.verifier_keys), self._pinned.origin)
        found = parse_entry(data)
        if found.type != kind:
            raise Refused(f"`{entry}` is an entry of the type `{found.type:.40}`")
        return found

    def _entry_bytes(self, name: str) -> bytes:
        return read_bytes(self._folder, name, MAX_ENTRY_BYTES)


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"`{name}` is not text in UTF-8") from None
