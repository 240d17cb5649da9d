"""The officer's named reports, as the command line and the served engine both make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from policy_engine.asking.decision_query import decision_query, policy_digest
from policy_engine.asking.moments import to_come
from policy_engine.asking.why_nothing import why_nothing
from policy_engine.errors import InputError, Problem, UsageError, did_you_mean
from policy_engine.reports.registry import REPORTS

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import DecisionQuery
    from policy_audit.snapshot import Snapshot

    from policy_engine.reports.registry import Named
    from policy_engine.reports.report import Report


def named_report(name: str) -> Named:
    """Return the report of this name.

    Raises:
        InputError: there is none.
    """
    if name not in REPORTS:
        hint = did_you_mean(name, list(REPORTS)) or "`policy audit report` lists them"
        raise InputError(Problem("unknown-report", f"there is no report `{name}`", help=hint))
    return REPORTS[name]


def check_asked(name: str, given: Mapping[str, Any]) -> None:
    """Refuse a question that lacks a part.

    Raises:
        UsageError: it does.
    """
    if (given.get("sample") is None) is not (given.get("seed") is None):
        raise UsageError(Problem("usage", "`--sample` and `--seed` go together", help="give both, or neither"))
    if name == "access" and not given.get("subject"):
        raise UsageError(Problem("usage", "this report is about a person", help="name them with `--subject PERSON`"))


def read_as_of(name: str, given: Mapping[str, Any]) -> datetime | None:
    """Return the time whose ledger a report reads: what was in force at a time is read from the ledger of that time."""
    moment: datetime | None = given.get("at") if name == "policy-in-force" else given.get("as_of")
    return moment


def compare_sampled(
    snapshot: Snapshot, ledger: Ledger, given: Mapping[str, Any], tell: Callable[[int, int], None] | None
) -> None:
    """Compare all query columns with the entries where a sample is asked for: its total is what it is worth.

    Raises:
        VerificationError: they are not the entries'; it names the first.
    """
    if given.get("sample") is not None:
        snapshot.compare_view(ledger.verifier_key, given.get("owner") is not None, tell)


def query_of(snapshot: Snapshot, given: Mapping[str, Any]) -> DecisionQuery:
    """Return which decisions a report is about.

    Raises:
        InputError, UsageError: a filter is wrong.
    """
    # reports have a time of their own; what selects decisions by it is `--expired` alone
    return decision_query(snapshot, {**given, "at": given.get("at") if given.get("expired") else None})


def answer(snapshot: Snapshot, name: str, given: Mapping[str, Any], command: str) -> Report:
    """Return the report from a snapshot; `command` asks it again.

    `given` holds the options of `policy audit report` by name, and the `namespaces` that may be seen, None for all.
    """
    from policy_engine.reports.asking import Asked

    named = named_report(name)
    digests = {side: policy_digest(snapshot, given.get(side)) for side in ("before", "after")}
    moment = datetime.now(UTC)
    query = query_of(snapshot, given)
    asked = Asked(snapshot, name, named.title, command, moment, query, {**given, **digests})
    report = named.make(asked)
    # an incident's timeline has what was done to the whole ledger, also where nothing was decided on the workload
    nothing = not report.rows or name == "incident"
    hint = why_nothing(snapshot, query) if nothing and query.namespaces is None else None
    # what is in force is asked of the ledger of that time, as --as-of is; other reports may well look ahead
    later = to_come(read_as_of(name, given))
    told = [later] if later is not None else []
    told += [f"No decision fits: {hint}"] if hint is not None else []
    return replace(report, remarks=(*told, *report.remarks))


def report_value(report: Report) -> dict[str, Any]:
    """Return the report as JSON holds it; everything but `generated_at` follows from the snapshot."""
    return {
        "kind": "Report",
        "name": report.name,
        "title": report.title,
        "generated_at": report.generated_at,
        "as_of": report.as_of,
        "at": report.at,
        "period": {"since": report.period.since, "until": report.period.until},
        "query": {"words": report.query.words, "command": report.query.command},
        "population": report.population,
        "counted": report.counted,
        "checkpoint": {
            "origin": report.checkpoint.origin,
            "size": report.checkpoint.size,
            "root": report.checkpoint.root,
            "note": report.checkpoint.note,
        },
        "ok": report.ok,
        "summary": [{"name": name, "value": value} for name, value in report.summary],
        "columns": [{"name": column.name, "kind": column.kind} for column in report.columns],
        "rows": list(report.records()),
        "remarks": list(report.remarks),
    }
