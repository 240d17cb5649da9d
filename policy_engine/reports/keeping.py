"""Reports of what is kept and what is not any more: erasures, retention periods, legal holds, disposals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from policy_audit.entry import EntryType

from policy_engine.reports.asking import AS_RECORDED, CLOCK, Asked, brief, text
from policy_engine.reports.doings import ACTOR, actor_of
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.disposing import Due
    from policy_audit.holds import Hold
    from policy_audit.retention import Retention

_ENTRY, _RECORDED = Column("entry", "entry"), Column("recorded_at", "time")
_ERASURES = (
    _ENTRY,
    _RECORDED,
    Column("type"),
    Column("outcome"),
    Column("values", "count"),
    Column("documents", "count"),
    Column("holds", "list"),
    Column("reason"),
    Column("ticket"),
    *ACTOR,
)
_RETENTION = (
    Column("kind"),
    Column("name"),
    Column("state"),
    Column("covers"),
    Column("months", "count"),
    Column("entries", "count"),
    Column("kept", "count"),
    _ENTRY,
    _RECORDED,
    Column("released_entry", "entry"),
    Column("released_at", "time"),
    Column("reason"),
    Column("ticket"),
)
_NO_PERIOD = (
    "`no period`: none is for that regulation, so that personal values and documents are kept without end; "
    "retention.yaml of a layer sets one."
)


def erasures(asked: Asked) -> Report:
    """Return erasures, refused ones, disposals, and changes of the personal key, which end what backups can tell."""
    rows: list[Sequence[Cell]] = []
    refused = 0
    for entry in asked.entries(EntryType.ERASURE, EntryType.DISPOSAL, EntryType.PERSONAL_KEY_ROTATION):
        body = entry.document["body"]
        refusal = body.get("refused")
        holds = refusal.get("holds") if isinstance(refusal, Mapping) else None
        refused += "refused" in body
        done = (
            _outcome(entry.type, body),
            _length(body.get("disposed" if entry.type == EntryType.DISPOSAL else "erased")),
            _length(body.get("documents")),
            tuple(str(hold) for hold in holds) if isinstance(holds, list) else (),
        )
        words = (text(body.get("reason")), text(body.get("ticket")))
        rows.append((entry.index, entry.recorded_at, entry.type, *done, *words, *actor_of(asked, entry)))
    return asked.answer(
        "entries of the types erasure, disposal and personal-key-rotation",
        "erasures, refusals, disposals and changes of the personal key",
        _ERASURES,
        rows,
        summary=(("refused", refused),),
        remarks=(
            "`unreadable`: the personal key was lost, so that nobody can read the values any more.",
            "That a copy outside of the ledger was erased, too, nothing here shows.",
            AS_RECORDED,
        ),
    )


def _outcome(kind: str, body: Mapping[str, Any]) -> str:
    if "refused" in body:
        return "refused"
    if kind == EntryType.PERSONAL_KEY_ROTATION:
        return "key changed"
    if kind == EntryType.DISPOSAL:
        return "disposed of"
    return "unreadable" if body.get("unreadable") is True else "erased"


def retention(asked: Asked) -> Report:
    """Return retention periods, legal holds, active or released, what is due for disposal, and what was disposed of."""
    from policy_engine.loading.retention import read_retention, regulations_of

    periods = read_retention(asked.given.get("layers") or ())
    holds, due = asked.snapshot.due(periods, regulations_of, asked.at)
    disposals = list(_disposals(asked))
    rows = [*_periods(periods, due), *_unknown(due), *_holds(asked, holds, due), *_due(asked, due), *disposals]
    known = {period.id for period in periods.periods}
    others = [(f"covered: {name}", count) for name, count in sorted(due.covered.items()) if name not in known]
    return asked.answer(
        f"retention periods, legal holds whenever they were placed, what is due {asked.when}, and all disposals",
        "periods, regulations without one, holds, dues and disposals",
        _RETENTION,
        rows,
        summary=(
            ("active holds", sum(hold.released is None for hold in holds)),
            ("active holds that cover nothing", sum(not each.matters for each in due.scopes.values())),
            ("regulations without a period", len(due.unknown)),
            ("entries", due.entries),
            *others,
            ("kept by holds alone", due.kept),
            ("entries due", due.due_entries),
            ("past every period, nothing left", due.gone),
            ("personal values due", len(due.values)),
            ("documents due", len(due.documents)),
            ("next due", due.next_due),
            ("disposals", len(disposals)),
        ),
        remarks=(
            "`entries` of a period are those that it covers, of a hold those in its scope, of a regulation without a "
            "period the decisions on data under it; `kept` are those that no period covers, and the hold keeps.",
            "Every entry is counted once: by a period, or as `covered: ...`, `kept by holds alone`, `entries due` or "
            "`nothing left`. An entry is due where a value of it is, or a document that it names: a due value or "
            "document has a row of its own.",
            *((_NO_PERIOD,) if due.unknown else ()),
            "Layers of your own may have longer periods: name them with --policy. This is no legal advice.",
            CLOCK,
            AS_RECORDED,
        ),
    )


def _unknown(due: Due) -> Iterator[tuple[Cell, ...]]:
    """Yield the regulations on record that no period is for."""
    for name, count in sorted(due.unknown.items()):
        covers = f"data under {name}"
        yield ("no period", name, "kept without end", covers, None, count, None, None, None, None, None, None, None)


def _periods(periods: Retention, due: Due) -> Iterator[tuple[Cell, ...]]:
    for each in periods.periods:
        covers = f"data under {', '.join(sorted(each.regulations))}" if each.regulations else "every entry"
        state = "in force, a minimum" if each.minimum else "in force"
        counts = (each.months, due.covered.get(each.id, 0), None)
        yield ("period", each.id, state, covers, *counts, None, None, None, None, each.source, None)


def _holds(asked: Asked, holds: Sequence[Hold], due: Due) -> Iterator[tuple[Cell, ...]]:
    for each in holds:
        released = asked.snapshot.entry(each.released).recorded_at if each.released is not None else None
        covers = brief(each.scope.body) if each.readable else "everything: the entry cannot be read"
        head = ("hold", each.id, "active" if each.released is None else "released", covers, None)
        scope = due.scopes.get(each.index)
        counts = (scope.entries, due.held.get(each.id, 0)) if scope is not None else (None, None)
        when = (each.index, each.placed_at, each.released, released)
        yield (*head, *counts, *when, each.reason or None, each.ticket)


def _due(asked: Asked, due: Due) -> Iterator[tuple[Cell, ...]]:
    """Yield a row for each value and each document: as many as `policy audit dispose --dry-run` says."""
    for index, name in due.values:
        covers, recorded_at = "a personal value", asked.snapshot.entry(index).recorded_at
        yield ("due", name, "due", covers, None, None, None, index, recorded_at, None, None, None, None)
    for digest in due.documents:
        yield ("due", digest, "due", "a document", None, None, None, None, None, None, None, None, None)


def _disposals(asked: Asked) -> Iterator[tuple[Cell, ...]]:
    for entry in asked.snapshot.entries([EntryType.DISPOSAL], newest=False):
        body = entry.document["body"]
        count = f"{_length(body.get('disposed')) or 0} values, {_length(body.get('documents')) or 0} documents"
        where = (entry.index, entry.recorded_at, None, None)
        words = (text(body.get("reason")), text(body.get("ticket")))
        yield ("disposal", None, "done", count, None, None, None, *where, *words)


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None
