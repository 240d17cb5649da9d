"""Which waivers count: signed by those who may, under the policy in effect, at the decision's time. Pure.

A decision can be made for another time than the present one. What counts does so on both days, or whoever says an
earlier time would be lifted by what has ended. A file does not say when it was granted, and counts for the present
alone.

1. The note is a waiver, on this workload.            2. No known key's signature is bad.
3. It is not revoked.                                 4. Both days lie in its period, the time not before its grant.
5. It does not run longer than the policy allows.     6. Enough people who may sign did, none of them the requester.
7. Who asked for it can be told, by what was signed, and the grant says the same.
8. It was asked for in the ledger of the decision; or it is a file of one whose files count unasked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct
from policy_audit.errors import AuditError
from policy_audit.keys import parse_verifier_key
from policy_audit.note import Signature

from policy_engine.model.approvers import WAIVERS, Approver, ApproverKey, Approvers
from policy_engine.model.identity import folded
from policy_engine.model.waiver import Asked, Grounds, Source, Statement, Waiver
from policy_engine.waivers.notes import read_note

NOT_ASKED = "no request of it is on record before the decision"
#: Between the checking of waivers and the recording of the decision: what takes longer is not recorded.
LONGEST = timedelta(hours=1)


class Candidate(Struct, frozen=True):
    """A waiver that somebody granted: its note, when, and whether it was revoked.

    `origin` is the ledger that holds the grant, or that a file was held to, and `problem` what it has against the file.
    `requester` is whom the signed commitment opens to, `claimed` whom the grant names; None: that cannot be told.
    `asked` stands for both where names are not there any more. `entry` and `leaf` are those of the grant.
    """

    note: str
    granted_at: datetime
    revoked: bool = False
    origin: str | None = None
    requester: str | None = None
    claimed: str | None = None
    asked: Asked | None = None
    entry: int = 0
    leaf: str = ""
    source: Source = "ledger"
    problem: str | None = None


def asked_by(approvers: Approvers, requester: str | None, claimed: str | None = None) -> Asked:
    """Return which of the approvers asked, going by either name."""
    names = [name for name in (requester, claimed) if name is not None]
    by = sorted(person.id for person in approvers.people.values() if any(person.is_called(name) for name in names))
    as_signed = requester is None or claimed is None or folded(requester) == folded(claimed)
    return Asked(tuple(by), requester is not None, as_signed)


class Approval(Struct, frozen=True):
    """A signature that verified: whose, by which key, and why it does not count (None: it counts)."""

    person: Approver
    key: ApproverKey
    problem: str | None

    @property
    def key_id(self) -> str:
        return parse_verifier_key(self.key.text).key_id.hex()


def active_waivers(
    candidates: Iterable[Candidate], workload: tuple[str, str], at: datetime, approvers: Approvers, now: datetime
) -> tuple[Waiver, ...]:
    """Return the waivers on `workload` (namespace and name), each with why it lifts nothing.

    `at` is the decision's time, and `now` when it is made, by the ledger's clock. Of grants on record that lift
    nothing, the one granted last for a rule, option and task stands for all; a file that lifts nothing, for itself.
    """
    known: dict[str, list[tuple[Candidate, Waiver]]] = {}
    grants = sorted(candidates, key=lambda each: each.granted_at)
    for candidate in grants:
        try:
            statement, signed, signatures = read_note(candidate.note)
        except AuditError:
            continue  # what cannot be read is on no workload
        scope = statement.scope
        if (scope.namespace, scope.name) == workload:
            found = candidate, _checked(candidate, statement, signed, signatures, (at, now), approvers)
            known.setdefault(statement.id, []).append(found)
    return tuple(sorted(_told([_of_one(each) for each in known.values()]), key=lambda waiver: waiver.id))


def _of_one(grants: Sequence[tuple[Candidate, Waiver]]) -> tuple[Candidate, Waiver]:
    """Return what counts of the grants of one waiver: the first that is good, and none where any was revoked."""
    worst = next((each for each in grants if each[0].revoked), None)
    return worst or next((each for each in grants if each[1].problem is None), grants[-1])


def _told(found: Iterable[tuple[Candidate, Waiver]]) -> list[Waiver]:
    kept: list[Waiver] = []
    last: dict[tuple[str, str, str | None], tuple[datetime, str, Waiver]] = {}
    for candidate, waiver in found:
        if waiver.problem is None or candidate.source != "ledger":
            kept.append(waiver)
            continue
        scope = waiver.statement.scope
        place = (waiver.statement.rule.id, scope.option, scope.task)
        last[place] = max(last.get(place, (datetime.min.replace(tzinfo=UTC), "", waiver)),
                          (candidate.granted_at, waiver.id, waiver), key=lambda each: each[:2])  # fmt: skip
    return kept + [waiver for _, _, waiver in last.values()]


def _checked(
    candidate: Candidate,
    statement: Statement,
    signed: bytes,
    signatures: Sequence[Signature],
    times: tuple[datetime, datetime],
    approvers: Approvers,
) -> Waiver:
    days = _days(*times)
    asked = candidate.asked or asked_by(approvers, candidate.requester, candidate.claimed)
    found = approvals(statement, signed, signatures, approvers, days, asked.by)
    problem, signers = (found, []) if isinstance(found, str) else (None, found)
    counted = {each.person.id: each for each in signers if each.problem is None}
    revoked = candidate.revoked or statement.id in approvers.revoked_entries
    problem = problem or ("it was revoked" if revoked else None)
    if problem is None and candidate.source != "ledger" and _never_counted(signers, statement, approvers, asked.by):
        problem = short_of_approvals(signers, len(counted), approvers)
    problem = problem or _out_of_time(candidate, statement, times, days)
    problem = problem or too_long(statement, approvers)
    if problem is None and len(counted) < approvers.waiver_approvals:
        problem = short_of_approvals(signers, len(counted), approvers)
    # what hangs on the ledger comes last: a replay asks it last, too
    problem = problem or asked.problem or _not_here(candidate, statement, approvers)
    ends = [end for each in counted.values() if (end := each.person.ends(each.key)) is not None]
    keys = tuple(sorted(each.key_id for each in counted.values()))
    made_at = times[1].astimezone(UTC)
    note, granted_at = candidate.note, candidate.granted_at.astimezone(UTC)
    entry, source = (candidate.entry, candidate.leaf), candidate.source
    grounds = Grounds(note, *entry, granted_at, candidate.revoked, asked, made_at, source)
    return Waiver(statement.id, statement, keys, min([statement.valid_until, *ends]), problem, grounds)


def approvals(
    statement: Statement,
    signed: bytes,
    signatures: Sequence[Signature],
    approvers: Approvers,
    days: Sequence[date],
    asked: Collection[str],
) -> list[Approval] | str:
    """Return the signatures by keys that `approvers` names; a text where one of these is bad, which voids them all.

    `asked` are the ids of those who asked for it.
    """
    known = {}
    for person in approvers.people.values():
        for key in person.keys:
            verifier = parse_verifier_key(key.text)
            known[verifier.name, verifier.key_id] = person, key, verifier
    found = []
    for signature in signatures:
        if (signature.name, signature.key_id) not in known:
            continue
        person, key, verifier = known[signature.name, signature.key_id]
        if not verifier.is_signed(signed, signature.signature):
            return f"the signature by the key {signature.key_id.hex()} is bad"
        found.append(Approval(person, key, why_not(person, key, statement, days, asked)))
    return found


def why_not(
    person: Approver, key: ApproverKey, statement: Statement, days: Sequence[date], asked: Collection[str]
) -> str | None:
    """Say why `person` may not approve `statement` by `key` on one of `days`; None where they may on all."""
    scope = statement.scope
    if person.id in asked:
        return f"`{person.id}` asked for it, and nobody approves what they asked for"
    problems = (key.problem(day) or person.problem(WAIVERS, day) for day in days)
    return next((problem for problem in problems if problem is not None), None) or (
        person.out_of_scope(statement.rule.id, scope.namespace, scope.option)
    )


def _never_counted(
    found: Sequence[Approval], statement: Statement, approvers: Approvers, asked: Collection[str]
) -> bool:
    """Whether the signatures are too few on any day: that it ended is told of what would have counted before."""
    may = {
        each.person.id
        for each in found
        if WAIVERS in each.person.roles and why_not(each.person, each.key, statement, (), asked) is None
    }
    return len(may) < approvers.waiver_approvals


def elsewhere(statement: Statement, origin: str | None) -> str | None:
    """Say that what was signed is for another ledger than `origin`."""
    if statement.origin == origin:
        return None
    return f"it was asked for in the ledger {statement.origin}, and lifts nothing in another"


def _not_here(candidate: Candidate, statement: Statement, approvers: Approvers) -> str | None:
    """Say why it does not count in the ledger of the decision, or without one."""
    if candidate.source != "file-unasked":
        return candidate.problem or elsewhere(statement, candidate.origin)
    if statement.origin in approvers.files_of:
        return None
    said = f"it is a file of the ledger {statement.origin}, which cannot be asked here whether it was revoked"
    return f"{said}, and `waivers.files_of` of approvers.yaml does not name that ledger"


def too_long(statement: Statement, approvers: Approvers) -> str | None:
    """Say that the waiver runs longer than the policy allows."""
    days = (statement.valid_until - statement.valid_from).days + 1
    if days < 1:
        return "it ends before it begins"
    return f"it runs {days} days, and the policy allows {approvers.max_days}" if days > approvers.max_days else None


def short_of_approvals(found: Sequence[Approval], counted: int, approvers: Approvers) -> str:
    """Say how many approvals are missing, and why those that are there do not count."""
    why = list(dict.fromkeys(each.problem for each in found if each.problem is not None))
    if not found and not counted:
        why = ["no signature is by a key that the policy names"]
    need = approvers.waiver_approvals
    return "; ".join([f"it has {counted} of {need} approval{'s' if need > 1 else ''}", *why])


def _days(at: datetime, now: datetime) -> list[date]:
    """Return the days on which a waiver has to hold: the decision's, and the one on which it is made."""
    return list(dict.fromkeys(each.astimezone(UTC).date() for each in (at, now)))


def _out_of_time(
    candidate: Candidate, statement: Statement, times: tuple[datetime, datetime], days: Sequence[date]
) -> str | None:
    at, made_at = times
    # a decision's time is told to the second
    if candidate.source == "ledger" and at < candidate.granted_at.replace(microsecond=0):
        return "it was granted after the decision's time"
    for day, made in zip(days, ("", f", and the decision was made on {days[-1]}"), strict=False):
        if day < statement.valid_from:
            return f"it holds from {statement.valid_from} on{made}"
        if day > statement.valid_until:
            return f"it ended on {statement.valid_until}{made}"
    if candidate.source != "ledger" and abs(at - made_at) > LONGEST:
        return "a file does not say when it was granted, and lifts nothing for another time than the present"
    return None
