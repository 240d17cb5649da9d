"""What the commands under `policy waiver` share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
MIN_PREFIX = 4
_HEX = re.compile(r"[0-9a-f]+")


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


def name_nobody(words: Mapping[str, str], people: Mapping[str, str | None]) -> None:
    """Refuse texts that are kept for good and name one of `people`, as far as these are known.

    Raises:
        UsageError: one of them does.
    """
    from policy_audit.errors import LedgerError
    from policy_audit.words import refuse_names

    try:
        refuse_names(words, {role: name for role, name in people.items() if name is not None})
    except LedgerError as error:
        raise UsageError(Problem(error.code, error.message, help=error.help)) from None


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


def find_row(rows: Sequence[Mapping[str, Any]], identifier: str) -> dict[str, Any]:
    """Return the waiver with this id, or with the only id that begins so.

    Raises:
        InputError: there is none, or there are several.
    """
    wanted = identifier.strip().lower()
    found = [row for row in rows if row["id"].startswith(wanted)]
    if len(wanted) < MIN_PREFIX or not _HEX.fullmatch(wanted) or not found:
        hint = f"`policy waiver list --all` shows them; give at least {MIN_PREFIX} characters"
        raise InputError(Problem("waiver-missing", f"the ledger has no waiver `{identifier}`", help=hint))
    if len(found) > 1:
        some = ", ".join(f"`{row['id'][:16]}`" for row in found[:3])
        message = f"several waivers begin with `{identifier}`"
        raise InputError(Problem("waiver-ambiguous", message, help=f"among them {some}"))
    return dict(found[0])


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
