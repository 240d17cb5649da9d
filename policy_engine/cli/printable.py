"""Text of strangers on a terminal: nothing in it moves the cursor, hides or turns what is read, commands a runner."""

from __future__ import annotations

import os
import re

from policy_engine.wording import printable as plain

__all__ = ["printable"]

# what GitHub's runner takes for a command: `::` where a line begins, also one that was wrapped, and `##[` anywhere
_COMMAND = re.compile(r":(?=:)|#(?=#\[)")


def printable(text: str) -> str:
    """Return `text` as `wording.printable` does; in a job of GitHub Actions without what its runner would obey."""
    shown = plain(text)
    return _COMMAND.sub(r"\g<0> ", shown) if os.environ.get("GITHUB_ACTIONS") == "true" else shown
