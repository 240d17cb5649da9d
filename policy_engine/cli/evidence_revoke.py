"""`policy evidence revoke`: an entry is evidence no more, from now on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from policy_engine.cli.options import ledger_options
from policy_engine.cli.waiver_common import acting, actor_of, audited
from policy_engine.errors import InputError, Problem

if TYPE_CHECKING:
    from policy_audit.entry import Entry
    from policy_audit.ledger import Ledger


class _Revoked(Struct, frozen=True):
    """The entry that is taken back: its leaf hash, its place in this ledger (None: of another), and its names."""

    leaf: str
    index: int | None
    entry: Entry
    names: frozenset[str]

    @property
    def attestation(self) -> str | None:
        """The digest of what it attests or reports; None of other evidence."""
        return next(iter(self.names - {self.leaf, *self.compared}), None)

    @property
    def compared(self) -> tuple[str, ...]:
        """The names of what a report compared; none of other evidence."""
        from policy_audit.entry import EntryType

        from policy_engine.vouching.entries import compared_names

        return compared_names(self.entry.body) if self.entry.type == EntryType.EVALUATION_REPORT else ()


@click.command("revoke", epilog="Example: policy evidence revoke 41 --reason 'the cards were exchanged'")
@click.argument("entry", metavar="ENTRY")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good, so name no people.")
@ledger_options
@click.pass_context
def command(ctx: click.Context, /, *, entry: str, reason: str, ledger: str | None, ledger_key: Path | None) -> None:
    """Say on record that ENTRY is evidence no more.

    ENTRY is the index of an entry of this ledger, or the file with the bytes of an entry of another one
    (attestation.entry.json): of an attestation, of a report of `policy parity`, or of evidence that was recorded. No
    decision recorded in this ledger counts it from now on. Where decisions are recorded in another ledger, name the
    hashes that are printed under `revoked_entries` in a layer's approvers.yaml. Whoever may write to the ledger may
    revoke: less is allowed by it, never more.
    """
    from policy_engine.cli.options import choose_ledger, opened
    from policy_engine.model.waiver import LONGEST_REASON
    from policy_engine.vouching.entries import revoked_draft
    from policy_engine.vouching.revoked import revocation_body, revoked_names
    from policy_engine.waivers.acts import name_nobody
    from policy_engine.waivers.on_record import stored_context
    from policy_engine.waivers.requesting import plain

    context = acting()
    text = plain(reason, "--reason", LONGEST_REASON)
    personal = {"actor": actor_of(context, "revokes it")}
    name_nobody({"reason": text}, personal)
    with audited(), opened(choose_ledger(ctx, ledger, ledger_key)) as open_ledger:
        found = _of_index(open_ledger, entry) if entry.isdecimal() else _of_file(Path(entry))
        revoked = revoked_names(open_ledger)
        before = next((revoked[name] for name in found.names if name in revoked), None)
        if before is not None:
            raise InputError(Problem("revoked", f"it was revoked already, in the entry {before.index}"))
        body = found.entry.body
        about, workload = body.get("evidence"), body.get("workload")
        evidence = ", ".join(map(str, about)) if isinstance(about, list) else str(about)
        kept = ("namespace", "workload")
        place = {name: value for name in kept if (value := found.entry.context.get(name)) is not None}
        draft = revoked_draft(
            revocation_body(found.leaf, found.index, evidence, workload, text, found.attestation, found.compared),
            place,
            personal,
            stored_context(context),
        )
        index = open_ledger.append(draft).index
    of = f"the entry {found.index}" if found.index is not None else f"the entry of `{entry}`"
    click.echo(f"revoked: entry {index}; {of} is evidence no more")
    click.echo(f"elsewhere, approvers.yaml says so: revoked_entries: [{', '.join(sorted(found.names))}]")
    if found.index is None:
        click.echo("this ledger cannot tell whether another one holds an entry of exactly these bytes", err=True)


def _of_index(ledger: Ledger, text: str) -> _Revoked:
    from policy_audit.canonical import MAX_INTEGER
    from policy_audit.errors import LedgerError

    hint = "`policy audit list --type all` lists them; for one of another ledger name its file"
    missing = InputError(Problem("entry-missing", f"this ledger has no entry {text[:40]}", help=hint))
    if len(text) > len(str(MAX_INTEGER)) or int(text) > MAX_INTEGER:
        raise missing
    index = int(text)
    try:
        raw = ledger.entry(index).raw
    except LedgerError as error:
        if error.code != "entry-missing":
            raise
        raise missing from None
    return _evidence(raw, index, f"the entry {index}")


def _of_file(path: Path) -> _Revoked:
    from policy_engine.loading.yaml_source import read_bytes

    raw = read_bytes(path)
    return _evidence(raw, None, f"`{path}`")


def _evidence(raw: bytes, index: int | None, what: str) -> _Revoked:
    from policy_audit.entry import EntryType, parse_entry
    from policy_audit.errors import AuditError
    from policy_audit.merkle import leaf_hash

    from policy_engine.vouching.entries import names_of

    hint = "name the entry of an attestation, of a report of models compared, or of evidence that was recorded"
    try:
        entry = parse_entry(raw)
    except (AuditError, ValueError, TypeError, RecursionError):
        raise InputError(Problem("not-an-entry", f"{what} is no entry of a ledger", help=hint)) from None
    if entry.type not in (EntryType.PROBE_ATTESTATION, EntryType.EVIDENCE_RECORDED, EntryType.EVALUATION_REPORT):
        raise InputError(
            Problem("not-evidence", f"{what} is of the type {entry.type}, which is no evidence", help=hint)
        )
    return _Revoked(leaf_hash(raw).hex(), index, entry, names_of(raw))
