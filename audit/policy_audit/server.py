"""PostgreSQL: where a ledger stands on a server, how its transactions begin, and the words for what a server refuses.

Nothing that a role or a database sets beforehand may change what a statement of ours means, so every transaction
begins with settings of its own (`settings`): they hold until it ends, also behind a pool that shares connections.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from policy_audit.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import Engine

PREFIX = "postgresql+psycopg://"
DEFAULT_SCHEMA = "public"
SCHEMA_SETTING = "policy_audit.schema"
STATEMENT_SECONDS = 60.0
#: A reader waits so long for a table that somebody locks as a whole, which a migration does.
READ_LOCK_SECONDS = 30.0
IDLE_SECONDS = 300.0
_LONGEST_NAME = 63
# A server that is gone must be noticed: what waits for a commit would wait for ever.
_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "policy-ledger",
}


def split_url(url: str) -> tuple[str, str]:
    """Return the URL for the driver, without our own parameter `schema`, and that schema.

    Raises:
        LedgerError: the URL is malformed, or the schema's name is none.
    """
    parsed = _parse(url)
    if parsed is None:
        raise LedgerError(
            "the URL of the PostgreSQL ledger is malformed",
            code="ledger-url",
            help="in user and password write `@` as %40, `:` as %3A, `/` as %2F, `?` as %3F",
        )
    named = parsed.query.get("schema", DEFAULT_SCHEMA)
    if not isinstance(named, str) or not is_identifier(named) or named.startswith("pg_"):
        raise LedgerError(
            "the URL of the PostgreSQL ledger does not name one schema", code="ledger-url", help="write `?schema=NAME`"
        )
    return parsed.difference_update_query(["schema"]).render_as_string(hide_password=False), named


def is_identifier(name: str) -> bool:
    """Whether PostgreSQL takes `name`, quoted, as it is: it cuts longer ones short."""
    try:
        return 0 < len(name.encode()) <= _LONGEST_NAME and "\x00" not in name
    except UnicodeEncodeError:
        return False


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def verbatim(statement: str) -> str:
    """Return a statement as `exec_driver_sql` takes it, where `%` would be a placeholder."""
    return statement.replace("%", "%%")


def shown(url: str) -> str:
    """Name the database as people may see it: host, port and name, and nothing that could hold a password."""
    parsed = _parse(url)
    if parsed is None:
        return "postgresql://..."
    host = parsed.host or parsed.query.get("host") or ""
    host = host if isinstance(host, str) else ",".join(host)
    host = f"[{host}]" if ":" in host else host
    port = parsed.port or parsed.query.get("port")
    return f"postgresql://{host}{f':{port}' if port else ''}/{parsed.database or ''}"


def connect_server(url: str) -> Engine:
    """Return an engine for `url`; nothing is connected yet.

    Raises:
        LedgerError: the driver is not installed, or the URL is malformed.
    """
    try:
        from policy_audit.prepared import Prepares
        from policy_audit.server_silence import connect

        parsed = make_url(url)
        engine = create_engine(
            parsed,
            isolation_level="AUTOCOMMIT",
            use_native_hstore=False,
            connect_args={
                **{name: value for name, value in _CONNECT.items() if name not in parsed.query},
                "client_encoding": "utf8",
                # what is prepared under names that others may have is not: `pipeline` has its own
                "prepare_threshold": None,
            },
        )
    except ModuleNotFoundError as error:
        raise LedgerError(
            f"the driver `{error.name}` is not installed",
            code="ledger-driver",
            help="pip install policy-engine[postgres]",
        ) from None
    except (ArgumentError, ValueError):
        raise LedgerError("the URL of the PostgreSQL ledger is malformed", code="ledger-url") from None
    prepares = Prepares()
    event.listen(engine, "do_connect", lambda dialect, record, arguments, more: connect(arguments, more, prepares))
    return engine


#: Whoever appends finds all that it asks by an index. A plan that is kept was made when the tables were smaller, or
#: empty: it is not to look through them. What has no index then counts as so costly that it would be compiled.
_INDEXED = {"enable_seqscan": "off", "jit": "off"}


def reading(schema: str) -> tuple[str, ...]:
    """Return the statements that begin a transaction on one snapshot; a statement may take as long as it takes."""
    own = {**_common(schema), "lock_timeout": _milliseconds(READ_LOCK_SECONDS), "statement_timeout": "0"}
    return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", settings(own)


def writing(schema: str, lock_seconds: float, patient: bool = False) -> tuple[str, ...]:
    """Return the statements that begin a writer's transaction; a `patient` one may take as long as it takes.

    INVARIANT: `synchronous_commit` is on: what is acknowledged survives a crash, whatever role or database set.
    A server whose `default_transaction_read_only` is on stays read-only: somebody means it.
    """
    own = {
        **_common(schema),
        "synchronous_commit": "on",
        "lock_timeout": _milliseconds(lock_seconds),
        "statement_timeout": _milliseconds(0 if patient else STATEMENT_SECONDS),
        # a writer that was stopped while it held the head's lock would stop all others
        "idle_in_transaction_session_timeout": _milliseconds(0 if patient else IDLE_SECONDS),
        **({} if patient else _INDEXED),
    }
    return "BEGIN ISOLATION LEVEL READ COMMITTED", settings(own)


def settings(values: dict[str, str]) -> str:
    """Return one statement that makes settings until the transaction ends."""
    quotable = ((name, value.replace("'", "''")) for name, value in values.items())
    calls = (f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in quotable)
    return f"SELECT {', '.join(calls)}"


def prepares_in(connection: Connection, whether: bool) -> None:
    """Say whether what is asked often in the transaction that begins may be prepared: in one of `writing` alone."""
    driver: Any = connection.connection.driver_connection
    driver.prepared.here = whether


def in_failed_transaction(connection: Connection) -> bool:
    """Whether COMMIT would silently roll back, because a statement before it failed."""
    driver: Any = connection.connection.driver_connection
    return bool(driver.info.transaction_status.name == "INERROR")


def words(error: DBAPIError) -> tuple[str, str, str | None] | None:
    """Return code, message and help for what a server refused; the message has a place for the ledger's name."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == "42501" and "row-level security" in str(error.orig):
        return "ledger-tampered", "row level security keeps rows of the ledger `{}` from this user", _VERIFY
    if state == "XX000" and any(part in str(error.orig) for part in ("could not extend", "could not write")):
        return _FULL  # a limit on the size of files has no state of its own
    for starts, code, message, hint in _STATES:
        if state.startswith(starts):
            return code, message, hint
    if state or type(error.orig).__name__ == "DataError":
        return None
    # Before there is a connection libpq has a text and no SQLSTATE; the text never holds the password.
    text = str(error.orig)
    for parts, code, message, hint in _TEXTS:
        if any(part in text for part in parts):
            return code, message, hint
    if error.connection_invalidated or type(error.orig).__name__ in _LOST:
        line = text.strip().partition("\n")[0].rstrip(".").replace("{", "{{").replace("}", "}}")
        return "ledger-unreachable", f"the server of the ledger `{{}}` cannot be reached: {line}", _REACH
    return None


def _parse(url: str) -> URL | None:
    # An `@` elsewhere is one of a password that was not encoded: its rest would be taken for the host, and shown.
    authority, *rest = re.split(r"[/?#]", url.removeprefix(PREFIX), maxsplit=1)
    if authority.count("@") > 1 or "@" in "".join(rest):
        return None
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        return None


def _common(schema: str) -> dict[str, str]:
    return {
        # Only the ledger's own schema, after the system's and before what is temporary: a table or function that
        # a role put first is never found.
        "search_path": f"{quoted(schema)}, pg_temp",
        # `current_schema` would be that of temporary tables where ours is not there
        SCHEMA_SETTING: schema,
        # A policy that would hide rows from us is an error, and not fewer rows.
        "row_security": "off",
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


_REACH = "check host, port and network, and that the server runs"
_VERIFY = "verify it: `policy audit verify`"
_LOGIN = "check user and password, and the server's pg_hba.conf"
_LOST = ("OperationalError", "InterfaceError", "ConnectionTimeout")
_MISSING = ("ledger-missing", "the server has no database `{}`", "create the database, then run `policy db upgrade`")
_REFUSED = ("ledger-login", "the server of the ledger `{}` does not let this user in", _LOGIN)
_FULL = ("ledger-disk-full", "there is no space left for the ledger `{}`", "make room and try again")
_STATES: tuple[tuple[tuple[str, ...], str, str, str | None], ...] = (
    (("28",), *_REFUSED),
    (("3D000",), *_MISSING),
    (("53300",), "ledger-unreachable", "the server of the ledger `{}` has no connection left", "try again"),
    (("08", "57P01", "57P02", "57P03", "57P05"), "ledger-unreachable", "the server of the ledger `{}` is gone", _REACH),
    (("57014", "25P03"), "ledger-timeout", "the ledger `{}` took too long, and gave up", "try again"),
    (("55P03", "40P01", "40001"), "ledger-locked", "the ledger `{}` is locked by another", "try again"),
    (("53",), *_FULL),
    (("58",), "ledger-io", "the disk under the ledger `{}` failed", "look at the server's log"),
    (("25006",), "ledger-read-only", "the ledger `{}` takes no writes now", "its server or role was made read-only"),
    (
        ("42501",),
        "ledger-rights",
        "this user lacks a right on the ledger `{}`",
        "`policy db grants` prints the statements that give it",
    ),
    (("XX001", "XX002"), "ledger-corrupt", "the ledger `{}` is damaged", "restore a backup, then verify it"),
    (("54000",), "entry-too-large", "a column of the entry is too long for an index of the ledger `{}`", None),
    (("42P01", "42703", "42883", "42P10"), "ledger-tampered", "the schema of the ledger `{}` was changed", _VERIFY),
    (
        ("23", "P0001"),
        "ledger-tampered",
        "the ledger `{}` holds rows that its last checkpoint does not cover",
        _VERIFY,
    ),
)
_TEXTS: tuple[tuple[tuple[str, ...], str, str, str | None], ...] = (
    (("authentication failed", "no password supplied", "pg_hba.conf", "not permitted to log in", ' role "'), *_REFUSED),
    (('" does not exist',), *_MISSING),
    (("too many clients", "connection slots"), _STATES[2][1], _STATES[2][2], _STATES[2][3]),
)
