"""Read CEL's serialised checked expression (a protobuf `Any` of `cel.expr.CheckedExpr`).

A wire decoder of our own, since google.protobuf fails from 25 nested comprehensions, and CEL compiles 31. The
numbers are the field numbers of CEL's `checked.proto` and `syntax.proto`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, cast

_PRIMITIVES = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_CHECKED = "type.googleapis.com/cel.expr.CheckedExpr"


@dataclass(frozen=True, slots=True)
class RawNode:
    """A node as CEL writes it; `kind` is const, ident, select, call, list, map or comprehension."""

    id: int
    kind: str
    value: Any
    args: tuple[RawNode, ...] = ()


@dataclass(frozen=True, slots=True)
class RawExpression:
    """The tree with the type and the position (code points from 0) of each node, by node id."""

    root: RawNode
    types: dict[int, str]
    positions: dict[int, int]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result, at
        if shift > 63:
            raise ValueError("varint too long")


def _message(data: bytes) -> dict[int, list[Any]]:
    """Split a message into its fields: number -> values (int, or bytes)."""
    at, fields = 0, {}  # type: int, dict[int, list[Any]]
    value: int | bytes
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 1:
            value, at = data[at : at + 8], at + 8
        elif wire == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError(f"wire type {wire}")
        if at > len(data):
            raise ValueError("truncated message")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _last(fields: dict[int, list[Any]], number: int, default: Any = b"") -> Any:
    return fields[number][-1] if number in fields else default


def _text(fields: dict[int, list[Any]], number: int) -> str:
    return cast(str, _last(fields, number).decode())


def _constant(data: bytes) -> tuple[str, Any]:
    fields = _message(data)
    ((number, (value,)),) = fields.items()
    if number == 2:
        return "bool", bool(value)
    if number == 3:
        return "int", value - (1 << 64) if value >> 63 else value
    if number == 5:
        return "double", struct.unpack("<d", value)[0]
    if number == 6:
        return "string", value.decode()
    return {1: "null", 4: "uint", 7: "bytes"}.get(number, "unknown"), value


def _type(data: bytes) -> str:
    fields = _message(data)
    if not fields:
        return "dyn"
    ((number, (value,)),) = fields.items()
    if number == 3:
        return _PRIMITIVES[value]
    if number == 6:
        return f"list<{_type(_last(_message(value), 1))}>"
    return {1: "dyn", 2: "null", 7: "map", 12: "error"}.get(number, "other")


def _call(node_id: int, fields: dict[int, list[Any]]) -> RawNode:
    target = [_node(x) for x in fields.get(1, ())]
    args = [_node(x) for x in fields.get(3, ())]
    return RawNode(node_id, "call", _text(fields, 2), tuple(target + args))


def _node(data: bytes) -> RawNode:
    message = _message(data)
    node_id = _last(message, 2, 0)
    (number,) = (f for f in message if f > 2)
    value = message[number][-1]
    if number == 3:
        return RawNode(node_id, "const", _constant(value))
    fields = _message(value)
    if number == 4:
        return RawNode(node_id, "ident", _text(fields, 1))
    if number == 5:
        return RawNode(node_id, "select", _text(fields, 2), (_node(_last(fields, 1)),))
    if number == 6:
        return _call(node_id, fields)
    if number == 7:
        return RawNode(node_id, "list", None, tuple(_node(x) for x in fields.get(1, ())))
    if number == 9:
        # args: range, initial value, condition, step, result
        parts = tuple(_node(_last(fields, k)) for k in (2, 4, 5, 6, 7))
        return RawNode(node_id, "comprehension", _text(fields, 1), parts)
    return RawNode(node_id, "map", None)


def _entries(message: dict[int, list[Any]], number: int) -> list[tuple[int, Any]]:
    return [(_last(e, 1, 0), _last(e, 2)) for e in map(_message, message.get(number, ()))]


def read_checked(data: bytes) -> RawExpression:
    """Decode `Expression.serialize()`; raises ValueError where the bytes are not what they should be."""
    envelope = _message(data)
    if _text(envelope, 1) != _CHECKED:
        raise ValueError(f"not a checked expression: {envelope.get(1)}")
    message = _message(_last(envelope, 2))
    source = _message(_last(message, 5))
    return RawExpression(
        root=_node(_last(message, 4)),
        types={key: _type(value) for key, value in _entries(message, 3)},
        positions={key: value or 0 for key, value in _entries(source, 4)},
    )
