"""The options of `policy serve` that say who may use it, and what is said or refused before it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.access.principal import ROLES
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.access.issuer import Oidc
    from policy_engine.cli.options import LedgerChoice
    from policy_engine.service.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
OPEN = (
    "open: no token was ever made in this ledger, and no issuer is named, so that everybody on this machine may do "
    "everything. `policy token create` ends that at once"
)
_NEEDED = ("issuer", "audience", "keys")


def access_options(command: F) -> F:
    """`--rate`, `--behind-tls` and what OIDC needs."""
    for option in (
        click.option(
            "--oidc-role",
            "oidc_roles",
            metavar="VALUE=ROLE",
            multiple=True,
            help="The role that a claim's value stands for; repeatable.  [default: the roles' own names]",
        ),
        click.option("--oidc-subject-claim", metavar="NAME", help="Which claim says who it is.  [default: sub]"),
        click.option(
            "--oidc-roles-claim", metavar="NAME", help="Which claim has the roles; a path with dots.  [default: roles]"
        ),
        click.option(
            "--oidc-keys", metavar="FILE", type=click.Path(path_type=Path), help="Its keys, a JWKS; never fetched."
        ),
        click.option("--oidc-audience", metavar="AUD", help="The audience that its tokens have to be for."),
        click.option("--oidc-issuer", metavar="URL", help="Whose access tokens count, too; exactly their `iss`."),
        click.option(
            "--rate",
            metavar="N",
            type=click.FloatRange(0, 1_000_000),
            default=2000,
            show_default=True,
            help="Requests a second of one principal, for each worker; 0 for no limit.",
        ),
        click.option(
            "--behind-tls", is_flag=True, help="Clients come by HTTPS, ended in front: secure cookies, and HSTS."
        ),
    ):
        command = option(command)
    return command


def listening_at(listen: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        UsageError: it is not HOST:PORT.
    """
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        message = f"`--listen` takes HOST:PORT, and not `{listen}`"
        raise UsageError(Problem("listen", message, help="such as 127.0.0.1:8181, 0.0.0.0:8181 or [::]:8181"))
    return host.removeprefix("[").removesuffix("]"), int(port)


def oidc_of(
    *,
    oidc_issuer: str | None,
    oidc_audience: str | None,
    oidc_keys: Path | None,
    oidc_roles_claim: str | None,
    oidc_subject_claim: str | None,
    oidc_roles: Sequence[str],
) -> Oidc | None:
    """Return whose access tokens count; None where nobody's do.

    Raises:
        UsageError: something is missing, or no role.
    """
    from policy_engine.access.issuer import Oidc

    needed = (oidc_issuer, oidc_audience, oidc_keys)
    if oidc_issuer is None or oidc_audience is None or oidc_keys is None:
        if any(each is not None for each in (*needed, oidc_roles_claim, oidc_subject_claim, *oidc_roles)):
            named = zip(_NEEDED, needed, strict=True)
            missing = ", ".join(f"`--oidc-{name}`" for name, value in named if value is None)
            raise UsageError(Problem("oidc", f"access tokens need {missing}, too", help="give all three, or none"))
        return None
    mapped = []
    for each in oidc_roles:
        value, _, role = each.rpartition("=")
        if not value or role not in ROLES:
            message = f"`--oidc-role` takes VALUE=ROLE, and not `{each}`"
            raise UsageError(Problem("oidc-role", message, help=f"ROLE is one of {', '.join(ROLES)}"))
        mapped.append((value, role))
    claims = oidc_roles_claim or "roles", oidc_subject_claim or "sub"
    return Oidc(oidc_issuer, oidc_audience, oidc_keys, *claims, tuple(mapped))


def check_open(settings: Settings, choice: LedgerChoice) -> None:
    """Say that a server is open, or refuse one that would let nobody in, before it listens.

    A ledger that cannot be read now may be readable later: the server starts, and lets nobody in until then.

    Raises:
        UsageError: it listens on more than loopback, and no token was ever made, and no issuer is named.
    """
    from policy_engine.access.tokens import Tokens
    from policy_engine.cli.options import opened
    from policy_engine.errors import RecordingError

    if settings.oidc is not None:
        from policy_engine.access.oidc import Verifier

        Verifier(settings.oidc)
        return
    try:
        with opened(choice, read_only=True) as ledger:
            made = len(Tokens.read(ledger))
    except RecordingError as error:
        if error.code != "ledger-missing":
            return
        made = 0
    if made:
        return
    if not settings.on_loopback:
        message = f"nobody could log in: the ledger has no token, and `{settings.host}` is not loopback"
        hint = "make one with `policy token create`, name an issuer with --oidc-issuer, or listen on 127.0.0.1"
        raise UsageError(Problem("open-access", message, help=hint))
    click.echo(OPEN, err=True)
