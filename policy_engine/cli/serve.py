"""`policy serve`: the engine as a service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.serve_access import access_options, check_open, listening_at, oidc_of


@click.command(
    "serve", epilog="Example: policy serve --ledger postgresql+psycopg://ledger/policy --ledger-key ledger.key"
)
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8181", show_default=True, help="Where to listen.")
@click.option("--workers", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option(
    "--log-format",
    metavar="FORM",
    type=click.Choice(["json", "text"]),
    help="Of the log on standard error, json or text.  [default: text on a terminal, else json]",
)
@click.option(
    "--log-level",
    metavar="LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least that is logged: debug, info, warning or error.",
)
@click.option("--public-metrics", is_flag=True, help="Let everybody read /metrics, and not the role `read` alone.")
@click.option("--public-log", is_flag=True, help="Let anybody read /checkpoint and /tile: witnesses, and clients.")
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="What the workers share: exports, for a day.  [default: a folder of its own, gone when it ends]",
)
@click.option(
    "--reload-seconds",
    metavar="N",
    type=click.FloatRange(0, 86_400),
    default=0,
    show_default=True,
    help="Look so often whether the rules changed, and reload them; 0 is on SIGHUP alone.",
)
@access_options
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    listen: str,
    workers: int,
    log_format: str | None,
    log_level: str,
    public_metrics: bool,
    state: Path | None,
    reload_seconds: float,
    public_log: bool,
    behind_tls: bool,
    rate: float,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
    **oidc: Any,
) -> None:
    """Serve the HTTP API and the console.

    Whoever asks sends a token of `policy token create`, or an access token of --oidc-issuer. As long as the ledger has
    never had a token, and no issuer is named, it serves on loopback alone, and everybody there.
    """
    from policy_engine.serving.hearing import hearing

    ctx.with_resource(hearing())  # before what takes time: the packages, the ledger, the rules
    from policy_engine.cli.options import choose_ledger
    from policy_engine.errors import Problem, UsageError
    from policy_engine.service.settings import Limits, Settings

    try:
        from policy_engine.serving.logs import form_of
        from policy_engine.serving.run import serve
    except ImportError:
        message = "`policy serve` needs packages that are not installed"
        raise UsageError(Problem("extra-missing", message, help="pip install policy-engine[server]")) from None
    host, port = listening_at(listen)
    choice = choose_ledger(ctx, ledger, ledger_key)
    settings = Settings(
        ledger=choice.url,
        key=choice.key,
        pinned=choice.pinned,
        layers=tuple(layers),
        policy_digest=policy_digest,
        host=host,
        port=port,
        workers=workers,
        limits=Limits(rate=rate),
        public_log=public_log,
        public_metrics=public_metrics,
        log_form=form_of(log_format),
        log_level=log_level,
        behind_tls=behind_tls,
        oidc=oidc_of(**oidc),
        state=state.absolute() if state is not None else None,
        reload_seconds=reload_seconds,
    )
    serve(check_open(settings, choice))
