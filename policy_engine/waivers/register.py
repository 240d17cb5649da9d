"""The register of waivers: every one on record, what became of it, and what an officer asks of it.

Active, expiring, used after it ended, approved by whoever asked for it. Reads the ledger alone; whether the signatures
are by people who may sign is asked of a policy's approvers where these are given, and not claimed otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from policy_audit.collected import CollectedSpans
from policy_audit.entry import EntryType
from policy_audit.errors import AuditError, VerificationError

from policy_engine.model.approvers import Approvers
from policy_engine.model.identity import folded, same_person
from policy_engine.model.waiver import Statement
from policy_engine.waivers.checking import Candidate, active_waivers, approvals
from policy_engine.waivers.notes import read_note
from policy_engine.waivers.on_record import (
    DISPOSED,
    TAMPERED,
    Record,
    Source,
    note_on_record,
    opened_value,
    origin_of,
    records,
    requested,
    signed_requester,
)
from policy_engine.waivers.uses import ByFile, Granted, UsesByFile, collected_spans, uses_of

EXPIRING_DAYS = 14
#: `file`: nobody granted it here, and a collected decision used it by its signed file.
STATUSES = ("requested", "active", "file", "pending", "expired", "revoked")


@dataclass
class _Found:
    """What the entries say of one waiver."""

    statement: Statement
    request: Record | None = None
    signed: list[Record] = field(default_factory=list)
    grants: list[Record] = field(default_factory=list)
    note: str | None = None
    revocation: Record | None = None
    uses: list[Record] = field(default_factory=list)
    by_file: ByFile | None = None


def waiver_register(
    ledger: Source,
    at: datetime,
    approvers: Approvers | None = None,
    unreadable: Callable[[Record, AuditError], None] | None = None,
) -> list[dict[str, Any]]:
    """Return a row for each waiver on record as of `at`, the newest request first.

    `unreadable` is told of entries that hold no waiver, or the use of none that is on record, so that they keep nobody
    from reading the others.

    Raises:
        VerificationError: an entry was changed; or holds no waiver, and there is no `unreadable` to tell.
    """
    found: dict[str, _Found] = {}
    gone: set[str] = set()
    for record in records(ledger, EntryType.WAIVER_REQUESTED):
        _read(lambda each: _request(ledger, each, found), record, unreadable)
    for record in records(ledger, EntryType.WAIVER_APPROVED):
        _read(lambda each: _sign(ledger, each, found), record, unreadable)
    for record in records(ledger, EntryType.WAIVER_GRANTED):
        if _read(lambda each: _grant(ledger, each, found), record, unreadable) == DISPOSED:
            gone.add(str(record.body.get("waiver")))
    spans, files = collected_spans(ledger), UsesByFile(ledger)
    for record in records(ledger, EntryType.WAIVER_USED):
        _read(lambda each: _use(each, found, spans, files, gone), record, unreadable or _passed_over)
    for record in records(ledger, EntryType.WAIVER_REVOKED):
        if (named := found.get(str(record.body.get("waiver")))) is not None:
            named.revocation = named.revocation or record
    origin = origin_of(ledger) if found else ""
    rows = [_row(ledger, each, at, approvers, origin, spans) for each in found.values()]
    places = ("requested_index", "granted_index", "by_file_index")
    return sorted(rows, key=lambda row: -max(row[name] or 0 for name in places))


def _read(
    read: Callable[[Record], None], record: Record, unreadable: Callable[[Record, AuditError], None] | None
) -> str | None:
    """Read an entry; return the code of what kept it from being read."""
    try:
        read(record)
    except AuditError as error:
        if unreadable is None or error.code in TAMPERED:
            raise
        unreadable(record, error)
        return error.code
    return None


def _passed_over(record: Record, error: AuditError) -> None:
    """Leave out a use of what is no waiver on record, where nobody is to be told."""


def _use(record: Record, found: dict[str, _Found], spans: CollectedSpans, files: UsesByFile, gone: set[str]) -> None:
    name = str(record.body.get("waiver"))
    known = found.get(name)
    if record.index in spans and (known is None or not (known.grants or known.by_file)) and name not in gone:
        told = files.of(record)
        if told is not None:
            known = found.setdefault(name, _Found(told.statement))
            known.by_file = told
    if known is None:
        raise _use_of_none(name in gone)
    known.uses.append(record)


def _use_of_none(disposed: bool) -> VerificationError:
    if disposed:
        return VerificationError("it is the use of a waiver that was disposed of", code=DISPOSED)
    return VerificationError("it is the use of a waiver that is not on record")


def _request(ledger: Source, record: Record, found: dict[str, _Found]) -> None:
    statement = requested(ledger, record)
    found.setdefault(statement.id, _Found(statement)).request = record


def _sign(ledger: Source, record: Record, found: dict[str, _Found]) -> None:
    statement = read_note(note_on_record(ledger, record))[0]
    if statement.id in found:  # an approval of what nobody asked for is nothing
        found[statement.id].signed.append(record)


def _grant(ledger: Source, record: Record, found: dict[str, _Found]) -> None:
    note = note_on_record(ledger, record)
    statement = read_note(note)[0]
    row = found.setdefault(statement.id, _Found(statement))
    row.grants.append(record)
    row.note = row.note or note


def _row(
    ledger: Source, found: _Found, at: datetime, approvers: Approvers | None, origin: str, spans: CollectedSpans
) -> dict[str, Any]:
    statement, grant, revocation = found.statement, found.grants[0] if found.grants else None, found.revocation
    day = at.astimezone(UTC).date()
    scope = statement.scope
    return {
        "id": statement.id,
        "status": _status(found, day),
        "rule": statement.rule.id,
        "namespace": scope.namespace,
        "workload": scope.name,
        "option": scope.option,
        "task": scope.task,
        "origin": statement.origin,
        "elsewhere": statement.origin != origin,
        "reason": statement.reason,
        "ticket": statement.ticket,
        "valid_from": statement.valid_from.isoformat(),
        "valid_until": statement.valid_until.isoformat(),
        "days_left": (statement.valid_until - day).days,
        "outcome": statement.decided.outcome,
        "facts": dict(statement.decided.facts),
        "missing": list(statement.decided.missing),
        "decision": statement.decided.decision,
        "policy": statement.decided.policy,
        "signed": [{**each, "index": record.index} for record in found.signed for each in _approvals(record.body)],
        "requested_index": found.request.index if found.request is not None else None,
        "granted_index": grant.index if grant is not None else None,
        "granted_at": _time(grant),
        "by_file_index": found.by_file.entry if found.by_file is not None else None,
        "granted_again": [each.index for each in found.grants[1:]],
        "approvals": _approvals(grant.body) if grant is not None else _signed(found.by_file, approvers),
        "revoked_index": revocation.index if revocation is not None else None,
        "revoked_at": _time(revocation),
        "revoked_why": revocation.body.get("reason") if revocation is not None else None,
        **_people(ledger, found),
        **uses_of(found.uses, Granted(statement, found.grants, revocation, found.by_file is not None), spans),
        "signatures": _signatures(ledger, found, at, approvers),
    }


def _approvals(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return by whom and with which keys a grant says that it was approved; what has another form says nothing."""
    listed = body.get("approvals")
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [{name: str(each.get(name)) for name in ("by", "key")} for each in found]


def _signed(by_file: ByFile | None, approvers: Approvers | None) -> list[dict[str, str | None]]:
    """Return with which keys a file is signed, each with whose it is where the policy names it and it verifies."""
    if by_file is None:
        return []
    statement, text, signatures = read_note(by_file.grounds.note)
    known = approvals(statement, text, signatures, approvers, (), ()) if approvers is not None else []
    people = {each.key_id: each.person.id for each in known} if not isinstance(known, str) else {}
    keys = dict.fromkeys(each.key_id.hex() for each in signatures)
    return [{"by": people.get(key), "key": key} for key in keys]


def _time(record: Record | None) -> str | None:
    return record.recorded_at.isoformat().replace("+00:00", "Z") if record is not None else None


def _status(found: _Found, day: date) -> str:
    if found.revocation is not None:
        return "revoked"
    if day > found.statement.valid_until:
        return "expired"
    if not found.grants and found.by_file is None:
        return "requested"
    if day < found.statement.valid_from:
        return "pending"
    return "active" if found.grants else "file"


def _people(ledger: Source, found: _Found) -> dict[str, Any]:
    """Return who asked and who approved as far as the ledger holds it, and whether one person did both.

    Who asked is whom the commitment opens to that was signed; what a grant says of itself counts against it alone.
    `self_approved` is None where that cannot be told, because the request is not on record, or a name was erased.
    """
    grant = found.grants[0] if found.grants else None
    requester = signed_requester(ledger, found.statement, found.request)
    claimed = [name for each in found.grants if (name := opened_value(ledger, each, "requester")) is not None]
    names = sorted(n for n in grant.commitments if n.startswith("approver")) if grant is not None else []
    approved = [opened_value(ledger, grant, name) for name in names] if grant is not None else []
    known = [name for name in approved if name is not None]
    asked = [*claimed, *((requester,) if requester is not None else ())]
    same = any(same_person(one, name) for one in asked for name in known)
    told = requester is not None and len(known) == len(approved)
    return {
        "requester": requester,
        "requester_known_by": found.statement.requester.known_by,
        "requester_as_signed": all(folded(name) == folded(requester) for name in claimed) if requester else None,
        "approvers": approved,
        "self_approved": None if grant is None or (not same and not told) else same,
        "same_actor": bool(grant.body.get("actor_is_requester")) if grant is not None else None,
        "request_on_record": found.request is not None,
    }


def _signatures(ledger: Source, found: _Found, at: datetime, approvers: Approvers | None) -> str | None:
    """Say whether the signatures count under a policy now; None where none was given, or nothing is signed."""
    candidate = _candidate(ledger, found, at)
    if candidate is None or approvers is None or found.revocation is not None:
        return None
    scope = found.statement.scope
    try:
        (waiver,) = active_waivers([candidate], (scope.namespace, scope.name), at, approvers, at)
    except (AuditError, ValueError):
        return "not verified"
    return "verified" if waiver.problem is None else waiver.problem


def _candidate(ledger: Source, found: _Found, at: datetime) -> Candidate | None:
    """Return what is signed of a waiver; None where nothing is."""
    if found.note is None:
        if found.by_file is None:
            return None
        grounds = found.by_file.grounds
        return Candidate(grounds.note, at, asked=grounds.asked, source="file-unasked")
    grant = found.grants[0]
    requester = signed_requester(ledger, found.statement, found.request)
    claimed = opened_value(ledger, grant, "requester")
    given = min(at, grant.recorded_at)
    return Candidate(found.note, given, origin=origin_of(ledger), requester=requester, claimed=claimed)


def reports(rows: list[dict[str, Any]], expiring_days: int = EXPIRING_DAYS) -> Mapping[str, list[dict[str, Any]]]:
    """Return the rows by what an officer asks: active, expiring, used out of time, self-approved, asked by whom."""
    active = [row for row in rows if row["status"] == "active"]
    return {
        "active": active,
        "by_file": [row for row in rows if row["status"] == "file"],
        "expiring": [row for row in active if row["days_left"] <= expiring_days],
        "used_out_of_time": [row for row in rows if row["used_out_of_time"]],
        "self_approved": [row for row in rows if row["self_approved"] or row["same_actor"]],
        "requester_untold": [
            row for row in rows if row["granted_index"] is not None and not row["requester_as_signed"]
        ],
    }
