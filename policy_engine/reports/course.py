"""Reports of what breaks a ledger's even course: gaps, restores, rotations, and decisions that do not replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from policy_audit.heartbeat import Gap, course
from policy_audit.view import instant

from policy_engine.reports.asking import AS_RECORDED, CLOCK, Asked, brief
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_engine.replay import Replay

LONGEST_HOURS = 24
#: The words of `heartbeat.Gap`, as they are read here.
_KINDS = {"unclean": "watching broke off", "rotation": "key-rotation"}
_BACK, _COLLECTED = "clock ran back", "collected"
_MOST_PATHS = 20


def gaps(asked: Asked) -> Report:
    """Return periods without an entry, and whatever breaks a ledger's even course."""
    from datetime import UTC

    hours = int(asked.given.get("longest") or LONGEST_HOURS)
    columns = (
        Column("kind"),
        Column("since", "time"),
        Column("until", "time"),
        Column("hours", "count"),
        Column("after_entry", "entry"),
        Column("before_entry", "entry"),
        Column("what"),
    )
    back: list[Gap] = []
    end = asked.at.astimezone(UTC)
    found = course(_noting(asked, back), asked.snapshot.entry, timedelta(hours=hours), end)
    # a restore stands at the entry that says so, and what ran back there comes after it
    ordered = sorted([*found, *back], key=lambda gap: (gap.before is None, gap.before or 0, gap.kind == _BACK))
    rows = [_row(asked, gap) for gap in ordered if _of_period(asked, gap)]
    return asked.answer(
        f"periods of more than {hours} hours without an entry, restores, key rotations, and watching that broke off",
        "gaps, restores and rotations",
        columns,
        rows,
        remarks=(
            "A silence counts where any of it lies in the period.",
            "A ledger without heartbeats is silent whenever nothing is decided.",
            "Collected decisions have the times of their runners' clocks, since the earliest of which their row tells.",
            CLOCK,
        ),
    )


def _noting(asked: Asked, back: list[Gap]) -> Iterator[tuple[int, str, str]]:
    """Yield index, type and time of every entry that has the ledger's, and note where that clock ran back.

    What was collected from spools has its runners' times: noted is each collection, with the earliest of these.
    """
    previous: tuple[int, str] | None = None
    collected, earliest = asked.snapshot.collected(), ""
    for index, kind, recorded_at in asked.snapshot.times():
        if index in collected:
            earliest = min(earliest or recorded_at, recorded_at)
            continue
        if earliest:
            back.append(Gap(_COLLECTED, earliest, recorded_at, previous[0] if previous else None, index))
            earliest = ""
        if previous is not None and recorded_at < previous[1]:  # all in UTC, with microseconds
            back.append(Gap(_BACK, previous[1], recorded_at, previous[0], index))
        previous = index, recorded_at
        yield index, kind, recorded_at


def _of_period(asked: Asked, gap: Gap) -> bool:
    since, until = (instant(each) if each is not None else None for each in (asked.query.since, asked.query.until))
    begins = gap.since if gap.kind == "silence" else gap.until
    return (since is None or gap.until >= since) and (until is None or begins < until)


def _row(asked: Asked, gap: Gap) -> tuple[Cell, ...]:
    what: str | None = None
    if gap.kind == "silence":
        what = "announced: watching had ended" if gap.off else None
        what = what if gap.before is not None else f"{what}; " * (what is not None) + "up to now"
    elif gap.before is not None:
        body = asked.snapshot.entry(gap.before).document["body"]
        what = brief({key: body[key] for key in ("epoch", "from", "reason", "decisions") if key in body}) or None
    until = gap.until if gap.before is not None else None
    hours = _hours(gap) if gap.kind == "silence" else 0
    return _KINDS.get(gap.kind, gap.kind), gap.since, until, hours, gap.after, gap.before, what


def _hours(gap: Gap) -> int:
    from datetime import datetime

    away = datetime.fromisoformat(gap.until) - datetime.fromisoformat(gap.since)
    return int(away.total_seconds() // 3600)


def replays(asked: Asked) -> Report:
    """Return decisions that do not follow, bit for bit, from what is on record of their making."""
    from policy_engine.replays import judged, replay_mismatches

    columns = (
        Column("entry", "entry"),
        Column("recorded_at", "time"),
        Column("decision_id", "digest"),
        Column("workload"),
        Column("result"),
        Column("judged"),
        Column("reason"),
        Column("why"),
        Column("engine"),
        Column("differs_in", "list"),
    )
    count = [0]

    def told(_: Replay) -> None:
        count[0] += 1

    rows: list[Sequence[Cell]] = []
    failed = 0
    for found in replay_mismatches(asked.source, asked.query.since, asked.query.until, told):
        outcome = judged(found)
        failed += outcome.outcome == "failed"
        paths = tuple(each.path for each in found.differences[:_MOST_PATHS])
        more = found.more + len(found.differences) - len(paths)
        paths += (f"and {more:,} more",) if more else ()
        head = (found.index, asked.snapshot.entry(found.index).recorded_at, found.decision_id, found.workload)
        told_of = (found.reason, found.why or outcome.why or None, found.engine, paths)
        rows.append((*head, found.status, "set apart" if outcome.outcome == "apart" else "failed", *told_of))
    return asked.answer(
        "decisions of the period that do not come out again as they were recorded",
        "decisions replayed",
        columns,
        rows,
        population=count[0],
        summary=(("failed", failed), ("set apart", len(rows) - failed)),
        remarks=(
            "Each decision was decided again from its recorded inputs, rules and catalog, and all bytes compared.",
            "Set apart is what was disposed of, and what another version of the engine wrote in other bytes with the "
            "same outcome.",
            AS_RECORDED,
        ),
        ok=not failed,
    )
