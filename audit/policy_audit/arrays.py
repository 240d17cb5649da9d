"""Columns of values as PostgreSQL's binary arrays, written here: the driver looks at each value several times.

    int32 dimensions (1), int32 whether any is NULL, int32 the values' type, int32 how many, int32 the first place (1),
    then for each value int32 its length (-1: NULL) and its bytes       (PostgreSQL, src/backend/utils/adt/arrayfuncs.c)

Import this before an engine is made: its connections know what was registered by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD, _LENGTH, _NUMBER = Struct(">iiIii"), Struct(">i"), Struct(">iq")
_NULL = _LENGTH.pack(-1)


class Array:
    """An array as it is sent."""

    __slots__ = ("data",)

    def __init__(self, values: Sequence[Any]) -> None:
        parts = [_NULL if value is None else self._written(value) for value in values]
        self.data = b"".join((_HEAD.pack(1, None in values, self.oid, len(values), 1), *parts))

    #: The values' type.
    oid: int

    @staticmethod
    def _written(value: Any) -> bytes:
        data = value.encode() if isinstance(value, str) else value  # connections are made in UTF-8
        return _LENGTH.pack(len(data)) + data


class Texts(Array):
    """An array of `text`."""

    __slots__ = ()
    oid = 25


class Octets(Array):
    """An array of `bytea`."""

    __slots__ = ()
    oid = 17


class Numbers(Array):
    """An array of `int8`."""

    __slots__ = ()
    oid = 20

    @staticmethod
    def _written(value: int) -> bytes:
        return _NUMBER.pack(8, value)


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.data


class _TextsDumper(_Dumper):
    oid = 1009


class _OctetsDumper(_Dumper):
    oid = 1001


class _NumbersDumper(_Dumper):
    oid = 1016


KINDS: dict[str, type[Array]] = {"int8": Numbers, "text": Texts, "bytea": Octets}
for _kind, _dumper in ((Texts, _TextsDumper), (Octets, _OctetsDumper), (Numbers, _NumbersDumper)):
    psycopg.adapters.register_dumper(_kind, _dumper)
