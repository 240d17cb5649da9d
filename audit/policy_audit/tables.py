"""The tables, in a `MetaData` of their own; every column of every row is covered by verification (`policy_audit.fsck`).

| table            | covered by                                                         |
|------------------|--------------------------------------------------------------------|
| `log_head`       | exactly one row, which is the lock for appending                   |
| `log_entry`      | the leaf hash, and the checkpoints' roots                          |
| `log_checkpoint` | the signature, and the root derived again; rows that are missing:  |
|                  | the first, the last, and where the time of recording changes       |
| `blob`           | its digest, which an entry names                                   |
| `personal`       | the commitment in the entry, and the person derived from the value |
| `subject_key`    | each opens under the personal key and is some value's              |
| `decision`       | derived again from the entry                                       |
| `tag_set`, `tag` | derived again from the first entry that has these tags             |
| `once`           | the commitment in the entry, and its time; a row may be missing    |
|                  | once an entry after it was recorded 24 hours later                 |

A tail dropped with its checkpoints, and a missing checkpoint between two commits of the same microsecond, are not
found: what is left is a ledger that could have been written so. A kept checkpoint finds the former.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

METADATA = MetaData()

# An alias of SQLite's rowid must be declared INTEGER; PostgreSQL's INTEGER has only 32 bits.
INDEX = BigInteger().with_variant(Integer(), "sqlite")
# Byte order, as SQLite has it: a locale's order would break the order of times and the search for a prefix.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")


NOT_A_DECISION = text("type <> 'decision'")
HAS_RUN = text("run IS NOT NULL")


class _Bytes(LargeBinary):
    """Bytes as the database holds them, so that a number put in their place is seen and not turned into bytes."""

    def result_processor(self, dialect: object, coltype: object) -> None:
        return None


class _Row(SQLModel, registry=registry(metadata=METADATA)):
    metadata: ClassVar[MetaData] = METADATA


def _key(kind: Any) -> Any:
    return Field(sa_type=kind, primary_key=True, sa_column_kwargs={"autoincrement": False})


class LogHead(_Row, table=True):
    """One row that is never changed: on PostgreSQL a function locks it to give appends one order."""

    __tablename__ = "log_head"
    id: int = _key(INDEX)


class LogEntry(_Row, table=True):
    """An entry's bytes at their index; `type` and `recorded_at` are derived from them."""

    __tablename__ = "log_entry"
    __table_args__ = (
        # for all that is done to the ledger; the decisions, which are most of it, have a table of their own
        Index("ix_log_entry_type", "type", "leaf_index", sqlite_where=NOT_A_DECISION, postgresql_where=NOT_A_DECISION),
        Index("ix_log_entry_recorded_at", "recorded_at"),
    )
    leaf_index: int = _key(INDEX)
    type: str = Field(sa_type=TEXT)
    recorded_at: str = Field(sa_type=TEXT)
    leaf_hash: bytes = Field(sa_type=_Bytes)
    entry: bytes = Field(sa_type=_Bytes)


class LogCheckpoint(_Row, table=True):
    """A signed checkpoint for each commit; `frontier` is what the next append starts from."""

    __tablename__ = "log_checkpoint"
    size: int = _key(INDEX)
    root: bytes = Field(sa_type=_Bytes)
    frontier: bytes = Field(sa_type=_Bytes)
    note: str = Field(sa_type=TEXT)


class StoredBlob(_Row, table=True):
    """A document, stored once by its digest."""

    __tablename__ = "blob"
    digest: str = _key(TEXT)
    content: bytes = Field(sa_type=_Bytes)


class Personal(_Row, table=True):
    """A personal value and the salt that opens its commitment, sealed under its person's key (`sealing`).

    Without `subject` it is plain: carried over from revision 0001, and not sealed yet. Rows may be deleted.
    """

    __tablename__ = "personal"
    __table_args__ = (Index("ix_personal_subject", "subject"),)
    leaf_index: int = _key(INDEX)
    name: str = _key(TEXT)
    subject: str | None = Field(sa_type=TEXT)
    sealed: bytes = Field(sa_type=_Bytes)


class SubjectKey(_Row, table=True):
    """A person's key, wrapped under the ledger's personal key, which is outside the database. Rows may be deleted."""

    __tablename__ = "subject_key"
    subject: str = _key(TEXT)
    wrapped: bytes = Field(sa_type=_Bytes)


class DecisionView(_Row, table=True):
    """The query columns of a decision, derived from its entry."""

    __tablename__ = "decision"
    __table_args__ = (
        Index("ix_decision_id", "decision_id"),
        Index("ix_decision_workload", "namespace", "workload", "leaf_index"),
        Index("ix_decision_recorded_at", "recorded_at"),
        # few values each: any of the three is asked for by all values of the others (`policy_audit.plan`)
        Index("ix_decision_verdict", "verdict", "purpose", "stage", "leaf_index"),
        Index("ix_decision_policy", "policy_digest", "leaf_index"),
        Index("ix_decision_valid_until", "valid_until"),
        Index("ix_decision_tag_set", "tag_set", "leaf_index"),
        Index("ix_decision_run", "run", sqlite_where=HAS_RUN, postgresql_where=HAS_RUN),
    )
    leaf_index: int = _key(INDEX)
    recorded_at: str = Field(sa_type=TEXT)
    decision_id: str = Field(sa_type=TEXT)
    namespace: str = Field(sa_type=TEXT)
    workload: str = Field(sa_type=TEXT)
    verdict: str = Field(sa_type=TEXT)
    policy_digest: str = Field(sa_type=TEXT)
    catalog_digest: str = Field(sa_type=TEXT)
    decided_at: str = Field(sa_type=TEXT)
    workload_digest: str | None = Field(sa_type=TEXT)
    valid_until: str | None = Field(sa_type=TEXT)
    purpose: str | None = Field(sa_type=TEXT)
    stage: str | None = Field(sa_type=TEXT)
    run: str | None = Field(sa_type=TEXT)
    tag_set: int | None = Field(sa_type=INDEX)


class TagSet(_Row, table=True):
    """A set of tags: its id is the index of the first decision that has it, its digest that of the tags' bytes."""

    __tablename__ = "tag_set"
    __table_args__ = (Index("ix_tag_set_digest", "digest", unique=True),)
    id: int = _key(INDEX)
    digest: bytes = Field(sa_type=_Bytes)


class Tag(_Row, table=True):
    """One value in a set of tags."""

    __tablename__ = "tag"
    __table_args__ = (Index("ix_tag_value", "kind", "value", "tag_set"), {"sqlite_with_rowid": False})
    tag_set: int = _key(INDEX)
    kind: str = _key(TEXT)
    value: str = _key(TEXT)


class OnceAsked(_Row, table=True):
    """What makes a request the same for 24 hours, with the salt that opens the entry's commitment to it.

    `leaf_index` is the first of the `entries` that were the answer. Rows may be deleted.
    """

    __tablename__ = "once"
    __table_args__ = (Index("ix_once_request_key", "request_key", unique=True),)
    leaf_index: int = _key(INDEX)
    request_key: str = Field(sa_type=TEXT)
    request: str = Field(sa_type=TEXT)
    salt: str = Field(sa_type=TEXT)
    entries: int = Field(sa_type=INDEX)
    recorded_at: str = Field(sa_type=TEXT)


def table(model: type[SQLModel]) -> Table:
    """Return the Core table of a model."""
    return METADATA.tables[str(model.__tablename__)]


HEAD = table(LogHead)
ENTRY = table(LogEntry)
CHECKPOINT = table(LogCheckpoint)
BLOB = table(StoredBlob)
PERSONAL = table(Personal)
SUBJECT_KEY = table(SubjectKey)
DECISION = table(DecisionView)
TAG_SET = table(TagSet)
TAG = table(Tag)
ONCE = table(OnceAsked)
