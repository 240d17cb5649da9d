"""Columns of values as PostgreSQL's binary arrays, written here: the driver looks at each value several times.

int32 dimensions (1), int32 whether any is NULL, int32 the values' type, int32 how many, int32 the first place (1),
then for each value int32 its length (-1: NULL) and its bytes       (PostgreSQL, src/backend/utils/adt/arrayfuncs.c)
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

_HEAD, _LENGTH, _NUMBER = Struct(">iiIii"), Struct(">i"), Struct(">iq")
_NULL = _LENGTH.pack(-1)


class Array:
    """An array as it is sent."""

    __slots__ = ("data",)

    def __init__(self, values: Sequence[Any]) -> None:
        first, count, written = values[0], len(values), self._written
        if values.count(first) == count:  # of most columns, in a commit of one policy's decisions
            parts = [_NULL if first is None else written(first)] * count
        else:
            parts = [_NULL if value is None else written(value) for value in values]
        self.data = b"".join((_HEAD.pack(1, None in values, self.oid, count, 1), *parts))

    #: The values' type, and that of an array of them.
    oid: int
    array_oid: int

    @staticmethod
    def _written(value: Any) -> bytes:
        data = value.encode() if isinstance(value, str) else value  # connections are made in UTF-8
        return _LENGTH.pack(len(data)) + data


class Texts(Array):
    """An array of `text`."""

    __slots__ = ()
    oid, array_oid = 25, 1009


class Octets(Array):
    """An array of `bytea`."""

    __slots__ = ()
    oid, array_oid = 17, 1001


class Numbers(Array):
    """An array of `int8`."""

    __slots__ = ()
    oid, array_oid = 20, 1016

    @staticmethod
    def _written(value: int) -> bytes:
        return _NUMBER.pack(8, value)


KINDS: dict[str, type[Array]] = {"int8": Numbers, "text": Texts, "bytea": Octets}
