"""Export a selection of decisions, as a table or as OSCAL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.errors import InputError, Problem, VerificationFailedError
from policy_engine.exports import decisions
from policy_engine.exports.folder import refuse_taken, staging
from policy_engine.exports.table import Head, Period, Query, Row
from policy_engine.exports.writing import Export, Exported, Recording, bound, finish, open_format, reading

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry
    from policy_audit.querying import Selection as Found
    from policy_audit.records import CheckedDecision, DecisionQuery

OSCAL = "oscal"
_EVERY = 500


@dataclass(frozen=True)
class Selection:
    """Which decisions: those that `wanted` selects; the same in words, as a command line and as arguments."""

    wanted: DecisionQuery
    query: Query
    arguments: Mapping[str, Any]
    period: Period


@dataclass(frozen=True)
class Order:
    """What an export is asked for. `personal` gives an entry's personal cells, where they are wanted."""

    format: str
    selection: Selection
    created_at: str
    generator: str
    proofs: str | None = None
    personal: Callable[[StoredEntry], Row] | None = None
    progress: Callable[[int, int], None] | None = None


def export_decisions(ledger: Ledger, target: Path, order: Order, record: Recording | None) -> Exported:
    """Write the export into the new folder `target`; `record` puts it on record, None leaves it off.

    Raises:
        PolicyError: the folder cannot be written, or the format needs an extra.
        AuditError: the ledger refused the entry, or is not what it signed.
    """
    from policy_engine.reports.documents import tags_of

    refuse_taken(target)
    if order.format != OSCAL:
        open_format(order.format)
    with staging(target) as stage:
        with reading(ledger, persons=order.selection.wanted.owner is not None, progress=order.progress) as source:
            found = source.snapshot.select(order.selection.wanted, tags_of(source.snapshot))
            export = Export(source, stage, found.indexes(), order.proofs)
            export.put_evidence()
            head = _head(order, export)
            if order.format == OSCAL:
                from policy_engine.exports.oscal import put_oscal

                rows = put_oscal(export, head, _decisions(export, order, found))
            else:
                rows = export.put_table(order.format, head, _rows(export, order, found))
        return finish(ledger, stage, order.format, head, export, rows, record)


def _head(order: Order, export: Export) -> Head:
    from policy_audit.records import DecisionQuery

    columns = decisions.COLUMNS + (decisions.PERSONAL_COLUMNS if order.personal else ())
    return Head(
        name=decisions.NAME,
        title=decisions.TITLE,
        query=order.selection.query,
        arguments=order.selection.arguments,
        period=order.selection.period,
        checkpoint=bound(export.snapshot),
        # whoever may see some namespaces alone is not told how much there is in others
        population=export.snapshot.select(DecisionQuery(namespaces=order.selection.wanted.namespaces)).count(),
        selected=export.selected,
        counted="decisions",
        columns=columns,
        created_at=order.created_at,
        generator=order.generator,
        personal=order.personal is not None,
        printed=(*decisions.PRINTED, *(("owner", "owner_status") if order.personal else ())),
    )


def _decisions(export: Export, order: Order, found: Found) -> Iterator[CheckedDecision]:
    """Yield the decisions, the oldest first; those that are proven leave their bytes.

    Raises:
        VerificationFailedError: they are not those that were counted.
        InputError: not all that the query could select were read.
    """
    count = 0
    for decision in found.all(newest=False):
        export.put_entry(decision.stored)
        yield decision
        count += 1
        if order.progress is not None and count % _EVERY == 0:
            order.progress(count, export.selected)
    if found.unread:
        message = "decisions without tags were not all read, so that some may be missing"
        raise InputError(
            Problem("export-incomplete", message, help="narrow the period, or ask without rules and criteria")
        )
    if count != export.selected:
        message = f"the query columns select {export.selected:,} decisions, and {count:,} were read"
        raise VerificationFailedError(Problem("view-changed", message, help="run `policy audit verify`"))


def _rows(export: Export, order: Order, found: Found) -> Iterator[Row]:
    for decision in _decisions(export, order, found):
        row = decisions.decision_row(decision.row.index, decision.stored.leaf_hash, decision.entry)
        yield row + order.personal(decision.stored) if order.personal else row
