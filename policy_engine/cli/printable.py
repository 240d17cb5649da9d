"""Text of strangers on a terminal: nothing in it moves the cursor, hides or turns what is read."""

from __future__ import annotations

from policy_engine.wording import printable

__all__ = ["printable"]
