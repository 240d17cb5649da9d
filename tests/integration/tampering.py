"""What an administrator of the database can do to a ledger, and how it is looked at afterwards.

Each attack drops the triggers first and puts them back, so that the evidence has to find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from policy_audit.canonical import canonical_bytes, parse_canonical
from policy_audit.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.keys import generate_signer
from policy_audit.ledger import Draft, EntryType
from policy_audit.merkle import leaf_hash
from policy_audit.report import VerificationReport

from tests.stores import SQLITE, Connection, Store

Attack = Callable[[Connection], object]
#: For tests of what the database has no part in: `filled`, and what is made of it, is a file.
in_file_alone = pytest.mark.parametrize("filled", [SQLITE], indirect=True)
#: For tests of the files themselves.
file_alone = pytest.mark.parametrize("store", [SQLITE], indirect=True)


def decision(number: int) -> Draft:
    return Draft(
        EntryType.DECISION,
        body={"n": number},
        personal={"owner": f"owner{number}"},
        blobs={"decision": b'{"n":%d}' % number, "rules": b"rules"},
        view={
            "decision_id": f"d-{number}",
            "namespace": "default",
            "workload": "chat",
            "verdict": "deny",
            "policy_digest": "sha256:p",
            "catalog_digest": "sha256:c",
            "decided_at": "2026-01-31T12:00:00Z",
        },
    )


@contextmanager
def administrator(path: Path) -> Iterator[Connection]:
    """What `Store.administrator` is, for a ledger in a file."""
    with Store(SQLITE, "", path, path).administrator() as connection:
        yield connection


def verify(store: Store, *kept: str) -> VerificationReport:
    with store.open() as ledger:
        return ledger.verify(kept=kept)


def failed(report: VerificationReport) -> list[str]:
    assert report.ok is (not report.problems)
    return [step.name for step in report.steps if step.status == "failed"]


def sql(statement: str, *values: object) -> Attack:
    return lambda connection: connection.execute(statement, values)


def forget(connection: Connection, indexes: str) -> None:
    """Delete personal values, and the keys of persons who have no other, as who deletes with care does."""
    connection.execute(f"DELETE FROM personal WHERE leaf_index {indexes}")
    connection.execute("DELETE FROM subject_key WHERE subject NOT IN (SELECT subject FROM personal)")


def change_byte(connection: Connection) -> None:
    (entry,) = connection.execute("SELECT entry FROM log_entry WHERE leaf_index = 6").fetchone()
    connection.execute("UPDATE log_entry SET entry = ? WHERE leaf_index = 6", (entry.replace(b"deny", b"dent"),))


def change_entry_and_all_that_follows_from_it(connection: Connection, index: int = 6) -> None:
    (entry,) = connection.execute("SELECT entry FROM log_entry WHERE leaf_index = ?", (index,)).fetchone()
    value = parse_canonical(entry)
    value["view"]["verdict"] = "allow"
    forged = canonical_bytes(value)
    change = "UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = ?"
    connection.execute(change, (forged, leaf_hash(forged), index))
    connection.execute("UPDATE decision SET verdict = 'allow' WHERE leaf_index = ?", (index,))


def insert_at_the_end(connection: Connection) -> None:
    copy = "SELECT 11, type, recorded_at, leaf_hash, entry FROM log_entry WHERE leaf_index = 10"
    connection.execute(f"INSERT INTO log_entry {copy}")
    connection.execute("CREATE TEMP TABLE t AS SELECT * FROM decision WHERE leaf_index = 10")
    connection.execute("UPDATE t SET leaf_index = 11")
    connection.execute("INSERT INTO decision SELECT * FROM t")
    connection.execute(
        "INSERT INTO personal SELECT 11, name, subject, sealed FROM personal WHERE leaf_index = 10",
    )


def sign_with_another_key(connection: Connection) -> None:
    for size, root, note in connection.execute("SELECT size, root, note FROM log_checkpoint").fetchall():
        signer = generate_signer(parse_checkpoint(note).origin)
        forged = sign_checkpoint(Checkpoint(signer.name, size, root), signer)
        connection.execute("UPDATE log_checkpoint SET note = ? WHERE size = ?", (forged, size))
