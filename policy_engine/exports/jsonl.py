"""JSON Lines: one canonical object (RFC 8785) a row, in UTF-8. Every value is exact; nothing is escaped for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

from policy_engine.exports.table import Column, Head, Row


class JsonlWriter:
    """Writes each row as it comes."""

    def __init__(self, stream: IO[bytes], head: Head) -> None:
        self._stream = stream
        self._names = [column.name for column in head.columns]

    def write(self, row: Row) -> None:
        from policy_audit.canonical import document_bytes

        self._stream.write(document_bytes(dict(zip(self._names, row, strict=True))) + b"\n")

    def close(self, beside: Mapping[str, str]) -> None:
        self._stream.flush()


open_writer = JsonlWriter


def read_rows(stream: IO[bytes], columns: tuple[Column, ...], longest: int) -> Iterator[Row]:
    """Yield the rows of a file that this module wrote.

    Raises:
        ValueError: a line is too long, or is not an object with these columns in canonical form.
    """
    import orjson
    from policy_audit.canonical import document_bytes

    names = [column.name for column in columns]
    while line := stream.readline(longest + 1):
        if len(line) > longest:
            raise ValueError(f"a line has more than {longest:,} bytes")
        value: Any = orjson.loads(line)
        if not isinstance(value, dict) or sorted(value) != sorted(names):
            raise ValueError("a line is not an object with the columns of the manifest")
        # of a name that comes twice, readers see either value
        if document_bytes(value) + b"\n" != line:
            raise ValueError("a line is not in canonical form")
        yield tuple(tuple(cell) if isinstance(cell, list) else cell for cell in (value[name] for name in names))
