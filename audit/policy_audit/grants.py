"""Least privilege on PostgreSQL: which role has which right, as statements, and given by the owner of the tables.

| role   | may                                                                                   |
|--------|---------------------------------------------------------------------------------------|
| owner  | everything; makes and migrates the tables, and is used for nothing else               |
| writer | read, insert, take the head's lock, and DELETE what is kept for a day (`once`);       |
|        | neither UPDATE, TRUNCATE nor CREATE, and no DELETE of anything else                   |
| eraser | what a writer may, and DELETE where the triggers let rows be deleted                  |
| reader | read                                                                                  |

Statements take all rights away first, so that whoever had more before has no more than this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from policy_audit.database import connect, locate
from policy_audit.errors import LedgerError
from policy_audit.names import HEAD, LOCK_FUNCTION, ONCE, REVISION, REVISION_TABLE
from policy_audit.server import is_identifier, quoted, verbatim
from policy_audit.state import revision

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of roles, which exist; None for a kind that nobody has."""

    writer: str | None = None
    reader: str | None = None
    eraser: str | None = None

    def named(self) -> list[str]:
        """Return the names that are given."""
        return [name for name in (self.writer, self.eraser, self.reader) if name is not None]


def statements(url: str, roles: Roles) -> list[str]:
    """Return the statements that give `roles` their rights, in order; nothing is connected to.

    Raises:
        LedgerError: the URL is not one of PostgreSQL, or a name is none, or stands for two kinds.
    """
    schema = _schema(url)
    names = roles.named()
    for name in names:
        if not is_identifier(name):
            raise LedgerError(f"`{name[:80]!a}` is not the name of a role", code="ledger-role")
    if not names or len(set(names)) != len(names):
        raise LedgerError(
            "the roles are not one or more different ones", code="ledger-role", help="a role of its own for each kind"
        )
    return list(_statements(quoted(schema), roles))


def apply(url: str, roles: Roles) -> list[str]:
    """Give `roles` their rights in one transaction, as the owner of the tables; return the statements.

    Raises:
        LedgerError: a role is not there, or has more rights than any statement can take away; the ledger is not
            migrated, or the user does not own it.
    """
    given = statements(url, roles)
    location = locate(url)
    database = connect(location)
    try:
        with database.write(patient=True) as connection:
            current = revision(connection)
            if current != REVISION:
                raise LedgerError(
                    f"the ledger `{location}` has the schema `{current or 'none'}`, not `{REVISION}`",
                    code="ledger-not-migrated",
                    help="run `policy db upgrade`",
                )
            _refuse_other_user(connection, str(location))
            _refuse_missing(connection, roles.named())
            for statement in given:
                connection.exec_driver_sql(verbatim(statement))
            for name in roles.named():
                _refuse_excess(connection, name, _rights(name, roles))
    finally:
        database.close()
    return given


def lacking(url: str) -> list[str]:
    """Return the rights of a writer that the user of `url` has not, as `INSERT on log_entry`; none on SQLite.

    Raises:
        LedgerError: the ledger cannot be reached.
    """
    from sqlalchemy import text

    location = locate(url)
    if not location.server:
        return []
    asked = text(
        "SELECT p.name || ' on ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS p(name) "
        "WHERE n.nspname = pg_catalog.current_schema() AND c.relkind IN ('r', 'p') "
        "AND NOT pg_catalog.has_table_privilege(c.oid, p.name) ORDER BY 1"
    )
    from policy_audit.tables import METADATA

    needed = _writes() | {f"SELECT on {table}" for table in METADATA.tables}
    database = connect(location)
    try:
        with database.read() as connection:
            return [right for right in connection.execute(asked).scalars() if right in needed]
    finally:
        database.close()


def _statements(schema: str, roles: Roles) -> Iterator[str]:
    from policy_audit.schema import DELETABLE, DISPOSABLE
    from policy_audit.tables import METADATA

    tables = sorted(METADATA.tables)
    everything = ", ".join(f"{schema}.{quoted(name)}" for name in (*tables, REVISION_TABLE))
    written = ", ".join(f"{schema}.{quoted(name)}" for name in tables if name != HEAD.name)
    erased = ", ".join(f"{schema}.{quoted(name)}" for name in sorted(DELETABLE | {DISPOSABLE}))
    lock = f"{schema}.{quoted(LOCK_FUNCTION)}()"
    named = ", ".join(map(quoted, roles.named()))
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
    yield f"REVOKE ALL ON {everything} FROM PUBLIC"
    yield f"REVOKE ALL ON FUNCTION {lock} FROM PUBLIC"
    yield f"REVOKE ALL ON SCHEMA {schema} FROM {named}"
    yield f"REVOKE ALL ON {everything} FROM {named}"
    yield f"REVOKE ALL ON FUNCTION {lock} FROM {named}"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {named}"
    yield f"GRANT SELECT ON {everything} TO {named}"
    for name in (roles.writer, roles.eraser):
        if name is not None:
            yield f"GRANT INSERT ON {written} TO {quoted(name)}"
            yield f"GRANT DELETE ON {schema}.{quoted(ONCE.name)} TO {quoted(name)}"
            yield f"GRANT EXECUTE ON FUNCTION {lock} TO {quoted(name)}"
    if roles.eraser is not None:
        yield f"GRANT DELETE ON {erased} TO {quoted(roles.eraser)}"


def _rights(name: str, roles: Roles) -> set[str]:
    """Return what else than reading the role may do, in the words of `_refuse_excess`."""
    from policy_audit.schema import DELETABLE, DISPOSABLE

    write = _writes()
    delete = {f"DELETE on {table}" for table in DELETABLE | {DISPOSABLE}}
    return {roles.writer: write, roles.eraser: write | delete}.get(name, set())


def _writes() -> set[str]:
    """Return what a writer may beside reading."""
    from policy_audit.tables import METADATA

    return {f"INSERT on {table}" for table in METADATA.tables if table != HEAD.name} | {f"DELETE on {ONCE.name}"}


def _schema(url: str) -> str:
    location = locate(url)
    if not location.server:
        raise LedgerError(
            f"the ledger `{location}` has no roles", code="ledger-url", help="grants are for a ledger on PostgreSQL"
        )
    return location.schema


def _refuse_other_user(connection: Connection, place: str) -> None:
    # To others than the owner the server gives a warning, and grants nothing.
    from sqlalchemy import text

    owns = connection.execute(
        text(
            "SELECT pg_catalog.bool_and(pg_catalog.pg_has_role(c.relowner, 'USAGE')) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = pg_catalog.current_schema() AND c.relkind = 'r'"
        )
    ).scalar_one()
    if not owns:
        raise LedgerError(
            f"this user does not own the tables of the ledger `{place}`",
            code="ledger-rights",
            help="grant as the role that ran `policy db upgrade`",
        )


def _refuse_missing(connection: Connection, names: list[str]) -> None:
    from sqlalchemy import text

    found = connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)"), {"names": names})
    missing = sorted(set(names) - set(found.scalars()))
    if missing:
        raise LedgerError(
            f"the server has no role `{missing[0]}`",
            code="ledger-role",
            help=f"make it: `CREATE ROLE {quoted(missing[0])} LOGIN`",
        )


def _refuse_excess(connection: Connection, name: str, allowed: set[str]) -> None:
    """Refuse a role that may do more than was granted: a superuser, the owner, or a member of another role."""
    from sqlalchemy import text

    excess = connection.execute(
        text(
            "SELECT p.name || ' on ' || c.relname FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p(name) "
            "WHERE n.nspname = pg_catalog.current_schema() AND c.relkind IN ('r', 'p') "
            "AND (pg_catalog.has_table_privilege(:role, c.oid, p.name) OR p.name IN ('INSERT', 'UPDATE') "
            "AND pg_catalog.has_any_column_privilege(:role, c.oid, p.name)) "
            "UNION ALL SELECT 'CREATE in the schema' WHERE pg_catalog.has_schema_privilege("
            ":role, pg_catalog.current_schema(), 'CREATE') ORDER BY 1"
        ),
        {"role": name},
    ).scalars()
    left = [right for right in excess if right not in allowed]
    if left:
        raise LedgerError(
            f"the role `{name}` has rights that no grant of ours gave: {left[0]}",
            code="ledger-role",
            help="a role of its own: no superuser, not the owner, and no member of a role that has more",
        )
