"""What makes a request the same is kept for 24 hours, so that asking again gives the first answer.

Entries that were recorded before have nothing there.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEX = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
REFUSAL = "the ledger is append-only"


def upgrade() -> None:
    op.create_table(
        "once",
        sa.Column("leaf_index", INDEX, primary_key=True, autoincrement=False),
        sa.Column("request_key", TEXT, nullable=False),
        sa.Column("request", TEXT, nullable=False),
        sa.Column("salt", TEXT, nullable=False),
        sa.Column("entries", INDEX, nullable=False),
        sa.Column("recorded_at", TEXT, nullable=False),
    )
    op.create_index("ix_once_request_key", "once", ["request_key"], unique=True)
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER once_append_only BEFORE UPDATE OR TRUNCATE ON once "
            "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse()"
        )
        return
    op.execute(f"CREATE TRIGGER once_no_update BEFORE UPDATE ON once BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END")
    op.execute(
        "CREATE TRIGGER once_no_replace BEFORE INSERT ON once "
        "WHEN EXISTS (SELECT 1 FROM once WHERE leaf_index = NEW.leaf_index) "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken back to an older schema")
