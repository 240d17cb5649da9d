"""How a question is asked of the database, so that it is answered quickly at a million decisions.

Every filter is a source: what to look for, and in which index. The newest rows are found in up to three steps:

1. The newest rows of all are looked through: most questions have their answer there.
2. Where a source has few rows, these are gathered by its index, and put in order.
3. Else each source tells the range in which its rows lie, and what all of these have in common is looked through.

The database's own planner has no statistics here, and would take the wrong index. So terms that are not to choose the
index are written as expressions, which no index serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Integer, Select, and_, func, literal, or_, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from policy_audit.records import DecisionQuery
from policy_audit.subject_search import decisions_of_subject
from policy_audit.tables import DECISION, TAG
from policy_audit.view import instant

FEW = 20_000
KNOWN = 5_000
KINDS = ("verdict", "purpose", "stage")
_MOST_ARMS = 100
_MOST_VALUES = 64
INDEX = DECISION.c.leaf_index
Condition = ColumnElement[bool]


class Opaque(ColumnElement[Any]):
    """A column as an expression of the same value, which no index is on."""

    inherit_cache = True
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, column: Column[Any]) -> None:
        self.column, self.type = column, column.type


@compiles(Opaque)
def _as_expression(element: Opaque, compiler: Any, **options: Any) -> str:
    nothing = "+ 0" if isinstance(element.type, Integer) else "|| ''"
    return f"({compiler.process(element.column, **options)} {nothing})"


@compiles(Opaque, "sqlite")
def _as_plus(element: Opaque, compiler: Any, **options: Any) -> str:
    return f"(+{compiler.process(element.column, **options)})"


@dataclass(frozen=True)
class Source:
    """One filter: `plain` lets its index be used, `opaque` holds of the same rows and does not.

    `arms`, where there are any, are what `plain` is in parts, each of which its index has in the order of `INDEX`.
    """

    plain: Condition
    opaque: Condition
    arms: tuple[Condition, ...] = ()
    ends: Callable[[Connection], tuple[int | None, int | None]] | None = None
    known: bool = False
    """Set where the rows are so few that they were looked up already."""


def sources(connection: Connection, query: DecisionQuery) -> list[Source]:
    """Return the filters of `query`, but for its period and size; those that have their own order come first."""
    found = [_workload(connection, query)] if query.workload is not None else []
    if query.workload is None and query.namespace is not None:
        found.append(_one("namespace", query.namespace, ordered=False))
    if query.namespaces is not None:
        reach = sorted(query.namespaces)
        found.append(Source(DECISION.c.namespace.in_(reach), _opaque("namespace").in_(reach)))
    if query.run is not None:
        found.append(_one("run", query.run, ordered=False, present=True))
    if query.policy_digest is not None:
        found.append(_one("policy_digest", query.policy_digest, ordered=True))
    if query.verdicts or query.purpose is not None or query.stage is not None:
        found.append(_kinds(connection, query))
    if query.expired_at is not None:
        moment = instant(query.expired_at)
        found.append(Source(DECISION.c.valid_until < moment, _opaque("valid_until") < moment))
    if query.owner is not None:
        found.append(_owner(connection, query.owner))
    if query.tags:
        found.append(_tags(connection, query.tags))
    return found


def untagged() -> Source:
    """Return the decisions without tags: those of ledgers that had none yet, and a few to which none apply."""
    missing = DECISION.c.tag_set.is_(None)
    return Source(missing, _opaque("tag_set").is_(None), (missing,))


def _opaque(name: str) -> Opaque:
    return Opaque(DECISION.c[name])


def _one(name: str, value: str, *, ordered: bool, present: bool = False) -> Source:
    plain: Condition = DECISION.c[name] == value
    if present:  # its index holds only rows that have one
        plain = and_(plain, DECISION.c[name].is_not(None))
    return Source(plain, _opaque(name) == value, (plain,) if ordered else ())


def _owner(connection: Connection, person: str) -> Source:
    """Return the filter by owner; the entries are looked up once where they are not many."""
    entries: Any = decisions_of_subject(person)
    found = connection.execute(entries.limit(KNOWN + 1)).scalars().all()
    if len(found) <= KNOWN:
        entries = [index for index in found if isinstance(index, int)]
    return Source(INDEX.in_(entries), Opaque(INDEX).in_(entries), known=len(found) <= KNOWN)


def _workload(connection: Connection, query: DecisionQuery) -> Source:
    namespaces = [query.namespace] if query.namespace is not None else list(_values(connection, "namespace"))
    arms = tuple(and_(DECISION.c.namespace == each, DECISION.c.workload == query.workload) for each in namespaces)
    opaque = _opaque("workload") == query.workload
    if query.namespace is not None:
        opaque = and_(opaque, _opaque("namespace") == query.namespace)
    if not arms or len(arms) > _MOST_ARMS:
        return Source(DECISION.c.workload == query.workload, opaque)
    return Source(or_(*arms), opaque, arms)


def _kinds(connection: Connection, query: DecisionQuery) -> Source:
    """Return the filter by verdict, purpose and stage: one arm for each combination on record that fits."""
    wanted: tuple[Sequence[str | None], ...] = (
        tuple(dict.fromkeys(query.verdicts)),
        (query.purpose,) if query.purpose is not None else (),
        (query.stage,) if query.stage is not None else (),
    )
    opaque = and_(*(_opaque(name).in_(values) for name, values in zip(KINDS, wanted, strict=True) if values))
    arms: list[tuple[Condition, ...]] = [()]
    for name, values in zip(KINDS, wanted, strict=True):
        arms = [
            (*arm, DECISION.c[name].is_(None) if value is None else DECISION.c[name] == value)
            for arm in arms
            for value in (values or _values(connection, name, arm))
        ]
        if len(arms) > _MOST_ARMS:
            return Source(opaque, opaque)
    if not arms:
        return Source(literal(1) == 0, literal(1) == 0)
    return Source(or_(*(and_(*arm) for arm in arms)), opaque, tuple(and_(*arm) for arm in arms))


def _values(connection: Connection, name: str, before: tuple[Condition, ...] = ()) -> Iterator[str | None]:
    """Yield the values that a column has under `before`, by seeking from one to the next in the index."""
    column = DECISION.c[name]
    if name not in ("verdict", "namespace"):
        absent = select(literal(1)).select_from(DECISION).where(*before, column.is_(None)).limit(1)
        if connection.execute(absent).first() is not None:
            yield None
    least = select(func.min(column)).where(*before)
    value = connection.execute(least).scalar()
    for _ in range(_MOST_VALUES * 16):
        if value is None:
            return
        yield value
        value = connection.execute(least.where(column > value)).scalar()


def tag_sets(tags: Sequence[tuple[str, str | None]]) -> Select[Any]:
    """Return the query of the sets that have all these tags."""
    (kind, value), *others = sorted(tags, key=lambda tag: tag[1] is None)
    query = select(TAG.c.tag_set).where(TAG.c.kind == kind)
    query = query.where(TAG.c.value == value) if value is not None else query.distinct()
    for kind, value in others:
        also = TAG.alias()
        same = select(also.c.tag_set).where(also.c.kind == kind)
        query = query.where(TAG.c.tag_set.in_(same.where(also.c.value == value) if value is not None else same))
    return query


def _tags(connection: Connection, tags: Sequence[tuple[str, str | None]]) -> Source:
    chosen = tag_sets(tags)

    def ends(connection: Connection) -> tuple[int | None, int | None]:
        sets = chosen.subquery()
        first, last = (
            select(function(INDEX)).where(DECISION.c.tag_set == sets.c.tag_set).scalar_subquery()
            for function in (func.min, func.max)
        )
        low, high = connection.execute(select(func.min(first), func.max(last)).select_from(sets)).one()
        return low, high

    # SQLite looks the sets up once, which is quicker
    once = connection.dialect.name == "sqlite"
    opaque = _opaque("tag_set").in_(chosen) if once else and_(*(_has_tag(*tag) for tag in tags))
    return Source(DECISION.c.tag_set.in_(chosen), opaque, ends=ends)


def _has_tag(kind: str, value: str | None) -> Condition:
    """Return the term that a decision has a tag, by a look into the tags of each row.

    A scalar query, because PostgreSQL would turn any other into a join, and without statistics into a wrong one.
    """
    tag = TAG.alias()
    query = select(literal(1)).where(tag.c.tag_set == DECISION.c.tag_set, tag.c.kind == kind).correlate(DECISION)
    query = query.where(tag.c.value == value) if value is not None else query
    return query.limit(1).scalar_subquery().is_not(None)


def is_few(connection: Connection, source: Source, span: tuple[int, int], few: int = FEW) -> int | None:
    """Return how many rows `source` has in the span, None where they are more than `few`."""
    rows = select(literal(1)).select_from(DECISION).where(source.plain, *within(span, plain=False)).limit(few + 1)
    count = int(connection.execute(select(func.count()).select_from(rows.subquery())).scalar_one())
    return count if count <= few else None


def narrowed(connection: Connection, source: Source, span: tuple[int, int]) -> tuple[int, int]:
    """Return the span in which the rows of `source` lie, as far as it is told quickly."""
    if source.ends is not None:
        low, high = source.ends(connection)
    elif source.arms:
        ends = [
            connection.execute(
                select(
                    select(func.min(INDEX)).where(arm).scalar_subquery(),
                    select(func.max(INDEX)).where(arm).scalar_subquery(),
                )
            ).one()
            for arm in source.arms
        ]
        low = min((first for first, _ in ends if first is not None), default=None)
        high = max((last for _, last in ends if last is not None), default=None)
    else:
        return span
    if low is None or high is None:
        return span[0], span[0]
    return max(span[0], low), min(span[1], high + 1)


def within(span: tuple[int, int], *, plain: bool = True) -> tuple[Condition, ...]:
    """Return the terms that keep rows in the span of indexes."""
    column: Any = INDEX if plain else Opaque(INDEX)
    return column >= literal(span[0]), column < literal(span[1])


def looked_through(span: tuple[int, int], conditions: Sequence[Condition], limit: int, newest: bool) -> Select[Any]:
    """Return the query that goes through the rows of the span in order."""
    order = INDEX.desc() if newest else INDEX
    return select(DECISION).where(*within(span), *conditions).order_by(order).limit(limit)


def gathered(
    source: Source, span: tuple[int, int], conditions: Sequence[Condition], limit: int, newest: bool
) -> Select[Any]:
    """Return the query that takes the few rows of `source` by its index, and puts them in order."""
    rows = select(INDEX).where(source.plain)
    order = INDEX.desc() if newest else INDEX
    chosen = select(DECISION).where(INDEX.in_(rows), *within(span, plain=False), *conditions)
    return chosen.order_by(order).limit(limit)


def merged(
    source: Source, span: tuple[int, int], conditions: Sequence[Condition], limit: int, newest: bool
) -> Select[Any]:
    """Return the query that walks the parts of `source` side by side, each in the order of its index."""
    order = INDEX.desc() if newest else INDEX
    parts = [
        select(select(INDEX).where(arm, *within(span), *conditions).order_by(order).limit(limit).subquery())
        for arm in source.arms
    ]
    rows = union_all(*parts).subquery() if len(parts) > 1 else parts[0].subquery()
    return select(DECISION).where(INDEX.in_(select(rows))).order_by(order).limit(limit)
