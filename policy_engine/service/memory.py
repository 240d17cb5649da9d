"""What was decided on one ground, by the SHA-256 of the body that asked for it: bounded, the least used forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from policy_engine.service.standing import Standing

MOST_BYTES = 64 << 20


class Decided(Struct, frozen=True):
    """What a body came to: its decisions in its order, and whether it was a list."""

    decisions: tuple[Standing, ...]
    listed: bool

    @property
    def size(self) -> int:
        """The bytes that are kept, about."""
        return sum(each.size for each in self.decisions)

    @property
    def namespaces(self) -> set[str]:
        """The namespaces that the decisions are in."""
        return {each.namespace for each in self.decisions}


class Memory:
    """The decisions of one ground; safe in several threads.

    It goes with its ground: nothing that was decided on another is ever found here.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[bytes, Decided] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, digest: bytes) -> Decided | None:
        """Return what the body of this SHA-256 came to; None where it has to be decided."""
        with self._lock:
            found = self._kept.get(digest)
            if found is not None:
                self._kept.move_to_end(digest)
            return found

    def keep(self, digest: bytes, decided: Decided) -> None:
        """Remember what a body came to."""
        with self._lock:
            before = self._kept.pop(digest, None)
            self._bytes += decided.size - (before.size if before is not None else 0)
            self._kept[digest] = decided
            while self._bytes > self._most and self._kept:
                self._bytes -= self._kept.popitem(last=False)[1].size
