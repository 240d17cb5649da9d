"""Lines of a text file, read as bytes and never more than a line at once: what is too long is said, and skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

LONGEST = 1 << 20
_BOM = b"\xef\xbb\xbf"


def read_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number from 1, its line break left out; None for one of more than `LONGEST` bytes."""
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > LONGEST and not line.endswith(b"\n"):
            while (rest := stream.readline(LONGEST + 1)) and not rest.endswith(b"\n"):
                pass
            yield number, None
            continue
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def as_text(line: bytes) -> str:
    """Return the line as text.

    Raises:
        ValueError: it is not UTF-8, or holds a NUL.
    """
    if b"\0" in line:
        raise ValueError("it holds a NUL")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start + 1}") from None
