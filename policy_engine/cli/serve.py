"""`policy serve`: the engine as a service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from policy_engine.cli.options import ledger_options, policy_options


@click.command("serve", epilog="Example: policy serve --ledger postgresql+psycopg://ledger/policy --workers 2")
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8181", show_default=True, help="Where to listen.")
@click.option("--workers", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--public-log", is_flag=True, help="Let anybody read /checkpoint and /tile: witnesses, and clients.")
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    listen: str,
    workers: int,
    public_log: bool,
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
            public_log=public_log,
        )
    )
