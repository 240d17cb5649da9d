"""What went on in a period: verdicts over time, the rules that deny most, and what expires soon."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from policy_audit.entry import EntryType
from policy_audit.records import DecisionQuery, StoredDecision
from policy_audit.view import instant

from policy_engine.reports.asking import Asked
from policy_engine.reports.documents import document
from policy_engine.reports.workloads import governing
from policy_engine.summary import denying_rules

if TYPE_CHECKING:
    from policy_audit.records import CheckedDecision
    from policy_audit.snapshot import Snapshot

VERDICTS = ("allow", "allow_with_conditions", "review", "deny")
#: Denials whose documents are read for one answer; the newest.
MOST_READ = 1000
#: With more days than these a bar is a week.
MOST_DAYS = 45
_KEPT = 20_000
_WEEK = 7
#: By decision, and the disposals by then: what denied it. A decision's id is its digest, so that this never changes.
_denying: OrderedDict[tuple[str, int], tuple[str, ...]] = OrderedDict()


class Span(Struct, frozen=True):
    """A day or a week, by its first day, and how many decisions it has of each verdict, in the order of `VERDICTS`."""

    first: date
    counts: tuple[int, ...]


class Blocking(Struct, frozen=True):
    """A rule, how many denials it stands behind, and of how many workloads."""

    rule: str
    denials: int
    workloads: int


class Denials(Struct, frozen=True):
    """The rules behind the denials of a period, the most frequent first; `read` of `total` denials were read.

    `without` are those that no rule stands behind: the model does not fit, or evidence is not what it should be. Of
    `gone` the documents are not held any more, so that what denied them is not told.
    """

    rules: tuple[Blocking, ...]
    read: int
    total: int
    without: int = 0
    workloads_without: int = 0
    gone: int = 0
    workloads_gone: int = 0


class Expiring(Struct, frozen=True):
    """Decisions that end soon or have ended, the first ones; how many there are, and those that count in all."""

    rows: tuple[StoredDecision, ...]
    total: int
    counting: tuple[StoredDecision, ...]


def verdicts_over_time(
    snapshot: Snapshot,
    since: datetime,
    until: datetime,
    namespaces: Collection[str] | None = None,
    purpose: str | None = None,
) -> list[Span]:
    """Return how many decisions were recorded on each day, or in each week, from `since` to before `until`.

    Those made for `purpose`, or all. By the query columns alone, as counts of lists are.
    """
    first, days = since.date(), (until.date() - since.date()).days or 1
    length = 1 if days <= MOST_DAYS else _WEEK
    found: dict[int, Counter[str]] = {}
    counted = snapshot.count_by_day(since=since, until=until, namespaces=namespaces, purpose=purpose)
    for (day, verdict), count in counted.items():
        place = (date.fromisoformat(day) - first).days // length
        found.setdefault(place, Counter())[verdict] += count
    last = max((days - 1) // length, *found, 0)
    return [
        Span(first + timedelta(days=place * length), tuple(found.get(place, Counter())[each] for each in VERDICTS))
        for place in range(last + 1)
    ]


def what_denies(
    snapshot: Snapshot,
    since: datetime,
    until: datetime,
    namespaces: Collection[str] | None = None,
    purpose: str | None = None,
) -> Denials:
    """Return the rules behind the denials of a period; of more than `MOST_READ` denials behind the newest."""
    reach = None if namespaces is None else frozenset(namespaces)
    query = DecisionQuery(verdicts=("deny",), since=since, until=until, namespaces=reach, purpose=purpose)
    indexes = snapshot.select(query).indexes()
    rows = list(snapshot.decision_rows(indexes[-MOST_READ:]))
    denials: Counter[str] = Counter()
    workloads: dict[str, set[tuple[str, str]]] = {}
    without: list[tuple[str, str]] = []
    gone: list[tuple[str, str]] = []
    for row, rules in _with_rules(snapshot, rows):
        place = row.namespace, row.workload
        denials.update(rules or ())
        if not rules:
            (gone if rules is None else without).append(place)
        for rule in rules or ():
            workloads.setdefault(rule, set()).add(place)
    ordered = sorted(denials, key=lambda rule: (-denials[rule], rule))
    found = tuple(Blocking(each, denials[each], len(workloads[each])) for each in ordered)
    apart = (len(without), len(set(without)), len(gone), len(set(gone)))
    return Denials(found, len(rows), len(indexes), *apart)


def expiring(
    snapshot: Snapshot, at: datetime, within: timedelta, most: int, namespaces: Collection[str] | None = None
) -> Expiring:
    """Return the decisions that count for workloads and end before `at + within`, or have ended: the first `most`."""
    counting = governing(Asked(snapshot, "expiring", "", "", at))
    rows = [each for each in counting if namespaces is None or each.namespace in namespaces]
    end = instant(at + within)
    late = [each for each in rows if each.valid_until is not None and each.valid_until < end]
    shown = sorted(late, key=lambda each: (str(each.valid_until), each.namespace, each.workload))[:most]
    snapshot.checked(shown)  # what is shown is what the entries say
    return Expiring(tuple(shown), len(late), tuple(rows))


def _with_rules(
    snapshot: Snapshot, rows: Sequence[StoredDecision]
) -> Iterator[tuple[StoredDecision, tuple[str, ...] | None]]:
    """Yield decisions with the rules behind them; None where their documents are not held."""
    # what was disposed of is not told from memory either: every worker says the same
    disposals = snapshot.count_entries([EntryType.DISPOSAL])
    for made in snapshot.checked([row for row in rows if (row.decision_id, disposals) not in _denying]):
        rules = _rules(snapshot, made)
        if rules is not None:
            _remember((made.row.decision_id, disposals), rules)
    for row in rows:
        yield row, _denying.get((row.decision_id, disposals))


def _rules(snapshot: Snapshot, made: CheckedDecision) -> tuple[str, ...] | None:
    decided = document(snapshot, made, "decision")
    if decided is None:
        return None
    found = [rule for task in decided["tasks"] if task["verdict"] == "deny" for rule in denying_rules(task)]
    return tuple(dict.fromkeys(found))


def _remember(decision: tuple[str, int], rules: tuple[str, ...]) -> None:
    _denying[decision] = rules
    while len(_denying) > _KEPT:
        _denying.popitem(last=False)
