"""`policy waiver approve`: sign a request, as the policy's approvers.yaml allows, and record what that grants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.waiver_common import acting, audited, show_waiver, signer_of, write_waiver

if TYPE_CHECKING:
    from policy_engine.recorder import Context
    from policy_engine.waivers.files import WaiverFile


@click.command("approve", epilog="Example: policy waiver approve waiver.yaml --key ops-lead.key --policy acme")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="KEYFILE", type=click.Path(path_type=Path), help="The approver's key.")
@click.option("--by", metavar="NAME", help="Who approves; refused where the key is another's.")
@click.option("-o", "--output", "target", metavar="FILE", type=click.Path(path_type=Path), help="[default: FILE]")
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: Path,
    key: Path,
    by: str | None,
    target: Path | None,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Sign the request in FILE, and record it as granted once enough people have.

    Who may sign, for what and for how long stands in approvers.yaml of the --policy layers. Nobody approves what they
    asked for. Read what is printed: that is what is signed.
    """
    from policy_engine.cli.options import choose_ledger, load, now, opened
    from policy_engine.cli.output import parse_outputs
    from policy_engine.loading.yaml_source import read_bytes
    from policy_engine.waivers.acts import check_approval, granting
    from policy_engine.waivers.approving import approve
    from policy_engine.waivers.files import read_file

    read = read_file(read_bytes(file), str(file))
    parse_outputs([f"file={target or file}"], ["file"])
    signer = signer_of(key)
    policy = load(layers, policy_digest, use_cache=False)
    show_waiver(read)
    approved = approve(read, policy, signer, now().date(), by)
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        check_approval(open_ledger, approved)
        if approved.granted:
            index = open_ledger.append(granting(approved, policy.digest, _who(read))).index
    write_waiver(target or file, approved.file)
    if approved.granted:
        click.echo(f"granted: entry {index}, waiver {approved.file.statement.id[:16]}")
    else:
        missing = policy.approvers.waiver_approvals - len(approved.by)
        click.echo(f"signed, not granted yet: {missing} more to approve {target or file}")


def _who(file: WaiverFile) -> Context:
    """Return who runs this; that it is whoever asked is said here too, and not to officers alone."""
    from policy_engine.model.identity import same_person

    context = acting()
    if context.actor is not None and same_person(context.actor, file.requester):
        said = "who runs this is who asked for it, by name, and the ledger will say so for good"
        click.echo(f"warning: {said}; set POLICY_ACTOR to who approves", err=True)
    return context
