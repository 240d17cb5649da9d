"""Changes that would make a decision another one, in sentences. Reads the document alone.

Documents of engines that recorded none are read as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy_engine.wording import listed, number

Document = Mapping[str, Any]
MOST_LINES, _MOST_CONDITIONS, _MOST_VALUES = 7, 3, 4
_EVIDENCE = "evidence."


def releases(task: Document) -> list[Document]:
    """Return the ways out of forbids of the judged option; earlier documents have them as counterfactuals."""
    return [way for way in task.get("releases", task["counterfactuals"]) if "kind" in way]


def change_lines(task: Document) -> list[str]:
    """Say what would change the verdict, and then the recommendation: a line for each outcome, seven at most.

    What can be chosen and what describes the workload stand apart.
    """
    rows = [row for row in task["counterfactuals"] if "fact" in row]
    outcomes: dict[tuple[str | None, ...], list[Document]] = {}
    for row in rows:
        outcome = (row["verdict"], row["recommendation"], row.get("provisional"), row.get("of"))
        outcomes.setdefault(outcome, []).append(row)
    lines = [f"{_outcome(task, found[0])} if {_conditions(found)}{_mark(found[0])}" for found in outcomes.values()]
    pairs = _pair_lines(task)
    return [*pairs, *lines][:MOST_LINES]


def _pair_lines(task: Document) -> list[str]:
    pairs = task.get("pairs")
    if pairs is None:
        return []
    if pairs["found"]:
        return [pair_text(task, pair) for pair in pairs["found"][:2]]
    one, two = ("choice", "choices") if pairs.get("of") == "choice" else ("fact", "facts")
    tried = f"no pair of {two} would" if pairs["complete"] else f"none of the pairs of {two} that were tried would"
    untried = pairs.get("untried")
    lead = f"short of {listed(untried)}, which only a probe gives, " if untried else ""
    return [f"{lead}no single {one} would make the verdict better, and {tried}"]


def pair_text(task: Document, pair: Document) -> str:
    """Say what two changes together lead to."""
    both = " and ".join(_marked(change) for change in pair["changes"])
    return f"{_outcome(task, pair)} if {both}"


def _outcome(task: Document, change: Document) -> str:
    """Say what is otherwise by a change, or two: the verdict, the recommended option, the provisional one."""
    verdict, now = change["verdict"], task["recommendation"]
    named = None if now is None else (now["deployment"], now["provisional"])
    words = [] if verdict == task["verdict"] else [verdict.replace("_", " ")]
    recommendation, provisional = change["recommendation"], change.get("provisional")
    if recommendation is not None:
        if named != (recommendation, False):
            words.append(f"{recommendation} recommended")
    elif named is not None and not named[1]:
        words.append("nothing permitted" + (f"; {provisional} provisionally" if provisional else ""))
    elif provisional is not None and named != (provisional, True):
        words.append(f"{provisional} provisionally")
    return ", ".join(words)


def _mark(change: Document) -> str:
    """Say of a change that describes the workload that it is none to be made."""
    return " (only where that is so)" if change.get("of") == "workload" else ""


def _marked(change: Document) -> str:
    return condition_text(change) + _mark(change)


def _conditions(rows: Sequence[Document]) -> str:
    texts = [condition_text(row) for row in rows[:_MOST_CONDITIONS]]
    more = len(rows) - len(texts)
    return "; or if ".join(texts) + (f"; or by {more} other change{'s' if more > 1 else ''}" if more else "")


def condition_text(row: Document) -> str:
    """Say one condition on one fact."""
    fact, op = row["fact"], row["op"]
    if op == "known":
        return f"{fact} is known"
    if op in ("add", "remove"):
        return f"{fact} {'has' if op == 'add' else 'lacks'} {_some(row['values'])}"
    if op == "in":
        return f"{fact} is {_some(row['values'])}"
    if op == "==":
        return _equal(fact, row["value"])
    bounds = [row, *([row["and"]] if "and" in row else ())]
    if fact.startswith(_EVIDENCE):
        return f"{fact} is {' and '.join(_grade(bound) for bound in bounds)}"
    return f"{fact} {' and '.join(_bound(bound) for bound in bounds)}"


def _equal(fact: str, value: Any) -> str:
    if value is None:
        return f"there is no {fact.removeprefix('proposal.')}"
    if fact == "migration" and value != "none":
        return "something is replaced (`migration: {}`)"
    return f"{fact} is {_value(value)}"


def _bound(bound: Document) -> str:
    return f"{bound['op']} {_value(bound['value'])}"


def _grade(bound: Document) -> str:
    if bound["op"] == ">=":
        return f"{bound['value']} or better"
    return f"{bound['value'] or 'missing'} at most"


def _value(value: Any) -> str:
    """Write a value whole: a bound that is rounded would be another one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return number(value)
    if isinstance(value, float):
        return number(value) if value.is_integer() else repr(value)
    if isinstance(value, list):
        return listed(value) or "empty"
    return "empty" if value == {} else str(value)


def _some(values: Sequence[Any]) -> str:
    shown = [_value(each) for each in values[:_MOST_VALUES]]
    more = len(values) - len(shown)
    return f"{', '.join(shown)} or {more} more" if more else listed(shown, "or")


def ways_lines(task: Document, row: Document) -> Iterator[str]:
    """Say which single changes would permit an option, and which would make it come first."""
    ways = row.get("ways")
    if ways is None:
        return
    for what, lead in (("permitted", "it would be permitted"), ("recommended", "it would come first")):
        if what not in ways:
            continue
        if ways[what]:
            yield f"{lead} if {'; or if '.join(_marked(each) for each in ways[what])}"
        else:
            yield f"{lead} by no change of a single fact"
    pairs = task.get("pairs")
    if pairs is not None and task["judged_option"] == row["deployment"]:
        yield from (pair_text(task, pair) for pair in pairs["found"])
