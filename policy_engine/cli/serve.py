"""`policy serve`: the engine as a service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from policy_engine.cli.options import ledger_options, policy_options


@click.command("serve", epilog="Example: policy serve --ledger postgresql+psycopg://ledger/policy --workers 2")
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8181", show_default=True, help="Where to listen.")
@click.option("--workers", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option(
    "--log-format",
    type=click.Choice(["json", "text"]),
    help="Of the log on standard error: a line for each request and event.  [default: text on a terminal, else json]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least that is logged.",
)
@click.option("--public-metrics", is_flag=True, help="Let everybody read /metrics, and not the role `read` alone.")
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
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Serve the HTTP API and the console."""
    from policy_engine.cli.options import choose_ledger
    from policy_engine.errors import Problem, UsageError
    from policy_engine.service.settings import Settings

    try:
        from policy_engine.serving.logs import form_of
        from policy_engine.serving.run import serve
    except ImportError:
        message = "`policy serve` needs packages that are not installed"
        raise UsageError(Problem("extra-missing", message, help="pip install policy-engine[server]")) from None
    host, _, port = listen.rpartition(":")
    choice = choose_ledger(ctx, ledger, ledger_key)
    serve(
        Settings(
            ledger=choice.url,
            key=choice.key,
            pinned=choice.pinned,
            layers=tuple(layers),
            policy_digest=policy_digest,
            host=host.strip("[]"),
            port=int(port),
            workers=workers,
            public_metrics=public_metrics,
            log_form=form_of(log_format),
            log_level=log_level,
        )
    )
