"""The manifest: what an export holds, what was asked, under which checkpoint. The ledger's entry has its digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.exports.folder import FileRecord
from policy_engine.exports.table import Column, Head

FORMAT = "policy-audit-export/v1"
MANIFEST, CHECKPOINT = "manifest.json", "checkpoint"
#: The entry that records the export, with its own proof: written after the manifest, which it names.
RECORD_ENTRY, RECORD_PROOF = "export.json", "export.tlog-proof"
# one folder deep at most, and nothing that leads out of it
_NAME = re.compile(r"(?:[a-z]{1,20}/)?[a-z0-9][a-z0-9._-]{0,80}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def manifest_bytes(
    name: str, head: Head, proofs: Mapping[str, Any], recorded: bool, files: Iterable[FileRecord]
) -> bytes:
    """Return the manifest of an export in the format `name`."""
    import orjson

    value = {
        "manifest": FORMAT,
        "format": name,
        "table": head.name,
        "title": head.title,
        "query": {"words": head.query.words, "command": head.query.command, "arguments": dict(head.arguments or {})},
        "period": {"since": head.period.since, "until": head.period.until},
        "origin": head.checkpoint.origin,
        "checkpoint": {"size": head.checkpoint.size, "root": head.checkpoint.root, "note": head.checkpoint.note},
        "population": {"of": head.counted, "all": head.population, "selected": head.selected},
        "columns": [{"name": column.name, "kind": column.kind} for column in head.columns],
        "printed": list(head.printed),
        "personal": head.personal,
        "proofs": dict(proofs),
        "recorded": recorded,
        "generator": head.generator,
        "created_at": head.created_at,
        "files": [_file(record) for record in sorted(files, key=lambda record: record.name)],
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def record_body(head: Head, proofs: Mapping[str, Any], manifest: FileRecord) -> dict[str, Any]:
    """Return what the entry of the type `export` says of it.

    INVARIANT: no personal value. A report's query can name a person, so that its words stand in the manifest alone.
    """
    query = {"words": head.query.words, "arguments": dict(head.arguments)} if head.arguments is not None else None
    return {
        "table": head.name,
        **({"query": query} if query is not None else {}),
        "selected": head.selected,
        "population": head.population,
        "size": head.checkpoint.size,
        "root": head.checkpoint.root,
        "manifest": f"sha256:{manifest.sha256}",
        "proofs": {"mode": proofs["mode"], "count": proofs["count"]},
        "personal": head.personal,
    }


def _file(record: FileRecord) -> dict[str, Any]:
    rows = {"rows": record.rows} if record.rows is not None else {}
    return {"name": record.name, "bytes": record.bytes, "sha256": record.sha256, **rows}


class Refused(Exception):  # noqa: N818 - what a check finds, and not a failure of the check
    """What is wrong with an export."""


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read: its form is checked, and nothing else."""

    format: str
    table: str
    origin: str
    note: str
    size: int
    root: str
    selected: int
    counted: str
    columns: tuple[Column, ...]
    printed: tuple[str, ...]
    personal: bool
    recorded: bool
    proofs_mode: str
    proofs_count: int
    files: Mapping[str, tuple[int, str]]
    words: str


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest of this format.

    Raises:
        Refused: it is not one.
    """
    import orjson

    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused(f"`{MANIFEST}` is not JSON: {error}") from None
    try:
        if value["manifest"] != FORMAT:
            raise Refused(f"`{MANIFEST}` is not of the format `{FORMAT}`")
        return _manifest(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Refused(f"`{MANIFEST}` does not have the members that its format has") from None


def _manifest(value: Any) -> Manifest:
    checkpoint, population, proofs = value["checkpoint"], value["population"], value["proofs"]
    texts = (value["format"], value["table"], value["origin"], checkpoint["note"], checkpoint["root"], proofs["mode"])
    numbers = (checkpoint["size"], population["selected"], proofs["count"])
    flags = (value["personal"], value["recorded"])
    words, counted = value["query"]["words"], population["of"]
    if not all(isinstance(text, str) for text in (*texts, words, counted)) or not all(
        type(n) is int and n >= 0 for n in numbers
    ):
        raise ValueError
    if not all(isinstance(flag, bool) for flag in flags) or not _DIGEST.fullmatch(checkpoint["root"]):
        raise ValueError
    return Manifest(
        format=texts[0],
        table=texts[1],
        origin=texts[2],
        note=texts[3],
        root=texts[4],
        size=numbers[0],
        selected=numbers[1],
        counted=counted,
        columns=tuple(Column(column["name"], column["kind"]) for column in value["columns"]),
        printed=tuple(value["printed"]),
        personal=flags[0],
        recorded=flags[1],
        proofs_mode=texts[5],
        proofs_count=numbers[2],
        files=_files(value["files"]),
        words=words,
    )


def _files(listed: Any) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for each in listed:
        name, size, digest = each["name"], each["bytes"], each["sha256"]
        if not _NAME.fullmatch(name) or name in found or type(size) is not int or not _DIGEST.fullmatch(digest):
            raise Refused(f"`{MANIFEST}` lists what cannot be a file of an export")
        found[name] = size, digest
    return found
