"""One decision, and one entry, as documents: what was recorded, whose it is, and where it stands in the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.asking.entries import decision_document
from policy_engine.asking.persons import personal_values
from policy_engine.explain import used_rules

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry


def decision_shown(ledger: Ledger, entry: StoredEntry) -> dict[str, Any]:
    """Return the recorded document with id, names and its place in the ledger; an owner not held is absent."""
    from policy_audit.checkpoint import parse_checkpoint
    from policy_audit.proof import parse_proof

    document = decision_document(ledger, entry)
    personal = personal_values(ledger, entry)
    owner = personal["personal"].get("owner")
    workload = {name: value for name, value in document["workload"].items() if name != "owner"}
    if owner is not None:
        workload["owner"] = owner
    place = {
        "index": entry.index,
        "leaf_hash": entry.leaf_hash,
        "tree_size": parse_checkpoint(parse_proof(ledger.receipt(entry.index)).checkpoint).size,
        "recorded_at": entry.recorded_at,
        "status": "recorded",
    }
    return {
        "apiVersion": document.pop("apiVersion"),
        "kind": document.pop("kind"),
        "id": entry.document["view"]["decision_id"],
        **document,
        "workload": workload,
        "ledger": place,
        "context": entry.document["context"],
        **personal,
    }


def entry_shown(ledger: Ledger, entry: StoredEntry, proof: str) -> dict[str, Any]:
    from policy_audit.checkpoint import parse_checkpoint
    from policy_audit.proof import parse_proof

    document = entry.document
    note = parse_proof(proof).checkpoint
    checkpoint = parse_checkpoint(note)
    return {
        "kind": "Entry",
        "index": entry.index,
        "type": entry.type,
        "recorded_at": entry.recorded_at,
        "leaf_hash": entry.leaf_hash,
        "bytes": len(entry.raw),
        "view": document.get("view", {}),
        "context": document.get("context", {}),
        **personal_values(ledger, entry),
        "commitments": document.get("commitments", {}),
        "blobs": {
            role: {"digest": digest, "bytes": _length(ledger, digest)}
            for role, digest in sorted(document.get("blobs", {}).items())
        },
        "body": document.get("body", {}),
        "checkpoint": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "note": note,
        },
    }


def _length(ledger: Ledger, digest: str) -> int | None:
    """Return a document's length; None where it was disposed of."""
    from policy_audit.errors import LedgerError

    try:
        return len(ledger.blob(digest))
    except LedgerError as error:
        if error.code != "blob-disposed":
            raise
        return None


def trimmed(document: Mapping[str, Any], all_rules: bool) -> dict[str, Any]:
    """Return the document with the rules that did not fire left out, unless all are asked for."""
    if all_rules:
        return dict(document)
    tasks = [{**task, "rules": used_rules(task["rules"])} for task in document["tasks"]]
    return {**document, "tasks": tasks}
