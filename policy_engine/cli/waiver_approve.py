"""`policy waiver approve`: sign a request, as the policy's approvers.yaml allows, and record what that grants."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.waiver_common import acting, audited, signer_of, write_waiver
from policy_engine.errors import InputError, Problem
from policy_engine.wording import value_text

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy
    from policy_engine.recorder import Context
    from policy_engine.waivers.approving import Approved
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
    from policy_engine.waivers.approving import approve
    from policy_engine.waivers.files import read_file

    read = read_file(read_bytes(file), str(file))
    parse_outputs([f"file={target or file}"], ["file"])
    signer = signer_of(key)
    policy = load(layers, policy_digest, use_cache=False)
    _show(read)
    approved = approve(read, policy, signer, now().date(), by)
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        _check(open_ledger, approved)
        if approved.granted:
            index = _record(open_ledger, approved, policy, _who(read))
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


def _show(file: WaiverFile) -> None:
    """Say what is about to be signed."""
    from policy_engine.cli.printable import printable

    statement = file.statement
    scope, decided = statement.scope, statement.decided
    rows = [
        ("rule", statement.rule.id),
        ("workload", f"{scope.namespace}/{scope.name}"),
        ("option", scope.option),
        ("task", scope.task or "any"),
        ("period", f"{statement.valid_from} through {statement.valid_until}"),
        ("requester", f"{file.requester} ({statement.requester.known_by})"),
        ("ledger", statement.origin),
        ("ticket", statement.ticket),
        ("reason", statement.reason),
        ("decision", decided.decision),
        ("outcome", decided.outcome),
        *(("fact", f"{name} = {value_text(value)}") for name, value in sorted(decided.facts.items())),
        *(("not known", name) for name in decided.missing),
    ]
    for name, text in rows:
        click.echo(f"{name:<10} {printable(text)}")


def _check(ledger: Ledger, approved: Approved) -> None:
    """Hold the file to what is on record; an entry that holds no request, or no waiver, is neither."""
    from policy_audit.entry import EntryType
    from policy_audit.errors import AuditError

    from policy_engine.waivers.approving import check_record
    from policy_engine.waivers.checking import elsewhere
    from policy_engine.waivers.notes import read_note
    from policy_engine.waivers.on_record import note_on_record, records, requested, revoked_ids

    if problem := elsewhere(approved.file.statement, ledger.origin):
        raise InputError(Problem("other-ledger", problem, help="name that ledger with --ledger"))
    requests, granted = [], set()
    for record in records(ledger, EntryType.WAIVER_REQUESTED):
        with suppress(AuditError):
            requests.append(requested(ledger, record))
    for record in records(ledger, EntryType.WAIVER_GRANTED):
        with suppress(AuditError):
            granted.add(read_note(note_on_record(ledger, record))[0].id)
    check_record(approved.file.statement, requests, granted, revoked_ids(ledger))


def _record(ledger: Ledger, approved: Approved, policy: Policy, context: Context) -> int:
    from policy_engine.waivers.granting import grant_draft
    from policy_engine.waivers.on_record import stored_context

    by = [(each.person, each.key_id) for each in approved.by]
    known = stored_context(context)
    draft = grant_draft(approved.file, approved.note, by, policy.digest, context.actor, known)
    return ledger.append(draft).index
