"""Alembic, run from the program: bring a ledger's schema to the current revision, or tell which one it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from policy_audit.database import Location, connect, locate, use_write_ahead_log
from policy_audit.errors import LedgerError
from policy_audit.names import HEAD, REVISION
from policy_audit.sqlite_file import check_sqlite_file, create_sqlite_file
from policy_audit.state import refuse_other, revision, schema_of

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """The revision that a ledger's schema has (None: no schema yet), and the one that this program needs."""

    current: str | None
    needed: str

    @property
    def is_current(self) -> bool:
        return self.current == self.needed


def status(url: str) -> MigrationStatus:
    """Tell which revision the ledger at `url` has.

    Raises:
        LedgerError: there is no such database, it is not a ledger, or it cannot be read.
    """
    location = locate(url)
    if location.path is not None:
        check_sqlite_file(location.path)
    database = connect(location)
    try:
        with database.read() as connection:
            refuse_other(connection, location)
            return MigrationStatus(revision(connection), REVISION)
    finally:
        database.close()


def upgrade(url: str) -> MigrationStatus:
    """Bring the ledger at `url` to the current revision; return the status from before.

    Raises:
        LedgerError: the schema is newer than this program, the database is not a ledger, or refuses.
    """
    location = locate(url)
    if location.path is not None:
        create_sqlite_file(location.path)
        check_sqlite_file(location.path)
    database = connect(location)
    try:
        with database.read() as connection:
            refuse_other(connection, location)
        if location.path is not None:
            use_write_ahead_log(database)
        with database.write(patient=True) as connection:
            if location.server:
                _prepare_server(connection, location)
            before = MigrationStatus(revision(connection), REVISION)
            if not before.is_current:
                migrate(connection, before.current, location)
            return before
    finally:
        database.close()


def migrate(connection: Connection, current: str | None, place: Location) -> None:
    """Run the migrations from `current` on, in the caller's transaction.

    Raises:
        LedgerError: the revision is unknown, so the schema is newer than this program; or tables without a
            revision, so the database is something else.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    refuse_other(connection, place)
    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise LedgerError(
            f"the schema `{current}` of the ledger `{place}` is newer than this program",
            code="ledger-newer",
            help="use the version of policy-engine that wrote it, or a later one",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_server(connection: Connection, location: Location) -> None:
    """Wait for another migration and for whoever appends, and make the schema where it is not there yet.

    Raises:
        LedgerError: texts would be altered, or anybody could put code where the migration runs.
    """
    from policy_audit.server import quoted, verbatim

    name = location.schema
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"policy_audit {name}", 0))))
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise LedgerError(
            f"the database `{location}` has the encoding {encoding}",
            code="ledger-encoding",
            help="make a database with ENCODING 'UTF8' for the ledger",
        )
    if schema_of(connection) is None:
        connection.exec_driver_sql(verbatim(f"CREATE SCHEMA {quoted(name)}"))
    elif connection.execute(select(func.has_schema_privilege("public", name, "CREATE"))).scalar_one():
        raise LedgerError(
            f"every user may put functions into the schema of the ledger `{location}`",
            code="ledger-rights",
            help=f"run `REVOKE CREATE ON SCHEMA {quoted(name)} FROM PUBLIC` first",
        )
    if revision(connection) is not None:
        # a writer has the head's lock first and tables after it, so in this order neither waits for the other
        connection.execute(select(HEAD.c.id).with_for_update()).all()


def configuration() -> Config:
    """Return Alembic's configuration for the shipped migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    return config


def scripts() -> Path:
    """Return the folder of the migrations: in the installed package, or else in the checkout.

    Raises:
        LedgerError: neither is there, so the installation is broken.
    """
    package = Path(__file__).parent
    for folder in (package / "_migrations", package.parent.parent / "migrations"):
        if (folder / "env.py").is_file() and (folder / "versions").is_dir():
            return folder
    raise LedgerError(
        "the migrations are not installed", code="ledger-installation", help="install policy-engine again"
    )
