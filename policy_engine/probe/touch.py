"""Find how much memory there really is: write to it, and read back once all of it is held.

INVARIANT: this never asks for memory that is not free. What is free is read again before every block, a reserve stays
untouched, and swap is not counted. Memory is never managed memory, which would be the host's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policy_engine.probe.device import Bench, one_line
from policy_engine.probe.limits import Usable
from policy_engine.probe.report import Memory

MIB = 1 << 20
LARGEST_BLOCK, SMALLEST_BLOCK = 256 * MIB, 8 * MIB
#: The first block is small; a block may take this part of the time that is left.
_FIRST_BLOCK, _PART = 16 * MIB, 0.1
_WORD = 8
#: Words between those that are read back: one of each page. The place within the page moves with the seed.
_STEP = 4096 // _WORD
#: The part of the time that is kept for reading back.
_READING = 0.2
OVER = "the time for it was over; --budget gives more"


def touch(bench: Bench, seed: int, left: Callable[[], float], wanted: int | None = None) -> Memory:
    """Write a number of its own into every word, block by block, and read back a word of each page at the end.

    No two words hold the same number, so that memory that is there twice (an alias, a device that claims more than it
    has) does not read back; none holds what an earlier run wrote. A part of the time is for reading. No more than
    `wanted` bytes are asked for where that is said.
    """
    torch, before = bench.torch, bench.memory()
    whole = left()
    base = int(torch.randint(1 << 60, (), generator=torch.Generator().manual_seed(seed)))
    blocks: list[Any] = []
    held, stopped, largest = 0, "nothing more is free but the reserve", _FIRST_BLOCK
    try:
        while True:
            size = min(_block(bench), largest)
            if size < SMALLEST_BLOCK:
                break
            if wanted is not None and held >= wanted:
                stopped = "that is all that is claimed"
                break
            if left() <= whole * _READING:
                stopped = OVER
                break
            begun = left()
            block = torch.empty(size // _WORD, dtype=torch.int64, device=bench.device)
            blocks.append((base + held // _WORD, block))
            torch.arange(base + held // _WORD, base + (held + size) // _WORD, out=block)
            bench.synchronize(block)
            held += size
            largest = size * 2 if begun - left() < begun * _PART / 2 else max(size // 2, SMALLEST_BLOCK)
    except Exception as error:  # noqa: BLE001 - a device out of memory says so in many ways
        stopped = one_line(error)
        blocks = [each for each in blocks if each[0] < base + held // _WORD]
    intact, read = _read_back(bench, blocks, seed % _STEP, left)
    blocks.clear()
    bench.release()
    if read < held and intact:
        stopped = OVER
    return _memory(before, min(held, read), intact if read else None, stopped)


def _block(bench: Bench) -> int:
    """Return how large the next block may be: less than is spare now, in whole MiB."""
    largest = LARGEST_BLOCK if bench.is_cpu else 4 * LARGEST_BLOCK
    return min(largest, bench.spare_bytes()) // MIB * MIB


def _read_back(bench: Bench, blocks: list[Any], offset: int, left: Callable[[], float]) -> tuple[bool, int]:
    """Return whether all that was read is what was written, and how many bytes were."""
    torch, read = bench.torch, 0
    for first, block in blocks:
        if left() <= 0:
            break
        try:
            got = block[offset::_STEP].cpu()
            expected = torch.arange(first + offset, first + block.numel(), _STEP)
            if not torch.equal(got, expected):
                return False, read + block.numel() * _WORD
        except Exception:  # noqa: BLE001 - no memory to read into, a driver's error: it is not known to be lost
            break
        read += block.numel() * _WORD
    return True, read


def _memory(before: Usable, touched: int, intact: bool | None, stopped: str) -> Memory:
    return Memory(
        total_bytes=before.total_bytes,
        free_bytes=before.free_bytes,
        limit_bytes=before.limit_bytes,
        limited_by=before.limited_by,
        touched_bytes=touched,
        intact=intact,
        stopped=stopped,
    )
