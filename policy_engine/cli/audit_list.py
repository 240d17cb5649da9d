"""`policy audit list`: the decisions, or all entries, that the filters select; the newest first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.cli.ledger_reading import ERASED, LOST, decision_document, personal_values, reading
from policy_engine.cli.options import PURPOSES, Time, ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError, VerificationFailedError

if TYPE_CHECKING:
    from policy_audit.ledger import DecisionFilter, Ledger, StoredDecision, StoredEntry

R = TypeVar("R", "StoredDecision", "StoredEntry")
VERDICTS = ("allow", "allow_with_conditions", "review", "deny")
STAGES = ("prototype", "pilot", "production")
TYPES = (
    "decision all policy-activation waiver-granted waiver-revoked waiver-used probe-attestation evaluation-report "
    "erasure hold key-rotation export officer-query verification-run restore"
).split()
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIRST_WINDOW = 256
_DECISION_HEADER = (">#", "=Recorded (UTC)", "Workload, owner", "Verdict", "=Purpose", "=Decision")
_NO_OWNER = {"none": "no owner", "erased": f"owner {ERASED}", "missing": f"owner {LOST}"}
_ENTRY_HEADER = (">#", "=Recorded (UTC)", "Type", "Context")


class Moment(Time):
    """An RFC 3339 time, or a date, which stands for its midnight in UTC."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = f"{value}T00:00:00Z" if isinstance(value, str) and _DATE.fullmatch(value) else value
        return super().convert(text, param, ctx)


@click.command("list", epilog="Example: policy audit list --verdict deny --verdict review --since 2026-11-01 -o json")
@click.option(
    "--type",
    "kind",
    metavar="TYPE",
    type=click.Choice(TYPES),
    default="decision",
    show_default=True,
    help=f"Which entries: {', '.join(TYPES)}.",
)
@click.option("--workload", metavar="[NAMESPACE/]NAME", help="Decisions on this workload.")
@click.option("--namespace", metavar="NAME", help="Decisions in this namespace.")
@click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="Repeatable.")
@click.option("--since", type=Moment(), help="Recorded at this time or date (UTC) or later.")
@click.option("--until", type=Moment(), help="Recorded before this time or date (UTC).")
@click.option("--policy-digest", metavar="DIGEST", help="Decided under this effective policy.")
@click.option("--stage", type=click.Choice(STAGES), help="Decisions on workloads of this stage.")
@click.option("--purpose", type=click.Choice(PURPOSES), help="Decisions that were made for this.")
@click.option("--rule", metavar="RULE-ID", help="Where this rule fired or is indeterminate.")
@click.option("--criterion", metavar="ID", help="Where a rule that cites this criterion did.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, newest first.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    kind: str,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    **wanted: Any,
) -> None:
    """List recorded decisions, or with --type other entries.

    Filters are combined: all of them must hold. --rule and --criterion read the recorded documents themselves, which
    takes longer on a large ledger.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    if kind != "decision":
        _refuse_filters(kind, wanted)
    with reading(ctx, ledger, ledger_key) as open_ledger:
        if kind == "decision":
            found = _decisions(open_ledger, wanted, since, until, limit)
        else:
            found = _entries(open_ledger, kind, since, until, limit)
    write_reports(targets, report_writers(lambda: found, lambda: _sections(found)))


def _refuse_filters(kind: str, wanted: Mapping[str, Any]) -> None:
    given = next((name for name, value in wanted.items() if value), None)
    if given is not None:
        option = "--" + given.replace("_", "-").replace("verdicts", "verdict")
        message = f"`{option}` selects decisions, and `--type {kind}` lists other entries"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))


def _decisions(
    ledger: Ledger, wanted: Mapping[str, Any], since: datetime | None, until: datetime | None, limit: int
) -> dict[str, Any]:
    from policy_audit.ledger import DecisionFilter

    namespace, name = _identity(wanted["workload"], wanted["namespace"])
    columns = {key: wanted[key] for key in ("policy_digest", "stage", "purpose")}
    base = DecisionFilter(namespace=namespace, workload=name, since=since, until=until, **columns)
    verdicts = tuple(dict.fromkeys(wanted["verdicts"])) or (None,)
    rows = _newest(lambda size: _window(ledger, base, verdicts, size), limit + 1)
    rule, criterion = wanted["rule"], wanted["criterion"]
    found = []
    for row in rows:
        if not (rule or criterion) or _is_on(ledger, row.index, rule, criterion):
            found.append(row)
            if len(found) > limit:
                break
    erased = cache(ledger.erased)  # read once, and only where an owner is not held
    shown = [{**asdict(row), **_owner(ledger, row.index, erased)} for row in found[:limit]]
    return {"kind": "DecisionList", "decisions": shown, "more": len(found) > limit}


def _owner(ledger: Ledger, index: int, erased: Callable[[], set[tuple[int, str]]]) -> dict[str, str | None]:
    """Return the owner on record, and where none is held whether it was erased, or is missing."""
    held = ledger.personal(index).get("owner")
    if held is not None:
        return {"owner": held, "owner_status": "held"}
    found = personal_values(ledger, ledger.entry(index), erased)
    status = "none" if "owner" not in found["personal"] else "erased" if "owner" in found["erased"] else "missing"
    return {"owner": None, "owner_status": status}


def _identity(workload: str | None, namespace: str | None) -> tuple[str | None, str | None]:
    if workload is None:
        return namespace, None
    given, slash, name = workload.rpartition("/")
    if slash and namespace is not None and given != namespace:
        message = f"`--workload {workload}` is not in `--namespace {namespace}`"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
    return (given if slash else namespace), name


def _window(ledger: Ledger, base: DecisionFilter, verdicts: Sequence[str | None], size: int) -> list[StoredDecision]:
    rows = [row for verdict in verdicts for row in ledger.list_decisions(replace(base, verdict=verdict), limit=size)]
    return sorted(rows, key=lambda row: -row.index)[:size]


def _newest(window: Callable[[int], list[R]], at_least: int) -> Iterator[R]:
    """Yield rows from the newest on, asking for windows that double; what is appended meanwhile is left out."""
    size, last = max(at_least, _FIRST_WINDOW), None
    while True:
        rows = window(size)
        for row in rows:
            if last is None or row.index < last:
                last = row.index
                yield row
        if len(rows) < size:
            return
        size *= 2


def _is_on(ledger: Ledger, index: int, rule: str | None, criterion: str | None) -> bool:
    document = decision_document(ledger, ledger.entry(index))
    try:
        return _acts(document, rule, criterion)
    except (KeyError, TypeError) as error:
        message = f"the document that the entry {index} names is not a decision"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`")) from error


def _acts(document: Mapping[str, Any], rule: str | None, criterion: str | None) -> bool:
    """Whether a rule with this id, citing this criterion, fired or is indeterminate in any task."""
    return any(
        row["outcome"] != "not_fired"
        and (rule is None or row["id"] == rule)
        and (criterion is None or criterion in row["criteria"])
        for task in document["tasks"]
        for row in task["rules"]
    )


def _entries(ledger: Ledger, kind: str, since: datetime | None, until: datetime | None, limit: int) -> dict[str, Any]:
    wanted = None if kind == "all" else kind
    rows = ledger.list_entries(type=wanted, since=since, until=until, limit=limit + 1)
    shown = [
        {
            "index": row.index,
            "type": row.type,
            "recorded_at": row.recorded_at,
            "leaf_hash": row.leaf_hash,
            "context": row.document.get("context", {}),
        }
        for row in rows[:limit]
    ]
    return {"kind": "EntryList", "entries": shown, "more": len(rows) > limit}


def _sections(found: Mapping[str, Any]) -> list[Section]:
    decisions = found["kind"] == "DecisionList"
    rows = found["decisions"] if decisions else found["entries"]
    if not rows:
        return [Section(lines=["nothing on record fits"])]
    if decisions:
        table = Section(header=_DECISION_HEADER, rows=[_decision_cells(row) for row in rows])
    else:
        table = Section(header=_ENTRY_HEADER, rows=[_entry_cells(row) for row in rows])
    more = f"the newest {len(rows)}; there are more: --limit shows more of them"
    return [table, Section(lines=[more])] if found["more"] else [table]


def _entry_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    context = ", ".join(f"{name} {value}" for name, value in row["context"].items())
    return str(row["index"]), _minute(row["recorded_at"]), row["type"], context


def _decision_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(row["index"]),
        _minute(row["recorded_at"]),
        f"{row['namespace']}/{row['workload']},\n{row['owner'] or _NO_OWNER[row['owner_status']]}",
        row["verdict"],
        row["purpose"] or "",
        row["decision_id"][:12],
    )


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
