"""Reading: entries, decisions, blobs, personal values, receipts. All functions run inside a read transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Select, select

from policy_audit.checkpoint import parse_checkpoint
from policy_audit.commitment import Disclosure
from policy_audit.entry import EntryType, destroyed_fields, disposed_documents
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.merkle import Frontier, inclusion_ranges, leaf_hash, verify_inclusion
from policy_audit.proof import Proof, format_proof
from policy_audit.records import DecisionFilter, StoredDecision, StoredEntry
from policy_audit.tables import BLOB, CHECKPOINT, DECISION, ENTRY, PERSONAL, SUBJECT_KEY
from policy_audit.vault import Vault, open_row
from policy_audit.view import OPTIONAL, instant

MIN_PREFIX = 4
_LAST_CHARACTER = "\U0010ffff"


def read_entry(connection: Connection, index: int) -> StoredEntry:
    """Return the entry at `index`, checked against its leaf hash."""
    row = connection.execute(select(ENTRY).where(ENTRY.c.leaf_index == index)).one_or_none()
    if row is None:
        raise LedgerError(f"the ledger has no entry {index}", code="entry-missing")
    return stored_entry(row)


def read_entries(
    connection: Connection,
    *,
    entry_type: str | None,
    since: datetime | str | None,
    until: datetime | str | None,
    limit: int | None,
    newest_first: bool,
) -> list[StoredEntry]:
    """Return entries by type and time of recording."""
    query = select(ENTRY)
    if entry_type is not None:
        query = query.where(ENTRY.c.type == entry_type)
    if since is not None:
        query = query.where(ENTRY.c.recorded_at >= instant(since))
    if until is not None:
        query = query.where(ENTRY.c.recorded_at < instant(until))
    column = ENTRY.c.leaf_index
    query = query.order_by(column.desc() if newest_first else column).limit(limit)
    return [stored_entry(row) for row in connection.execute(query)]


def read_decisions(
    connection: Connection, wanted: DecisionFilter, limit: int | None, newest_first: bool
) -> list[StoredDecision]:
    """Return the decisions that `wanted` selects."""
    column = DECISION.c.leaf_index
    query = _select(wanted).order_by(column.desc() if newest_first else column).limit(limit)
    return [stored_decision(row) for row in connection.execute(query)]


def find_decision(connection: Connection, identifier: str, namespaces: Collection[str] | None = None) -> StoredDecision:
    """Return the decision with this id or unique beginning of an id; the latest where it was recorded twice.

    With `namespaces` those of others are as if they were not there.

    Raises:
        LedgerError: there is none, or there are several.
    """
    column = DECISION.c.decision_id
    seen = () if namespaces is None else (DECISION.c.namespace.in_(sorted(namespaces)),)
    chosen = identifier
    if connection.execute(select(column).where(column == identifier, *seen).limit(1)).first() is None:
        chosen = _complete(connection, identifier, seen)
    query = select(DECISION).where(column == chosen, *seen).order_by(DECISION.c.leaf_index.desc()).limit(1)
    return stored_decision(connection.execute(query).one())


def has_blob(connection: Connection, digest: str) -> bool:
    """Whether the blob with this digest is there."""
    return connection.execute(select(BLOB.c.digest).where(BLOB.c.digest == digest)).first() is not None


def read_blob(connection: Connection, digest: str) -> bytes:
    """Return the blob with this digest, checked.

    Raises:
        LedgerError: there is none (`blob-missing`), or it was disposed of (`blob-disposed`).
        VerificationError: its bytes were changed.
    """
    content = connection.execute(select(BLOB.c.content).where(BLOB.c.digest == digest)).scalar_one_or_none()
    if content is None:
        if (by := _disposal_of(connection, digest)) is not None:
            message = f"the document `{digest[:80]}` was disposed of: its retention period had ended"
            raise LedgerError(message, code="blob-disposed", help=f"`policy audit show {by}` shows the disposal")
        raise LedgerError(f"the ledger has no blob `{digest[:80]}`", code="blob-missing")
    if not isinstance(content, bytes) or f"sha256:{sha256(content).hexdigest()}" != digest:
        raise VerificationError(f"the blob `{digest}` was changed", code="blob-changed")
    return content


def read_disclosures(connection: Connection, index: int, vault: Vault) -> tuple[dict[str, Disclosure], set[str]]:
    """Return what is stored to open the commitments of an entry, by name, and the names of what stays sealed.

    Whether a disclosure opens its commitment is for the caller to see. One that was changed is empty, and opens none.
    """
    keys = PERSONAL.outerjoin(SUBJECT_KEY, PERSONAL.c.subject == SUBJECT_KEY.c.subject)
    query = select(PERSONAL, SUBJECT_KEY.c.wrapped).select_from(keys).where(PERSONAL.c.leaf_index == index)
    where = f"the personal values of the entry {index}"
    opened: dict[str, Disclosure] = {}
    sealed: set[str] = set()
    for row in connection.execute(query.order_by(PERSONAL.c.name)):
        name = stored_text(row.name, where)
        if not isinstance(row.sealed, bytes):
            raise VerificationError(f"{where} were changed: they hold what is not bytes", code="columns-changed")
        if row.subject is not None:
            stored_text(row.subject, where)
            if vault.key is None:
                sealed.add(name)
                continue
        opened[name] = open_row(vault, row) or Disclosure("", name, "")
    return opened, sealed


def read_erased(connection: Connection, kind: EntryType = EntryType.ERASURE) -> set[tuple[int, str]]:
    """Return the personal values, by entry and name, that erasures on record, or disposals, name."""
    found: set[tuple[int, str]] = set()
    query = select(ENTRY).where(ENTRY.c.type == kind.value)
    for row in connection.execute(query.order_by(ENTRY.c.leaf_index)):
        document = stored_entry(row).document
        # what counts is the entry's bytes, and not the column that led to it
        if document["type"] == kind:
            # no entry erases what was recorded after it
            found |= {pair for pair in destroyed_fields(kind, document["body"]) if pair[0] < row.leaf_index}
    return found


def read_disposed_documents(connection: Connection) -> set[str]:
    """Return the digests of the documents that disposals on record name."""
    found: set[str] = set()
    for row in connection.execute(select(ENTRY).where(ENTRY.c.type == EntryType.DISPOSAL.value)):
        document = stored_entry(row).document
        if document["type"] == EntryType.DISPOSAL:
            found |= disposed_documents(document["body"])
    return found


def _disposal_of(connection: Connection, digest: str) -> int | None:
    """Return the index of the disposal that names this document."""
    query = select(ENTRY).where(ENTRY.c.type == EntryType.DISPOSAL.value)
    for row in connection.execute(query.order_by(ENTRY.c.leaf_index.desc())):
        document = stored_entry(row).document
        if document["type"] == EntryType.DISPOSAL and digest in disposed_documents(document["body"]):
            return int(row.leaf_index)
    return None


def read_policy_digests(connection: Connection, beginning: str, limit: int) -> list[str]:
    """Return the digests of policies that decisions were made under, of those that begin so."""
    return _beginning(connection, DECISION.c.policy_digest, beginning, limit)


def read_checkpoint(connection: Connection) -> str:
    """Return the note of the latest checkpoint."""
    note = connection.execute(
        select(CHECKPOINT.c.note).order_by(CHECKPOINT.c.size.desc()).limit(1)
    ).scalar_one_or_none()
    if note is None:
        raise LedgerError("the ledger has no checkpoint", code="ledger-tampered")
    return stored_text(note, "the columns of the latest checkpoint")


def read_receipt(connection: Connection, index: int) -> str:
    """Return the proof that the entry at `index` is under the first checkpoint that covers it.

    The proof needs the frontier before that checkpoint's commit and the leaves of the commit alone, however
    large the tree is.
    """
    raw = read_entry(connection, index).raw
    covering = connection.execute(
        select(CHECKPOINT).where(CHECKPOINT.c.size > index).order_by(CHECKPOINT.c.size).limit(1)
    ).one_or_none()
    before = connection.execute(
        select(CHECKPOINT).where(CHECKPOINT.c.size <= index).order_by(CHECKPOINT.c.size.desc()).limit(1)
    ).one_or_none()
    if covering is None or before is None:
        raise LedgerError(f"no checkpoint covers the entry {index}", code="ledger-tampered")
    hashes = ENTRY.c.leaf_index >= before.size, ENTRY.c.leaf_index < covering.size
    rows = connection.execute(select(ENTRY.c.leaf_hash).where(*hashes).order_by(ENTRY.c.leaf_index)).scalars()
    leaves = list(rows)
    if not all(isinstance(value, bytes) for value in (before.frontier, *leaves)):
        raise VerificationError(f"what the proof of the entry {index} is made of was changed", code="tree-changed")
    known = Frontier.from_bytes(before.frontier)
    if known.size + len(leaves) != covering.size:
        help_ = "run `policy audit verify`"
        raise LedgerError("entries are missing before a checkpoint", code="ledger-tampered", help=help_)
    path = [_range_root(known, leaves, start, end) for start, end in inclusion_ranges(index, covering.size)]
    note = stored_text(covering.note, f"the columns of the checkpoint that covers the entry {index}")
    checkpoint = parse_checkpoint(note)
    if checkpoint.size != covering.size:
        raise VerificationError(f"the checkpoint of size {covering.size} was changed", code="tree-changed")
    verify_inclusion(index, checkpoint.size, leaf_hash(raw), path, checkpoint.root)
    return format_proof(Proof(index, tuple(path), note))


def _range_root(known: Frontier, leaves: list[bytes], start: int, end: int) -> bytes:
    """Return the root of the leaves [start, end), of which those below `known.size` are known as a frontier."""
    nodes, position = [], 0
    for bit in range(known.size.bit_length() - 1, -1, -1):
        if known.size >> bit & 1:
            if position >= start and position + (1 << bit) <= end:
                nodes.append(known.nodes[(known.size >> (bit + 1)).bit_count()])
            position += 1 << bit
    part = Frontier(max(0, min(end, known.size) - start), nodes)
    for leaf in leaves[max(0, start - known.size) : max(0, end - known.size)]:
        part.append(leaf)
    return part.root()


def _select(wanted: DecisionFilter) -> Select[Any]:
    query = select(DECISION)
    for name in ("namespace", "workload", "verdict", "purpose", "stage", "policy_digest"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(DECISION.c[name] == value)
    if wanted.since is not None:
        query = query.where(DECISION.c.recorded_at >= instant(wanted.since))
    if wanted.until is not None:
        query = query.where(DECISION.c.recorded_at < instant(wanted.until))
    if wanted.expired_at is not None:
        query = query.where(DECISION.c.valid_until < instant(wanted.expired_at))
    return query


def _complete(connection: Connection, prefix: str, seen: Sequence[Any]) -> str:
    column = DECISION.c.decision_id
    if len(prefix) < MIN_PREFIX:
        raise LedgerError(f"the ledger has no decision `{prefix}`", code="decision-missing")
    found = _beginning(connection, column, prefix, 4, seen)
    if not found:
        raise LedgerError(f"the ledger has no decision `{prefix}`", code="decision-missing")
    if len(found) > 1:
        some = ", ".join(f"`{identifier}`" for identifier in found[:3])
        raise LedgerError(
            f"several decisions begin with `{prefix}`", code="decision-ambiguous", help=f"among them {some}"
        )
    return found[0]


def _beginning(connection: Connection, column: Any, prefix: str, limit: int, seen: Sequence[Any] = ()) -> list[str]:
    query = select(column).distinct().where(column >= prefix, column < prefix + _LAST_CHARACTER, *seen)
    rows = connection.execute(query.order_by(column).limit(limit)).scalars()
    return [stored_text(value, "the query columns of a decision") for value in rows]


def stored_entry(row: Any) -> StoredEntry:
    """Return a row of the table of entries, checked against its leaf hash."""
    if not isinstance(row.entry, bytes) or leaf_hash(row.entry) != row.leaf_hash:
        raise VerificationError(f"the entry {row.leaf_index} was changed", code="entry-changed")
    where = f"the columns of the entry {row.leaf_index}"
    entry_type, recorded_at = stored_text(row.type, where), stored_text(row.recorded_at, where)
    return StoredEntry(row.leaf_index, entry_type, recorded_at, row.leaf_hash.hex(), row.entry)


def stored_decision(row: Any) -> StoredDecision:
    """Return the query columns of a row, as stored."""
    columns = dict(row._mapping)
    index = columns.pop("leaf_index")
    where = f"the query columns of the entry {index}"
    tag_set = columns.pop("tag_set")
    for name, value in columns.items():
        if value is not None or name not in OPTIONAL:
            stored_text(value, where)
    if tag_set is not None and not isinstance(tag_set, int):
        raise VerificationError(f"{where} were changed: they hold what is not a number", code="columns-changed")
    return StoredDecision(index=index, tag_set=tag_set, **columns)


def stored_text(value: object, where: str) -> str:
    """Return a column's text; SQLite lets any column hold bytes, and text that is not UTF-8."""
    if not isinstance(value, str):
        raise VerificationError(f"{where} were changed: they hold what is not text", code="columns-changed")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise VerificationError(f"{where} were changed: they hold what is not UTF-8", code="columns-changed") from None
    return value
