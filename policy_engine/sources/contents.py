"""What the workloads of a file are called, and which files beside it they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from policy_engine.loading.yaml_source import Document, load_documents
from policy_engine.model.workload import DEFAULT_NAMESPACE
from policy_engine.sources.kinds import Kind, kinds_of, passed_over

#: Fields of a piece of evidence that name a file.
_FILES = ("file", "signature", "receipt", "entry")


class Contents(Struct, frozen=True):
    """The identities of a file's workloads and the files that their evidence names, as written.

    `is_whole` is false where a document that may be a workload cannot be read, or has no name.
    """

    workloads: tuple[str, ...]
    evidence: tuple[str, ...]
    is_whole: bool


def contents_of(content: bytes, kinds: Sequence[Kind] | None = None) -> Contents:
    """Return what the workloads in a file's bytes are called, as far as they can be read; `kinds` are known."""
    kinds = kinds_of(content) if kinds is None else kinds
    over = passed_over(kinds)
    workloads: list[str] = []
    evidence: list[str] = []
    is_whole = Kind.UNREADABLE not in kinds
    if not over.issuperset(range(len(kinds))):
        for at, document in enumerate(load_documents(content, "")):
            if at in over:
                continue
            name = _identity(document.value) if isinstance(document, Document) else None
            if name is None or not isinstance(document, Document):
                is_whole = False
                continue
            workloads.append(name)
            evidence += _evidence(document.value)
    return Contents(tuple(workloads), tuple(evidence), is_whole)


def _mapping(value: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _identity(value: Any) -> str | None:
    metadata = _mapping(value, "metadata")
    name, namespace = metadata.get("name"), metadata.get("namespace") or DEFAULT_NAMESPACE
    return f"{namespace}/{name}" if isinstance(name, str) and isinstance(namespace, str) else None


def _evidence(value: Any) -> list[str]:
    found = []
    for piece in _mapping(value, "spec", "evidence").values():
        found += [name for field in _FILES if isinstance(name := _mapping(piece).get(field), str) and name]
    return found
