"""Scalars written as CEL constants."""

from __future__ import annotations

import math


def quote(text: str) -> str:
    """Write `text` as a CEL string constant, in ASCII."""
    out = []
    for char in text:
        code = ord(char)
        if 32 <= code < 127 and char not in '"\\':
            out.append(char)
        else:
            out.append(f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}")
    return '"' + "".join(out) + '"'


def literal(value: bool | int | float | str) -> str:
    """Write a scalar as a CEL constant."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("not a finite number")
        text = repr(value)
        return text if "." in text or "e" in text else text + ".0"
    return str(value)
