"""The proofs of a decision's evidence as the document that is recorded with it: an input, for a replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from policy_audit.canonical import document_bytes

from policy_engine.model.task_case import EvidenceStatus

Materials = Mapping[str, Mapping[str, str]]


class _Recorded(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["EvidenceProofs"]
    proofs: dict[str, dict[str, str]]
    api_version: str = msgspec.field(name="apiVersion")


def proofs_content(statuses: Mapping[str, EvidenceStatus]) -> bytes | None:
    """Return the proofs as RFC 8785 bytes; None where nothing is of a grade that takes one."""
    found = {name: dict(status.material) for name, status in statuses.items() if status.material is not None}
    if not found:
        return None
    return document_bytes({"apiVersion": "policy-engine/v1", "kind": "EvidenceProofs", "proofs": found})


def read_proofs(content: bytes) -> Materials:
    """Return the proofs that `proofs_content` wrote.

    Raises:
        ValueError: it did not write that.
    """
    return msgspec.json.decode(content, type=_Recorded).proofs
