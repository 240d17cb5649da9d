"""What was tried as conditions on one fact: "allowed if task.latency_p95_ms >= 100"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from policy_engine.counterfactuals.choices import Domain
from policy_engine.counterfactuals.described import of_change
from policy_engine.counterfactuals.grounds import Reply
from policy_engine.counterfactuals.pieces import Number, Piece, before
from policy_engine.counterfactuals.search import Tried
from policy_engine.model.rule import EVIDENCE_GRADES

#: A condition on one fact as a document has it: `fact`, `op`, `value` or `values`, `and`, a second bound, and `of`:
#: whether it is one on what the workload is, or on what is chosen and provided.
Row = dict[str, Any]
Label = Callable[[Reply], Any]
_GRADES = (None, *EVIDENCE_GRADES)


def outcome(verdict: str, recommended: str | None, provisional: str | None) -> Row:
    """Return what changes come to as a document has it."""
    return {"verdict": verdict, "recommendation": recommended, "provisional": provisional}


def conditions(tried: Tried, label: Label) -> Iterator[tuple[Any, int, Row]]:
    """Yield each label but None, how many runs away it is, and the condition on the fact that leads to it.

    Neighbouring pieces with one label are one run; so are all the other values with one label.
    """
    if not any(label(reply) is not None for reply in tried.others):
        return
    labels = [None if came is None else label(came.reply) for came in tried.came]
    ordered = [place for place, choice in enumerate(tried.domain.choices) if choice.op in ("range", "grade")]
    found = _runs(tried.domain, labels) if ordered else _values(tried.domain, labels)
    for label_, far, row in found:
        yield label_, far, told(row)


def told(row: Row) -> Row:
    """Say in a condition what such a change is of."""
    row["of"] = of_change(row["fact"], row["op"])
    return row


def order_of(row: Row) -> int:
    """Return 0 for what can be chosen and provided, and 1 for what describes the workload."""
    return 0 if row["of"] == "choice" else 1


def _runs(domain: Domain, labels: list[Any]) -> Iterator[tuple[Any, int, Row]]:
    start = 0
    runs: list[tuple[int, int]] = []
    for place in range(1, len(labels) + 1):
        ends = place == len(labels) or labels[place] != labels[start] or domain.now in (place, start)
        if ends:
            runs.append((start, place - 1))
            start = place
    now = next(
        (number for number, (one, two) in enumerate(runs) if domain.now is not None and one <= domain.now <= two), 0
    )
    for number, (first, last) in enumerate(runs):
        if labels[first] is not None and domain.now != first:
            yield labels[first], abs(number - now), between(domain, first, last)


def between(domain: Domain, first: int, last: int) -> Row:
    """Return the condition that the fact is in the pieces `first` to `last`, the bound next to its value first."""
    if domain.choices[first].op == "grade":
        return _grades(domain, first, last)
    low, high = _bounds(domain, first, last)
    above = domain.now is None or first > domain.now
    near, far = (low, high) if above else (high, low)
    if near is None:
        near, far = far, None
    if near is None:
        return {"fact": domain.fact, "op": "known", "value": True}
    row: Row = {"fact": domain.fact, **near}
    if far is not None:
        row["and"] = far
    return row


def _bounds(domain: Domain, first: int, last: int) -> tuple[Row | None, Row | None]:
    lowest: Piece = domain.choices[first].value
    highest: Piece = domain.choices[last].value
    low = None if first == 0 else _bound((">=", ">"), lowest.start, domain.whole, False)
    high = None if highest.end is None else _bound(("<", "<="), highest.end, domain.whole, True)
    return low, high


def _bound(ops: tuple[str, str], start: Number, whole: bool, ending: bool) -> Row:
    """Return the bound at a start: where that is the number after a rounder one, by the rounder one."""
    rounder = before(start, whole)
    if whole:
        return {"op": "<=", "value": rounder} if ending else {"op": ">=", "value": start}
    if len(repr(rounder)) < len(repr(start)):
        return {"op": ops[1], "value": rounder}
    return {"op": ops[0], "value": start}


def _grades(domain: Domain, first: int, last: int) -> Row:
    now = domain.now or 0
    if first > now:
        row: Row = {"fact": domain.fact, "op": ">=", "value": _GRADES[first]}
        return row if last == len(_GRADES) - 1 else row | {"and": {"op": "<=", "value": _GRADES[last]}}
    if last == 0:
        return {"fact": domain.fact, "op": "==", "value": None}
    row = {"fact": domain.fact, "op": "<=", "value": _GRADES[last]}
    return row if first == 0 else row | {"and": {"op": ">=", "value": _GRADES[first]}}


def _values(domain: Domain, labels: list[Any]) -> Iterator[tuple[Any, int, Row]]:
    grouped: dict[tuple[str, Any], list[Any]] = {}
    for place, (choice, label) in enumerate(zip(domain.choices, labels, strict=True)):
        if label is None or place == domain.now:
            continue
        if choice.op == "is":
            yield label, 1, {"fact": domain.fact, "op": "==", "value": choice.value}
        else:
            grouped.setdefault((choice.op, label), []).append(choice.value)
    for (op, label), values in grouped.items():
        if op == "in" and len(values) == 1:
            yield label, 1, {"fact": domain.fact, "op": "==", "value": values[0]}
        else:
            yield label, 1, {"fact": domain.fact, "op": op, "values": values}
