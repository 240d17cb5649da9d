"""Documents as bytes."""

from __future__ import annotations

from typing import Any

import orjson


def json_bytes(value: Any) -> bytes:
    """Return `value` as JSON."""
    return orjson.dumps(value)
