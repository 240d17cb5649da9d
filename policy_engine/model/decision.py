"""A decision as it passes from the engine to the ledger and to whoever asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policy_audit.canonical import document_bytes

from policy_engine.model.task_case import TaskResult, Verdict
from policy_engine.model.workload import Workload


@dataclass(frozen=True)
class Decision:
    """A decision; its document holds no personal value, its id and place in the ledger are outside it.

    `waivers_content` is the waivers that it was told of, as recorded (`model.waiver`), and
    `proofs_content` the proofs of its evidence (`model.proofs`); None where there were none.
    """

    document: dict[str, Any]
    workload_content: bytes
    workload: Workload
    results: tuple[TaskResult, ...]
    waivers_content: bytes | None = None
    proofs_content: bytes | None = None

    @cached_property
    def content(self) -> bytes:
        """The document as RFC 8785 bytes: what is recorded."""
        return document_bytes(self.document)

    @cached_property
    def id(self) -> str:
        """The SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def verdict(self) -> Verdict:
        verdict: Verdict = self.document["verdict"]
        return verdict
