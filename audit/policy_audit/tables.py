"""The tables, in a `MetaData` of their own; every column of every row is covered by verification (`policy_audit.fsck`).

| table            | covered by                                                         |
|------------------|--------------------------------------------------------------------|
| `log_head`       | exactly one row, which is the lock for appending                   |
| `log_entry`      | the leaf hash, and the checkpoints' roots                          |
| `log_checkpoint` | the signature, and the root derived again; rows that are missing:  |
|                  | the first, the last, and where the time of recording changes       |
| `blob`           | its digest, which an entry names                                   |
| `personal`       | the commitment in the entry                                        |
| `decision`       | derived again from the entry                                       |

A tail dropped with its checkpoints, and a missing checkpoint between two commits of the same microsecond, are not
found: what is left is a ledger that could have been written so. A kept checkpoint finds the former.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

METADATA = MetaData()

# An alias of SQLite's rowid must be declared INTEGER; PostgreSQL's INTEGER has only 32 bits.
INDEX = BigInteger().with_variant(Integer(), "sqlite")
# Byte order, as SQLite has it: a locale's order would break the order of times and the search for a prefix.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")


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
    """A personal value and the salt that opens its commitment; the only rows that may be deleted."""

    __tablename__ = "personal"
    leaf_index: int = _key(INDEX)
    name: str = _key(TEXT)
    salt: str = Field(sa_type=TEXT)
    value: str = Field(sa_type=TEXT)


class DecisionView(_Row, table=True):
    """The query columns of a decision, derived from its entry."""

    __tablename__ = "decision"
    __table_args__ = (
        Index("ix_decision_id", "decision_id"),
        Index("ix_decision_workload", "namespace", "workload", "leaf_index"),
        Index("ix_decision_recorded_at", "recorded_at"),
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


def table(model: type[SQLModel]) -> Table:
    """Return the Core table of a model."""
    return METADATA.tables[str(model.__tablename__)]


HEAD = table(LogHead)
ENTRY = table(LogEntry)
CHECKPOINT = table(LogCheckpoint)
BLOB = table(StoredBlob)
PERSONAL = table(Personal)
DECISION = table(DecisionView)
