"""Ledgers with persons in them, and what is looked for in their files afterwards."""

from __future__ import annotations

from pathlib import Path

from policy_audit.ledger import Draft, EntryType
from sqlalchemy import Connection, select

ALICE, BOB = "Alice.Müller@Acme.example", "bob@acme.example"
RULES = b"rules"


def decision(
    number: int,
    owner: str,
    *,
    namespace: str = "default",
    workload: str | None = None,
    document: bytes = b"{}",
    valid_until: str | None = "2020-06-01T00:00:00Z",
    **personal: str,
) -> Draft:
    """Return a decision on a workload of its own, with documents of its own and one that all share."""
    return Draft(
        EntryType.DECISION,
        personal={"owner": owner, **personal},
        blobs={"decision": b'{"n":%d}' % number, "workload": document, "rules": RULES},
        view={
            "decision_id": f"d-{number}",
            "namespace": namespace,
            "workload": workload or f"w{number}",
            "verdict": "deny",
            "policy_digest": "sha256:p",
            "catalog_digest": "sha256:c",
            "decided_at": "2020-01-31T12:00:00Z",
            "valid_until": valid_until,
        },
    )


def files_hold(path: Path, *needles: bytes) -> list[str]:
    """Return which files of the ledger, its log among them, hold one of the needles."""
    found = []
    for file in sorted(path.parent.glob(f"{path.name}*")):
        content = file.read_bytes()
        found += [file.name for needle in needles if needle in content]
    return found


def columns(connection: Connection, table: object, column: str) -> list[object]:
    return list(connection.execute(select(table.c[column])).scalars())  # type: ignore[attr-defined]
