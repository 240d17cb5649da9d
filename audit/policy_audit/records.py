"""What is read from a ledger, and how it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policy_audit.canonical import parse_canonical
from policy_audit.entry import parse_entry
from policy_audit.errors import CanonicalError, VerificationError


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is stored; `raw` are the bytes that the leaf hash covers."""

    index: int
    type: str
    recorded_at: str
    leaf_hash: str
    raw: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The entry, parsed.

        Raises:
            VerificationError: the bytes are not an entry.
        """
        try:
            parse_entry(self.raw)
            value: dict[str, Any] = parse_canonical(self.raw)
        except CanonicalError as error:
            raise VerificationError(
                f"the entry {self.index} is malformed: {error.message}", code="entry-changed"
            ) from error
        return value


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """The query columns of one recorded decision; times are RFC 3339 in UTC with microseconds."""

    index: int
    recorded_at: str
    decision_id: str
    namespace: str
    workload: str
    verdict: str
    policy_digest: str
    catalog_digest: str
    decided_at: str
    workload_digest: str | None
    valid_until: str | None
    purpose: str | None
    stage: str | None
    run: str | None
    tag_set: int | None


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions; every field that is set must hold. `since` <= recorded < `until`; both need a time zone."""

    namespace: str | None = None
    workload: str | None = None
    verdict: str | None = None
    purpose: str | None = None
    stage: str | None = None
    policy_digest: str | None = None
    since: datetime | str | None = None
    until: datetime | str | None = None
    expired_at: datetime | str | None = None
