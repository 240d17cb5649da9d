"""Spools of tests, read and forged with the standard library alone: a runner that lies knows the format as well."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any]], object]


def files(spool: Path) -> list[Path]:
    """The files of decisions in a spool, in order."""
    return sorted(path for path in spool.glob("*.spool.json") if not path.name.startswith("."))


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def canonical(value: Any) -> bytes:
    """JSON as RFC 8785 has it, of what has no numbers but integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def entry_bytes(document: dict[str, Any], number: int = 0) -> bytes:
    return base64.b64decode(document["entries"][number]["entry"])


def leaf_of(entry: bytes) -> str:
    """The leaf hash of RFC 6962."""
    return hashlib.sha256(b"\x00" + entry).hexdigest()


def forge(path: Path, change: Change) -> None:
    """Change a file as a runner that lies writes it: in canonical form, with its hashes."""
    document = read(path)
    change(document)
    path.write_bytes(canonical(document) + b"\n")


def forge_entry(path: Path, change: Change, number: int = 0) -> None:
    """Change an entry, and give it the leaf hash of what it is then."""

    def changed(document: dict[str, Any]) -> None:
        entry = json.loads(entry_bytes(document, number))
        change(entry)
        data = canonical(entry)
        document["entries"][number] |= {"entry": base64.b64encode(data).decode(), "leaf_hash": leaf_of(data)}

    forge(path, changed)


def forge_decision(path: Path, change: Change) -> None:
    """Change the decision's document, and its digest and id wherever they are named."""
    document = read(path)
    old = json.loads(entry_bytes(document))["blobs"]["decision"]
    decided = json.loads(base64.b64decode(document["blobs"].pop(old)))
    change(decided)
    from policy_audit.canonical import document_bytes  # it has decimal numbers, which are another matter

    content = document_bytes(decided)
    new = hashlib.sha256(content).hexdigest()
    document["blobs"][f"sha256:{new}"] = base64.b64encode(content).decode()
    path.write_bytes(canonical(document) + b"\n")

    def renamed(entry: dict[str, Any]) -> None:
        entry["blobs"]["decision"] = f"sha256:{new}"
        entry["view"]["decision_id"] = entry["body"]["id"] = new

    forge_entry(path, renamed)
