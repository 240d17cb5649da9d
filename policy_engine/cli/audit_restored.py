"""`policy audit restored`: say that the ledger was restored from a copy, and what is lost by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from policy_engine.asking.verifying import check_keys
from policy_engine.cli.anchor_options import kept_notes
from policy_engine.cli.ledger_writing import officer, writing
from policy_engine.cli.options import ledger_options


@click.command(
    "restored",
    epilog="Example: policy audit restored --from 'backup of 2 May' --reason 'disk failed' --kept file:/mnt/worm",
)
@click.option("--from", "source", metavar="TEXT", required=True, help="What it was restored from.")
@click.option("--reason", metavar="TEXT", required=True, help="Why.")
@click.option(
    "--kept",
    metavar="FILE|FOLDER|PLACE",
    multiple=True,
    help="A checkpoint or receipt, a folder of them, file:PATH or git:URL#BRANCH; repeatable.",
)
@click.option(
    "--vkey",
    "vkeys",
    metavar="KEY",
    multiple=True,
    help="A key that the ledger had rotated to after that copy was made, and that signed what is kept; repeatable.",
)
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    source: str,
    reason: str,
    kept: Sequence[str],
    vkeys: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Begin a new epoch, and name the kept checkpoints that the restored ledger does not continue.

    A restored ledger does not notice that it is one: record it before anything else. A kept checkpoint of what was lost
    fails `policy audit verify` all the same, with the word `restored`.

    Where a key rotation was lost, the key from before it is the ledger's again: it records this, and `policy audit
    rotate-key --new-key FILE` then takes the key that was rotated to, if its file is still there.
    """
    from policy_audit.restoring import restore_draft

    check_keys(vkeys)
    with writing(ctx, ledger, ledger_key) as open_ledger:
        notes = kept_notes(kept, str(open_ledger.origin))
        draft = restore_draft(open_ledger, source, reason, notes, vkeys, by=officer())
        recorded = open_ledger.append(draft)
    body = draft.body
    click.echo(f"restored at entry {recorded.index}: epoch {body['epoch']} begins after {body['size']:,} entries")
    for lost in body["lost"]:
        entries = f"entries {lost['first']} to {lost['last']}" if "first" in lost else "entries that others replaced"
        click.echo(f"lost: the kept checkpoint of size {lost['size']:,}: {entries}")
    for key in body.get("keys", ()):
        click.echo(f"lost: the rotation to the key {key.split('+')[1]}; to go on with it, `policy audit rotate-key`")
    if not body["lost"]:
        click.echo("nothing kept shows what was lost; that is no proof that nothing was")
