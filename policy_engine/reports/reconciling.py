"""What is deployed against what was decided, and what callers were handed against what is on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from policy_audit.records import CheckedDecision
from policy_audit.view import instant

from policy_engine.errors import did_you_mean
from policy_engine.model.task_case import ALLOWING
from policy_engine.reports.asking import COLUMNS_ALONE, Asked
from policy_engine.reports.documents import tags
from policy_engine.reports.inventory import Deployed
from policy_engine.reports.report import Cell, Column, Report

#: Every finding, and what it says.
FINDINGS = {
    "no-decision": "deployed, and no decision on the workload is on record",
    "not-for-deploy": "decided, but never for deploying",
    "denied": "deployed, though the decision is deny",
    "only-reviewed": "deployed, though the decision is review: nobody allowed it",
    "other-deployment": "deployed in another way than was decided",
    "other-model": "another model is deployed than was decided on",
    "not-told": "the decision on record names none, so that what is deployed was not decided on",
    "expired": "deployed, though the decision was valid until before",
    "deployed-before": "deployed before the decision was recorded",
    "never-deployed": "allowed for deploying, and not in the inventory",
    "missing-entries": "fewer decisions are on record than the caller was handed",
    "surplus-entries": "more decisions are on record than the caller was handed",
    "unknown-run": "decisions are on record of a run that no caller counts",
}
COLUMNS = (
    Column("finding"),
    Column("namespace"),
    Column("workload"),
    Column("line", "count"),
    Column("deployed"),
    Column("decided", "list"),
    Column("entry", "entry"),
    Column("recorded_at", "time"),
    Column("valid_until", "time"),
    Column("says"),
)


@dataclass(frozen=True)
class _Finding:
    name: str
    namespace: str | None
    workload: str | None
    line: int | None = None
    deployed: str | None = None
    decided: tuple[str, ...] = ()
    decision: CheckedDecision | None = None
    says: str = ""

    def row(self) -> tuple[Cell, ...]:
        row = self.decision.row if self.decision is not None else None
        found = (row.index, row.recorded_at, row.valid_until) if row is not None else (None, None, None)
        place = (self.name, self.namespace, self.workload, self.line, self.deployed, self.decided)
        return (*place, *found, self.says or FINDINGS[self.name])


def reconcile(
    asked: Asked,
    inventory: Sequence[Deployed] | None,
    counts: Mapping[str, int] | None,
    purpose: str = "deploy",
) -> Report:
    """Return every finding; `purpose` is what a decision must have been made for, or `any`."""
    findings: list[_Finding] = []
    remarks = [COLUMNS_ALONE]
    compared: list[str] = []
    population = 0
    if inventory is not None:
        once = {row.identity: row for row in reversed(inventory)}
        rows = sorted(once.values(), key=lambda row: row.line)
        if len(rows) < len(inventory):
            remarks.append(
                f"{len(inventory) - len(rows):,} rows of the inventory repeat others, and were counted once."
            )
        findings += _deployed(asked, rows, purpose)
        population += len(rows)
        compared.append("rows of the inventory")
        remarks.append("What the inventory leaves out is not seen, and what it says is not checked.")
    if counts is not None:
        findings += _runs(asked, counts)
        population += len(counts)
        compared.append("runs")
        remarks.append("A caller counts what it was handed: one that counts nothing is not seen.")
    tally = {name: sum(each.name == name for each in findings) for name in FINDINGS}
    return asked.answer(
        f"the inventory and the callers' counts against the decisions on record, for {purpose}, as it is {asked.when}",
        f"{' and '.join(compared)} compared; the rows are the findings",
        COLUMNS,
        [each.row() for each in findings],
        population=population,
        summary=(("findings", len(findings)), *((name, count) for name, count in tally.items() if count)),
        remarks=tuple(remarks),
    )


def _deployed(asked: Asked, rows: Sequence[Deployed], purpose: str) -> Iterator[_Finding]:
    wanted = None if purpose == "any" else purpose
    governing = {(row.namespace, row.workload): row for row in asked.snapshot.latest(purpose=wanted)}
    every = {(row.namespace, row.workload): row for row in asked.snapshot.latest()} if wanted else governing
    named = {(row.namespace, row.workload) for row in rows}
    needed = [row for key, row in {**every, **governing}.items() if key in named]
    decisions = {each.row.index: each for each in asked.checked(needed)}
    for row in rows:
        key = (row.namespace, row.workload)
        if key not in every:
            near = did_you_mean("/".join(key), ["/".join(each) for each in every])
            says = FINDINGS["no-decision"] + (f"; {near}" if near else "")
            yield _Finding("no-decision", *key, row.line, f"{row.deployment}, {row.model}", says=says)
            continue
        decision = decisions[(governing.get(key) or every[key]).index]
        if key not in governing:
            yield _finding("not-for-deploy", row, decision, "", (decision.row.purpose or "no purpose",))
        yield from _against(asked, row, decision)
    now = instant(asked.second)
    for each in asked.checked(row for key, row in governing.items() if key not in named and row.verdict in ALLOWING):
        if each.row.valid_until is None or each.row.valid_until >= now:
            found = tags(asked.snapshot, each)
            decided = tuple(sorted((*found.get("deployment", ()), *found.get("model", ()))))
            yield _Finding("never-deployed", each.row.namespace, each.row.workload, decided=decided, decision=each)


def _against(asked: Asked, row: Deployed, decision: CheckedDecision) -> Iterator[_Finding]:
    """Yield what is wrong with one deployment under the decision that counts."""
    verdict, until = decision.row.verdict, decision.row.valid_until
    if verdict not in ALLOWING:
        yield _finding("denied" if verdict == "deny" else "only-reviewed", row, decision, "", (verdict,))
    found = tags(asked.snapshot, decision)
    for kind in ("deployment", "model"):
        decided, given = tuple(sorted(found.get(kind, ()))), getattr(row, kind)
        if given not in decided:
            yield _finding(f"other-{kind}" if decided else "not-told", row, decision, f"{kind} {given}", decided)
    if until is not None and until < instant(asked.second):
        yield _finding("expired", row, decision, "", ())
    if row.deployed_at and row.deployed_at < decision.row.recorded_at and not _earlier(asked, row):
        yield _finding("deployed-before", row, decision, row.deployed_at, ())


def _earlier(asked: Asked, row: Deployed) -> bool:
    """Whether the workload was allowed by a decision that was recorded before it was deployed."""
    earlier = asked.select(
        namespace=row.namespace, workload=row.workload, verdicts=ALLOWING, until=datetime.fromisoformat(row.deployed_at)
    )
    return bool(earlier.page(1).decisions)


def _finding(name: str, row: Deployed, decision: CheckedDecision, deployed: str, decided: tuple[str, ...]) -> _Finding:
    shown = deployed or f"{row.deployment}, {row.model}"
    return _Finding(name, row.namespace, row.workload, row.line, shown, decided, decision)


def _runs(asked: Asked, counts: Mapping[str, int]) -> Iterator[_Finding]:
    query = asked.query
    on_record = asked.snapshot.runs(since=query.since, until=query.until)
    older = asked.snapshot.has_untagged()
    for run, handed in sorted(counts.items()):
        # an older ledger holds a run in the entry's context alone: asking for it reads these, too
        found = asked.select(run=run).count() if older else on_record.get(run, 0)
        if found != handed:
            name = "missing-entries" if found < handed else "surplus-entries"
            says = f"{FINDINGS[name]}: {found:,} on record of {handed:,} handed out"
            yield _Finding(name, None, None, deployed=f"run {run}", decided=(f"{found:,} on record",), says=says)
    if query.since is None and query.until is None:
        return  # counts are of some runs; only those of a period can be expected to be whole
    for run in sorted(set(on_record) - set(counts)):
        yield _Finding("unknown-run", None, None, deployed=f"run {run}", decided=(f"{on_record[run]:,} on record",))
