"""Questions about decisions: pages of them in the order of the tree, and how many there are.

All functions run inside one read transaction, on the tree of one size, so that pages fit together while entries are
appended. How the database is asked stands in `policy_audit.plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, true

from policy_audit.checking import checked, stored_decision
from policy_audit.periods import Span, span_of
from policy_audit.plan import (
    Condition,
    Source,
    gathered,
    is_few,
    looked_through,
    merged,
    narrowed,
    sources,
    untagged,
    within,
)
from policy_audit.records import CheckedDecision, DecisionQuery, Page, StoredDecision
from policy_audit.tables import DECISION
from policy_audit.view import instant

WINDOW = 16_384
CLOSE = 4
MOST_UNTAGGED = 10_000
_PART = 500

#: Gives the tags of a decision that has none on record, from its documents; None where these are not there any more.
TagsOf = Callable[[CheckedDecision], Mapping[str, Collection[str]] | None]


class Selection:
    """What a query selects of the first `size` entries.

    `tags_of` reads the tags of decisions that were recorded without any, where the query asks for tags. Without it
    they are left out, and `unread` says so.
    """

    def __init__(self, connection: Connection, query: DecisionQuery, size: int, tags_of: TagsOf | None = None) -> None:
        self.query, self._connection, self._tags_of = query, connection, tags_of
        self.span, self._period_is_span = span_of(connection, size, query.since, query.until)
        self._sources = sources(connection, query)
        self.unread = False

    def page(self, limit: int, *, newest: bool = True, start: int | None = None) -> Page:
        """Return decisions from the index `start` on, by default from the end that comes first.

        Raises:
            VerificationError: what is shown is not what the entries' bytes say.
        """
        span = self.span
        if start is not None:
            span = (span[0], min(span[1], start + 1)) if newest else (max(span[0], start), span[1])
        found = checked(self._connection, self._rows(self._sources, span, limit + 1, newest))
        if self._asks_for_tags:
            found = self._with_untagged(found, span, limit + 1, newest)
        more = found[limit].row.index if len(found) > limit else None
        return Page(tuple(found[:limit]), more, self.unread)

    def all(self, *, newest: bool = True, part: int = _PART) -> Iterator[CheckedDecision]:
        """Yield every decision that is selected, page by page."""
        start: int | None = None
        while True:
            page = self.page(part, newest=newest, start=start)
            yield from page.decisions
            if page.next is None:
                return
            start = page.next

    def rows(self) -> Iterator[StoredDecision]:
        """Yield all that is selected, the oldest first, by the query columns alone: check what is shown of it."""
        if self._asks_for_tags:
            yield from (each.row for each in self.all(newest=False))
            return
        query = select(DECISION).where(*self._plain()).order_by(DECISION.c.leaf_index)
        for row in self._connection.execute(query.execution_options(yield_per=2000)):
            yield stored_decision(row)

    def indexes(self) -> list[int]:
        """Return the indexes of all that is selected, in order, by the query columns alone."""
        query = select(DECISION.c.leaf_index).where(*self._plain()).order_by(DECISION.c.leaf_index)
        found = [int(index) for index in self._connection.execute(query).scalars()]
        if self._asks_for_tags:
            found = sorted({*found, *(each.row.index for each in self._untagged(self.span, True))})
        return found

    def count(self) -> int:
        """Return how many decisions are selected, by the query columns alone."""
        # each part of a filter by its own index, and the span as what no index is on: then the index alone is read
        parts = self._sources[0].arms if self._sources and self._sources[0].arms else ()
        rest = [source.plain for source in (self._sources[1:] if parts else self._sources)]
        terms = [*rest, *self._times(), *within(self.span, plain=False)]
        queries = [select(func.count()).select_from(DECISION).where(part, *terms) for part in parts or (true(),)]
        count = sum(int(self._connection.execute(query).scalar_one()) for query in queries)
        if self._asks_for_tags:
            count += sum(1 for _ in self._untagged(self.span, True))
        return count

    @property
    def _asks_for_tags(self) -> bool:
        return bool(self.query.tags) or self.query.run is not None

    def _plain(self) -> list[Condition]:
        return [*(source.plain for source in self._sources), *self._times(), *within(self.span)]

    def _times(self) -> list[Condition]:
        """Return the terms on the time of recording, where the tree's order does not say it all."""
        if self._period_is_span:
            return []
        terms: list[Condition] = []
        if self.query.since is not None:
            terms.append(DECISION.c.recorded_at >= instant(self.query.since))
        if self.query.until is not None:
            terms.append(DECISION.c.recorded_at < instant(self.query.until))
        return terms

    def _rows(self, wanted: Sequence[Source], span: Span, limit: int, newest: bool) -> list[StoredDecision]:
        """Return the first rows that all of `wanted` have: see `policy_audit.plan` for the steps."""
        conditions = [*(source.opaque for source in wanted), *self._times()]
        if len(wanted) == 1 and len(wanted[0].arms) == 1:
            return self._read(merged(wanted[0], span, self._times(), limit, newest))
        known = next((source for source in wanted if source.known), None)
        if known is not None:
            return self._read(gathered(known, span, self._others(wanted, known), limit, newest))
        first, rest = _parted(span, newest)
        rows = self._read(looked_through(first, conditions, limit, newest))
        if len(rows) >= limit or rest[0] >= rest[1]:
            return rows
        limit -= len(rows)
        few: tuple[int, Source] | None = None
        for source in wanted:
            count = is_few(self._connection, source, rest)
            if count is not None and (few is None or count < few[0]):
                few = count, source
        if few is not None:
            return [*rows, *self._few(wanted, few[1], few[0], rest, limit, newest)]
        for source in wanted:
            rest = narrowed(self._connection, source, rest)
        if rest[0] >= rest[1]:
            return rows
        # the parts of one filter are walked by its index; what several have in common, in the order of the table
        ordered = next(
            (source for source in wanted if len(source.arms) == 1 or (source.arms and len(wanted) == 1)), None
        )
        if ordered is None:
            return [*rows, *self._read(looked_through(rest, conditions, limit, newest))]
        return [*rows, *self._read(merged(ordered, rest, self._others(wanted, ordered), limit, newest))]

    def _few(
        self, wanted: Sequence[Source], source: Source, count: int, span: Span, limit: int, newest: bool
    ) -> list[StoredDecision]:
        """Return rows of the `count` that `source` has: gathered, or looked through where they lie close together."""
        if count == 0:
            return []
        close = narrowed(self._connection, source, span)
        others = self._others(wanted, source)
        if close[1] - close[0] <= CLOSE * count:
            return self._read(looked_through(close, [source.opaque, *others], limit, newest))
        return self._read(gathered(source, span, others, limit, newest))

    def _others(self, wanted: Sequence[Source], driving: Source) -> list[Condition]:
        return [*(source.opaque for source in wanted if source is not driving), *self._times()]

    def _read(self, query: Any) -> list[StoredDecision]:
        return [stored_decision(row) for row in self._connection.execute(query)]

    def _with_untagged(
        self, found: list[CheckedDecision], span: Span, limit: int, newest: bool
    ) -> list[CheckedDecision]:
        """Put decisions without tags, whose documents fit, where they belong."""
        sign = -1 if newest else 1
        last = sign * found[-1].row.index if len(found) >= limit else None
        extra = []
        for decision in self._untagged(span, newest):
            if last is not None and sign * decision.row.index > last:
                break
            extra.append(decision)
            if len(extra) >= limit:
                break
        return sorted([*found, *extra], key=lambda each: sign * each.row.index)[:limit]

    def _untagged(self, span: Span, newest: bool) -> Iterator[CheckedDecision]:
        others = [source.opaque for source in sources(self._connection, _without_tags(self.query))]
        read = 0
        while span[0] < span[1]:
            rows = self._read(merged(untagged(), span, [*others, *self._times()], _PART, newest))
            unreadable = self._tags_of is None and bool(self.query.tags)
            if rows and (unreadable or read + len(rows) > MOST_UNTAGGED):
                self.unread = True
                return
            for decision in checked(self._connection, rows):
                if self._fits(decision):
                    yield decision
            read += len(rows)
            if len(rows) < _PART:
                return
            span = (span[0], rows[-1].index) if newest else (rows[-1].index + 1, span[1])

    def _fits(self, decision: CheckedDecision) -> bool:
        """Whether a decision without tags has those that are asked for, by its context and documents."""
        run = self.query.run
        # one that has its run in the column was found by it already, unless tags are asked for, too
        if run is not None and (decision.row.run or decision.entry.context.get("run")) != run:
            return False
        if not self.query.tags:
            return decision.row.run is None
        tags = self._tags_of(decision) if self._tags_of is not None else None
        if tags is None:
            self.unread = True
            return False
        return all(tags.get(kind) if value is None else value in tags.get(kind, ()) for kind, value in self.query.tags)


def _parted(span: Span, newest: bool) -> tuple[Span, Span]:
    low, high = span
    if newest:
        middle = max(low, high - WINDOW)
        return (middle, high), (low, middle)
    middle = min(high, low + WINDOW)
    return (low, middle), (middle, high)


def _without_tags(query: DecisionQuery) -> DecisionQuery:
    from dataclasses import replace

    return replace(query, tags=(), run=None)
