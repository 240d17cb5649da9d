"""Which exported entries come with their bytes and proofs, and those files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from heapq import heappush, heapreplace
from typing import TYPE_CHECKING, Any

from policy_engine.errors import Problem, UsageError
from policy_engine.exports.folder import Staging
from policy_engine.wording import number

if TYPE_CHECKING:
    from policy_audit.proof import Proof

MODES = ("none", "sample", "all")
#: Up to so many entries all have proofs where nothing else is asked; above, a sample of `SAMPLE`.
ALL_UP_TO, SAMPLE, MOST = 2_000, 500, 100_000
RULE = "those whose SHA-256 of the checkpoint's root and the index, as 8 big-endian bytes, is least"


class Chosen:
    """The indexes that are to be proven, chosen as they come: bounded, however many come.

    A sample is drawn by the checkpoint's root, which nobody chose, so that everybody draws the same.
    """

    def __init__(self, mode: str | None, root: bytes) -> None:
        self.asked, self.count = mode, 0
        self._root, self._all = root, list[int]()
        self._least: list[tuple[int, int]] = []

    def add(self, index: int) -> None:
        self.count += 1
        most = {"none": 0, "sample": 0, "all": MOST, None: ALL_UP_TO}[self.asked]
        if len(self._all) < most:
            self._all.append(index)
        elif self.asked == "all":
            message = f"more than {number(MOST)} entries would each have a proof"
            raise UsageError(
                Problem("export-too-large", message, help="ask for --proofs sample, or export the log itself")
            )
        drawn = int.from_bytes(sha256(self._root + index.to_bytes(8, "big")).digest(), "big")
        # a heap whose first is the greatest, which the next smaller one takes the place of
        if len(self._least) < SAMPLE:
            heappush(self._least, (-drawn, index))
        elif -drawn > self._least[0][0]:
            heapreplace(self._least, (-drawn, index))

    @property
    def mode(self) -> str:
        """Return which of `MODES` it came to."""
        if self.asked is not None:
            return self.asked
        return "all" if self.count <= ALL_UP_TO else "sample"

    @property
    def indexes(self) -> list[int]:
        if self.mode == "none":
            return []
        return sorted(index for _, index in self._least) if self.mode == "sample" else self._all

    def described(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        count = len(self.indexes)
        return {"mode": self.mode, "count": count, **({"chosen": RULE} if self.mode == "sample" else {})}


def choose(mode: str | None, root: bytes, indexes: Iterable[int]) -> Chosen:
    """Choose among `indexes`, each once, in order."""
    chosen = Chosen(mode, root)
    for index in indexes:
        chosen.add(index)
    return chosen


def put_proofs(staging: Staging, proofs: Mapping[int, Proof]) -> None:
    """Write a C2SP tlog-proof for each."""
    from policy_audit.proof import format_proof

    for index in sorted(proofs):
        staging.put(proof_name(index), format_proof(proofs[index]).encode())


def proof_name(index: int) -> str:
    return f"proofs/{index}.tlog-proof"


def entry_name(index: int) -> str:
    return f"entries/{index}.json"


def proven(files: Collection[str]) -> list[int]:
    """Return the indexes of which files of these names hold the bytes, in order."""
    names = (name.removeprefix("entries/").removesuffix(".json") for name in files if name.startswith("entries/"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def other_key(note: str, origin: str, vkeys: Sequence[str], else_: str | None = None) -> str | None:
    """Return what to do where another key by the log's name signed `note`; None where none did.

    A checkpoint, a receipt and an export hold no key rotation: `else_` says how one could be followed.
    """
    from policy_audit.note import unpinned_keys

    others = unpinned_keys(note, origin, vkeys)
    if not others:
        return None
    pin = (
        f"a key {others[0].hex()} by that name signed it; where the log's key was rotated, pin both keys, the one from "
    )
    return f"{pin}before and the new one that was announced, each with --vkey{f', {else_}' if else_ else ''}"
