"""Parquet, by pyarrow: the one door to it. Columns have types, row groups are written as they fill.

The file's own metadata hold the checkpoint and the query under keys that begin with `policy-audit.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, Any

from policy_engine.errors import Problem, UsageError
from policy_engine.exports.table import Column, Head, Row

ROWS_IN_GROUP = 8192
MAX_GROUP_BYTES = 1 << 30


def pyarrow() -> Any:
    """Return the library.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        import pyarrow as library
        import pyarrow.parquet
    except ImportError:
        message = "Parquet needs pyarrow, which is not installed"
        raise UsageError(Problem("extra-missing", message, help="pip install policy-engine[parquet]")) from None
    return library


class ParquetWriter:
    """Keeps `ROWS_IN_GROUP` rows at most."""

    def __init__(self, stream: IO[bytes], head: Head) -> None:
        self._arrow = pyarrow()
        self._columns = head.columns
        self._schema = _schema(self._arrow, head)
        self._rows: list[Row] = []
        self._file = self._arrow.parquet.ParquetWriter(
            self._arrow.PythonFile(stream, mode="w"), self._schema, compression="zstd", store_schema=True
        )

    def write(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_IN_GROUP:
            self._write_group()

    def close(self, beside: Mapping[str, str]) -> None:
        if self._rows:
            self._write_group()
        self._file.close()

    def _write_group(self) -> None:
        cells = zip(*self._rows, strict=True)
        arrays = [
            self._arrow.array([_value(cell, column.kind) for cell in values], type=field.type)
            for values, column, field in zip(cells, self._columns, self._schema, strict=True)
        ]
        self._file.write_batch(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows = []


open_writer = ParquetWriter


def read_rows(stream: IO[bytes], columns: tuple[Column, ...], longest: int) -> Iterator[Row]:
    """Yield the rows of a file that this module wrote.

    Raises:
        ValueError: it is not Parquet, or has not these columns.
    """
    arrow = pyarrow()
    try:
        file = arrow.parquet.ParquetFile(stream)
        if file.schema_arrow.names != [column.name for column in columns]:
            raise ValueError("it does not have the columns of the manifest")
        _refuse_large(file.metadata)
        for batch in file.iter_batches(batch_size=ROWS_IN_GROUP):
            for row in batch.to_pylist():
                yield tuple(_cell(row[column.name], column.kind) for column in columns)
    except (arrow.ArrowException, OSError) as error:
        raise ValueError(f"it is not Parquet: {str(error).partition(chr(10))[0]:.200}") from None


def _refuse_large(metadata: Any) -> None:
    """Refuse row groups that this module does not write, before one is decompressed."""
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        if group.num_rows > ROWS_IN_GROUP or group.total_byte_size > MAX_GROUP_BYTES:
            raise ValueError("a row group is larger than exports have them")


def _schema(arrow: Any, head: Head) -> Any:
    types = {
        "time": arrow.timestamp("us", tz="UTC"),
        "count": arrow.int64(),
        "entry": arrow.int64(),
        "flag": arrow.bool_(),
        "list": arrow.list_(arrow.string()),
    }
    fields = [arrow.field(column.name, types.get(column.kind, arrow.string())) for column in head.columns]
    told = {
        "policy-audit.origin": head.checkpoint.origin,
        "policy-audit.checkpoint": head.checkpoint.note,
        "policy-audit.query": head.query.words,
        "policy-audit.command": head.query.command,
    }
    return arrow.schema(fields, metadata=told)


def _value(cell: Any, kind: str) -> Any:
    return datetime.fromisoformat(cell) if kind == "time" and cell is not None else cell


def _cell(value: Any, kind: str) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return tuple(value) if isinstance(value, list) else value
