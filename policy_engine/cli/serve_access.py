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


def check_open(settings: Settings, choice: LedgerChoice) -> Settings:
    """Say that a server is open, or refuse one that would let nobody in, before it listens.

    A ledger that cannot be read now may be readable later: the server starts, and lets nobody in until then. One that
    is not there is made here, where there is a place for it, and by no worker later: there it went away.

    Raises:
        UsageError: others than this machine reach it, and no token was ever made, and no issuer is named.
        RecordingError: it could never record anything: key or driver is missing, or the key cannot be used.
    """
    from msgspec.structs import replace

    from policy_engine.cli.serve_ledger import begin_ledger, saying
    from policy_engine.serving.logs import begin

    with saying(settings):
        made = _tokens_made(choice)
    if settings.oidc is not None:
        from policy_engine.access.oidc import Verifier

        Verifier(settings.oidc)
    elif made == 0:
        _refuse_closed(settings)
    log = begin(settings.log_form, settings.log_level)
    there = made != 0 or begin_ledger(choice, log)
    if there and made == 0 and settings.oidc is None:
        log.event("warning", "open", message=OPEN)
    return replace(settings, create=False, token_made=bool(made))


def _refuse_closed(settings: Settings) -> None:
    if settings.behind_tls:
        message = "nobody could log in: the ledger has no token, and whoever comes through `--behind-tls` needs one"
        hint = "make one with `policy token create`, or name an issuer with --oidc-issuer"
        raise UsageError(Problem("open-access", message, help=hint))
    if not settings.on_loopback:
        message = f"nobody could log in: the ledger has no token, and `{settings.host}` is not loopback"
        hint = "make one with `policy token create`, name an issuer with --oidc-issuer, or listen on 127.0.0.1"
        raise UsageError(Problem("open-access", message, help=hint))


def _tokens_made(choice: LedgerChoice) -> int | None:
    """Return how many tokens were ever made; None where the ledger cannot be read now.

    Raises:
        RecordingError: what is wrong does not mend itself.
    """
    from policy_engine.access.tokens import Tokens
    from policy_engine.cli.options import opened
    from policy_engine.errors import RecordingError

    try:
        with opened(choice, read_only=True) as ledger:
            made = len(Tokens.read(ledger))
    except RecordingError as error:
        if error.code == "ledger-driver":
            raise
        _check_key(choice, begun=False)
        return 0 if error.code == "ledger-missing" else None
    _check_key(choice, begun=True)
    return made


def _check_key(choice: LedgerChoice, *, begun: bool) -> None:
    """Refuse a key that nothing could ever be recorded with; that of a log that has not begun is made with it.

    Raises:
        RecordingError: a ledger on a server has none, or the file is missing, exposed, unreadable, or no key.
    """
    from policy_audit.database import locate
    from policy_audit.errors import AuditError, SigningKeyError
    from policy_audit.signing_program import read_signer

    from policy_engine.recorder import recording_error

    location = locate(choice.url)
    path = choice.key or (location.path.with_name(f"{location.path.name}.key") if location.path is not None else None)
    try:
        if path is not None and (begun or path.exists()):
            read_signer(path.expanduser())
        elif path is None and location.server:
            message = "a ledger on PostgreSQL needs a file for its signing key"
            hint = "name it with `--ledger-key`, or in POLICY_LEDGER_KEY; the key never stands in the database"
            raise SigningKeyError(message, code="signing-key-path", help=hint)
    except AuditError as error:
        raise recording_error(error) from error
