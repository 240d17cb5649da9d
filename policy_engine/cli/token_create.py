"""`policy token create`: a token for the served engine, on record by its hash alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from policy_engine.access.principal import DEFAULT_DAYS, LONGEST_DAYS, ROLES
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import ledger_options, now
from policy_engine.errors import Problem, UsageError

_LONGEST_SUBJECT = 200


class End(AsOf):
    """So many days from now, or a time, or a date, which is over when its day is."""

    others = ", a date such as 2026-11-22, nor a number of days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 4:
            return now() + timedelta(days=int(value))
        return super().convert(value, param, ctx)


@click.command("create", epilog="Example: policy token create --subject ci@acme.example --role decide --expires 30")
@click.option("--subject", required=True, metavar="PERSON", help="Whom it speaks for; the actor of what is done by it.")
@click.option(
    "--role", "roles", required=True, multiple=True, type=click.Choice(ROLES), help="What it may do; repeatable."
)
@click.option(
    "--namespace", "namespaces", multiple=True, metavar="NS", help="Where alone; repeatable.  [default: everywhere]"
)
@click.option(
    "--expires",
    metavar="DAYS|DATE",
    type=End(),
    default=str(DEFAULT_DAYS),
    show_default=True,
    help=f"When it ends: days from now, a date (UTC) or a time; at most {LONGEST_DAYS} days.",
)
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    subject: str,
    roles: Sequence[str],
    namespaces: Sequence[str],
    expires: datetime,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Make a token and print it, once, alone on standard output; its id and end are on standard error.

    The ledger keeps its SHA-256, from which nobody gets it back. A server counts it at once.
    """
    from policy_engine.access.tokens import created_draft, new_token
    from policy_engine.cli.options import choose_ledger, opened
    from policy_engine.cli.waiver_common import acting, actor_of, audited
    from policy_engine.waivers.requesting import plain

    context = acting()
    actor_of(context, "makes it")
    person = plain(subject, "--subject", _LONGEST_SUBJECT)
    reach = _checked(namespaces)
    _check_end(expires)
    text, name, digest = new_token()
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        entry = open_ledger.append(created_draft(name, digest, person, set(roles), reach, expires, context)).index
    # shown only now: a token that is not on record would let nobody in
    click.echo(text)
    where = f"the namespaces {', '.join(reach)}" if reach else "every namespace"
    may = ", ".join(each for each in ROLES if each in roles)
    click.echo(f"token {name}, entry {entry}: {may} in {where}, until {_shown(expires)}", err=True)


def _checked(namespaces: Sequence[str]) -> list[str] | None:
    """Return the namespaces; None where there are none, which is everywhere.

    Raises:
        UsageError: one is no name of a namespace.
    """
    from pydantic import TypeAdapter, ValidationError

    from policy_engine.model.fields import Name

    adapter: TypeAdapter[str] = TypeAdapter(Name)
    for each in namespaces:
        try:
            adapter.validate_python(each)
        except ValidationError:
            hint = "as a workload's `metadata.namespace` has it"
            raise UsageError(Problem("namespace", f"`{each}` is no namespace", help=hint)) from None
    return sorted(set(namespaces)) or None


def _check_end(expires: datetime) -> None:
    if expires <= now():
        raise UsageError(
            Problem("token-expires", "the token would have ended already", help="give a later `--expires`")
        )
    if expires > now() + timedelta(days=LONGEST_DAYS, seconds=1):
        hint = f"give at most {LONGEST_DAYS} days, and make a new one before it ends"
        raise UsageError(Problem("token-expires", f"a token ends after {LONGEST_DAYS} days at the latest", help=hint))


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
