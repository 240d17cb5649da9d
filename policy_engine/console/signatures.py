"""Signature lines as people paste them."""

from __future__ import annotations

import json

from policy_engine.waivers.files import LONGEST_LINE, MOST_SIGNATURES

_LONGEST = MOST_SIGNATURES * (LONGEST_LINE + 16)


def signature_lines(text: str) -> list[str]:
    """Return the signature lines in what `policy waiver sign` prints, or in lines of a signed note."""
    if len(text) > _LONGEST:
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    listed = found.get("signatures") if isinstance(found, dict) else text.splitlines()
    lines = [each.strip() for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    return [each for each in lines if each.startswith("\N{EM DASH} ") and len(each) <= LONGEST_LINE][:MOST_SIGNATURES]
