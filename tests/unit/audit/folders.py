"""Exported folders for tests: made from entries, without a ledger, by the rules of tlog-tiles."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from policy_audit.canonical import canonical_bytes
from policy_audit.checkpoint import Checkpoint, sign_checkpoint
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.folder_report import FolderReport
from policy_audit.keys import Ed25519Signer
from policy_audit.merkle import inclusion_proof, leaf_hash, root_hash
from policy_audit.proof import Proof, format_proof
from policy_audit.tiled_tree import TileBuilder
from policy_audit.tiles import ENTRIES, encode_bundle, tiles_at

SIGNER = Ed25519Signer("log.example", bytes(32))
KEY = SIGNER.verifier_key


def opaque(count: int, start: int = 0) -> list[bytes]:
    return [b"entry %d" % number for number in range(start, start + count)]


def own(number: int, documents: Sequence[bytes] = (), recorded_at: str = "2026-01-31T12:00:00.000000Z") -> bytes:
    blobs = {f"role{place}": f"sha256:{sha256(content).hexdigest()}" for place, content in enumerate(documents)}
    members = {"commitments": {}, "context": {}, "entry": "policy-audit/v1", "type": "heartbeat"}
    return canonical_bytes({**members, "blobs": blobs, "body": {"n": number}, "recorded_at": recorded_at})


def write(folder: Path, entries: Sequence[bytes], signer: Ed25519Signer = SIGNER, origin: str | None = None) -> str:
    """Write a log's folder, and return its checkpoint."""
    builder = TileBuilder()
    for entry in entries:
        for tile, data in builder.append(leaf_hash(entry)):
            put(folder, tile.path, data)
    for tile, data in builder.partial():
        put(folder, tile.path, data)
    for tile in tiles_at(ENTRIES, len(entries)):
        put(folder, tile.path, encode_bundle(entries[tile.index * 256 : tile.index * 256 + tile.width]))
    note = sign_checkpoint(Checkpoint(origin or signer.name, len(entries), builder.root()), signer)
    put(folder, "checkpoint", note.encode())
    return note


def put(folder: Path, path: str, data: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


def receipt(entries: Sequence[bytes], index: int, signer: Ed25519Signer = SIGNER) -> str:
    """Return the receipt of an entry under the checkpoint of all `entries`."""
    leaves = [leaf_hash(entry) for entry in entries]
    note = sign_checkpoint(Checkpoint(signer.name, len(entries), root_hash(leaves)), signer)
    return format_proof(Proof(index, tuple(inclusion_proof(leaves, index, len(entries))), note))


def verified(folder: Path, **wanted: object) -> FolderReport:
    return verify_folder(folder, Wanted(**{"verifier_keys": [KEY], **wanted}))  # type: ignore[arg-type]


def failed(report: FolderReport) -> dict[str, str]:
    """Return the first problem of each step that failed."""
    found = {step.name: step.first_problem or "" for step in report.steps if step.status == "failed"}
    assert report.ok is not bool(found)
    return found
