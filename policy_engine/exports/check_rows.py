"""The rows of an exported table, compared with what follows from the entries beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.exports import csv_table, page
from policy_engine.exports.check_files import open_file
from policy_engine.exports.decisions import COLUMNS, PERSONAL_COLUMNS, decision_row
from policy_engine.exports.evidence import MODES, MOST, choose
from policy_engine.exports.manifest import Manifest, Refused
from policy_engine.exports.table import Row

if TYPE_CHECKING:
    from policy_audit.entry import Entry

LONGEST_ROW = 1 << 20
MAX_OSCAL_BYTES = 1 << 30
_TABLES = {"csv": "csv_table", "jsonl": "jsonl", "parquet": "parquet", "html": "page"}
#: What an observation says as properties, and the column of the entry that says it too.
_OBSERVED = ("decision_id", "verdict", "purpose", "stage", "policy_digest", "catalog_digest", "workload_digest")

EntryBytes = Callable[[int], bytes]
#: A row that was read: the index of its entry, and what is to be compared with `_expected`.
Found = tuple[int, Any]


def check_rows(folder: Path, manifest: Manifest, proven: Sequence[int], entry: EntryBytes) -> int:
    """Compare the rows whose entries are beside them, and return how many these are.

    Raises:
        Refused: with the first row that says something else, or where rows are missing or were added.
    """
    oscal = manifest.format == "oscal"
    if not oscal and manifest.columns != COLUMNS + (PERSONAL_COLUMNS if manifest.personal else ()):
        raise Refused("the columns are not those that this version knows")
    rows = _observations(folder, manifest) if oscal else _rows(folder, manifest)
    chosen, last, compared, here = choose(_mode(manifest), bytes.fromhex(manifest.root), ()), -1, 0, set(proven)
    for index, found in rows:
        if index <= last:
            raise Refused(f"the row of the entry {index} comes twice, or out of order")
        if chosen.count == manifest.selected:
            raise Refused(f"there are more rows than the {manifest.selected:,} that the manifest says")
        last = index
        chosen.add(index)
        if index in here:
            compared += 1
            if found != _expected(manifest, index, entry(index)):
                raise Refused(f"the row of the entry {index} does not say what the entry says")
    if chosen.count != manifest.selected:
        raise Refused(f"there are {chosen.count:,} rows, and the manifest says {manifest.selected:,}")
    # what was proven was not the exporter's choice: all, or what the root draws
    if chosen.indexes != list(proven):
        raise Refused("the entries beside the table are not those that the checkpoint's root draws from its rows")
    return compared


def _mode(manifest: Manifest) -> str:
    if manifest.proofs_mode not in MODES:
        raise Refused("the manifest does not say which entries are proven")
    if manifest.proofs_mode == "all" and manifest.selected > MOST:
        raise Refused("more entries would be proven than an export has")
    return manifest.proofs_mode


def _expected(manifest: Manifest, index: int, data: bytes) -> Any:
    """Return what a row has to say, as the readers below give it."""
    from policy_audit.entry import parse_entry
    from policy_audit.merkle import leaf_hash

    entry, leaf = parse_entry(data), leaf_hash(data).hex()
    if manifest.format == "oscal":
        return _observed(entry, leaf)
    row = decision_row(index, leaf, entry)
    if manifest.format == "csv":
        return tuple(csv_table.cell_text(cell, column.kind) for cell, column in zip(row, COLUMNS, strict=True))
    if manifest.format == "html":
        return _printed(manifest, row)
    return row


def _rows(folder: Path, manifest: Manifest) -> Iterator[Found]:
    """Yield the rows of a table, without their personal cells, which no entry holds."""
    if manifest.format not in _TABLES:
        raise Refused(f"there is no format `{manifest.format[:40]}`")
    read = import_module(f"policy_engine.exports.{_TABLES[manifest.format]}").read_rows
    printed = [column for column in manifest.columns if column.name in manifest.printed]
    columns = tuple(printed) if manifest.format == "html" else manifest.columns
    kept = sum(column in COLUMNS for column in columns)
    with open_file(folder, f"{manifest.table}.{manifest.format}") as stream:
        try:
            for row in read(stream, columns, LONGEST_ROW):
                if len(row) != len(columns):
                    raise Refused("a row does not have the columns of the manifest")
                yield _index(row[0]), row[:kept]
        except (ValueError, TypeError) as error:
            raise Refused(f"`{manifest.table}.{manifest.format}` cannot be read: {error!s:.200}") from None


def _printed(manifest: Manifest, row: Row) -> tuple[str, ...]:
    cells = zip(row, COLUMNS, strict=True)
    return tuple(page.cell_text(cell, c.kind, c.name) for cell, c in cells if c.name in manifest.printed)


def _index(cell: Any) -> int:
    text = str(cell)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused("a row does not name its entry")
    return int(text)


def _observations(folder: Path, manifest: Manifest) -> Iterator[Found]:
    """Yield what the observations of all results say, in the order of the entries."""
    import orjson

    name = "oscal/assessment-results.json"
    if manifest.files.get(name, (0, ""))[0] > MAX_OSCAL_BYTES:
        raise Refused(f"`{name}` is too large")
    with open_file(folder, name) as stream:
        try:
            results = orjson.loads(stream.read(MAX_OSCAL_BYTES))["assessment-results"]["results"]
            found = [_observation(each) for result in results for each in result.get("observations", ())]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise Refused(f"`{name}` does not hold assessment results") from None
    yield from sorted(found, key=lambda each: each[0])


def _observation(value: Mapping[str, Any]) -> Found:
    told = {each["name"]: each["value"] for each in value["props"]}
    names = ("leaf-hash", *(name.replace("_", "-") for name in _OBSERVED))
    return _index(told["entry-index"]), (value["collected"], *(told.get(name) for name in names))


def _observed(entry: Entry, leaf: str) -> tuple[str | None, ...]:
    return (entry.recorded_at, leaf, *(entry.view.get(name) for name in _OBSERVED))
