"""`anchors.toml`: which places, how often, and how many must hold a checkpoint.

to = ["file:/mnt/worm", "git:ssh://git@host/anchors.git#ledger", "witness:https://w.example#VKEY"]
every = "30s"       # at most so far apart while entries arrive
need = 2            # how many must hold it; by default all
beat = "1h"         # a heartbeat when nothing else is recorded; by default none
evidence = ["file:/mnt/lost"]   # kept as they are, after a restore: read by `verify --anchors`, never written to
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy_audit.anchors.place import Place, parse_place
from policy_audit.errors import AnchorError

MAX_BYTES = 100_000
EVERY_SECONDS = 30.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_KEYS = ("to", "every", "need", "beat", "evidence")
_GIVES_BACK = ("file", "git")


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where to anchor, how many seconds apart at most, how many must succeed, and how often to leave a heartbeat.

    `evidence` are places that are kept as they are: they hold checkpoints of entries that a restore lost.
    """

    places: tuple[Place, ...] = ()
    every: float = EVERY_SECONDS
    need: int | None = None
    beat: float | None = None
    evidence: tuple[Place, ...] = ()


def read_configuration(path: Path) -> Configuration:
    """Read an `anchors.toml`; relative paths in it are relative to it.

    Raises:
        AnchorError: it cannot be read, or says what it cannot say.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        values = tomllib.loads(data.decode("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AnchorError(f"cannot read `{path}`: {reason}", code="anchor-place") from None
    for key in values:
        if key not in _KEYS:
            raise _bad(path, f"`{key}` is not a setting of anchors", f"the settings are {', '.join(_KEYS)}")
    texts, need = values.get("to"), values.get("need")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise _bad(path, "`to` is a list of places, and not an empty one")
    if need is not None and (type(need) is not int or not 1 <= need <= len(texts)):
        raise _bad(path, f"`need` is a number from 1 to {len(texts)}")
    places = parse_places(texts, path.parent)
    evidence = _evidence(path, values.get("evidence", []), places)
    beat = values.get("beat")
    every = _seconds(path, values.get("every", "30s"))
    return Configuration(places, every, need, _seconds(path, beat) if beat is not None else None, evidence)


def _evidence(path: Path, texts: Any, places: Sequence[Place]) -> tuple[Place, ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _bad(path, "`evidence` is a list of places")
    found = parse_places(texts, path.parent)
    for place in found:
        if place.kind not in _GIVES_BACK:
            raise _bad(path, f"`{place.where}` gives nothing back, and is no evidence", "file: and git: places are")
        if place.where in {each.where for each in places}:
            raise _bad(
                path, f"`{place.where}` is named in `to` and in `evidence`", "what is evidence is not written to"
            )
    return found


def parse_places(texts: Sequence[str], folder: Path | None = None) -> tuple[Place, ...]:
    """Read places, each named once.

    Raises:
        AnchorError: one is none, or is there twice.
    """
    places = tuple(parse_place(text, folder) for text in texts)
    named = [place.where for place in places]
    for where in named:
        if named.count(where) > 1:
            raise AnchorError(f"`{where}` is named twice", code="anchor-place")
    return places


def parse_duration(text: str) -> float:
    """Read a duration such as `30s`, `5m`, `1h` or `2d`, as seconds.

    Raises:
        AnchorError: it is none, or is nothing.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not int(match[1]):
        raise AnchorError(f"`{text[:40]}` is not a duration such as 30s, 5m, 1h or 2d", code="anchor-place")
    return float(int(match[1]) * _UNITS[match[2]])


def _seconds(path: Path, value: Any) -> float:
    if not isinstance(value, str):
        raise _bad(path, "a duration is text such as `30s`")
    return parse_duration(value)


def _bad(path: Path, message: str, help_: str | None = None) -> AnchorError:
    return AnchorError(f"`{path}`: {message}", code="anchor-place", help=help_)
