"""Alembic's environment for the ledger: a connection that is handed in, or a URL.

`policy_audit.migrate` hands in a connection. From a checkout: `alembic -x url=sqlite:///ledger.db upgrade head`.
"""

from __future__ import annotations

from alembic import context
from policy_audit.tables import METADATA
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool


def _url() -> str:
    url = context.get_x_argument(as_dictionary=True).get("url") or context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("name the ledger: alembic -x url=sqlite:///path ...")
    return url


def _migrate(connection: Connection) -> None:
    # The transaction is the caller's: a half-made schema must never be committed.
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=False)
    context.run_migrations()


def _migrate_offline() -> None:
    context.configure(url=_url(), target_metadata=METADATA, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


def _migrate_online() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    engine = create_engine(_url(), poolclass=NullPool)
    with engine.connect() as own, own.begin():
        _migrate(own)


if context.is_offline_mode():
    _migrate_offline()
else:
    _migrate_online()
