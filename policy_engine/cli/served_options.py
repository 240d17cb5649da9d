"""`policy --server URL evaluate` and `gate`: what of their options a server leaves room for.

INVARIANT: nothing that lies beside a judged file names the server: it is the option or `POLICY_SERVER`, and
`policy.toml` has no setting for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from policy_engine.cli.options import LedgerChoice, pinned_key
from policy_engine.errors import Problem, UsageError

_OUT = "leave it out"
#: Options that a server leaves no room for, by their parameters: how they are written, why, and what to do.
_REFUSED: Mapping[str, tuple[str, str, str]] = {
    "ledger": ("--ledger", "the server records in its own ledger", "to be sure of that one, pin it with --ledger-vkey"),
    "ledger_key": ("--ledger-key", "the server's ledger has its own key", _OUT),
    "layers": ("--policy", "the server decides by its own rules", "--policy-digest refuses any other rules than these"),
    "at": ("--at", "the server decides as of now", _OUT),
    "waivers": ("--waivers", "the server counts the waivers on its own record", "ask for one with POST /v1/waivers"),
    "cross_check": ("--cross-check", "the conditions are evaluated on the server", _OUT),
}
_BASELINES = ("baseline", "write_baseline", "baseline_reason", "baseline_expires")
_NO_BASELINE = (
    "`--baseline` is of findings by their rules as they stand, and these are the server's",
    "leave it out, or decide here with the server's layers: --policy and a ledger of your own",
)


def served_by(ctx: click.Context) -> str | None:
    """Return the address of the server that decides; None where this program does.

    Raises:
        UsageError: it is none, or the extra is missing.
    """
    given = ctx.find_root().params.get("server")
    if given is None:
        return None
    try:
        from policy_engine.client.credentials import plain_allowed, server_address
    except ImportError as error:
        if error.name != "httpx":
            raise
        hint = "pip install 'policy-engine[client]'"
        raise UsageError(Problem("extra-missing", "`--server` needs the extra `client`", help=hint)) from None
    return server_address(str(given), plain=plain_allowed())


def check_served(ctx: click.Context, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse the options that cannot be true of what a server decides, whoever gave them.

    Settings of `policy.toml` are those of this program's own decisions, and count for nothing here but its pins,
    the purpose and the reports.

    Raises:
        UsageError: with each such option.
    """
    problems = []
    for name, (option, why, hint) in _REFUSED.items():
        if _is_given(ctx, name):
            given = f"`{option}`"
            if (variable := _variable(ctx, name)) is not None:
                given += f", which `{variable}` of the environment gives,"
                hint = f"unset `{variable}`" if hint == _OUT else f"unset `{variable}`; {hint}"
            problems.append(Problem("server-option", f"{given} is not for `--server`: {why}", help=hint))
    if any(own.get(name) is not None for name in _BASELINES):
        problems.append(Problem("server-option", _NO_BASELINE[0], help=_NO_BASELINE[1]))
    if own.get("attest") is not None:
        problems += _attested(ctx, own)
    if problems:
        raise UsageError(problems)


def served_ledger(ctx: click.Context, server: str) -> LedgerChoice:
    """Return the server as the place of record, with the key that it must have."""
    return LedgerChoice(server, None, explicit=True, pinned=pinned_key(ctx))


def _attested(ctx: click.Context, own: Mapping[str, Any]) -> list[Problem]:
    found = []
    if own.get("attest_key") is None:
        message = "the server signs no attestations of this run"
        found.append(Problem("no-attest-key", message, help="name a key with --attest-key (or POLICY_ATTEST_KEY)"))
    if pinned_key(ctx) is None:
        message = "what is attested has to be proved first"
        found.append(Problem("server-option", message, help="pin the key of the server's ledger with --ledger-vkey"))
    return found


def _variable(ctx: click.Context, name: str) -> str | None:
    """Return the variable of the environment that gives an option, where none is written on the command line."""
    source = ctx.get_parameter_source(name)
    if source is None or source.name != "ENVIRONMENT":
        return None
    named = next((each.envvar for each in ctx.command.params if each.name == name), None)
    return named if isinstance(named, str) else None


def _is_given(ctx: click.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
