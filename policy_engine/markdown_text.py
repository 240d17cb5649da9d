"""Text of strangers in Markdown: it means itself, wherever it stands."""

from __future__ import annotations

import re

from policy_engine.wording import printable

# `_` within a word and `:` before a space mean nothing, and are left readable
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|~!&@$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=\S))")
_LINK = re.compile(r"\bwww\.", re.IGNORECASE)
# what makes a list or a heading at the start of a line; a number with a fraction makes none
_START = re.compile(r"^([-+](?=[-+\s]|$)|\d+(?=[.)](?:\s|$)))")
# A word joiner, which is not seen: forges look for mentions, references and addresses after the escapes are gone.
_JOINER = "\u2060"
# no mention follows a word, and no address is without a dot behind it
_FOUND = re.compile(r"((?<!\w)\\@(?=\w)|\\@(?=[\w-]+\.\w)|\\#(?=\w)|(?<!\w)GH-(?=\d))", re.IGNORECASE)


def escape(text: str) -> str:
    """Make text mean itself in Markdown: no markup, no HTML, no links, no mentions, no line breaks."""
    escaped = _SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))
    escaped = _FOUND.sub(rf"\1{_JOINER}", escaped)
    escaped = _LINK.sub(lambda found: found[0][:-1] + r"\.", escaped)
    return _START.sub(lambda found: rf"\{found[0]}" if not found[0].isdigit() else f"{found[0]}{_JOINER}", escaped)
