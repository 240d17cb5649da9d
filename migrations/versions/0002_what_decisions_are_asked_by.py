"""What decisions are asked by: the run, sets of tags (rules, criteria, ...), and indexes for the officer's questions.

Decisions that were recorded before have no tags: their entries hold none.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEX = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEYS = {"tag_set": ("id",), "tag": ("tag_set", "kind", "value")}
REFUSAL = "the ledger is append-only"


def upgrade() -> None:
    op.add_column("decision", sa.Column("run", TEXT, nullable=True))
    op.add_column("decision", sa.Column("tag_set", INDEX, nullable=True))
    op.create_table(
        "tag_set",
        sa.Column("id", INDEX, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "tag",
        sa.Column("tag_set", INDEX, primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("value", TEXT, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tag_value", "tag", ["kind", "value", "tag_set"])
    op.create_index("ix_tag_set_digest", "tag_set", ["digest"], unique=True)
    op.create_index("ix_decision_verdict", "decision", ["verdict", "purpose", "stage", "leaf_index"])
    op.create_index("ix_decision_policy", "decision", ["policy_digest", "leaf_index"])
    op.create_index("ix_decision_valid_until", "decision", ["valid_until"])
    op.create_index("ix_decision_tag_set", "decision", ["tag_set", "leaf_index"])
    op.create_index("ix_log_entry_recorded_at", "log_entry", ["recorded_at"])
    _partial_index("ix_decision_run", "decision", ["run"], "run IS NOT NULL")
    _partial_index("ix_log_entry_type", "log_entry", ["type", "leaf_index"], "type <> 'decision'")
    if op.get_context().dialect.name == "postgresql":
        _refuse_changes_on_postgresql()
    else:
        _refuse_changes_on_sqlite()


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken back to an older schema")


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def _refuse_changes_on_sqlite() -> None:
    op.execute("DROP TRIGGER decision_no_replace")  # with the indexes, any trigger on INSERT doubles what a row costs
    for table, key in KEYS.items():
        for action in ("UPDATE", "DELETE"):
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
    for table in KEYS:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse()"
        )
