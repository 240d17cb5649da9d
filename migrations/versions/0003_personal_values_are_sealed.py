"""Personal values are sealed under a key for each person; documents may be disposed of.

What is there is carried over as it is, without a subject, and sealed when the ledger is next opened for appending:
the personal key is not at hand here.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BYTES = sa.LargeBinary()
REFUSAL = "the ledger is append-only"
KEYS = {"personal": ("leaf_index", "name"), "subject_key": ("subject",)}
# An ordinary table in the database itself: a temporary one may be written to another file, in plain text.
CARRIED = "personal_carried"


def upgrade() -> None:
    postgresql = op.get_context().dialect.name == "postgresql"
    plain = "convert_to(salt || chr(10) || value, 'UTF8')" if postgresql else "CAST(salt || char(10) || value AS BLOB)"
    op.execute(f"CREATE TABLE {CARRIED} AS SELECT leaf_index, name, {plain} AS sealed FROM personal")
    op.execute("DROP TABLE personal")
    op.create_table(
        "personal",
        sa.Column("leaf_index", INDEX, primary_key=True, autoincrement=False),
        sa.Column("name", TEXT, primary_key=True, autoincrement=False),
        sa.Column("subject", TEXT, nullable=True),
        sa.Column("sealed", BYTES, nullable=False),
    )
    op.execute(
        f"INSERT INTO personal (leaf_index, name, subject, sealed) SELECT leaf_index, name, NULL, sealed FROM {CARRIED}"
    )
    op.execute(f"DROP TABLE {CARRIED}")
    op.create_index("ix_personal_subject", "personal", ["subject"])
    op.create_table(
        "subject_key",
        sa.Column("subject", TEXT, primary_key=True, autoincrement=False),
        sa.Column("wrapped", BYTES, nullable=False),
    )
    if postgresql:
        _triggers_on_postgresql()
    else:
        _triggers_on_sqlite()


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken back to an older schema")


def _triggers_on_sqlite() -> None:
    for table, key in KEYS.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
    op.execute("DROP TRIGGER blob_no_delete")
    op.execute(
        "CREATE TRIGGER blob_no_delete BEFORE DELETE ON blob WHEN NOT EXISTS "
        "(SELECT 1 FROM log_entry WHERE leaf_index = (SELECT max(leaf_index) FROM log_entry) "
        "AND type = 'disposal' AND instr(CAST(entry AS TEXT), OLD.digest) > 0) "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )


def _triggers_on_postgresql() -> None:
    for table in KEYS:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse()"
        )
    op.execute("DROP TRIGGER blob_append_only ON blob")
    op.execute(
        "CREATE TRIGGER blob_append_only BEFORE UPDATE OR TRUNCATE ON blob "
        "FOR EACH STATEMENT EXECUTE FUNCTION policy_audit_refuse()"
    )
    op.execute(
        "CREATE FUNCTION policy_audit_refuse_undisposed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NOT EXISTS (SELECT 1 FROM log_entry WHERE leaf_index = (SELECT max(leaf_index) FROM log_entry) "
        "AND type = 'disposal' AND position(convert_to(OLD.digest, 'UTF8') in entry) > 0) THEN "
        f"RAISE EXCEPTION '{REFUSAL}'; END IF; RETURN OLD; END $$"
    )
    op.execute(
        "CREATE TRIGGER blob_disposal BEFORE DELETE ON blob "
        "FOR EACH ROW EXECUTE FUNCTION policy_audit_refuse_undisposed()"
    )
