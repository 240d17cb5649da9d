"""Reports of policies: their activations, which was in force, and what a change of rules came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from policy_audit.entry import EntryType

from policy_engine.errors import InputError, Problem
from policy_engine.reports.asking import AS_RECORDED, COLUMNS_ALONE, Asked, text
from policy_engine.reports.report import Cell, Column, Report

if TYPE_CHECKING:
    from policy_audit.records import StoredEntry

_DIGEST = Column("policy_digest", "digest")
_COLUMNS = (
    Column("event"),
    _DIGEST,
    Column("entry", "entry"),
    Column("recorded_at", "time"),
    Column("last_entry", "entry"),
    Column("decisions", "count"),
    Column("actor", personal=True),
    Column("approvers", "list"),
    Column("reason"),
)
_NO_ACTIVATION = (
    "Activations are on record where a policy is put in force by command; a decision also names the policy that it "
    "was made under, which nobody has to have activated."
)


def policy_changes(asked: Asked) -> Report:
    """Return the activations of policies, and the policies that decisions were made under, in order."""
    rows = [_activated(asked, entry) for entry in asked.entries(EntryType.POLICY_ACTIVATION)]
    used = asked.snapshot.policies(since=asked.query.since, until=asked.query.until)
    rows += [_used(asked, *found) for found in used]
    ordered = sorted(rows, key=lambda row: (_place(row), str(row[0])))
    return asked.answer(
        "activations of the period, and every policy that a decision of the period was made under",
        "policy changes",
        _COLUMNS,
        ordered,
        summary=(("policies decided under", len(used)),),
        remarks=(
            "`decisions` counts those of the period, `entry` and `last_entry` are its first and last.",
            COLUMNS_ALONE,
            _NO_ACTIVATION,
            AS_RECORDED,
        ),
    )


def policy_in_force(asked: Asked) -> Report:
    """Return the policy that was activated last at a time, who did, and the one that the last decision was made under.

    The snapshot is that of the time.
    """
    rows = [_activated(asked, entry) for entry in asked.snapshot.entries([EntryType.POLICY_ACTIVATION], limit=1)]
    last = asked.snapshot.select(type(asked.query)()).page(1).decisions
    if last:
        digest = last[0].row.policy_digest
        rows += [_used(asked, *found) for found in asked.snapshot.policies() if found[0] == digest]
    agree = len({row[1] for row in rows}) <= 1
    return asked.answer(
        f"the last activation on record {asked.when}, and the policy of the last decision then",
        "policies",
        _COLUMNS,
        rows,
        summary=(("activated policy is that of the last decision", agree),) if len(rows) == 2 else (),
        remarks=(_NO_ACTIVATION, AS_RECORDED),
    )


def rule_impact(asked: Asked) -> Report:
    """Return how many decisions each rule acted in before and after a change of policy."""
    used = asked.snapshot.policies()
    before, after = asked.given.get("before"), asked.given.get("after")
    if before is None or after is None:
        if len(used) < 2 and before is None and after is None:
            hint = "decisions were made under fewer than two policies: there is no change to look at"
            raise InputError(Problem("no-change", "the record holds no change of policy", help=hint))
        known = [found[0] for found in used]
        before, after = _neighbours(known, before, after)
    counts = {found[0]: found[3] for found in used}
    earlier, later = (asked.snapshot.count_tags("rule", digest) for digest in (before, after))
    totals = counts.get(before, 0), counts.get(after, 0)
    rows = [
        (rule, earlier.get(rule, 0), totals[0], later.get(rule, 0), totals[1], _change(rule, earlier, later))
        for rule in sorted(earlier.keys() | later.keys())
    ]
    columns = (
        Column("rule"),
        Column("decisions_before", "count"),
        Column("of_before", "count"),
        Column("decisions_after", "count"),
        Column("of_after", "count"),
        Column("change"),
    )
    summary: list[tuple[str, Cell]] = [("before", before), ("after", after)]
    for word, digest in (("before", before), ("after", after)):
        verdicts = asked.snapshot.count_verdicts(digest)
        summary += [(f"{verdict} {word}", count) for verdict, count in verdicts.items()]
    return asked.answer(
        "decisions in which each rule fired or was indeterminate, under two policies",
        "decisions under the two policies",
        columns,
        rows,
        population=sum(totals),
        summary=summary,
        remarks=(
            "Counted by the query columns and tags, which `policy audit verify` compares with the entries.",
            "Other workloads were decided before and after, so that a difference need not come from the change; "
            "`policy audit replay ID --policy DIR` decides the same one under other rules.",
        ),
    )


def _neighbours(known: Sequence[str], before: str | None, after: str | None) -> tuple[str, str]:
    """Return the policy before or after a given one, by their first decisions; the last two where none is given."""
    if before is None and after is None:
        return known[-2], known[-1]
    place = known.index(str(before or after)) if (before or after) in known else -1
    other = place + 1 if before is not None else place - 1
    if place < 0 or not 0 <= other < len(known):
        hint = "`policy audit report policy-changes` lists the policies in order"
        raise InputError(Problem("no-change", "the record holds no policy beside the one that is named", help=hint))
    return (known[place], known[other]) if before is not None else (known[other], known[place])


def _change(rule: str, earlier: dict[str, int], later: dict[str, int]) -> str:
    if rule not in earlier:
        return "new"
    return "acts no more" if rule not in later else "acts in both"


def _activated(asked: Asked, entry: StoredEntry) -> tuple[Cell, ...]:
    body: dict[str, Any] = entry.document["body"]
    people = asked.persons.of(entry)
    digest = next((body[key] for key in ("policy_digest", "policy", "digest") if isinstance(body.get(key), str)), None)
    approvers = tuple(value for name, value in people.items() if name.startswith("approver"))
    actor = people.get("actor") or people.get("requester")
    told = (actor, approvers, text(body.get("reason")))
    return ("activated", digest, entry.index, entry.recorded_at, None, None, *told)


def _used(asked: Asked, digest: str, first: int, last: int, count: int) -> tuple[Cell, ...]:
    entry = asked.snapshot.entry(first)
    return ("decided under", digest, first, entry.recorded_at, last, count, None, (), None)


def _place(row: Sequence[Cell]) -> int:
    return row[2] if isinstance(row[2], int) else -1
