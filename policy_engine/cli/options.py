"""Options that several commands share, and the settings behind them: flag, environment, policy.toml, default."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy

F = TypeVar("F", bound=Callable[..., Any])
_PIN, _TOLD = "policy_engine.ledger_vkey", "policy_engine.ledger_vkey_told"
SCRATCH = "sqlite:///:memory:"
PURPOSES = ("draft", "pull_request", "deploy")
_SPOOL = "spool:"
#: Said where nobody sits who would wonder: a mistyped place makes a ledger, too.
NEW = (
    "nothing was on record there before. If there should be, the place is mistyped; "
    "--ledger-vkey KEY (POLICY_LEDGER_VKEY) refuses every other ledger, and makes none"
)
_LEDGER_SUFFIXES = ("", "-wal", "-shm", "-journal", ".key", ".key.personal", ".key.personal.next")


class Folder(click.Path):
    """A directory's path; an empty one would be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty path names no directory", param, ctx)
        return super().convert(value, param, ctx)


class Place(click.Path):
    """The path of a file, or of a folder of files; an empty one would be the working directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty path names nothing", param, ctx)
        return super().convert(value, param, ctx)


class Time(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An RFC 3339 time with an offset."""

    name = "time"
    #: What else is taken, for the error's text.
    others = ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from policy_engine.decide import parse_time

        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value)
        except ValueError:
            self.fail(f"`{value}` is not a time such as 2026-11-22T09:00:00Z{self.others}", param, ctx)


class VerifierKey(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A log's verifier key, as it is printed when a ledger is made."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from policy_audit.errors import VerificationError
        from policy_audit.keys import parse_verifier_key

        try:
            parse_verifier_key(value)
        except VerificationError as error:
            self.fail(error.message, param, ctx)
        return str(value)


def _settings(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Put the value of policy.toml in where neither flag nor environment gave one."""
    from policy_engine.cli.settings import setting

    source = ctx.get_parameter_source(param.name or "")
    if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT"):
        return value
    found = setting(ctx, param.name or "")
    if found is None:
        return value
    return param.type_cast_value(ctx, found)


def _pinned(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep the pinned key for whoever chooses the ledger."""
    ctx.meta[_PIN] = _settings(ctx, param, value)


def pinned_key(ctx: click.Context) -> str | None:
    """Return the verifier key that the ledger must have; None where none is pinned."""
    found: str | None = ctx.meta.get(_PIN)
    return found


def ledger_options(command: F) -> F:
    """`--ledger`, `--ledger-key` and `--ledger-vkey`, which `choose_ledger` is told of through the context."""
    return _ledger_options(command, "sqlite:///PATH or postgresql+psycopg://...")


def recording_options(command: F) -> F:
    """The same for commands that a runner without a ledger calls, too."""
    return _ledger_options(command, "sqlite:///PATH, postgresql+psycopg://..., or spool:DIR without a ledger.")


def _ledger_options(command: F, urls: str) -> F:
    command = click.option(
        "--ledger-vkey",
        metavar="KEY",
        type=VerifierKey(),
        envvar="POLICY_LEDGER_VKEY",
        callback=_pinned,
        expose_value=False,
        help="Make no ledger, and use none but that of this verifier key; status 6 otherwise.",
    )(command)
    command = click.option(
        "--ledger",
        metavar="URL",
        envvar="POLICY_LEDGER",
        callback=_settings,
        help=f"{urls}  [default: a SQLite file in the user's data directory]",
    )(command)
    return click.option(
        "--ledger-key",
        metavar="FILE",
        type=click.Path(path_type=Path),
        envvar="POLICY_LEDGER_KEY",
        callback=_settings,
        help="The signing key.  [default: beside a SQLite ledger, as PATH.key]",
    )(command)


def policy_options(command: F) -> F:
    """`--policy` and `--policy-digest`."""
    command = click.option(
        "--policy",
        "layers",
        metavar="DIR",
        multiple=True,
        type=Folder(path_type=Path),
        envvar="POLICY_POLICY",
        callback=_settings,
        help="A layer of rules over the shipped ones; repeatable, later ones win.",
    )(command)
    return click.option(
        "--policy-digest",
        metavar="DIGEST",
        envvar="POLICY_POLICY_DIGEST",
        callback=_settings,
        help="Refuse any other effective policy than this sha256:...",
    )(command)


def at_option(text: str, kind: Time | None = None) -> Callable[[F], F]:
    """`--at` with this help; `kind` where it also takes a date."""
    return click.option("--at", metavar="TIME", type=kind or Time(), envvar="POLICY_AT", callback=_settings, help=text)


def decision_options(command: F) -> F:
    """`--at` and `--purpose`."""
    command = at_option("The decision's time, RFC 3339.  [default: now]")(command)
    return click.option(
        "--purpose",
        type=click.Choice(PURPOSES),
        default="draft",
        show_default=True,
        envvar="POLICY_PURPOSE",
        callback=_settings,
        help="What the decision is for; recorded with it.",
    )(command)


def output_options(formats: Sequence[str]) -> Callable[[F], F]:
    """`-o FORMAT[=PATH]`, `-q` and `-v`."""

    def add(command: F) -> F:
        command = click.option(
            "-o",
            "--output",
            "outputs",
            metavar="FORMAT[=PATH]",
            multiple=True,
            envvar="POLICY_OUTPUT",
            callback=_settings,
            help=f"{', '.join(formats)}; to a file with =PATH; repeatable.  [default: text]",
        )(command)
        quiet = "Say less: a line for each workload, and errors."
        command = click.option("-q", "--quiet", is_flag=True, help=quiet)(command)
        verbose = "Say more: every model, every rule that fired."
        return click.option("-v", "--verbose", count=True, help=verbose)(command)

    return add


@dataclass(frozen=True)
class LedgerChoice:
    """Which ledger, by which key; `explicit` where flag or environment named it."""

    url: str
    key: Path | None
    explicit: bool
    pinned: str | None = None
    """The verifier key that it must have."""

    @property
    def scratch(self) -> bool:
        return self.url == SCRATCH

    @property
    def spool(self) -> Path | None:
        """The folder that decisions are spooled into, where there is no ledger."""
        return Path(self.url.removeprefix(_SPOOL)) if self.url.startswith(_SPOOL) else None


def choose_ledger(ctx: click.Context, url: str | None, key: Path | None, *, spools: bool = False) -> LedgerChoice:
    """Return the ledger of the settings, else the user's own; a spool only to commands that decide (`spools`).

    Raises:
        UsageError: it is a spool, which cannot be read, or whose folder is not named.
        RecordingError: a key is pinned, and a spool has none.
    """
    source = ctx.get_parameter_source("ledger")
    explicit = source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
    if url is None:
        import platformdirs

        folder = Path(platformdirs.user_data_dir("policy-engine", appauthor=False))
        url = f"sqlite:///{folder / 'ledger.db'}"
    choice = LedgerChoice(url, key, explicit, ctx.meta.get(_PIN))
    if choice.spool is not None:
        _check_spool(choice, spools)
    return choice


def _check_spool(choice: LedgerChoice, spools: bool) -> None:
    if not spools:
        message = "a spool is no ledger: it takes decisions, and nothing is read from it"
        hint = "put it into a ledger with `policy audit collect DIR`, and name that ledger"
        raise UsageError(Problem("unsupported-ledger", message, help=hint))
    if choice.url == _SPOOL:
        raise UsageError(Problem("unsupported-ledger", "`spool:` names no folder", help="write spool:DIR"))
    if choice.pinned is not None:
        from policy_engine.errors import RecordingError

        message = "`--ledger-vkey` pins a ledger's key, and a spool has none"
        hint = "pin it where the spool is collected, with `policy audit collect`, and leave it out here"
        raise RecordingError(Problem("ledger-pinned", message, help=hint))


def ledger_files(choice: LedgerChoice) -> list[Path]:
    """Return the files that the ledger is kept in, whether or not they are there yet: the database's, and its key."""
    found = [choice.key, choice.key.with_name(f"{choice.key.name}.personal")] if choice.key is not None else []
    if choice.url.startswith("sqlite:") and ":memory:" not in choice.url:
        from policy_audit.database import locate
        from policy_audit.errors import AuditError

        try:
            path = locate(choice.url).path
        except AuditError:
            path = None  # opening it says what is wrong
        if path is not None:
            found += [path.with_name(path.name + suffix) for suffix in _LEDGER_SUFFIXES]
    return found


@contextmanager
def opened(choice: LedgerChoice, read_only: bool = False) -> Iterator[Ledger]:
    """Open the ledger; a key that was just made is told once."""
    from policy_audit.database import locate
    from policy_audit.errors import AuditError
    from policy_audit.ledger import open_ledger

    from policy_engine.recorder import recording_error

    try:
        if choice.pinned is not None:
            check_pinned(choice.url, choice.pinned)
        path = locate(choice.url).path
        if not read_only and path is not None and not choice.explicit:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        ledger = open_ledger(choice.url, key_path=choice.key, read_only=read_only)
    except AuditError as error:
        raise recording_error(error) from error
    except OSError as error:
        from policy_engine.errors import RecordingError

        where = f"`{error.filename}`: " if error.filename else ""  # the ledger, its key, or the folder made for them
        text = f"the ledger cannot be opened: {where}{(error.strerror or str(error)).lower()}"
        hint = "name another place with --ledger or --ledger-key"
        raise RecordingError(Problem("ledger-unwritable", text, help=hint)) from error
    try:
        if ledger.created_verifier_key and not choice.scratch:
            click.echo(f"new ledger {locate(choice.url)}", err=True)  # a server's password is left out
            click.echo(f"verifier key, pin it where you verify: {ledger.created_verifier_key}", err=True)
            if in_ci() or not sys.stdin or not sys.stdin.isatty():
                click.echo(NEW, err=True)
        yield ledger
    except AuditError as error:
        raise recording_error(error) from error
    finally:
        ledger.close()


def check_pinned(url: str, pinned: str) -> None:
    """Refuse a ledger that is not of the pinned key; say once where that key was rotated away.

    Raises:
        LedgerError: it is not, or none is there.
    """
    from policy_audit.pinning import require_pinned

    current = require_pinned(url, pinned)
    told = click.get_current_context().meta
    if current != pinned and not told.get(_TOLD):
        told[_TOLD] = True
        click.echo(f"the pinned key was replaced by a rotation on record; pin the new one: {current}", err=True)


def now() -> datetime:
    """Return the time of a decision that names none: the clock, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def load(layers: Sequence[Path], digest: str | None, use_cache: bool = True) -> Policy:
    """Load the policy with its layers, as a span of its own."""
    from policy_engine.loading.policy import load_policy
    from policy_engine.telemetry import span

    with span("load", layers=len(layers)):
        return load_policy(layers, digest, use_cache)


def in_ci() -> bool:
    """Whether this runs in a CI system; `false` counts too, as a subject may have set it."""
    return bool(os.environ.get("CI"))
