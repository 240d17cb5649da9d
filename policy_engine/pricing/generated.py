"""The file that a refresh writes into a layer: read back only as it was written, and never over another's.

# Written by `policy catalog refresh`. (what to do instead of changing it)
# {"at": ..., "data_day": ..., "providers": [...], "source": ..., "version": ...}
# sha256 of all other bytes: ...
models: ...
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from policy_engine.errors import CatalogError, InputError, Problem, Span
from policy_engine.loading.layers import REFRESHED
from policy_engine.loading.yaml_source import LARGEST_FILE, load_yaml, read_bytes
from policy_engine.loading.yaml_writing import to_yaml

HEAD = (
    f"{REFRESHED}, which goes on from here and refuses it where it was changed by hand. Own\n"
    "# figures, negotiated prices among them, belong into a later layer: those count before the ones here.\n"
)
_SUM = re.compile(rb"# sha256 of all other bytes: ([0-9a-f]{64})\n")
_DAYS = ("as_of", "valid_from", "valid_to")
SECTIONS = ("models", "providers", "prices")
#: The file, relative to its layer: one for each layer, of one source, so that it needs nothing of another such file.
FILE = "catalog/refreshed.yaml"


class Head(Struct, frozen=True):
    """What a generated file says of itself: when it was last changed, and of which source and providers it is."""

    at: datetime
    source: str
    version: str | None
    data_day: date
    providers: tuple[str, ...]


class Generated(Struct, frozen=True):
    """A generated file: its entries by section and key, with days as dates in prices; and its bytes."""

    head: Head
    models: Mapping[str, dict[str, Any]]
    providers: Mapping[str, dict[str, Any]]
    prices: Mapping[str, dict[str, Any]]
    content: bytes = b""


def written(head: Head, sections: Mapping[str, Mapping[str, dict[str, Any]]]) -> bytes:
    """Return the bytes of a file of these entries.

    Raises:
        InputError: they are more than a file of a layer may hold.
    """
    about = {
        "at": head.at.isoformat().replace("+00:00", "Z"),
        "data_day": head.data_day.isoformat(),
        "providers": list(head.providers),
        "source": head.source,
        "version": head.version,
    }
    plain = {name: {key: _plain(each) for key, each in sections[name].items()} for name in SECTIONS if sections[name]}
    top = HEAD + "# " + json.dumps(about, sort_keys=True, ensure_ascii=True) + "\n"
    body = to_yaml(plain, flow=True) if plain else "{}\n"
    digest = sha256((top + body).encode()).hexdigest()
    content = f"{top}# sha256 of all other bytes: {digest}\n{body}".encode()
    if len(content) > LARGEST_FILE:
        message = (
            f"the refreshed file would hold {len(content):,} bytes, and a file of a layer {LARGEST_FILE:,} at most"
        )
        hint = "refresh fewer providers, into a layer of its own"
        raise InputError(Problem("refreshed-too-large", message, help=hint))
    return content


def read_generated(path: Path) -> Generated | None:
    """Return the generated file at `path`; None where nothing is there.

    Raises:
        InputError: something else is there, or it was changed by hand.
    """
    if not os.path.lexists(path):
        return None
    if path.is_symlink() or not path.is_file():
        raise _refused(path, "is no file that `policy catalog refresh` wrote", "move it away, or choose another layer")
    content = read_bytes(path)
    if not content.startswith(HEAD.encode()):
        raise _refused(path, "was not written by `policy catalog refresh`", "move it away, or choose another layer")
    found = _SUM.search(content)
    rest = content if found is None else content[: found.start()] + content[found.end() :]
    if found is None or sha256(rest).hexdigest().encode() != found[1]:
        hint = (
            "put it back as it was (`policy audit show INDEX --blob refreshed` has it), and own figures into a later"
            " layer"
        )
        raise _refused(path, "was changed since `policy catalog refresh` wrote it", hint)
    try:
        return _parsed(path, content)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _refused(path, "is not of the form that this release writes", "use the release that wrote it") from None


def parsed(content: bytes) -> Mapping[str, Any]:
    """Read back what was written, as a layer's files are read."""
    value = load_yaml(content, "refreshed", CatalogError)[0].value
    return value if isinstance(value, dict) else {}


def _parsed(path: Path, content: bytes) -> Generated:
    lines = content.removeprefix(HEAD.encode()).split(b"\n", 1)
    about = json.loads(lines[0].removeprefix(b"# "))
    head = Head(
        datetime.fromisoformat(about["at"]),
        str(about["source"]),
        about["version"],
        date.fromisoformat(about["data_day"]),
        tuple(about["providers"]),
    )
    value = load_yaml(content, str(path))[0].value or {}
    prices = {
        key: {name: date.fromisoformat(each) if name in _DAYS else each for name, each in entry.items()}
        for key, entry in value.get("prices", {}).items()
    }
    return Generated(head, value.get("models", {}), value.get("providers", {}), prices, content)


def _plain(entry: Any) -> Any:
    if isinstance(entry, Mapping):
        return {key: _plain(each) for key, each in entry.items()}
    if isinstance(entry, list | tuple):
        return [_plain(each) for each in entry]
    return entry.isoformat() if isinstance(entry, date) else entry


def _refused(path: Path, why: str, hint: str) -> InputError:
    return InputError(Problem("not-refreshed", f"`{path}` {why}", Span(str(path), 1, 1), hint))
