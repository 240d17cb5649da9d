"""What somebody kept, held against an exported log: checkpoints, and receipts with the entry that each is of."""

from __future__ import annotations

from collections.abc import Sequence

from policy_audit.checkpoint import Checkpoint
from policy_audit.epochs import Restore, explain, lost_checkpoint
from policy_audit.errors import VerificationError
from policy_audit.folder_keys import FolderKeys
from policy_audit.folder_report import FolderReport
from policy_audit.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion
from policy_audit.proof import HEADER, Proof, parse_proof
from policy_audit.tiled_tree import TiledTree


class KeptCheck:
    """The step `kept`."""

    def __init__(self, report: FolderReport, keys: FolderKeys, tree: TiledTree, head: Checkpoint) -> None:
        self._report, self._keys, self._tree, self._head = report, keys, tree, head
        self._step = report.step("kept")
        self._agreed: list[int] = []
        self._unmet: list[tuple[Checkpoint, str]] = []

    def run(self, kept: Sequence[tuple[str, str]], restores: Sequence[Restore]) -> None:
        """Hold each text, which goes by a name, against the tree; the folder's `restores` may name it as lost."""
        for name, text in kept:
            self._step.done = True
            try:
                self._check(name, text)
            except VerificationError as error:
                note = _note(text)
                found = lost_checkpoint(note, self._report.origin, self._keys.log_keys, restores)
                if found is None:
                    self._step.fail(f"`{name}`: {error.message}")
                else:
                    self._unmet.append((found[0], f"`{name}`: {error.message}"))
            self._step.checked += 1
        explain(self._step, self._unmet, self._agreed, restores, self._head.size)

    def _check(self, name: str, text: str) -> None:
        proof: Proof | None = parse_proof(text) if text.startswith(HEADER) else None
        kept = self._keys.open(proof.checkpoint if proof else text)
        size = self._head.size
        if kept.size > size:
            reason = "the tail was dropped, or this is an older copy"
            self._unmet.append((kept, f"`{name}`: it covers {kept.size:,} entries, the folder {size:,}: {reason}"))
            return
        if kept.size == 0:
            if kept.root != EMPTY_ROOT:
                raise VerificationError("its root is not that of the empty tree")
            self._report.remarks.append(f"`{name}` covers no entries, and proves nothing")
            return
        steps = self._tree.consistency_proof(kept.size)
        try:
            verify_consistency(kept.size, size, kept.root, self._head.root, steps)
        except VerificationError as error:
            problem = f"`{name}`: the tree does not continue its {kept.size:,} entries: {error.message}"
            self._unmet.append((kept, problem))
            return
        self._agreed.append(kept.size)
        if proof is not None:
            verify_inclusion(proof.index, kept.size, self._tree.leaf(proof.index), proof.hashes, kept.root)


def _note(text: str) -> str:
    """Return the checkpoint in a kept text, which is one or a receipt."""
    try:
        return parse_proof(text).checkpoint if text.startswith(HEADER) else text
    except VerificationError:
        return text
