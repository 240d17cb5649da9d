"""Reports of policies: their activations, which was in force, and what a change of rules came to."""

from __future__ import annotations

from collections.abc import Sequence

from policy_audit.view import instant

from policy_engine.activations import Activation, activations
from policy_engine.errors import InputError, Problem
from policy_engine.reports.asking import AS_RECORDED, COLUMNS_ALONE, Asked
from policy_engine.reports.report import Cell, Column, Report

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
    Column("approvals_needed", "count"),
    Column("reason"),
    Column("problem"),
)
_JUDGED = (
    "Signatures are judged by the approvers of the policy in force before: `proposed` lacks some, `refused` has one "
    "that is bad or of nobody who may. `approvers` are names of approvers.yaml; where it names nobody, `actor` is all "
    "there is."
)
_NO_ACTIVATION = (
    "Activations are on record where a policy is put in force by command; a decision also names the policy that it "
    "was made under, which nobody has to have activated."
)


def policy_changes(asked: Asked) -> Report:
    """Return the activations of policies, and the policies that decisions were made under, in order."""
    rows = [_activated(asked, each) for each in activations(asked.source) if _of_period(asked, each)]
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
            _JUDGED,
            _NO_ACTIVATION,
            AS_RECORDED,
        ),
    )


def policy_in_force(asked: Asked) -> Report:
    """Return the policy in force at a time, who activated it, and the one that the last decision was made under.

    The snapshot is that of the time.
    """
    counted = [each for each in activations(asked.source) if each.problem is None]
    at = asked.given.get("at")
    if at is not None:
        counted = [each for each in counted if each.recorded_at <= at]
    rows = [_activated(asked, each) for each in counted[-1:]]
    last = asked.snapshot.select(type(asked.query)()).page(1).decisions
    if last:
        digest = last[0].row.policy_digest
        rows += [_used(asked, *found) for found in asked.snapshot.policies() if found[0] == digest]
    agree = len({row[1] for row in rows}) <= 1
    return asked.answer(
        f"the policy that was in force by an activation {asked.when}, and the policy of the last decision then",
        "policies",
        _COLUMNS,
        rows,
        summary=(("activated policy is that of the last decision", agree),) if len(rows) == 2 else (),
        remarks=(_JUDGED, _NO_ACTIVATION, AS_RECORDED),
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


def _of_period(asked: Asked, each: Activation) -> bool:
    since, until = asked.query.since, asked.query.until
    recorded_at = instant(each.recorded_at)
    return (since is None or recorded_at >= instant(since)) and (until is None or recorded_at < instant(until))


def _activated(asked: Asked, each: Activation) -> tuple[Cell, ...]:
    entry = asked.snapshot.entry(each.index)
    event = "activated" if each.status == "active" else each.status
    head = (event, each.policy, each.index, entry.recorded_at, None, None)
    return (*head, asked.persons.one(entry, "actor"), each.by, each.needed, each.reason, each.problem)


def _used(asked: Asked, digest: str, first: int, last: int, count: int) -> tuple[Cell, ...]:
    entry = asked.snapshot.entry(first)
    return ("decided under", digest, first, entry.recorded_at, last, count, None, (), None, None, None)


def _place(row: Sequence[Cell]) -> int:
    return row[2] if isinstance(row[2], int) else -1
