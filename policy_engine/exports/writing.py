"""Write an export: evidence first, then the table, then the manifest; on record before it is put in place.

1. choose which entries are proven; 2. prove them, which holds all entries to the signed root, and all query columns
to the entries; 3. write the table and the proven entries' bytes; 4. write proofs, checkpoint and manifest; 5. put the
manifest's digest on record; 6. write the record's own entry and proof; 7. put the folder in place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.exports.decisions import NAME as DECISIONS
from policy_engine.exports.evidence import choose, entry_name, put_proofs
from policy_engine.exports.folder import Staging, staging
from policy_engine.exports.manifest import CHECKPOINT, MANIFEST, RECORD_ENTRY, RECORD_PROOF, manifest_bytes, record_body
from policy_engine.exports.table import Bound, Head, Opener, Row

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, Recorded, StoredEntry
    from policy_audit.proof import Proof
    from policy_audit.snapshot import Snapshot

    from policy_engine.reports.report import Report

#: The formats of tables, and their modules in this package.
TABLES: Mapping[str, str] = {"csv": "csv_table", "jsonl": "jsonl", "parquet": "parquet", "html": "page"}
#: The report that is the result of comparing everything, and has to be handed out above all where that failed.
CERTIFICATE = "integrity"
Recording = Callable[[Mapping[str, Any]], "Recorded"]


@dataclass(frozen=True)
class Exported:
    """What was written, and where it is on record: None where it is not."""

    head: Head
    files: int
    rows: int
    proofs: Mapping[str, Any]
    manifest: str
    entry: int | None


def open_format(name: str) -> Opener:
    """Return what opens the writer of a table's format; what it needs is imported now."""
    module = import_module(f"policy_engine.exports.{TABLES[name]}")
    if name == "parquet":
        module.pyarrow()
    opener: Opener = module.open_writer
    return opener


def bound(snapshot: Snapshot) -> Bound:
    """Return the snapshot's checkpoint as reports hold it."""
    checkpoint = snapshot.checkpoint
    return Bound(snapshot.note, checkpoint.origin, checkpoint.size, checkpoint.root.hex())


@dataclass(frozen=True)
class Source:
    """The moment of a ledger that is exported."""

    snapshot: Snapshot
    prove: Callable[[Collection[int]], Mapping[int, Proof]]
    """Also compares every query column with its entry: see `policy_audit.many_proofs.prove_entries`."""


@contextmanager
def reading(
    ledger: Ledger,
    note: str | None = None,
    *,
    columns: bool = True,
    persons: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Source]:
    """Read the ledger under its latest checkpoint, or under an earlier one of it, in one transaction.

    With `persons` what a person's entries are found by is compared, too, which takes the personal key; without
    `columns` no query column is.
    """
    from policy_audit.many_proofs import prove_entries
    from policy_audit.reading import read_checkpoint
    from policy_audit.snapshot import Snapshot

    with ledger.snapshot() as connection:
        signed = note or read_checkpoint(connection)
        yield Source(
            Snapshot(connection, signed, ledger.vault),
            lambda indexes: prove_entries(
                connection,
                signed,
                ledger.verifier_key,
                indexes,
                ledger.vault if persons else None,
                columns,
                progress,
            ),
        )


class Export:
    """One export that is being written into `staging`, under the checkpoint of `source`."""

    def __init__(self, source: Source, stage: Staging, indexes: Iterable[int], proofs: str | None) -> None:
        self.snapshot, self.staging = source.snapshot, stage
        chosen = choose(proofs, self.snapshot.checkpoint.root, indexes)
        self.selected, self.proofs = chosen.count, chosen.described()
        self.proven = frozenset(chosen.indexes)
        # INVARIANT: nothing is exported under a checkpoint that the entries do not give, or by columns that are not
        # theirs: a selection cannot show what a forged column hides.
        self._proofs = source.prove(chosen.indexes)

    def put_evidence(self) -> None:
        """Write the checkpoint and the proofs."""
        self.staging.put(CHECKPOINT, self.snapshot.note.encode())
        put_proofs(self.staging, self._proofs)

    def put_entry(self, stored: StoredEntry) -> None:
        """Write an entry's bytes where it is one of those proven."""
        if stored.index in self.proven:
            self.staging.put(entry_name(stored.index), stored.raw)

    def put_table(self, name: str, head: Head, rows: Iterable[Row]) -> int:
        """Write the rows as `<table>.<format>`, and return how many there were."""
        opener, count = open_format(name), [0]
        with self.staging.file(f"{head.name}.{name}", count) as stream:
            writer = opener(stream, head)
            for row in rows:
                writer.write(row)
                count[0] += 1
            writer.close({record.name: record.sha256 for record in self.staging.files.values()})
        return count[0]


def finish(
    ledger: Ledger, stage: Staging, name: str, head: Head, export: Export, rows: int, record: Recording | None
) -> Exported:
    """Write the manifest, put it on record, and put the folder in place."""
    data = manifest_bytes(name, head, export.proofs, record is not None, stage.files.values())
    manifest = stage.put(MANIFEST, data)
    stage.sync()
    recorded = record(record_body(head, export.proofs, manifest)) if record is not None else None
    if recorded is not None:
        with _told(recorded.index):
            stage.put(RECORD_ENTRY, ledger.entry(recorded.index).raw)
            stage.put(RECORD_PROOF, ledger.receipt(recorded.index).encode())
            stage.publish()
    else:
        stage.publish()
    index = recorded.index if recorded is not None else None
    return Exported(head, len(stage.files), rows, export.proofs, f"sha256:{manifest.sha256}", index)


@contextmanager
def _told(index: int) -> Iterator[None]:
    """Say, where the folder cannot be put in place, that the ledger says it was made."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        error.strerror = f"{reason}; entry {index} records the export, but it was not handed out"
        raise


def export_report(
    ledger: Ledger,
    target: Path,
    name: str,
    report: Report,
    record: Recording | None,
    *,
    proofs: str | None = None,
    personal: bool = False,
    generator: str,
) -> Exported:
    """Write a report in the format `name`, with proofs of the entries that its rows name, under its own checkpoint.

    `personal` says that its cells hold personal values: it is put on record.

    Raises:
        PolicyError: the folder cannot be written, or the format needs an extra.
        AuditError: the ledger refused the entry, or is not what it signed.
    """
    open_format(name)
    with staging(target) as stage:
        with reading(ledger, report.checkpoint.note, columns=report.name != CERTIFICATE) as source:
            export = Export(source, stage, report.entries(), proofs)
            export.put_evidence()
            for index in sorted(export.proven):
                export.put_entry(source.snapshot.entry(index))
            head = Head(
                name=report.name if report.name != DECISIONS else f"{DECISIONS}-report",
                title=report.title,
                query=report.query,
                arguments=None,
                period=report.period,
                checkpoint=bound(source.snapshot),
                population=report.population,
                selected=len(report.rows),
                counted=report.counted,
                columns=report.columns,
                created_at=report.generated_at,
                generator=generator,
                personal=personal,
                summary=report.summary,
                remarks=report.remarks,
            )
            rows = export.put_table(name, head, report.rows)
        return finish(ledger, stage, name, head, export, rows, record)
