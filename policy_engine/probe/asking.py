"""What a run of the probe is told on the command line: how long it may take."""

from __future__ import annotations

import re

#: Seconds that a run takes at least: loading torch alone may take two on a busy host.
LEAST_SECONDS, MOST_SECONDS = 6.0, 3600.0
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0}


def parse_seconds(text: str) -> float:
    """Read a time such as `30s`, `20` or `1.5m`, in seconds.

    Raises:
        ValueError: it is none, or less or more than a run can take.
    """
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([sm]?)", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(f"`{text}` is not a time such as 30s, 20 or 1m")
    seconds = float(found[1]) * _UNITS[found[2]]
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise ValueError(f"`{text}` is not between {LEAST_SECONDS:g}s and {MOST_SECONDS / 60:g}m, which a probe takes")
    return seconds
