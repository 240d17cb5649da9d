"""The manifest: what an export holds, what was asked, under which checkpoint. The ledger's entry has its digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from policy_engine.exports.folder import FileRecord
from policy_engine.exports.table import Head

FORMAT = "policy-audit-export/v1"
MANIFEST, CHECKPOINT = "manifest.json", "checkpoint"
#: The entry that records the export, with its own proof: written after the manifest, which it names.
RECORD_ENTRY, RECORD_PROOF = "export.json", "export.tlog-proof"


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
