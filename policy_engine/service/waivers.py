"""Waivers, served: asked for, signed by people with keys of their own, listed, taken back.

The server holds nobody's key. An approver signs elsewhere, and sends the line; it is put on record as soon as it is
good, so that whichever worker the next approver reaches knows of it, and it is theirs by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from policy_audit.entry import EntryType
from policy_audit.once_sealed import Once

from policy_engine.access.principal import ForbiddenError, Principal
from policy_engine.errors import InputError, Problem, UsageError, VerificationFailedError
from policy_engine.model.identity import same_person
from policy_engine.service.acting import Acted, act, context_of
from policy_engine.service.errors import ConflictError, NotFoundError
from policy_engine.service.ground import now
from policy_engine.service.recorded import in_parameters
from policy_engine.waivers.acts import (
    approved_lines,
    approving,
    asked_for,
    asking,
    check_approval,
    granting,
    name_nobody,
    policy_of,
    revoking,
    too_many_days,
)
from policy_engine.waivers.approving import admit, signer_of_line
from policy_engine.waivers.checking import Approval, asked_by, why_not
from policy_engine.waivers.files import MOST_SIGNATURES, WaiverFile, file_document
from policy_engine.waivers.listing import find_row, waiver_list
from policy_engine.waivers.notes import waiver_text
from policy_engine.waivers.register import waiver_register
from policy_engine.waivers.requesting import request_of, with_terms

if TYPE_CHECKING:
    from policy_audit.entry import Draft
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy
    from policy_engine.service.service import Service

#: The options whose members have other names.
_PERIOD = re.compile(r"--(from|until)\b")
#: An approval counts by the others that are on record, as well.
_APPROVALS = frozenset({EntryType.WAIVER_APPROVED.value})
#: What `approve` refuses because of what became of the waiver, and not because of what was sent.
_CONFLICTS = frozenset({"revoked", "granted-already", "approved-already", "other-rule", "other-ledger"})


class WaiverRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for: as the options of `policy waiver request`. `workload` is NAMESPACE/NAME."""

    rule: str
    reason: str
    ticket: str
    valid_until: date
    valid_from: date | None = None
    decision: str | None = None
    workload: str | None = None
    option: str | None = None
    task: str | None = None


async def ask(
    service: Service, authorization: str | None, wanted: WaiverRequest, key: str | None = None, *, by_hand: bool = False
) -> tuple[dict[str, Any], str | None]:
    """Put a request on record; return the waiver as `waiver` does, and a warning that nobody may grant it.

    A second request with the same `key`, of the same person, is the first one, and nothing is recorded again. `by_hand`
    refuses more days than the policy in force allows: a program may know of the policy that comes.

    Raises:
        NotFoundError: there is no such decision, or not for whoever asks.
        InputError, UsageError: the rule cannot be waived there, or a text or a day is wrong.
    """
    if (wanted.decision is None) is (wanted.workload is None):
        message = "either `decision` or `workload` is wanted"
        raise InputError(Problem("waiver-request", message, help="`workload` takes the last decision on it"))

    def work(ledger: Ledger, principal: Principal) -> tuple[Sequence[Draft], str | None]:
        _require_known(principal, "asks")
        document, identifier, policy, owners = _decided(ledger, principal, wanted)
        today = now().date()
        if wanted.valid_until < today:
            raise InputError(Problem("bad-period", f"`{wanted.valid_until}` lies in the past", help="name a later day"))
        first = wanted.valid_from or today
        parts = request_of(document, identifier, policy, wanted.rule, wanted.option, wanted.task)
        request = with_terms(parts, wanted.reason, wanted.ticket, first, wanted.valid_until)
        context = context_of(principal)
        name = context.actor or ""
        name_nobody({key: request[key] for key in ("reason", "ticket")}, {**owners, "requester": name})
        days, most = (wanted.valid_until - first).days + 1, service.policy.approvers.max_days
        if by_hand and days > most:
            message = f"it would run {days:,} days, and the policy in force allows {most:,}: nobody may approve it"
            raise InputError(Problem("bad-period", message, help="name an earlier day"))
        draft = replace(asking(request, ledger.origin, name, context), once=_once(principal, key))
        return [draft], too_many_days(policy, days)

    with _by_members():
        done = await act(service, authorization, "decide", work)
    found = await service.read(lambda ledger: asked_for(ledger, done.recorded[0].index))
    return await waiver(service, done.principal, found.statement.id), done.told


def _once(principal: Principal, key: str | None) -> Once | None:
    # a form is told from another by its key, which has what was typed in it
    whose = f"waiver {principal.known_by} {principal.subject} {key}"
    return Once(sha256(whose.encode()).hexdigest(), sha256(b"waiver").hexdigest()) if key is not None else None


async def waivers(service: Service, principal: Principal, wanted: str, expiring: int | None) -> dict[str, Any]:
    """Return the waivers that the principal may know of, as `policy waiver list` does."""
    rows = await service.read(lambda ledger: _rows(ledger, principal, service.policy))
    return waiver_list(rows, wanted, expiring, now(), verified=True)


async def waiver(service: Service, principal: Principal, identifier: str) -> dict[str, Any]:
    """Return one waiver as `policy waiver show` does, with the text that its approvers sign, and the file of it.

    Raises:
        NotFoundError: there is none, or not for the principal.
    """

    def find(ledger: Ledger) -> dict[str, Any]:
        row = _row(ledger, principal, service.policy, identifier)
        found: dict[str, Any] = {"kind": "WaiverRecord", **row}
        found["approvals_needed"] = service.policy.approvers.waiver_approvals
        if row["requested_index"] is None or row["requester"] is None:
            return found | {"text": None, "file": None}
        file = _with_lines(ledger, asked_for(ledger, row["requested_index"]), service.policy)
        return found | {"text": waiver_text(file.statement), "file": file_document(file)}

    return await service.read(find)


async def approve(
    service: Service, authorization: str | None, identifier: str, signatures: Sequence[str]
) -> tuple[dict[str, Any], bool]:
    """Put the signature of whoever asks on record, as a grant once enough people signed; return the waiver.

    The second is whether it is granted. Lines that others have on record may stand in `signatures` as well.

    Raises:
        NotFoundError: there is no such waiver, or not for whoever asks.
        ConflictError: it is their own, or was granted, revoked or signed by them before.
        ForbiddenError: the key is another person's, or they may not approve it.
        InputError: the signature is none, or the waiver cannot be granted under the policy in force.
    """

    def work(ledger: Ledger, principal: Principal) -> tuple[Sequence[Draft], bool]:
        _require_known(principal, "approves")
        policy = service.policy
        row = _row(ledger, principal, policy, identifier)
        if row["requested_index"] is None or row["requester"] is None:
            message = "who asked for this waiver cannot be told, and nobody may approve it"
            raise ConflictError(Problem("requester-untold", message, help="ask again"))
        _refuse_own(principal, row["requester"])
        if row["status"] == "revoked":
            raise ConflictError(Problem("revoked", "this waiver was revoked", help="ask again, if it is needed"))
        file = _with_lines(ledger, asked_for(ledger, row["requested_index"]), policy)
        line = _own_line(signatures, file.signatures)
        person, _, _ = _as_answers(lambda: signer_of_line(policy.approvers, line))
        if person.is_called(row["requester"]):
            raise _own_waiver()
        if not person.is_called(principal.subject):
            message = f"the key is that of `{person.id}`, and you are not known as that person"
            raise ForbiddenError(Problem("other-approver", message, help="sign with your own key"))
        approved = _as_answers(lambda: admit(file, policy, line, now().date()))
        _as_answers(lambda: check_approval(ledger, approved))
        made = granting if approved.granted else approving
        return [made(approved, policy.digest, context_of(principal))], approved.granted

    done: Acted[bool] = await act(service, authorization, "approve", work, _APPROVALS)
    return await waiver(service, done.principal, identifier), done.told


async def revoke(service: Service, authorization: str | None, identifier: str, reason: str) -> dict[str, Any]:
    """Take a waiver back; one that is taken back stays so, and nothing is recorded again.

    Raises:
        NotFoundError: there is none, or not for whoever asks.
        UsageError: the reason is none, or names somebody.
    """

    def work(ledger: Ledger, principal: Principal) -> tuple[Sequence[Draft], None]:
        _require_known(principal, "revokes")
        row = _row(ledger, principal, service.policy, identifier)
        context = context_of(principal)
        draft = revoking(ledger, row, reason, None, {"actor": context.actor or ""}, context)
        return ([] if row["status"] == "revoked" else [draft]), None

    with _by_members():
        done: Acted[None] = await act(service, authorization, "approve", work)
    return await waiver(service, done.principal, identifier)


@contextmanager
def _by_members() -> Iterator[None]:
    """Say what is wrong with an option of the command as of the member of the body that it is here."""
    try:
        yield
    except (InputError, UsageError) as error:
        kind = UsageError if isinstance(error, UsageError) else InputError
        spelled = [
            Problem(each.code, each.message, each.span, each.help and _PERIOD.sub(r"valid_\1", each.help))
            for each in error.problems
        ]
        raise kind(in_parameters(spelled)) from error


def _require_known(principal: Principal, what: str) -> None:
    """Refuse whoever reached an open server on loopback: that two people acted could not be told."""
    if principal.known_by == "loopback":
        message = f"nobody is known who {what}: this server is open to all of its machine"
        raise ForbiddenError(Problem("nobody-known", message, help="make a token: `policy token create`"))


def _own_waiver() -> ConflictError:
    return ConflictError(Problem("own-waiver", "nobody approves what they asked for", help="another person has to"))


def _refuse_own(principal: Principal, requester: str) -> None:
    if same_person(principal.subject, requester):
        raise _own_waiver()


def _own_line(signatures: Sequence[str], known: Collection[str]) -> str:
    """Return the one line that is not on record yet."""
    new = [line for line in dict.fromkeys(signatures) if line not in known]
    if not new and signatures:
        raise ConflictError(Problem("approved-already", "you have signed it already", help="another person has to"))
    if len(new) != 1 or len(signatures) > MOST_SIGNATURES:
        message = f"`signatures` holds {len(new)} new lines, and one is wanted"
        raise InputError(Problem("signatures", message, help="each approver sends their own"))
    return new[0]


def _as_answers(step: Any) -> Any:
    """Do a step; what it refuses because of what is there, or of who asks, is told from what was sent."""
    try:
        return step()
    except InputError as error:
        if error.code == "self-approval":
            raise _own_waiver() from error
        if error.code in _CONFLICTS:
            raise ConflictError(error.problems) from error
        if error.code in ("may-not-approve", "not-an-approver", "no-approvers"):
            raise ForbiddenError(error.problems) from error
        raise


def _rows(ledger: Ledger, principal: Principal, policy: Policy) -> list[dict[str, Any]]:
    rows = waiver_register(ledger, now(), policy.approvers, lambda *_: None)
    return [row for row in rows if principal.namespaces is None or row["namespace"] in principal.namespaces]


def _row(ledger: Ledger, principal: Principal, policy: Policy, identifier: str) -> dict[str, Any]:
    try:
        return find_row(_rows(ledger, principal, policy), identifier)
    except InputError as error:
        if error.code == "waiver-missing":
            problem = Problem(error.code, "there is no such waiver", help="`GET /v1/waivers?status=all` lists them")
            raise NotFoundError(problem) from error
        raise


def _with_lines(ledger: Ledger, file: WaiverFile, policy: Policy) -> WaiverFile:
    """Return the file with the lines on record that count today; what counts no more must not keep others out."""
    today, asked = now().date(), asked_by(policy.approvers, file.requester).by
    lines: dict[str, str] = {}
    for _, line in approved_lines(ledger, file.statement):
        approval = _approval(file, policy, line)
        if approval is None or why_not(approval.person, approval.key, file.statement, (today,), asked) is not None:
            continue
        lines.setdefault(approval.person.id, line)
    return WaiverFile(file.statement, file.requester, file.salt, tuple(lines.values()))


def _approval(file: WaiverFile, policy: Policy, line: str) -> Approval | None:
    from policy_audit.keys import parse_verifier_key

    try:
        person, key, signature = signer_of_line(policy.approvers, line)
    except InputError:
        return None
    good = parse_verifier_key(key.text).is_signed(waiver_text(file.statement).encode(), signature.signature)
    return Approval(person, key, None) if good else None


def _decided(
    ledger: Ledger, principal: Principal, wanted: WaiverRequest
) -> tuple[dict[str, Any], str, dict[str, Any], Mapping[str, str]]:
    """Return a recorded decision's document, its id, the policy that it was made under, and the persons it names."""
    from policy_engine.service.finding import decision_by_id, latest_decision

    if wanted.decision is not None:
        found = decision_by_id(ledger, principal, wanted.decision)
    else:
        found = latest_decision(ledger, principal, wanted.workload or "")
    policy = policy_of(ledger, found.entry.document)
    if policy is None:
        message = f"the entry {found.entry.index} names no policy that can be read"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`"))
    return found.document, found.id, policy, ledger.personal(found.entry.index)
