"""The uses of a waiver: in which decisions, whether in its time, and what one is by whose file alone was used.

A use that was collected from a spool stands after what was recorded meanwhile, so that times are compared, and not
indexes. They are its runner's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from policy_audit.collected import CollectedSpan, CollectedSpans, span_of_body
from policy_audit.entry import EntryType
from policy_audit.errors import AuditError, VerificationError
from policy_audit.view import instant

from policy_engine.model.waiver import Grounds, Statement, Waiver, read_waivers
from policy_engine.waivers.notes import read_note
from policy_engine.waivers.on_record import RECHECKED_ENTRY, Entries, Record, records

if TYPE_CHECKING:
    from policy_audit.ledger import StoredEntry


class ByFile(NamedTuple):
    """A waiver as a collected decision was told of it, by its signed file: nobody has granted it in this ledger."""

    entry: int
    statement: Statement
    grounds: Grounds


class Granted(NamedTuple):
    """What a waiver's uses are held to; `by_file`: without a grant it was used by its file."""

    statement: Statement
    grants: Sequence[Record]
    revocation: Record | None
    by_file: bool


def collected_spans(ledger: Entries) -> CollectedSpans:
    """Return which entries were collected from spools."""
    spans: Iterable[CollectedSpan | None] = (
        span_of_body(record.index, record.body) for record in records(ledger, EntryType.COLLECTION)
    )
    return CollectedSpans(span for span in spans if span is not None)


class UsesByFile:
    """The waivers of collected uses; a decision with many uses is looked for, and read, once."""

    def __init__(self, ledger: Entries) -> None:
        self._ledger = ledger
        self._decisions: dict[int, int] = {}
        self._last: tuple[int, str | None, Mapping[str, Waiver]] | None = None

    def of(self, use: Record) -> ByFile | None:
        """Return the waiver of a use, as its decision was told of it; None where that was told of no such.

        Raises:
            AuditError: the document was changed, or disposed of.
        """
        index = self._decision(use.index)
        if self._last is None or self._last[0] != index:
            entry = self._ledger.entry(index)
            self._last = index, entry.document["body"].get("id"), _told(self._ledger, entry)
        _, decision, told = self._last
        return _named(index, told, str(use.body.get("waiver"))) if decision == use.body.get("decision") else None

    def _decision(self, use: int) -> int:
        """Return the entry of the decision, which its uses follow."""
        index = use - 1
        while index > 0 and index not in self._decisions:
            if self._ledger.entry(index).type != EntryType.WAIVER_USED:
                break
            index -= 1
        found = self._decisions[use] = self._decisions.get(index, index)
        return found


def in_decision(ledger: Entries, index: int, waiver: str) -> ByFile | None:
    """Return a waiver by its id, as the decision in this entry was told of it; None where it was told of no such.

    Raises:
        AuditError: the document was changed, or disposed of.
    """
    return _named(index, _told(ledger, ledger.entry(index)), waiver)


def _told(ledger: Entries, entry: StoredEntry) -> Mapping[str, Waiver]:
    digest = entry.document["blobs"].get("waivers")
    if digest is None:
        return {}
    content = ledger.blob(digest)
    try:
        return {each.id: each for each in read_waivers(content)}
    except (ValueError, RecursionError):
        message = f"the decision of the entry {entry.index} holds no waivers"
        raise VerificationError(message, code="entry-changed") from None


def _named(index: int, told: Mapping[str, Waiver], name: str) -> ByFile | None:
    """Return the waiver of this name: its id, statement and note are three members of a runner's document."""
    found = told.get(name)
    if found is None or found.grounds is None or found.statement.id != name:
        return None
    if read_note(found.grounds.note)[0].id != name:
        return None
    return ByFile(index, found.statement, found.grounds)


def uses_of(uses: Iterable[Record], granted: Granted, spans: CollectedSpans) -> dict[str, Any]:
    """Return the decisions that a waiver was used in, and those of them that it may not have been used in."""
    rows, late = [], []
    by_file = False
    for record in uses:
        decided, collected = str(record.body.get("decided_at")), record.index in spans
        # a runner has the file alone; who decides that decision again here has it from there
        by_file |= collected
        by_file_here = by_file and (collected or RECHECKED_ENTRY in record.context)
        row = {
            "index": record.index,
            "decision": record.body.get("decision"),
            "decided_at": decided,
            "recorded_at": instant(record.recorded_at),
            "collected": collected,
        }
        rows.append(row)
        if _is_revoked(record, granted, collected) or _is_late(record, _instant(decided), granted, by_file_here):
            late.append(row)
    return {"uses": rows, "used_out_of_time": late}


def told_late(row: Mapping[str, Any]) -> str:
    """Say which entries used a waiver out of its time."""
    late = row["used_out_of_time"]
    some = ", ".join(str(use["index"]) for use in late[:5])
    more = f" and {len(late) - 5:,} more" if len(late) > 5 else ""
    clocks = ", by the clocks of runners" if any(use["collected"] for use in late) else ""
    return f"it was used out of its time: entries {some}{more}{clocks}"


def _is_revoked(record: Record, granted: Granted, collected: bool) -> bool:
    """Whether the waiver was revoked before: by the ledger's order, and for a runner by its clock, too."""
    revocation = granted.revocation
    if revocation is None or revocation.index >= record.index:
        return False
    return not collected or revocation.recorded_at < record.recorded_at


def _is_late(record: Record, decided: str, granted: Granted, by_file: bool) -> bool:
    # the time of the decision is what the caller said; when it was recorded is what the ledger, or a runner, says
    times = decided, instant(record.recorded_at)
    if max(times) > _end(granted.statement.valid_until):
        return True
    if by_file:  # which is in force from its first day on
        started = bool(granted.grants) or granted.by_file
        return not started or min(times) < granted.statement.valid_from.isoformat()
    return not granted.grants or record.index < granted.grants[0].index


def _end(day: date) -> str:
    return f"{day.isoformat()}T23:59:59.999999Z"


def _instant(moment: str) -> str:
    """Return a time so that it can be compared as text; what is no time as it is."""
    try:
        return instant(moment)
    except (AuditError, OverflowError):
        return moment
