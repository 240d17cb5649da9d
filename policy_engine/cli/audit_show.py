"""`policy audit show`: one entry, what it names, and where it stands in the tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.entries import find_entry
from policy_engine.asking.persons import DISPOSED, personal_text
from policy_engine.asking.shown import entry_shown
from policy_engine.cli.ledger_reading import reading, write_bytes
from policy_engine.cli.officer_query import answered, query_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import InputError, Problem, UsageError, did_you_mean

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry


@click.command("show", epilog="Example: policy audit show 12 --blob decision > decision.json")
@click.argument("target", metavar="INDEX|ID")
@click.option("--receipt", metavar="FILE|-", help="Write the entry's receipt (C2SP tlog-proof) to FILE.")
@click.option("--blob", metavar="ROLE", help="Write this stored document's exact bytes to standard output.")
@click.option("--raw", is_flag=True, help="Write the entry's exact bytes to standard output.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@query_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    target: str,
    receipt: str | None,
    blob: str | None,
    raw: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    record_query: bool,
) -> None:
    """Show one entry: by its index, or by a decision's id or its first characters (four or more).

    Shown are times, context, the personal values still held, commitments, documents, the leaf hash, and the checkpoint
    that covers the entry. A number is an index first.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    alone = [name for name, given in (("--blob", blob), ("--raw", raw), ("--receipt -", receipt == "-")) if given]
    if len(alone) > 1 or (alone and outputs):
        message = f"`{alone[0]}` takes standard output for itself, and something else wants it too"
        raise UsageError(Problem("two-on-stdout", message, help="ask for one of them at a time"))
    targets = parse_outputs(outputs, FORMATS)
    with reading(ctx, ledger, ledger_key) as open_ledger:
        entry = find_entry(open_ledger, target)
        proof = open_ledger.receipt(entry.index)
        content = _content(open_ledger, entry, blob) if blob else entry.raw
        shown = {} if alone else entry_shown(open_ledger, entry, proof)
        answered(ctx, 1)
    if receipt is not None:
        write_bytes(receipt, proof.encode())
    if blob or raw:
        write_bytes("-", content)
    if not alone:
        write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))


def _content(ledger: Ledger, entry: StoredEntry, role: str) -> bytes:
    blobs = entry.document.get("blobs", {})
    if role not in blobs:
        message = f"the entry {entry.index} names no document `{role}`"
        known = (
            f"it names {', '.join(sorted(blobs))}" if blobs else "it names no documents; --raw writes the entry itself"
        )
        raise InputError(Problem("blob-missing", message, help=did_you_mean(role, sorted(blobs)) or known))
    return ledger.blob(blobs[role])


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    head = [
        ("Entry", f"{shown['index']}, {shown['type']}, {shown['bytes']:,} bytes"),
        ("Recorded", shown["recorded_at"]),
        ("Leaf hash", shown["leaf_hash"]),
    ]
    personal = [
        (name, f"{personal_text(shown, name)}  (commitment {shown['commitments'].get(name, 'none')})")
        for name in shown["personal"]
    ]
    blobs = [
        (role, DISPOSED if blob["bytes"] is None else f"{blob['bytes']:,}", blob["digest"])
        for role, blob in shown["blobs"].items()
    ]
    checkpoint = shown["checkpoint"]
    covering = [
        ("log", checkpoint["origin"]),
        ("size", f"{checkpoint['size']:,}"),
        ("root", checkpoint["root"]),
    ]
    sections = [
        Section(pairs=head),
        Section("Decision", pairs=_pairs(shown["view"])),
        Section("Context", pairs=_pairs(shown["context"])),
        Section("Personal values", pairs=personal),
        Section("Documents", header=("Role", ">Bytes", "~Digest"), rows=blobs),
        *_body(shown),
        Section("Covered by the checkpoint", pairs=covering),
    ]
    return [section for section in sections if section.pairs or section.rows or section.lines]


def _body(shown: Mapping[str, Any]) -> list[Section]:
    """Return the body of an entry; that of a refresh or a report as its tables."""
    from policy_audit.entry import EntryType

    if shown["type"] == EntryType.CATALOG_REFRESHED:
        from policy_engine.cli.audit_show_refreshed import refreshed_sections

        found = refreshed_sections(shown["body"])
        if found is not None:
            return found
    if shown["type"] == EntryType.EVALUATION_REPORT:
        from policy_engine.cli.parity_entry import report_sections

        if sections := report_sections(shown["body"]):
            return sections
    from policy_engine.cli.audit_show_access import meaning

    means = meaning(shown)
    return [Section("Body", pairs=_pairs(shown["body"])), *([Section("What it says", lines=means)] if means else [])]


def _pairs(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, item if isinstance(item, str) else _compact(item)) for name, item in value.items()]


def _compact(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
