"""Reports of what was done to the ledger and with it: reads and exports, erasures, holds, gaps, and who did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from policy_audit.entry import EntryType
from policy_audit.errors import VerificationError
from policy_audit.view import instant

from policy_engine.reports.asking import AS_RECORDED, CLOCK, Asked, brief, shown, text
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.records import StoredEntry

_ENTRY, _RECORDED = Column("entry", "entry"), Column("recorded_at", "time")
_ACTOR = (Column("actor", personal=True), Column("actor_known_by"))
LONGEST_HOURS = 24


def hipaa_access(asked: Asked) -> Report:
    """Return who read or exported what, as far as it is on record."""
    columns = (
        _ENTRY,
        _RECORDED,
        Column("type"),
        *_ACTOR,
        Column("what"),
        Column("count", "count"),
        Column("to_size", "count"),
    )
    rows: list[Sequence[Cell]] = []
    for entry in asked.entries(EntryType.OFFICER_QUERY, EntryType.EXPORT):
        body = entry.document["body"]
        what = text(body.get("command")) or brief({key: value for key, value in body.items() if key != "count"})
        bound = body.get("checkpoint")
        size = bound.get("size") if isinstance(bound, dict) else body.get("size")
        count = next((body[name] for name in ("count", "values", "selected") if name in body), None)
        found = (what, _number(count), _number(size))
        rows.append((entry.index, entry.recorded_at, entry.type, *_actor(asked, entry), *found))
    return asked.answer(
        "entries of the types officer-query and export",
        "reads and exports on record",
        columns,
        rows,
        remarks=(
            "Reads are on record where a server does so, and on the command line with --record-query. Whoever reads "
            "the database itself leaves nothing here.",
            AS_RECORDED,
        ),
    )


def erasures(asked: Asked) -> Report:
    """Return erasures, refused ones, and disposals."""
    columns = (
        _ENTRY,
        _RECORDED,
        Column("type"),
        Column("outcome"),
        Column("values", "count"),
        Column("documents", "count"),
        Column("holds", "list"),
        Column("reason"),
        Column("ticket"),
        *_ACTOR,
    )
    rows: list[Sequence[Cell]] = []
    refused = 0
    for entry in asked.entries(EntryType.ERASURE, EntryType.DISPOSAL):
        body = entry.document["body"]
        refusal = body.get("refused")
        holds = refusal.get("holds") if isinstance(refusal, Mapping) else None
        refused += refusal is not None
        done = (
            "refused" if refusal is not None else "erased" if entry.type == EntryType.ERASURE else "disposed of",
            _length(body.get("erased" if entry.type == EntryType.ERASURE else "disposed")),
            _length(body.get("documents")),
            tuple(str(hold) for hold in holds) if isinstance(holds, list) else (),
        )
        words = (text(body.get("reason")), text(body.get("ticket")))
        rows.append((entry.index, entry.recorded_at, entry.type, *done, *words, *_actor(asked, entry)))
    return asked.answer(
        "entries of the types erasure and disposal",
        "erasures, refusals and disposals",
        columns,
        rows,
        summary=(("refused", refused),),
        remarks=("That a copy outside of the ledger was erased, too, nothing here shows.", AS_RECORDED),
    )


def retention(asked: Asked) -> Report:
    """Return legal holds, active or released, and what was disposed of."""
    columns = (
        Column("kind"),
        Column("name"),
        Column("state"),
        Column("covers"),
        _ENTRY,
        _RECORDED,
        Column("released_entry", "entry"),
        Column("released_at", "time"),
        Column("reason"),
        Column("ticket"),
    )
    holds: dict[str, list[Cell]] = {}
    disposals: list[Sequence[Cell]] = []
    for entry in asked.snapshot.entries([EntryType.HOLD, EntryType.DISPOSAL], newest=False):
        body = entry.document["body"]
        name, words = text(body.get("hold")), (text(body.get("reason")), text(body.get("ticket")))
        if entry.type == EntryType.DISPOSAL:
            count = f"{_length(body.get('disposed')) or 0} values, {_length(body.get('documents')) or 0} documents"
            row = ("disposal", None, "done", count, entry.index, entry.recorded_at, None, None, *words)
            disposals.append(row)
        elif body.get("action") == "release" and name in holds:
            holds[name][2], holds[name][6:8] = "released", [entry.index, entry.recorded_at]
        elif body.get("action") == "place" and name is not None:
            covers = brief(body.get("scope") or {})
            holds[name] = ["hold", name, "active", covers, entry.index, entry.recorded_at, None, None, *words]
        else:  # unknown is never false: it covers everything until it is released
            own = f"entry-{entry.index}"
            holds[own] = ["hold", own, "active", "all: unreadable", entry.index, entry.recorded_at, None, None, *words]
    rows = [*(tuple(hold) for hold in holds.values()), *disposals]
    return asked.answer(
        "legal holds and disposals, whenever they were recorded",
        "holds and disposals",
        columns,
        rows,
        summary=(("active holds", sum(hold[2] == "active" for hold in holds.values())), ("disposals", len(disposals))),
        remarks=(AS_RECORDED,),
    )


def separation_of_duties(asked: Asked) -> Report:
    """Return for each approval on record whether whoever asked for it approved it."""
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
    same = untold = 0
    for entry in asked.entries(EntryType.WAIVER_GRANTED, EntryType.POLICY_ACTIVATION):
        finding, requester, approvers = approval(asked, entry)
        same += finding == "same person"
        untold += finding == "cannot be told"
        body = entry.document["body"]
        what = text(body.get("waiver")) or text(body.get("policy")) or text(body.get("policy_digest"))
        rows.append((entry.index, entry.recorded_at, entry.type, what, requester, approvers, finding))
    return asked.answer(
        "waivers granted and policies activated: who asked, and who approved",
        "approvals",
        columns,
        rows,
        summary=(("same person", same), ("cannot be told", untold)),
        remarks=(
            "Persons are compared as recorded, without regard to case: one person under two names is not seen.",
            "Whether the keys that signed are those of approvers is for `policy waiver` and the policy to say.",
            AS_RECORDED,
        ),
    )


def approval(asked: Asked, entry: StoredEntry) -> tuple[str, str | None, tuple[str, ...]]:
    """Return whether an approval is kept apart from its request, who asked, and who approved."""
    people, body = asked.persons.of(entry), entry.document["body"]
    requester = people.get("requester")
    approvers = tuple(value for name, value in people.items() if name.startswith("approver"))
    known = [value.casefold().strip() for value in approvers if shown(value)]
    if requester is not None and shown(requester) and requester.casefold().strip() in known:
        return "same person", requester, approvers
    if body.get("actor_is_requester") is True:
        return "same person", requester, approvers
    told = requester is not None and shown(requester) and approvers and len(known) == len(approvers)
    return "kept apart" if told else "cannot be told", requester, approvers


def gaps(asked: Asked) -> Report:
    """Return periods without an entry, and whatever breaks a ledger's even course."""
    hours = int(asked.given.get("longest") or LONGEST_HOURS)
    longest = timedelta(hours=hours)
    marks = {entry.index: entry for entry in asked.entries(*_MARKS)}
    columns = (
        Column("kind"),
        Column("since", "time"),
        Column("until", "time"),
        Column("hours", "count"),
        Column("after_entry", "entry"),
        Column("before_entry", "entry"),
        Column("what"),
    )
    rows: list[Sequence[Cell]] = []
    since, until = (instant(each) if each is not None else None for each in (asked.query.since, asked.query.until))
    previous: tuple[int, str] | None = None
    state: str | None = None
    for index, _, recorded_at in asked.snapshot.times():
        if previous is not None and (since or "") <= recorded_at < (until or "~"):
            away = _moment(recorded_at) - _moment(previous[1])
            if away > longest:
                word = "announced: watching had ended" if state == "off" else None
                rows.append(("silence", previous[1], recorded_at, _hours(away), previous[0], index, word))
            if away < timedelta(0):
                rows.append(("clock ran back", previous[1], recorded_at, 0, previous[0], index, None))
        if index in marks:
            entry = marks[index]
            row, state = _mark(entry, previous, state)
            rows += [row] if row else []
        previous = index, recorded_at
    away = asked.at - _moment(previous[1]) if previous is not None and asked.query.until is None else timedelta(0)
    if previous is not None and away > longest:
        rows.append(("silence", previous[1], None, _hours(away), previous[0], None, "up to now"))
    return asked.answer(
        f"periods of more than {hours} hours without an entry, restores, key rotations, and watching that broke off",
        "gaps, restores and rotations",
        columns,
        rows,
        remarks=("A ledger without heartbeats is silent whenever nothing is decided.", CLOCK),
    )


_MARKS = (EntryType.HEARTBEAT, EntryType.RESTORE, EntryType.KEY_ROTATION)


def _mark(
    entry: StoredEntry, previous: tuple[int, str] | None, state: str | None
) -> tuple[tuple[Cell, ...] | None, str | None]:
    body = entry.document["body"]
    after, since = previous or (None, entry.recorded_at)
    where = (since, entry.recorded_at, 0, after, entry.index)
    if entry.type == EntryType.HEARTBEAT:
        now = text(body.get("state"))
        broke = now == "on" and state in ("on", "beat")
        return ("watching broke off", *where, None) if broke else None, now or state
    return (entry.type, *where, brief({key: body[key] for key in ("reason", "epoch") if key in body}) or None), state


def _actor(asked: Asked, entry: StoredEntry) -> tuple[Cell, ...]:
    known = entry.document["context"].get("actor_known_by")
    return asked.persons.one(entry, "actor"), text(known)


def _number(value: Any) -> int | None:
    return value if type(value) is int else None


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _hours(away: timedelta) -> int:
    return int(away.total_seconds() // 3600)


def _moment(moment: str) -> datetime:
    try:
        return datetime.fromisoformat(moment)
    except ValueError:
        raise VerificationError("a time of recording was changed", code="columns-changed") from None
