"""`policy evidence approve`: sign one piece of evidence of a workload, as the policy's approvers.yaml allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.evidence_common import beside, check_target, one_workload, workload_option
from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.waiver_common import acting, audited, signer_of

if TYPE_CHECKING:
    from policy_audit.entry import Draft
    from policy_audit.keys import Signer

    from policy_engine.recorder import Context
    from policy_engine.vouching.making import Signed


@click.command("approve", epilog="Example: policy evidence approve workload.yaml dpa --key counsel.key --policy acme")
@click.argument("file", metavar="FILE")
@click.argument("name", metavar="EVIDENCE")
@click.option("--key", required=True, metavar="KEYFILE", type=click.Path(path_type=Path), help="The approver's key.")
@click.option("--by", metavar="NAME", help="Who approves; refused where the key is another's.")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The signature.  [default: EVIDENCE.sig beside the workload]",
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
    key: Path,
    by: str | None,
    target: Path | None,
    chosen: str | None,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Sign EVIDENCE of the workload in FILE.

    Who may stands in approvers.yaml of the --policy layers, with the role evidence-approver; nobody approves evidence
    of what they own. Read what is printed: that is what is signed, and another file or period needs another approval.
    That it was approved is put on record.
    """
    from policy_engine.cli.options import choose_ledger, load, now, opened
    from policy_engine.cli.output import write_file
    from policy_engine.errors import Problem, UsageError
    from policy_engine.vouching.approval import APPROVAL
    from policy_engine.vouching.making import sign, stated

    signer = signer_of(key)
    policy = load(layers, policy_digest, use_cache=False)
    workload, folder = one_workload(file, chosen, policy)
    path = target or folder / f"{name}.sig"
    check_target(path, APPROVAL)
    day = now().date()
    evidence = stated(workload, name, day, folder)
    signed = sign(workload, name, evidence, policy, signer, day, by)
    _show(signed.statement, evidence.file)
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        index = open_ledger.append(_draft(signed, signer, policy.digest, acting())).index
    try:
        write_file(path, signed.note)
    except OSError as error:
        message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from error
    click.echo(f"approved by {signed.person.id}: entry {index}, signature {path}")
    click.echo(f"the workload names it: evidence.{name}.signature: {beside(path, folder)}")


def _show(statement: Mapping[str, Any], file: str | None) -> None:
    """Say what is signed."""
    from policy_engine.cli.printable import printable

    rows = {
        "evidence": statement["evidence"],
        "workload": statement["workload"],
        "file": file,
        "sha256": statement["sha256"],
        "reference": statement["reference"],
        "issued": statement["issued"] or "any day",
        "until": statement["valid_until"] or "without end",
    }
    for name, text in rows.items():
        if text is not None:
            click.echo(f"{name:<10} {printable(text)}")


def _draft(signed: Signed, signer: Signer, policy: str, context: Context) -> Draft:
    from policy_engine.vouching.approval import statement_id
    from policy_engine.vouching.entries import approved_draft
    from policy_engine.waivers.on_record import stored_context

    personal = {"approver": signed.person.identities[0]}
    if context.actor is not None:
        personal["actor"] = context.actor
    more = {
        "statement": statement_id(signed.statement),
        "approved_by": signed.person.id,
        "key": signer.key_id.hex(),
        "policy": policy,
    }
    return approved_draft(signed.statement, signed.note, more, personal, stored_context(context))
