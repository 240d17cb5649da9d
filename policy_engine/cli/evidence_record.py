"""`policy evidence record`: put an attached file on record as evidence, and write its receipt and entry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from policy_engine.cli.evidence_common import beside, check_target, one_workload, workload_option
from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.waiver_common import acting, audited

_BEGINS = "c2sp.org/tlog-proof@v1\n"


@click.command("record", epilog="Example: policy evidence record workload.yaml security_controls --policy acme")
@click.argument("file", metavar="FILE")
@click.argument("name", metavar="EVIDENCE")
@click.option(
    "--to",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The receipt; the entry goes beside it.  [default: EVIDENCE.tlog-proof beside the workload]",
)
@workload_option
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: str,
    name: str,
    target: Path | None,
    chosen: str | None,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Record the file attached as EVIDENCE.

    The entry holds its SHA-256, its period and the workload, and nothing of its content. The receipt counts wherever a
    layer's approvers.yaml pins the ledger's key under `origins`; the index alone counts in the same ledger. A file that
    changes afterwards has to be recorded again.
    """
    from policy_engine.cli.ledger_reading import write_bytes
    from policy_engine.cli.options import choose_ledger, load, now, opened
    from policy_engine.errors import Problem, UsageError
    from policy_engine.vouching.entries import recorded_draft
    from policy_engine.vouching.making import check_recordable, stated
    from policy_engine.waivers.on_record import stored_context

    choice = choose_ledger(ctx, ledger, ledger_key)
    if choice.scratch:
        message = "a ledger in memory ends with this command, and its receipts prove nothing"
        raise UsageError(Problem("scratch-ledger", message, help="name another with --ledger"))
    policy = load(layers, policy_digest)
    workload, folder = one_workload(file, chosen, policy)
    path = target or folder / f"{name}.tlog-proof"
    entry_path = path.with_suffix(".entry.json")
    check_target(path, _BEGINS)
    check_target(entry_path, "{")
    evidence = stated(workload, name, now().date(), folder)
    check_recordable(name, evidence)
    context = acting()
    personal = {"actor": context.actor} if context.actor is not None else {}
    with audited(), opened(choice) as open_ledger:
        draft = recorded_draft(workload, name, evidence, personal, stored_context(context))
        index = open_ledger.append(draft).index
        entry, receipt, key = open_ledger.entry(index).raw, open_ledger.receipt(index), open_ledger.verifier_key
    write_bytes(str(entry_path), entry)
    write_bytes(str(path), receipt.encode())
    click.echo(f"recorded: entry {index}, receipt {path}, its bytes {entry_path}")
    click.echo(f"the workload names them: evidence.{name}.receipt: {beside(path, folder)}")
    click.echo(f"                         evidence.{name}.entry: {beside(entry_path, folder)}")
    click.echo(f"approvers.yaml pins the ledger: origins: [{{vkey: {key}}}]")
