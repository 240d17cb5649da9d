"""What people do with waivers, on an open ledger: ask, approve, take back. Whoever calls appends what comes out.

The command line and the served engine both do these, so that neither knows a way around what the other checks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from policy_audit.entry import Draft, EntryType
from policy_audit.errors import AuditError, VerificationError

from policy_engine.errors import InputError, Problem, UsageError
from policy_engine.model.waiver import LONGEST_REASON, Statement, read_statement
from policy_engine.waivers.approving import Approved, check_record
from policy_engine.waivers.checking import elsewhere
from policy_engine.waivers.files import WaiverFile
from policy_engine.waivers.granting import grant_draft
from policy_engine.waivers.notes import note_of, read_note
from policy_engine.waivers.on_record import (
    Record,
    approved_draft,
    note_on_record,
    record_of,
    records,
    request_draft,
    requested,
    revoked_draft,
    revoked_ids,
    statement_on_record,
    stored_context,
)
from policy_engine.waivers.requesting import plain

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


class Context(Protocol):
    """Who acts, and how that is known: the recorder's context."""

    @property
    def actor(self) -> str | None: ...

    @property
    def actor_known_by(self) -> str: ...

    @property
    def details(self) -> Mapping[str, str]: ...


def asking(request: Mapping[str, Any], origin: str | None, name: str, context: Context) -> Draft:
    """Return the entry of a request by `name`; what its file could not hold is refused before it is recorded.

    Raises:
        ValidationError: the request is none.
    """
    whole = {**request, "origin": origin}
    read_statement({**whole, "requester": {"commitment": "A" * 43, "known_by": context.actor_known_by}})
    personal = {"requester": name, "actor": name}
    return request_draft(whole, context.actor_known_by, personal, stored_context(context))


def asked_for(ledger: Ledger, index: int) -> WaiverFile:
    """Return the file of a request on record: name and salt are those that open the entry's commitment.

    Raises:
        VerificationError: the entry is no request, or the name of whoever asked is not held any more.
    """
    record = record_of(ledger.entry(index), EntryType.WAIVER_REQUESTED)
    disclosure = ledger.disclosures(index).get("requester")
    if disclosure is None or disclosure.digest != record.commitments.get("requester"):
        raise VerificationError(f"who asked in entry {index} cannot be told any more", code="requester-untold")
    return WaiverFile(requested(ledger, record), disclosure.value, disclosure.salt, ())


def approved_lines(ledger: Ledger, statement: Statement) -> list[tuple[Record, str]]:
    """Return the signature lines that people have put on record one by one for a waiver that needs several."""
    found = []
    for record in records(ledger, EntryType.WAIVER_APPROVED):
        with suppress(AuditError):  # what holds no approval is none
            note = note_on_record(ledger, record)
            if read_note(note)[0].id == statement.id:
                found += [(record, line) for line in note.rpartition("\n\n")[2].splitlines()]
    return found


def check_approval(ledger: Ledger, approved: Approved) -> None:
    """Hold what was signed to what is on record; an entry that holds no request, or no waiver, is neither.

    Raises:
        InputError: it is of another ledger, was never asked for, or was granted or revoked.
    """
    if problem := elsewhere(approved.file.statement, ledger.origin):
        raise InputError(Problem("other-ledger", problem, help="name that ledger with --ledger"))
    requests, granted = [], set()
    for record in records(ledger, EntryType.WAIVER_REQUESTED):
        with suppress(AuditError):
            requests.append(requested(ledger, record))
    for record in records(ledger, EntryType.WAIVER_GRANTED):
        with suppress(AuditError):
            granted.add(read_note(note_on_record(ledger, record))[0].id)
    check_record(approved.file.statement, requests, granted, revoked_ids(ledger))


def granting(approved: Approved, policy_digest: str, context: Context) -> Draft:
    """Return the entry of a grant."""
    by = [(each.person, each.key_id) for each in approved.by]
    return grant_draft(approved.file, approved.note, by, policy_digest, context.actor, stored_context(context))


def approving(approved: Approved, policy_digest: str, context: Context) -> Draft:
    """Return the entry of the last approval of `approved` alone, where more are needed."""
    last, file = approved.by[-1], approved.file
    body = {"approvals": [{"by": last.person.id, "key": last.key_id}], "policy": policy_digest}
    personal = {"approver": last.person.identities[0], **({"actor": context.actor} if context.actor else {})}
    note = note_of(file.statement, file.signatures[-1:])
    return approved_draft(file.statement, note, body, personal, stored_context(context))


def revoking(
    ledger: Ledger, row: Mapping[str, Any], reason: str, note: str | None, personal: Mapping[str, str], context: Context
) -> Draft:
    """Return the entry that takes the waiver of a row of the register back.

    Raises:
        UsageError: the reason names somebody, or is none.
    """
    text = plain(reason, "--reason", LONGEST_REASON)
    approvers = {f"approver_{number}": name for number, name in enumerate(row["approvers"])}
    name_nobody({"reason": text}, {**approvers, **personal, "requester": row["requester"]})
    return revoked_draft(statement_on_record(ledger, row), text, note, personal, stored_context(context))


def policy_of(ledger: Ledger, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the policy that a decision's entry was made under; None where it names none that can be read."""
    try:
        found = json.loads(ledger.blob(document["blobs"]["rules"]))
    except (KeyError, ValueError, RecursionError) as error:
        if isinstance(error, AuditError):
            raise
        return None
    return found if isinstance(found, dict) else None


def name_nobody(words: Mapping[str, str], people: Mapping[str, str | None]) -> None:
    """Refuse texts that are kept for good and name one of `people`, as far as these are known.

    Raises:
        UsageError: one of them does.
    """
    from policy_audit.errors import LedgerError
    from policy_audit.words import refuse_names

    try:
        refuse_names(words, {role: name for role, name in people.items() if name is not None})
    except LedgerError as error:
        raise UsageError(Problem(error.code, error.message, help=error.help)) from None


def too_many_days(policy: Mapping[str, Any], days: int) -> str | None:
    """Say that nobody may grant so many days under the decision's policy; another may be in effect by then."""
    most = policy.get("approvers", {}).get("waivers", {}).get("max_days")
    if isinstance(most, int) and days > most:
        said = f"the policy of that decision lets a waiver run {most} days, and this one asks for {days}"
        return f"{said}: nobody may approve it while that is so"
    return None
