"""A random sample that anybody can draw again, with any language.

The population is a list of entry indexes. The key of an index is the SHA-256 of the UTF-8 text

    policy-audit-sample/v1 LF seed LF index in decimal

and the sample of N are the N indexes with the smallest keys, as bytes; their order is that of the keys. So a sample
depends on the seed and on each index alone: a larger sample begins with the smaller one, and what is appended to the
ledger later changes nothing, as long as the population is that of the same checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from heapq import nsmallest

SCHEME = "policy-audit-sample/v1"


def sample_key(seed: str, index: int) -> bytes:
    """Return the key that decides whether an index is drawn."""
    return sha256(f"{SCHEME}\n{seed}\n{index}".encode()).digest()


def draw(population: Iterable[int], size: int, seed: str) -> list[int]:
    """Return `size` indexes of the population, or all where there are fewer, in the order in which they are drawn."""
    return nsmallest(size, population, key=lambda index: sample_key(seed, index))
