"""What is read from a ledger, and how it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policy_audit.canonical import parse_canonical
from policy_audit.entry import Entry, parse_entry
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


@dataclass(frozen=True, slots=True)
class DecisionQuery:
    """What an officer asks for; every field that is set must hold, and any one of `verdicts`.

    `tags` are pairs of kind and value (`policy_audit.view.TAG_KINDS`); None for the value means that there is any.
    `since` <= recorded < `until`; `expired_at` wants decisions whose `valid_until` is before it. Times need a zone.
    `owner` is a person, in whatever spelling. `namespaces` are those that may be seen at all; None is every one.
    """

    namespace: str | None = None
    workload: str | None = None
    verdicts: tuple[str, ...] = ()
    purpose: str | None = None
    stage: str | None = None
    policy_digest: str | None = None
    run: str | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    since: datetime | str | None = None
    until: datetime | str | None = None
    expired_at: datetime | str | None = None
    owner: str | None = None
    namespaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class CheckedDecision:
    """A decision whose query columns and tags were compared with those of its entry's bytes."""

    row: StoredDecision
    stored: StoredEntry
    entry: Entry


@dataclass(frozen=True, slots=True)
class Page:
    """Decisions in the order that was asked for; `next` is the index that the next page begins at, None at the end.

    `unread` tells that more decisions without tags were met than are read for one question: some may be missing.
    """

    decisions: tuple[CheckedDecision, ...]
    next: int | None
    unread: bool = False
