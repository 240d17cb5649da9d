"""The tables by their names alone: all that appending needs.

`policy_audit.tables` defines the schema, as SQLModel classes, which take as long to make as half of a recorded
evaluation. Statements that append go by these names instead; a test holds them to the definition.
"""

from __future__ import annotations

from sqlalchemy import column, table

REVISION = "0004"
REVISION_TABLE = "alembic_version"
LOCK_FUNCTION = "policy_audit_lock_head"
LOCK = f"SELECT {LOCK_FUNCTION}()"

VERSION = table(REVISION_TABLE, column("version_num"))
HEAD = table("log_head", column("id"))
ENTRY = table(
    "log_entry",
    *(column(name) for name in ("leaf_index", "type", "recorded_at", "leaf_hash", "entry")),
)
CHECKPOINT = table("log_checkpoint", *(column(name) for name in ("size", "root", "frontier", "note")))
BLOB = table("blob", column("digest"), column("content"))
PERSONAL = table("personal", *(column(name) for name in ("leaf_index", "name", "subject", "sealed")))
SUBJECT_KEY = table("subject_key", column("subject"), column("wrapped"))
DECISION = table(
    "decision",
    *(
        column(name)
        for name in (
            "leaf_index",
            "recorded_at",
            "decision_id",
            "namespace",
            "workload",
            "verdict",
            "policy_digest",
            "catalog_digest",
            "decided_at",
            "workload_digest",
            "valid_until",
            "purpose",
            "stage",
            "run",
            "tag_set",
        )
    ),
)
TAG_SET = table("tag_set", column("id"), column("digest"))
TAG = table("tag", *(column(name) for name in ("tag_set", "kind", "value")))
ONCE = table(
    "once", *(column(name) for name in ("leaf_index", "request_key", "request", "salt", "entries", "recorded_at"))
)
