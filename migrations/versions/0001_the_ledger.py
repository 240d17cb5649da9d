"""The ledger: entries, checkpoints, blobs, personal values, the view of decisions, and what keeps them append-only.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INDEX = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BYTES = sa.LargeBinary()

# Tables by name, each with the columns of its primary key.
KEYS = {
    "blob": ("digest",),
    "decision": ("leaf_index",),
    "log_checkpoint": ("size",),
    "log_entry": ("leaf_index",),
    "log_head": ("id",),
    "personal": ("leaf_index", "name"),
}
REFUSAL = "the ledger is append-only"


def upgrade() -> None:
    op.create_table("log_head", _key("id", INDEX))
    op.create_table(
        "log_entry",
        _key("leaf_index", INDEX),
        _text("type"),
        _text("recorded_at"),
        sa.Column("leaf_hash", BYTES, nullable=False),
        sa.Column("entry", BYTES, nullable=False),
    )
    op.create_table(
        "log_checkpoint",
        _key("size", INDEX),
        sa.Column("root", BYTES, nullable=False),
        sa.Column("frontier", BYTES, nullable=False),
        _text("note"),
    )
    op.create_table("blob", _key("digest", TEXT), sa.Column("content", BYTES, nullable=False))
    op.create_table("personal", _key("leaf_index", INDEX), _key("name", TEXT), _text("salt"), _text("value"))
    op.create_table(
        "decision",
        _key("leaf_index", INDEX),
        _text("recorded_at"),
        _text("decision_id"),
        _text("namespace"),
        _text("workload"),
        _text("verdict"),
        _text("policy_digest"),
        _text("catalog_digest"),
        _text("decided_at"),
        _text("workload_digest", nullable=True),
        _text("valid_until", nullable=True),
        _text("purpose", nullable=True),
        _text("stage", nullable=True),
    )
    op.create_index("ix_decision_id", "decision", ["decision_id"])
    op.create_index("ix_decision_workload", "decision", ["namespace", "workload", "leaf_index"])
    op.create_index("ix_decision_recorded_at", "decision", ["recorded_at"])
    if op.get_context().dialect.name == "postgresql":
        _refuse_changes_on_postgresql()
    else:
        _refuse_changes_on_sqlite()
    op.execute("INSERT INTO log_head (id) VALUES (1)")


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken back to an older schema")


def _key(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _text(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, TEXT, nullable=nullable)


def _refuse_changes_on_sqlite() -> None:
    for table, key in KEYS.items():
        for action in ("UPDATE",) if table == "personal" else ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        # INSERT OR REPLACE deletes without firing a trigger on DELETE.
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )


def _refuse_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION policy_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    for table in KEYS:
        actions = "UPDATE OR TRUNCATE" if table == "personal" else "UPDATE OR DELETE OR TRUNCATE"
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {actions} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse()"
        )
    # Locking a row takes the right to update it. Whoever may execute this function has the lock without that right:
    # it runs with its owner's rights, and finds tables in the schema that it was made in alone.
    op.execute(
        "DO $do$ BEGIN EXECUTE pg_catalog.format('CREATE FUNCTION policy_audit_lock_head() RETURNS void "
        "LANGUAGE plpgsql SECURITY DEFINER SET search_path = %I, pg_temp AS $$ BEGIN "
        "PERFORM id FROM log_head FOR UPDATE; "
        "IF NOT FOUND THEN RAISE EXCEPTION ''the ledger has no head''; END IF; END $$', "
        "pg_catalog.current_schema()); END $do$"
    )
    op.execute("REVOKE ALL ON FUNCTION policy_audit_lock_head() FROM PUBLIC")
