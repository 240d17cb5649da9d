"""The export formats that hold decisions: CSV, JSON Lines, Parquet, HTML and OSCAL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from policy_engine import __version__
from policy_engine.asking.export_selection import selection
from policy_engine.asking.exporting import Asked, Written
from policy_engine.asking.persons import personal_status, personal_values
from policy_engine.wording import number

if TYPE_CHECKING:
    from policy_audit.ledger import StoredEntry

    from policy_engine.exports.table import Row
    from policy_engine.exports.writing import Exported, Recording
    from policy_engine.reports.report import Report

GENERATOR = f"policy-engine {__version__}"


def write(asked: Asked) -> Written:
    """Write the folder of the decisions that the options select.

    Raises:
        PolicyError: it cannot be written.
        AuditError: the ledger refused the entry of the export, or is not what it signed.
    """
    from policy_engine.exports.exporting import Order, export_decisions

    order = Order(
        asked.name,
        selection(asked.ledger, asked.name, asked.wanted),
        created_at(),
        GENERATOR,
        asked.wanted["proofs"],
        _personal(asked) if asked.wanted["with_personal"] else None,
        progress=asked.progress,
    )
    return written(export_decisions(asked.ledger, asked.target, order, _record(asked)), asked)


def write_report(asked: Asked, report: Report, *, personal: bool = False) -> Written:
    """Write the folder of a report, as a table in the format that `asked` names; `personal` goes on record.

    Raises:
        PolicyError: it cannot be written.
        AuditError: the ledger refused the entry of the export, or is not what it signed.
    """
    from policy_engine.exports.writing import export_report

    proofs = asked.wanted.get("proofs")
    exported = export_report(
        asked.ledger,
        asked.target,
        asked.name,
        report,
        _record(asked),
        proofs=proofs,
        personal=personal,
        generator=GENERATOR,
    )
    return written(exported, asked)


def _record(asked: Asked) -> Recording | None:
    """Return what puts the export on record; None where nothing is to."""
    return cast("Recording", asked.record) if asked.recorded else None


def created_at() -> str:
    """Return the time of an export: the clock, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def written(exported: Exported, asked: Asked) -> Written:
    """Return what the command says of an export."""
    head = exported.head
    value: Mapping[str, Any] = {
        "folder": str(asked.target),
        "query": {"words": head.query.words, "arguments": dict(head.arguments or {})},
        "selected": head.selected,
        "population": head.population,
        "rows": exported.rows,
        "origin": head.checkpoint.origin,
        "size": head.checkpoint.size,
        "root": head.checkpoint.root,
        "proofs": dict(exported.proofs),
        "personal": head.personal,
        "files": exported.files,
        "manifest": exported.manifest,
    }
    proven = f"{number(exported.proofs['count'])} of {number(head.selected)} entries, with their bytes"
    pairs = [
        ("Folder", str(asked.target)),
        ("Asked", head.query.words),
        ("Selected", f"{number(head.selected)} of {number(head.population)} {head.counted}"),
        ("Checkpoint", f"{number(head.checkpoint.size)} entries of `{head.checkpoint.origin}`"),
        ("Root", head.checkpoint.root),
        ("Proofs", proven),
        ("Personal values", "as held: keep the folder accordingly" if head.personal else "none"),
        ("Manifest", exported.manifest),
        ("Check", f"policy audit export-check {asked.target} --vkey KEY"),
    ]
    return Written(value, pairs)


def _personal(asked: Asked) -> Callable[[StoredEntry], Row]:
    from policy_engine.exports.decisions import personal_row

    erased = cache(asked.ledger.erased)  # read once, and only where a value is not held
    return lambda stored: personal_row(personal_values(asked.ledger, stored, erased), personal_status)
