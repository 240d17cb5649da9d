"""A report that may only be so long: what comes first is kept, and a note says that something is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Size = Callable[[str], int]
#: GitHub's limit of a comment, in characters.
COMMENT = 65_536
#: GitHub's limit of what a step writes to the job summary, in bytes.
SUMMARY = 1024 * 1024


def utf8_size(text: str) -> int:
    """Return the size of text in bytes of UTF-8."""
    return len(text.encode())


def limited(lines: Iterable[str], limit: int, size: Size = len) -> str:
    """Join `lines` until `limit` is reached; where not all fit, a last line says how many are left out.

    Where not even that fits, nothing is returned.
    """
    lines = list(lines)
    whole = "".join(f"{line}\n" for line in lines)
    if size(whole) <= limit:
        return whole
    room = limit - size(_note(len(lines)))
    kept = 0
    while kept < len(lines) and (room := room - size(lines[kept]) - 1) >= 0:
        kept += 1
    note = _note(len(lines) - kept)
    return "".join(f"{line}\n" for line in lines[:kept]) + note if size(note) <= limit else ""


def _note(left_out: int) -> str:
    return f"\n**{left_out:,} more lines are left out, for there is no room: the other reports of the run have all.**\n"
