"""What the commands under `policy waiver` share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.errors import AuditError
    from policy_audit.keys import Signer

    from policy_engine.recorder import Context
    from policy_engine.waivers.files import WaiverFile
    from policy_engine.waivers.on_record import Record

HEAD = (
    "# A request to waive one rule. `policy waiver approve` signs it; a file that was edited since is refused.\n"
    "# The requester's name stands in this file alone: the ledger and the signature hold a commitment to it.\n"
)


class Day(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A date such as 2027-06-30."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"`{value}` is not a date such as 2027-06-30", param, ctx)


def write_waiver(path: Path, file: WaiverFile) -> None:
    """Write a waiver's file, whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    from policy_engine.cli.output import to_yaml, write_file
    from policy_engine.waivers.files import file_document

    try:
        write_file(path, HEAD + to_yaml(file_document(file)))
    except OSError as error:
        message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from error


def show_waiver(file: WaiverFile, *, err: bool = False) -> None:
    """Say what is about to be signed."""
    from policy_engine.cli.printable import printable
    from policy_engine.wording import value_text

    statement = file.statement
    scope, decided = statement.scope, statement.decided
    rows = [
        ("rule", statement.rule.id),
        ("workload", f"{scope.namespace}/{scope.name}"),
        ("option", scope.option),
        ("task", scope.task or "any"),
        ("period", f"{statement.valid_from} through {statement.valid_until}"),
        ("requester", f"{file.requester} ({statement.requester.known_by})"),
        ("ledger", statement.origin),
        ("ticket", statement.ticket),
        ("reason", statement.reason),
        ("decision", decided.decision),
        ("outcome", decided.outcome),
        *(("fact", f"{name} = {value_text(value)}") for name, value in sorted(decided.facts.items())),
        *(("not known", name) for name in decided.missing),
    ]
    for name, text in rows:
        click.echo(f"{name:<10} {printable(text)}", err=err)


def left_out(record: Record, error: AuditError) -> None:
    """Say which entry was left out: whoever wrote one that holds no waiver must not keep others from being revoked.

    What was disposed of is in order; `policy audit report waivers` counts it.
    """
    from policy_engine.waivers.on_record import DISPOSED

    if error.code != DISPOSED:
        click.echo(f"entry {record.index} is left out: {error.message}", err=True)


def acting() -> Context:
    """Return who runs this and from where."""
    from policy_engine.recorder import context_from_environment

    return context_from_environment("deploy")


def actor_of(context: Context, what: str) -> str:
    """Return who runs this.

    Raises:
        UsageError: nobody is named.
    """
    if context.actor is None:
        raise UsageError(Problem("no-actor", f"nobody is named who {what}", help="set POLICY_ACTOR"))
    return context.actor


@contextmanager
def audited() -> Iterator[None]:
    """Turn what the ledger's own code raises into the program's errors."""
    from policy_audit.errors import AuditError

    from policy_engine.recorder import recording_error

    try:
        yield
    except AuditError as error:
        raise recording_error(error) from error


def signer_of(path: Path) -> Signer:
    """Read a signing key.

    Raises:
        InputError: it is none, or others can read it.
    """
    from policy_audit.errors import AuditError
    from policy_audit.signing_program import read_signer

    try:
        return read_signer(path)
    except AuditError as error:
        raise InputError(Problem(error.code, error.message, help=error.help)) from error


def of_another(row: Mapping[str, Any]) -> str:
    """Say of a waiver that was asked for in another ledger than the one that is read what it comes to there."""
    return f"it is of the ledger {row['origin']}: here it lifts something by its file alone, where the policy lets it"


def by_file(row: Mapping[str, Any]) -> str:
    """Say of a waiver that nobody granted here what is known of it."""
    return f"nobody granted it here: it is read from the decision in entry {row['by_file_index']}, which used its file"


def scope_text(row: Mapping[str, Any]) -> str:
    """Say where a waiver holds."""
    task = f", task {row['task']}" if row["task"] is not None else ""
    return f"{row['namespace']}/{row['workload']}, {row['option']}{task}"
