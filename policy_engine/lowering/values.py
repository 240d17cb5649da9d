"""Values as durable_rules reads them rightly: its JSON is not quite everyone's."""

from __future__ import annotations

import math
from json.encoder import encode_basestring
from typing import Any

MAX_STRING = 16_000
_INT_LIMIT = 1 << 53


def encode(value: Any) -> str:
    """Write a value, or a whole definition, as the JSON that durable_rules reads rightly.

    Raises:
        ValueError: the value lies outside what the engine compares exactly.
    """
    kind = type(value)
    if kind is str:
        text: str = encode_basestring(value)
        if len(text) > MAX_STRING:
            raise ValueError(f"a string of more than {MAX_STRING:,} characters")
        return text
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        if not -_INT_LIMIT <= value <= _INT_LIMIT:
            raise ValueError("an integer beyond 2^53")
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
