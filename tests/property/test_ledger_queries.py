"""Whatever is asked of a ledger, the answer is what a plain look at every entry gives: same rows, same order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_audit import plan, querying
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.records import CheckedDecision, DecisionQuery
from policy_audit.snapshot import open_snapshot
from policy_audit.view import instant

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES, VERDICTS, OWNERS = ("a", "b"), ("allow", "deny"), ("ann", "bob")
PURPOSES, STAGES, RUNS = (None, "draft", "deploy"), (None, "pilot"), (None, "r1", "r2")
DIGESTS, RULES, MODELS = ("sha256:p", "sha256:q"), ("r-1", "r-2", "r-3"), ("m-1", "m-2")
HOURS = st.integers(0, 6)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    if draw(st.integers(0, 9)) == 0:
        return Draft(EntryType.HEARTBEAT, body={"state": "beat"})
    until = draw(st.none() | HOURS)
    rules, models = (draw(st.lists(st.sampled_from(each), unique=True)) for each in (RULES, MODELS))
    tagged = draw(st.booleans())
    run = draw(st.sampled_from(RUNS))
    # what an older ledger holds: a run in the context alone, and tags that only the documents give
    return Draft(
        EntryType.DECISION,
        body={} if tagged else {"rule": rules, "model": models},
        context={"run": run} if run else {},
        personal={"owner": draw(st.sampled_from(OWNERS))},
        tags={"rule": rules, "model": models} if tagged else {},
        view={
            "decision_id": "d",
            "namespace": draw(st.sampled_from(NAMES)),
            "workload": draw(st.sampled_from(NAMES)),
            "verdict": draw(st.sampled_from(VERDICTS)),
            "policy_digest": draw(st.sampled_from(DIGESTS)),
            "catalog_digest": "sha256:c",
            "decided_at": instant(START),
            "valid_until": instant(START + timedelta(hours=until)) if until is not None else None,
            "purpose": draw(st.sampled_from(PURPOSES)),
            "stage": draw(st.sampled_from(STAGES)),
            "run": run if tagged else None,
        },
    )


def some(values: Collection[str | None]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from([value for value in values if value is not None] + ["nothing"])


TIMES = st.none() | HOURS.map(lambda hours: START + timedelta(hours=hours))
TAGS = st.sampled_from([*(("rule", rule) for rule in (*RULES, "nothing")), ("model", None), ("model", "m-1")])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "namespaces": st.frozensets(st.sampled_from((*NAMES, "c")), max_size=2),
    "namespace": some(NAMES),
    "workload": some(NAMES),
    "verdicts": st.lists(st.sampled_from([*VERDICTS, "nothing"]), unique=True).map(tuple),
    "purpose": some(PURPOSES),
    "stage": some(STAGES),
    "policy_digest": some(DIGESTS),
    "run": some(RUNS),
    "tags": st.lists(TAGS, max_size=2, unique=True).map(tuple),
    "since": TIMES,
    "until": TIMES,
    "expired_at": TIMES,
    "owner": some(OWNERS),
}


@st.composite
def queries(draw: st.DrawFn) -> DecisionQuery:
    """A query of a few filters: with many at once hardly any decision would fit."""
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True))
    return DecisionQuery(**{name: draw(FIELDS[name]) for name in names})


QUERIES = queries()


def fits(query: DecisionQuery, document: Mapping[str, Any], owner: str) -> bool:
    view, body, run = document["view"], document["body"], document["context"].get("run")
    tags = document.get("tags", {}) if "tags" in document else body
    plain = ("namespace", "workload", "purpose", "stage", "policy_digest")
    return (
        all(getattr(query, name) in (None, view.get(name)) for name in plain)
        and (not query.verdicts or view["verdict"] in query.verdicts)
        and (query.namespaces is None or view["namespace"] in query.namespaces)
        and query.run in (None, run)
        and query.owner in (None, owner)
        and (query.since is None or document["recorded_at"] >= instant(query.since))
        and (query.until is None or document["recorded_at"] < instant(query.until))
        and (query.expired_at is None or view.get("valid_until", "~") < instant(query.expired_at))
        and all(tags.get(kind) if value is None else value in tags.get(kind, ()) for kind, value in query.tags)
    )


def looked_at(ledger: Ledger, size: int) -> list[tuple[int, Mapping[str, Any], str]]:
    """Return each decision of a ledger of so many entries, with its document and its owner."""
    entries = [ledger.entry(index) for index in range(size)]
    decisions = [(entry.index, entry.document) for entry in entries if entry.type == "decision"]
    return [(index, document, ledger.personal(index)["owner"]) for index, document in decisions]


def tags_of(decision: CheckedDecision) -> Mapping[str, Collection[str]]:
    return decision.entry.body


def paged(selection: querying.Selection, limit: int, newest: bool) -> Iterator[int]:
    start = None
    while True:
        page = selection.page(limit, newest=newest, start=start)
        assert len(page.decisions) <= limit
        yield from (each.row.index for each in page.decisions)
        start = page.next
        if start is None:
            return


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_question_is_answered_as_a_look_at_every_entry_would(data: st.DataObject) -> None:
    commits = data.draw(st.lists(st.tuples(HOURS, st.lists(drafts(), min_size=1, max_size=6)), max_size=8), "commits")
    sorted_ = data.draw(st.booleans(), "the clock never runs backwards")
    hours = [hour for hour, _ in commits]
    clock = iter(START + timedelta(hours=hour) for hour in (sorted(hours) if sorted_ else hours))
    window, few = data.draw(st.sampled_from([1, 4, 16_384])), data.draw(st.sampled_from([0, 3, 20_000]))
    close = data.draw(st.sampled_from([0, 2, 99]))
    with (
        open_ledger("sqlite:///:memory:", clock=lambda: next(clock)) as ledger,
        mock.patch.object(querying, "WINDOW", window),
        mock.patch.object(querying, "CLOSE", close),
        mock.patch.object(plan.is_few, "__defaults__", (few,)),
        mock.patch.object(querying, "_PART", 2),
    ):
        sizes = [0] + [ledger.append_many(each)[-1].tree_size for _, each in commits]
        decisions = looked_at(ledger, sizes[-1])
        for _ in range(4):
            query = data.draw(QUERIES, "query")
            size = data.draw(st.sampled_from(sizes), "size")
            expected = [index for index, *found in decisions if index < size and fits(query, *found)]
            newest = data.draw(st.booleans(), "newest first")
            with open_snapshot(ledger, size=size) as snapshot:
                selection = snapshot.select(query, tags_of)
                found = list(paged(selection, data.draw(st.integers(1, 5), "limit"), newest))
                assert found == (expected[::-1] if newest else expected)
                assert selection.count() == len(expected)
                assert selection.indexes() == expected
                assert not selection.unread


@settings(deadline=None, max_examples=30)
@given(st.lists(drafts(), min_size=1, max_size=12), st.lists(drafts(), min_size=1, max_size=12), QUERIES)
def test_pages_stay_what_they_were_while_entries_are_appended(
    before: list[Draft], after: list[Draft], query: DecisionQuery
) -> None:
    query = replace(query, expired_at=None)
    with open_ledger("sqlite:///:memory:") as ledger:
        size = ledger.append_many(before)[-1].tree_size
        with open_snapshot(ledger) as snapshot:
            expected = list(paged(snapshot.select(query, tags_of), 100, True))
        found: list[int] = []
        start: int | None = size - 1
        while start is not None:
            with open_snapshot(ledger) as snapshot:
                page = snapshot.select(query, tags_of).page(2, start=start)
            found += [each.row.index for each in page.decisions]
            start = page.next
            ledger.append_many(after)
        assert found == expected


@settings(deadline=None, max_examples=200)
@given(st.lists(HOURS, min_size=1, max_size=12), HOURS, st.none() | HOURS)
def test_a_clock_that_runs_backwards_hides_nothing_from_a_period(
    hours: list[int], since: int, until: int | None
) -> None:
    clock = iter(START + timedelta(hours=hour) for hour in hours)
    begin, end = START + timedelta(hours=since), START + timedelta(hours=until) if until is not None else None
    with open_ledger("sqlite:///:memory:", clock=lambda: next(clock)) as ledger:
        for _ in hours:
            ledger.append(Draft(EntryType.HEARTBEAT, body={"state": "beat"}))
        with open_snapshot(ledger) as snapshot:
            for low, high in ((begin, end), (None, begin)):
                found = [entry.index for entry in snapshot.entries(["heartbeat"], since=low, until=high, newest=False)]
                times = [START + timedelta(hours=hour) for hour in hours]
                fitting = [(low is None or low <= time) and (high is None or time < high) for time in times]
                assert found == [index for index, fits_ in enumerate(fitting) if fits_]
