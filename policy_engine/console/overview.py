"""The first page: verdicts over time, what denies most, and what expires soon."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.parameters import choice, read_items
from policy_engine.api.requests import record_read, service_of
from policy_engine.console import links
from policy_engine.console.cells import Lines, Link, Mark, Muted, Table, Verdict, When, columns
from policy_engine.console.charts import stacked_bars
from policy_engine.console.filters import given, takes
from policy_engine.console.navigation import first_page
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page, see
from policy_engine.console.workloads import standing_lines
from policy_engine.recorder import PURPOSES
from policy_engine.reports.activity import MOST_DAYS, VERDICTS, Denials, Span, expiring, verdicts_over_time, what_denies
from policy_engine.service.fallen import Fallen, fallen

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import StoredDecision

    from policy_engine.service.service import Service

router = page_router()
PERIODS = (7, 30, 90, 365)
SOON = timedelta(days=30)
_ROWS = 10
_DAYS, _ALL = 30, "all"
_NAMES = {"deploy": "Deployments", "pull_request": "Pull requests", "draft": "Drafts", _ALL: "All"}
_SHOWN_FOR = {
    "deploy": "decisions for deployments",
    "pull_request": "decisions on pull requests",
    "draft": "decisions on drafts",
    _ALL: "all decisions",
}
_PARAMETERS = (
    choice("days", tuple(str(each) for each in PERIODS), "So many days until now."),
    choice("purpose", tuple(_NAMES), "What the decisions were made for."),
)


@router.get("/")
@takes(*(each.name for each in _PARAMETERS))
async def overview(request: Request) -> Response:
    """Show the overview of a period of `days` until now, of what was decided for one purpose or for all."""
    principal = await principal_of_page(request)
    if "read" not in principal.roles:
        return see(first_page(principal.roles))
    asked = read_items(given(request.query_params.multi_items()), _PARAMETERS)
    days, purpose = int(asked["days"] or _DAYS), asked["purpose"] or "deploy"
    wanted = None if purpose == _ALL else purpose
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    since = (until - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0)
    service = service_of(request)
    found = await service.read(lambda ledger: _read(ledger, service, since, until, principal.namespaces, wanted))
    spans: list[Span] = found["spans"]
    totals = [sum(span.counts[place] for span in spans) for place in range(len(VERDICTS))]
    await record_read(request, "overview", sum(totals))
    titles = {rule.id: rule.title for rule in service.policy.rules.rules}
    period = {"since": since.date().isoformat(), **({"purpose": wanted} if wanted is not None else {})}
    return await page(
        request,
        "overview.html",
        "Overview",
        days=days,
        periods=[(each, url("/", days=each, purpose=purpose)) for each in PERIODS],
        purpose=purpose,
        shown_for=_SHOWN_FOR[purpose],
        purposes=[(each, _NAMES[each], found["made_for"][each], url("/", days=days, purpose=each)) for each in _NAMES],
        since=since.isoformat(),
        totals=[
            (word, count, url("/decisions", verdict=word, **period))
            for word, count in zip(VERDICTS, totals, strict=True)
        ],
        total=sum(totals),
        chart=_chart(spans, days),
        series=_series(spans, days),
        blocking=_blocking(found["denials"], titles, period, sum(totals)),
        denials=found["denials"],
        **_standing(found, until),
    )


def _standing(found: dict[str, Any], until: datetime) -> dict[str, Any]:
    """Return what the page shows of what counts, whatever the period and the purpose are."""
    return {
        "soon": _soon(found["soon"].rows, until),
        "waivers": _waivers(found["waivers"]),
        "workloads": len(found["soon"].counting),
        "fallen": found["fallen"],
        "fallen_table": _fallen(found["fallen"]),
        "left_out": max(0, found["soon"].total - _ROWS),
        "checkpoint": found["checkpoint"],
    }


def _read(
    ledger: Ledger,
    service: Service,
    since: datetime,
    until: datetime,
    namespaces: Collection[str] | None,
    purpose: str | None,
) -> dict[str, Any]:
    from policy_audit.snapshot import open_snapshot

    from policy_engine.reports.source import SnapshotSource
    from policy_engine.waivers.register import reports, waiver_register

    with open_snapshot(ledger) as snapshot:
        snapshot.check_count()
        made_for = {
            each: sum(snapshot.count_by_day(since=since, until=until, namespaces=namespaces, purpose=each).values())
            for each in PURPOSES
        }
        every = snapshot.count_by_day(since=since, until=until, namespaces=namespaces)
        rows = waiver_register(SnapshotSource(snapshot), until, unreadable=lambda *_: None)
        expiring_waivers = reports(rows)["expiring"]
        soon = expiring(snapshot, until, SOON, _ROWS, namespaces)
        gone = fallen(ledger, service.policy, service.stillness, soon.counting, rows)
        snapshot.checked([row for row, _ in gone.rows[:_ROWS]])  # what is shown is what the entries say
        return {
            "made_for": {**made_for, _ALL: sum(every.values())},
            "spans": verdicts_over_time(snapshot, since, until, namespaces, purpose),
            "denials": what_denies(snapshot, since, until, namespaces, purpose),
            "soon": soon,
            "fallen": gone,
            "waivers": [row for row in expiring_waivers if namespaces is None or row["namespace"] in namespaces],
            "checkpoint": {"size": snapshot.size, "origin": snapshot.checkpoint.origin},
        }


def _chart(spans: list[Span], days: int) -> Any:
    names = [f"{span.first.day} {span.first:%b}" for span in spans]
    each = "day" if days <= MOST_DAYS else "week"
    title = f"Decisions by verdict, each {each} of the last {days} days"
    return stacked_bars(title, names, VERDICTS, [span.counts for span in spans])


def _series(spans: list[Span], days: int) -> Table:
    rows = [
        (When(span.first.isoformat(), date=True), *span.counts, sum(span.counts))
        for span in reversed(spans)
        if sum(span.counts)
    ]
    heading = "Day" if days <= MOST_DAYS else "Week from"
    return Table(
        "Decisions by verdict over time",
        columns(heading, ">Allow", ">With conditions", ">Review", ">Deny", ">All"),
        rows,
        "No decision for this was recorded in this period. Choose a longer one, or what else was decided for.",
    )


def _blocking(denials: Denials, titles: dict[str, str], period: dict[str, str], decided: int) -> Table:
    rows: list[tuple[Any, ...]] = [
        (
            Link(
                titles.get(each.rule, each.rule), url("/decisions", rule=each.rule, verdict="deny", **period), each.rule
            ),
            each.denials,
            each.workloads,
        )
        for each in denials.rules[:_ROWS]
    ]
    if denials.without:
        rows.append(
            (Muted("No rule: the model, the evidence or the catalog"), denials.without, denials.workloads_without)
        )
    if denials.gone:
        gone = "Not told: their documents were disposed of, and the report of denials has what their entries name"
        rows.append((Muted(gone), denials.gone, denials.workloads_gone))
    empty = "Nothing was denied in this period." if decided else "Nothing was decided in this period."
    return Table("Rules by denials", columns("~Rule", ">Denied by it", ">Workloads"), rows, empty, hidden_caption=True)


def _fallen(found: Fallen) -> Table:
    rows = []
    for row, still in found.rows[:_ROWS]:
        name = Link(f"{row.namespace}/{row.workload}", url("/workloads", row.namespace, row.workload))
        rows.append((name, Lines((Verdict(row.verdict), *standing_lines(still))), links.entry(row.index)))
    empty = "No decision that counts and allows rests on a waiver or on evidence that was taken back."
    return Table("Decisions whose ground was taken back", columns("~Workload", "~Verdict", "Entry"), rows, empty)


def _soon(found: Sequence[StoredDecision], at: datetime) -> Table:
    rows = []
    for each in found:
        left = (datetime.fromisoformat(str(each.valid_until)) - at).days
        name = f"{each.namespace}/{each.workload}"
        rows.append(
            (
                Link(name, url("/workloads", each.namespace, each.workload)),
                Verdict(each.verdict),
                When(str(each.valid_until), date=True),
                Mark("expired", "bad") if left < 0 else Mark(f"{left} days left", "warn" if left < 14 else "plain"),
            )
        )
    empty = "No decision that counts for a workload expires within 30 days."
    return Table("Decisions that expire soon", columns("~Workload", "Verdict", "Valid until", "Left"), rows, empty)


def _waivers(found: list[dict[str, Any]]) -> Table:
    rows = [
        (
            links.waiver(each["id"], each["rule"]),
            f"{each['namespace']}/{each['workload']}, {each['option']}",
            When(each["valid_until"], date=True),
            Mark(f"{each['days_left']} days left", "warn"),
        )
        for each in found[:_ROWS]
    ]
    empty = "No active waiver expires within 14 days."
    return Table("Waivers that expire soon", columns("~Rule", "For", "Valid until", "Left"), rows, empty)
