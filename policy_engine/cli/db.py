"""`policy db`: the schema of the ledger's database, by Alembic. The only way to migrate a ledger on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from policy_engine.cli.options import SCRATCH, check_pinned, choose_ledger, ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.migrate import MigrationStatus

T = TypeVar("T")


@click.group("db", epilog="Example: policy db upgrade --ledger postgresql+psycopg://ledger@db.example/policy")
def command() -> None:
    """Migrate the ledger's database, say where it stands, or give rights on it."""


@command.command("upgrade", epilog="Example: policy db upgrade --ledger postgresql+psycopg://ledger@db.example/policy")
@ledger_options
@click.pass_context
def upgrade(ctx: click.Context, ledger: str | None, ledger_key: Path | None) -> None:
    """Bring the ledger's schema to the revision that this program needs.

    A ledger on PostgreSQL is migrated by this command alone; one in a SQLite file is migrated at first use, too.
    """
    url = _url(ctx, ledger, ledger_key)

    def migrate() -> MigrationStatus:
        from policy_audit import migrate

        return migrate.upgrade(url)

    before = _asked(migrate)
    if before.is_current:
        click.echo(f"{_place(url)} is at revision {before.needed} already")
    else:
        click.echo(f"{_place(url)} upgraded from {_revision(before.current)} to revision {before.needed}")


@command.command("status", epilog="Example: policy db status -o json")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def status(ctx: click.Context, outputs: Sequence[str], ledger: str | None, ledger_key: Path | None) -> None:
    """Say which revision the ledger's schema has, and which one this program needs.

    The exit status is 0 whether or not it is up to date, and 6 where that cannot be read.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    url = _url(ctx, ledger, ledger_key)

    def read() -> MigrationStatus:
        from policy_audit import migrate

        return migrate.status(url)

    found = _asked(read)
    value = {
        "kind": "DatabaseStatus",
        "ledger": _place(url),
        "current": found.current,
        "head": found.needed,
        "up_to_date": found.is_current,
    }
    pairs = [
        ("Ledger", _place(url)),
        ("Current", _revision(found.current)),
        ("Head", f"revision {found.needed}"),
        ("Up to date", "yes" if found.is_current else _advice(found)),
    ]
    write_reports(targets, report_writers(lambda: value, lambda: [Section(pairs=pairs)]))


@command.command(
    "grants",
    epilog="Example: policy db grants --writer policy_writer --reader auditor | psql policy",
)
@click.option("--writer", metavar="ROLE", help="The role that records decisions.")
@click.option("--reader", metavar="ROLE", help="The role that reads and verifies, the auditor's.")
@click.option("--eraser", metavar="ROLE", help="The role that erases and disposes, and records that.")
@click.option("--apply", is_flag=True, help="Make the grants, as the owner of the tables; else they are printed.")
@ledger_options
@click.pass_context
def grants(
    ctx: click.Context,
    writer: str | None,
    reader: str | None,
    eraser: str | None,
    apply: bool,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Print, or make, the grants of least privilege on a ledger on PostgreSQL.

    The roles must exist. Whatever rights they had on the ledger's tables before are taken away first. None of them may
    change a row or empty a table, and only the eraser may delete, where the ledger lets rows be deleted.
    """
    from policy_audit.errors import AuditError
    from policy_audit.grants import Roles, statements
    from policy_audit.grants import apply as make

    url, roles = _url(ctx, ledger, ledger_key), Roles(writer, reader, eraser)
    if not roles.named():
        raise UsageError(Problem("usage", "no role is named", help="name one with --writer, --reader or --eraser"))
    try:
        given = statements(url, roles)
    except AuditError as error:
        raise UsageError(Problem(error.code, error.message, help=error.help)) from error
    if apply:
        _asked(lambda: make(url, roles))
        click.echo(f"{_place(url)} granted to {', '.join(roles.named())}")
        return
    click.echo("".join(f"{statement};\n" for statement in ("BEGIN", *given, "COMMIT")), nl=False)


def _url(ctx: click.Context, ledger: str | None, key: Path | None) -> str:
    choice = choose_ledger(ctx, ledger, key)
    if choice.scratch:
        message = f"`{SCRATCH}` has no database that outlives a command"
        raise UsageError(Problem("usage", message, help="name a ledger with --ledger"))
    if choice.pinned is not None:
        pinned = choice.pinned
        _asked(lambda: check_pinned(choice.url, pinned))
    return choice.url


def _asked(question: Callable[[], T]) -> T:
    from policy_audit.errors import AuditError

    from policy_engine.recorder import recording_error

    try:
        return question()
    except AuditError as error:
        raise recording_error(error) from error


def _place(url: str) -> str:
    """Name the ledger as people may see it: never with the password of its URL."""
    from policy_audit.database import locate

    return str(locate(url))


def _revision(current: str | None) -> str:
    return f"revision {current}" if current is not None else "no schema"


def _advice(found: MigrationStatus) -> str:
    if found.current is not None and found.current > found.needed:
        return "no: it is newer than this program; use the version of policy-engine that wrote it, or a later one"
    return "no: run `policy db upgrade`"
