"""`policy waiver revoke`: take a waiver back. It lifts nothing in any decision from then on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.waiver_common import acting, actor_of, audited, left_out, signer_of
from policy_engine.errors import InputError, Problem


@click.command("revoke", epilog="Example: policy waiver revoke 4f1c2a7e --reason 'the team has left'")
@click.argument("identifier", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good, so name no people.")
@click.option("--key", metavar="KEYFILE", type=click.Path(path_type=Path), help="Sign it, as an approver.")
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    identifier: str,
    reason: str,
    key: Path | None,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Take a waiver back, also one that nobody has approved yet.

    Whoever may write to the ledger may revoke: less is allowed by it, never more. With --key the revocation is signed
    by somebody whom approvers.yaml of the --policy layers names.
    """
    from policy_engine.cli.options import choose_ledger, load, now, opened
    from policy_engine.model.waiver import LONGEST_REASON
    from policy_engine.waivers.acts import revoking
    from policy_engine.waivers.approving import holder
    from policy_engine.waivers.listing import find_row
    from policy_engine.waivers.notes import REVOCATION, note_text
    from policy_engine.waivers.register import waiver_register
    from policy_engine.waivers.requesting import plain

    context = acting()
    text = plain(reason, "--reason", LONGEST_REASON)
    personal = {"actor": actor_of(context, "revokes it")}
    signer = signer_of(key) if key is not None else None
    if signer is not None:
        person, _ = holder(load(layers, policy_digest, use_cache=False).approvers, signer, None)
        personal["approver"] = person.identities[0]
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        row = find_row(waiver_register(open_ledger, now(), None, left_out), identifier)
        if row["status"] == "revoked":
            raise InputError(Problem("revoked", f"the waiver {row['id'][:16]} is revoked already"))
        note = None
        if signer is not None:
            from policy_audit.note import sign_note

            document: dict[str, Any] = {"waiver": row["id"], "reason": text}
            note = sign_note(note_text(REVOCATION, document), signer)
        index = open_ledger.append(revoking(open_ledger, row, text, note, personal, context)).index
    click.echo(f"revoked: entry {index}, waiver {row['id'][:16]}; it lifts nothing any more")
