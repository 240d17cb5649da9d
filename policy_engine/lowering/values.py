"""Values as durable_rules reads them rightly: its JSON is not quite everyone's."""

from __future__ import annotations

import math
from json.encoder import encode_basestring
from typing import Any

MAX_STRING = 16_000
_INT64 = 1 << 63
#: Stands for a string that is too long; longer than any constant that a condition is lowered with.
LONG = "x" * (MAX_STRING // 4)


def sayable(value: Any) -> bool:
    """Whether a constant can be written into a definition as it is."""
    return not isinstance(value, str) or (len(value) < len(LONG) and len(encode_basestring(value)) <= MAX_STRING)


def encode(value: Any) -> str:
    """Write a value, or a whole definition, as the JSON that durable_rules reads rightly.

    Raises:
        ValueError: the value lies outside what the engine compares exactly.
    """
    kind = type(value)
    if kind is str:
        text: str = encode_basestring(value)
        # constants are shorter than LONG, so that every comparison with one comes out the same
        return text if len(text) <= MAX_STRING else f'"{LONG}"'
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        if not -_INT64 <= value < _INT64:
            raise ValueError("an integer beyond 64 bits")
        return str(value)
    if kind is float:
        if not math.isfinite(value):
            raise ValueError("a number that is not finite")
        text = repr(value)
        # durable_rules reads an exponent without a point as something else
        return text if "." in text else text.replace("e", ".0e")
    if kind is dict:
        return "{" + ",".join(f"{encode(k)}:{encode(v)}" for k, v in value.items()) + "}"
    if kind in (list, tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    raise ValueError(f"a value of type {kind.__name__}")
