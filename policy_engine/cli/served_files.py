"""The files that a workload's evidence names, as far as they go to a server along with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from policy_engine.client.forms import AROUND, MOST_BYTES, MOST_PARTS, is_sendable
from policy_engine.loading.evidence import EvidenceFileError, read_within
from policy_engine.loading.yaml_source import Document

#: What of a piece of evidence names a file beside the workload.
_NAMING = ("file", "signature", "receipt", "entry")


class Files(Struct, frozen=True):
    """The files by the names that they are sent under, and the names of those that are there and are not sent."""

    sent: dict[str, bytes] = {}
    left_out: tuple[str, ...] = ()


def names_files(document: Document) -> bool:
    """Whether evidence of the workload names a file."""
    return next(_named(document), None) is not None


def files_of(document: Document, folder: Path, size: int) -> Files:
    """Return the files of a workload of `size` bytes that lies in `folder`; what cannot be read is as not there."""
    room = MOST_BYTES - size - 2 * AROUND
    sent: dict[str, bytes] = {}
    left_out: list[str] = []
    for name in dict.fromkeys(_named(document)):
        # the server looks for the name as the workload has it, and comes to the same
        plain = os.path.normpath(name)
        if plain in sent:
            continue
        try:
            content = read_within(folder, name, MOST_BYTES)
        except EvidenceFileError:
            if _is_large(folder, name):
                left_out.append(name)
            continue
        cost = len(content) + len(plain.encode()) + AROUND
        if not is_sendable(plain) or cost > room or len(sent) + 2 > MOST_PARTS:
            left_out.append(name)
            continue
        sent[plain] = content
        room -= cost
    return Files(sent, tuple(left_out))


def _named(document: Document) -> Iterator[str]:
    for each in (document.value["spec"].get("evidence") or {}).values():
        if isinstance(each, dict):
            yield from (each[key] for key in _NAMING if isinstance(each.get(key), str))


def _is_large(folder: Path, name: str) -> bool:
    try:
        path = (folder / name).resolve()
        return path.is_relative_to(folder.resolve()) and path.is_file() and path.stat().st_size > MOST_BYTES
    except (OSError, ValueError, RuntimeError):
        return False
