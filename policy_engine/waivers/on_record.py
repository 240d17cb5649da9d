"""Waivers in the ledger: the entries that are written, and what is read back from them.

INVARIANT: what counts is an entry's bytes, which its leaf hash covers, and never the columns that led to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.commitment import opens
from policy_audit.entry import Blob, Draft, EntryType
from policy_audit.errors import AuditError, VerificationError

from policy_engine.model.approvers import Approvers
from policy_engine.model.waiver import Statement, Waiver, read_statement
from policy_engine.waivers.checking import Candidate, active_waivers

if TYPE_CHECKING:
    from policy_audit.commitment import Disclosure
    from policy_audit.ledger import StoredEntry

Context = Mapping[str, str]
#: What was signed or asked for is gone, on record, because its period had ended.
DISPOSED = "blob-disposed"
#: In the context of a decision that decides another again, and of its uses: the entry of that other one.
RECHECKED_ENTRY = "rechecks_entry"
#: What the database was changed in, rather than what somebody recorded that is no waiver.
TAMPERED = frozenset({"blob-changed", "blob-missing", "columns-changed"})


class Entries(Protocol):
    """What is read of entries and documents: a ledger, one snapshot of it, or what a verification sees."""

    def list_entries(self, *, type: EntryType | str, newest_first: bool) -> Iterable[StoredEntry]: ...  # noqa: A002

    def entry(self, index: int) -> StoredEntry: ...

    def blob(self, digest: str) -> bytes: ...

    def checkpoint(self) -> str: ...


class Source(Entries, Protocol):
    """The same, with the personal values: a ledger, or one snapshot of it."""

    def disclosures(self, index: int) -> Mapping[str, Disclosure]: ...


class Record(Struct, frozen=True):
    """One entry, parsed: its index, leaf hash, time, and members."""

    index: int
    leaf_hash: str
    recorded_at: datetime
    context: dict[str, Any]
    commitments: dict[str, str]
    blobs: dict[str, str]
    body: dict[str, Any]


def request_draft(request: Mapping[str, Any], known_by: str, personal: Mapping[str, str], context: Context) -> Draft:
    """Return the entry of a request; who asks is in `personal` alone."""
    from policy_audit.canonical import document_bytes

    blob = Blob(document_bytes(request))
    return Draft(
        type=EntryType.WAIVER_REQUESTED,
        body={**_told(request), "known_by": known_by, "decision": request["decided"]["decision"]},
        context={**context, "namespace": request["scope"]["namespace"], "workload": request["scope"]["name"]},
        personal=personal,
        blobs={"request": blob},
    )


def granted_draft(
    statement: Statement, note: str, more: Mapping[str, Any], personal: Mapping[str, str], context: Context
) -> Draft:
    """Return the entry of a grant; the note holds commitments and key ids, and no names."""
    return Draft(
        type=EntryType.WAIVER_GRANTED,
        body={"waiver": statement.id, **_told(statement.document()), **more},
        context={**context, "namespace": statement.scope.namespace, "workload": statement.scope.name},
        personal=personal,
        blobs={"waiver": note.encode()},
    )


def approved_draft(
    statement: Statement, note: str, more: Mapping[str, Any], personal: Mapping[str, str], context: Context
) -> Draft:
    """Return the entry of one person's approval, where more are needed: it lifts nothing. The note has their line."""
    return replace(granted_draft(statement, note, more, personal, context), type=EntryType.WAIVER_APPROVED)


def revoked_draft(
    statement: Statement, reason: str, note: str | None, personal: Mapping[str, str], context: Context
) -> Draft:
    """Return the entry of a revocation, signed or not: taking a waiver back needs no leave."""
    return Draft(
        type=EntryType.WAIVER_REVOKED,
        body={"waiver": statement.id, "rule": statement.rule.id, "reason": reason, "signed": note is not None},
        context={**context, "namespace": statement.scope.namespace, "workload": statement.scope.name},
        personal=personal,
        blobs={"revocation": note.encode()} if note is not None else {},
    )


def used_drafts(document: Mapping[str, Any], decision: str, context: Context) -> list[Draft]:
    """Return an entry for each waiver that lifted something in a decision, for the commit of the decision itself."""
    found = []
    for task in document["tasks"]:
        for row in task.get("waivers", ()):
            if row["applies"]:
                kept = {key: row[key] for key in ("rule", "option", "on", "lifts", "valid_until")}
                body = {"waiver": row["id"], "task": task["name"], "decision": decision, "verdict": task["verdict"]}
                decided = {"decided_at": document["decided_at"]}
                found.append(Draft(type=EntryType.WAIVER_USED, body={**body, **kept, **decided}, context=context))
    return found


def _told(document: Mapping[str, Any]) -> dict[str, Any]:
    scope = {key: document["scope"][key] for key in ("option", "task")}
    days = {key: document[key] for key in ("ticket", "valid_from", "valid_until")}
    return {"rule": document["rule"]["id"], **scope, **days}


def records(ledger: Entries, kind: EntryType) -> Iterator[Record]:
    """Yield the entries of one type, the oldest first.

    Raises:
        VerificationError: an entry was changed, or is of another type than its column says.
    """
    for entry in ledger.list_entries(type=kind, newest_first=False):
        yield record_of(entry, kind)


def record_of(entry: StoredEntry, kind: EntryType) -> Record:
    """Return an entry that was read by its type, parsed.

    Raises:
        VerificationError: it is of another type than its column says.
    """
    document = entry.document
    if document["type"] != kind.value:
        message = f"the columns of the entry {entry.index} are not those of its bytes"
        raise VerificationError(message, code="columns-changed", help="run `policy audit verify`")
    members = {name: document[name] for name in ("context", "commitments", "blobs", "body")}
    return Record(entry.index, entry.leaf_hash, datetime.fromisoformat(document["recorded_at"]), **members)


def requested(ledger: Entries, record: Record) -> Statement:
    """Return what a request's entry asks for, with the commitment to the requester that it holds.

    Raises:
        VerificationError: it holds no request.
    """
    try:
        value = json.loads(ledger.blob(record.blobs["request"]))
        known_by, commitment = record.body["known_by"], record.commitments["requester"]
        return read_statement({**value, "requester": {"commitment": commitment, "known_by": known_by}})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, VerificationError):
            raise
        raise VerificationError(
            f"the entry {record.index} holds no request of a waiver", code="entry-changed"
        ) from None


def is_asked_by(ledger: Entries, record: Record, statement: Statement) -> bool:
    """Whether a request's entry asks for this waiver: by what it says itself where its document was disposed of."""
    try:
        return requested(ledger, record).id == statement.id
    except AuditError as error:
        if error.code != DISPOSED:
            return False  # it holds no request
    rest = {"known_by": statement.requester.known_by, "decision": statement.decided.decision}
    same = dict(record.body) == {**_told(statement.document()), **rest}
    return same and record.commitments.get("requester") == statement.requester.commitment


def opened_value(ledger: Source, record: Record, name: str) -> str | None:
    """Return a personal value of the entry where it is held and opens the entry's commitment."""
    disclosure = ledger.disclosures(record.index).get(name) if name in record.commitments else None
    if disclosure is None or not opens(record.commitments[name], disclosure):
        return None
    return disclosure.value


def note_on_record(ledger: Source, record: Record) -> str:
    """Return the note of a grant's entry."""
    try:
        return ledger.blob(record.blobs["waiver"]).decode()
    except (KeyError, UnicodeDecodeError):
        raise VerificationError(f"the entry {record.index} holds no waiver", code="entry-changed") from None


def origin_of(ledger: Source) -> str:
    """Return the ledger's name, as its latest checkpoint says it."""
    return parse_checkpoint(ledger.checkpoint()).origin


def revoked_ids(ledger: Source) -> set[str]:
    """Return the ids of the waivers that were taken back."""
    return {str(record.body.get("waiver")) for record in records(ledger, EntryType.WAIVER_REVOKED)}


def signed_requester(ledger: Source, statement: Statement, request: Record | None) -> str | None:
    """Return who asked, where the commitment that was signed opens by the request's entry; None where it does not."""
    if request is None or request.commitments.get("requester") != statement.requester.commitment:
        return None
    return opened_value(ledger, request, "requester")


class WaiversOnRecord:
    """The waivers of one ledger, read once: one query where nobody was ever granted one, and three otherwise.

    `now` is the ledger's clock, by which it is decided when decisions are made.
    """

    def __init__(self, ledger: Source, approvers: Approvers, now: datetime) -> None:
        self._ledger, self._approvers, self.now = ledger, approvers, now
        self._granted: dict[tuple[Any, Any], list[Record]] = {}
        for record in records(ledger, EntryType.WAIVER_GRANTED):
            place = (record.context.get("namespace"), record.context.get("workload"))
            self._granted.setdefault(place, []).append(record)
        self._revoked = revoked_ids(ledger) if self._granted else set()
        self._origin = origin_of(ledger) if self._granted else None

    @cached_property
    def _requests(self) -> dict[str | None, Record]:
        """The requests, by their commitment to whoever asked."""
        return {r.commitments.get("requester"): r for r in records(self._ledger, EntryType.WAIVER_REQUESTED)}

    def workloads(self) -> list[tuple[str, str]]:
        """Return the namespaces and names of the workloads for which somebody was ever granted a waiver."""
        return sorted((str(namespace), str(name)) for namespace, name in self._granted)

    def of(self, workload: tuple[str, str], at: datetime, more: Sequence[Candidate] = ()) -> tuple[Waiver, ...]:
        """Return the waivers on a workload as checked at `at`; `more` are those that files hold."""
        found = [self._candidate(record) for record in self._granted.get(workload, ())]
        known = [each for each in found if each is not None]
        return active_waivers([*known, *more], workload, at, self._approvers, self.now)

    def _candidate(self, record: Record) -> Candidate | None:
        from policy_engine.waivers.notes import read_note

        if "waiver" not in record.blobs:
            return None  # it is no waiver: whoever wrote it, it lifts nothing, and keeps no other from it
        # by the note's own id: the body beside it is no part of what was signed
        try:
            note = note_on_record(self._ledger, record)
            statement = read_note(note)[0]
        except AuditError as error:
            if error.code in TAMPERED:
                raise
            return None  # it is no waiver, or was disposed of: its period had long ended
        requester = signed_requester(self._ledger, statement, self._requests.get(statement.requester.commitment))
        claimed = opened_value(self._ledger, record, "requester")
        revoked = statement.id in self._revoked
        at, index, leaf = record.recorded_at, record.index, record.leaf_hash
        return Candidate(note, at, revoked, self._origin, requester, claimed, entry=index, leaf=leaf)


def stored_context(context: Any) -> dict[str, str]:
    """Return what the ledger keeps of the recorder's context beside its personal values."""
    return {"actor_known_by": context.actor_known_by, **context.details}


def statement_on_record(ledger: Source, row: Mapping[str, Any]) -> Statement:
    """Return the statement of a row of the register."""
    from policy_engine.waivers.notes import read_note

    if row["granted_index"] is None and row["requested_index"] is None:
        from policy_engine.waivers.uses import in_decision

        told = in_decision(ledger, row["by_file_index"], row["id"])
        if told is not None:
            return told.statement
        raise VerificationError(f"the entry {row['by_file_index']} holds no waiver", code="entry-changed")
    if row["granted_index"] is not None:
        granted = record_of(ledger.entry(row["granted_index"]), EntryType.WAIVER_GRANTED)
        return read_note(note_on_record(ledger, granted))[0]
    return requested(ledger, record_of(ledger.entry(row["requested_index"]), EntryType.WAIVER_REQUESTED))
