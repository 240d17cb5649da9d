"""Text of strangers on a terminal: nothing in it moves the cursor, hides or turns what is read."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` with what is neither printable nor a line break as an escape: controls, bidi, zero width."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)
