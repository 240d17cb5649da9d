"""Layers as they were read, in one piece: another process has the same bytes, whatever became of the folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from policy_engine.loading.layers import LayerFiles
from policy_engine.model.rule import Layer


class _Copy(Struct, frozen=True):
    layer: Layer
    root: str
    files: dict[str, bytes]


def packed(layers: Sequence[LayerFiles]) -> bytes:
    """Return the layers' bytes; the same for the same layers."""
    copies = [_Copy(each.layer, str(each.root), dict(sorted(each.files.items()))) for each in layers]
    return msgspec.msgpack.encode(copies)


def unpacked(data: bytes) -> list[LayerFiles]:
    """Return what was packed.

    Raises:
        ValueError: it is something else.
    """
    copies = msgspec.msgpack.decode(data, type=list[_Copy])
    return [LayerFiles(each.layer, Path(each.root), each.files) for each in copies]
