"""Reports of who did what: reads and exports, and approvals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from policy_audit.entry import EntryType

from policy_engine.activations import Activation, activations
from policy_engine.model.identity import same_person
from policy_engine.reports.asking import AS_RECORDED, Asked, brief, shown, text
from policy_engine.reports.register import MISNAMED
from policy_engine.reports.report import Cell, Column, Report
from policy_engine.waivers.register import waiver_register

if TYPE_CHECKING:
    from policy_audit.records import StoredEntry

_ENTRY, _RECORDED = Column("entry", "entry"), Column("recorded_at", "time")
#: Acts that somebody does to the ledger or what it keeps: each has an actor, or says that nobody was named.
ACTS = (
    EntryType.ERASURE,
    EntryType.DISPOSAL,
    EntryType.HOLD,
    EntryType.WAIVER_REVOKED,
    EntryType.EVIDENCE_REVOKED,
    EntryType.KEY_ROTATION,
    EntryType.PERSONAL_KEY_ROTATION,
    EntryType.RESTORE,
    EntryType.ACCESS_TOKEN_CREATED,
    EntryType.ACCESS_TOKEN_REVOKED,
)
UNNAMED, NOBODY_NAMED = "(nobody named)", "nobody named"
_LISTS = ("erased", "disposed", "documents", "statement", "lost", "old", "new")
SAME, UNTOLD = ("same person", "one person"), ("cannot be told",)
APART = "kept apart"
ACTOR = (Column("actor", personal=True), Column("actor_known_by"))


def hipaa_access(asked: Asked) -> Report:
    """Return who read or exported what, and who could not log in, as far as it is on record."""
    columns = (
        _ENTRY,
        _RECORDED,
        Column("type"),
        *ACTOR,
        Column("what"),
        Column("count", "count"),
        Column("to_size", "count"),
    )
    rows: list[Sequence[Cell]] = []
    for entry in asked.entries(EntryType.OFFICER_QUERY, EntryType.EXPORT, EntryType.LOG_INS_FAILED):
        body = entry.document["body"]
        what = text(body.get("command")) or brief({key: value for key, value in body.items() if key != "count"})
        if type(body.get("repeated")) is int:
            what = f"{what} (asked {body['repeated']:,} times more within a minute)"
        bound = body.get("checkpoint")
        size = bound.get("size") if isinstance(bound, dict) else body.get("size")
        count = next((body[name] for name in ("count", "values", "selected") if name in body), None)
        found = (what, _number(count), _number(size))
        rows.append((entry.index, entry.recorded_at, entry.type, *actor_of(asked, entry), *found))
    return asked.answer(
        "entries of the types officer-query, export and log-ins-failed",
        "reads, exports and failed log-ins on record",
        columns,
        rows,
        remarks=(
            "Reads are on record where a server does so, and on the command line with --record-query. Whoever reads "
            "the database itself leaves nothing here. Failed log-ins are counted: nobody was known who could be named.",
            AS_RECORDED,
        ),
    )


def separation_of_duties(asked: Asked) -> Report:
    """Return for each approval whether whoever asked for it approved it, and the acts of nobody who is named."""
    columns = (
        _ENTRY,
        _RECORDED,
        Column("type"),
        Column("what"),
        Column("asked", personal=True),
        Column("approved", "list", personal=True),
        Column("finding"),
    )
    rows: list[Sequence[Cell]] = []
    activated = {each.index: each for each in activations(asked.source)}
    granted = _granted(asked)
    for entry in asked.entries(EntryType.WAIVER_GRANTED, EntryType.POLICY_ACTIVATION, *ACTS):
        told = _told(asked, entry, activated.get(entry.index), granted)
        if told is not None:
            rows.append((entry.index, entry.recorded_at, entry.type, *told))
    same, untold = (sum(row[-1] in words for row in rows) for words in (SAME, UNTOLD))
    return asked.answer(
        "waivers granted, policies activated and tokens made: who asked, and who approved; acts by nobody who is named",
        "approvals, and acts by nobody named",
        columns,
        rows,
        summary=(
            ("one person", same),
            ("cannot be told", untold),
            ("nobody named", sum(UNNAMED in row for row in rows)),
        ),
        remarks=(
            "`nobody named`: whoever erased, disposed of, held, released, revoked, restored, changed a key or made a "
            "token gave no name; `asked` says so of an activation. A name that was given is asserted, or from CI.",
            "A token of the served engine lets in whom `asked` names, and was made by whom `approved` names.",
            "Persons are compared as recorded, whatever their spelling: one person under two names is not seen.",
            "Signatures of activations are judged by the policy in force before. Those of waivers are not: "
            "`policy audit report waivers --policy DIR` does.",
            AS_RECORDED,
        ),
    )


def _told(
    asked: Asked, entry: StoredEntry, judged: Activation | None, granted: Mapping[int, str]
) -> tuple[Cell, ...] | None:
    """Return what was done, who asked, who approved, and the finding; None where an act has its actor."""
    body = entry.document["body"]
    if entry.type in ACTS:
        what = brief({name: value for name, value in body.items() if name not in _LISTS})
        if _nobody_named(entry):
            return what or None, UNNAMED, (), NOBODY_NAMED
        return _token(asked, entry) if entry.type == EntryType.ACCESS_TOKEN_CREATED else None
    if judged is None:
        finding, requester, approvers = approval(asked, entry)
        if finding == APART:  # by the names that the grant gives itself
            finding = granted.get(entry.index, UNTOLD[0])
        return text(body.get("waiver")), requester, approvers, finding
    actor = asked.persons.one(entry, "actor")
    return judged.policy, UNNAMED if actor is None else actor, judged.by, _duties(judged)


def _token(asked: Asked, entry: StoredEntry) -> tuple[Cell, ...]:
    """Return which token was made, whom it lets in, who made it, and whether these are one person."""
    people, body = asked.persons.of(entry), entry.document["body"]
    subject, actor = people.get("subject"), people.get("actor")
    what = brief({name: body[name] for name in ("token", "roles", "namespaces") if name in body})
    if subject is None or actor is None or not (shown(subject) and shown(actor)):
        return what, subject, () if actor is None else (actor,), UNTOLD[0]
    return what, subject, (actor,), SAME[0] if same_person(subject, actor) else APART


def approval(asked: Asked, entry: StoredEntry) -> tuple[str, str | None, tuple[str, ...]]:
    """Return whether an approval is kept apart from its request, who asked, and who approved."""
    people, body = asked.persons.of(entry), entry.document["body"]
    requester = people.get("requester")
    approvers = tuple(value for name, value in people.items() if name.startswith("approver"))
    known = [value for value in approvers if shown(value)]
    if requester is not None and shown(requester) and any(same_person(requester, value) for value in known):
        return "same person", requester, approvers
    if body.get("actor_is_requester") is True:
        return "same person", requester, approvers
    told = requester is not None and shown(requester) and approvers and len(known) == len(approvers)
    return APART if told else "cannot be told", requester, approvers


def _granted(asked: Asked) -> dict[int, str]:
    """Return for each grant, by its index, what is found of it by the requester whom its approvers signed."""
    rows = waiver_register(asked.source, asked.at, None, lambda *_: None)
    return {
        index: APART if row["requester_as_signed"] else MISNAMED if row["requester_as_signed"] is False else UNTOLD[0]
        for row in rows
        if row["granted_index"] is not None
        for index in (row["granted_index"], *row["granted_again"])
    }


def _duties(judged: Activation) -> str:
    """Return whether one person put a policy in force alone; nobody has signed where the policy names nobody."""
    if judged.problem is not None:
        return judged.status
    if not judged.by:
        return "cannot be told"
    return APART if len(judged.by) > 1 else "one person"


def actor_of(asked: Asked, entry: StoredEntry) -> tuple[Cell, ...]:
    """Return who did what an entry records, and how that is known; a word in brackets where nobody is named."""
    context, known = entry.document["context"], asked.persons.one(entry, "actor")
    return known if known is not None else _unnamed(context), text(context.get("actor_known_by"))


def _unnamed(context: Mapping[str, Any]) -> str:
    if "by_subject" in context:
        return "(the person who was erased)"
    return "(no key to seal the name)" if context.get("actor_unsealed") is True else UNNAMED


def _nobody_named(entry: StoredEntry) -> bool:
    """Whether an entry is of an act by nobody who is named: no actor, no approver, and not the person erased."""
    document = entry.document
    known = any(name == "actor" or name.startswith("approver") for name in document["commitments"])
    return not known and not {"by_subject", "actor_unsealed"} & document["context"].keys()


def _number(value: Any) -> int | None:
    return value if type(value) is int else None
