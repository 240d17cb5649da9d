"""The report of `policy recheck`, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.cli.replay_under import task_section
from policy_engine.cli.sections import Section

#: Rows of the table, and decisions whose tasks are told: `-o json` has all.
MOST_LISTED, _MOST_DETAILED = 200, 20
FILES = "files of evidence were not there to be read again: what was found in them counts as recorded"
_HEADER = (">#", "=Was", "=Is", "=Decision", "~Workload: why it was due")
_LIST_HEADER = (">#", "=Verdict", "=Decision", "~Workload: why it is due")
_WORDS = {
    "due": "due",
    "decided_today": "will expire, and were decided today already",
    "superseded": "left alone: a newer decision came on record meanwhile",
    "not_rechecked": "could not be decided again",
    "not_due": "not due",
}


def sections(shown: Mapping[str, Any]) -> list[Section]:
    """Return the report as people read it."""
    rows, listing = shown["decisions"], shown["kind"] == "RecheckList"
    found = []
    if rows:
        cells = [_listed(row) if listing else _cells(row) for row in rows[:MOST_LISTED]]
        found.append(Section(header=_LIST_HEADER if listing else _HEADER, rows=cells))
    for row in [row for row in rows if row["changed"]][:_MOST_DETAILED]:
        found += _details(row)
    found.append(_end(shown, listing=listing))
    if remarks := list(_remarks(shown)):
        found.append(Section(lines=remarks))
    return found


def in_short(shown: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a run recorded in a line each, for when its report cannot be written: counts, then what got worse."""
    made = [row for row in shown["decisions"] if row["new"] is not None]
    if not made:
        return
    yield f"on record, though not reported: {shown['rechecked']:,} decided again, {_came(shown)}"
    for row in made[:MOST_LISTED]:
        verdict, new, worse = row["verdict"], row["new"], "worse: " if row["worse"] else ""
        came = f"{verdict['before']} -> {verdict['after']}"
        yield f"  {worse}{row['workload']}: {came}, {new['decision_id']} (entry {new['index']})"
    if len(made) > MOST_LISTED:
        yield f"  {len(made) - MOST_LISTED:,} more: `policy audit list` has them"


def _came(shown: Mapping[str, Any]) -> str:
    return ", ".join(f"{shown[name]:,} {name}" for name in ("worse", "changed", "same"))


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    verdict, new = row["verdict"], row["new"]
    after = verdict["after"] or row["status"].replace("_", " ")
    identifier = (new or row)["decision_id"][:12]
    same = f" [{'changed' if row['changed'] else 'same'}]" if new and verdict["before"] == verdict["after"] else ""
    return str(row["index"]), verdict["before"], after + same, identifier, _why(row)


def _listed(row: Mapping[str, Any]) -> tuple[str, ...]:
    return str(row["index"]), row["verdict"]["before"], row["decision_id"][:12], _why(row)


def _why(row: Mapping[str, Any]) -> str:
    said = [f"{reason['kind']}: {reason['why']}" for reason in row["reasons"]]
    if row["problem"] is not None:
        said.insert(0, f"cannot be decided: {row['problem']['why']} [{row['problem']['reason']}]")
    return f"{row['workload']}: {'; '.join(said) or 'not due'}"


def _details(row: Mapping[str, Any]) -> Iterator[Section]:
    """Yield what changed for one workload: the whole, and each task of it in which something did."""
    new, cost, valid = row["new"], row["plan_monthly_usd"], row["valid_until"]
    pairs = [("decision", f"{row['decision_id'][:12]} -> {new['decision_id'][:12]} (entry {new['index']})")]
    verdict = row["verdict"]
    pairs.append(("verdict", f"{verdict['before']} -> {verdict['after']}{', which is worse' if row['worse'] else ''}"))
    if cost["before"] != cost["after"]:
        pairs.append(("USD a month", f"{_usd(cost['before'])} -> {_usd(cost['after'])}"))
    if valid["before"] != valid["after"]:
        pairs.append(("valid until", f"{valid['before'] or 'no end'} -> {valid['after'] or 'no end'}"))
    yield Section(f"{row['workload']}, entry {row['index']}", pairs=pairs)
    for task in row["tasks"]:
        section = task_section(row, task)
        if section.pairs or section.lines:
            yield section


def _usd(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.2f}"


def _end(shown: Mapping[str, Any], *, listing: bool) -> Section:
    layers = [layer["name"] for layer in shown["policy"]["layers"][1:]]
    pairs = [("ON RECORD", _count(shown["workloads"], "workload") + _narrowed(shown))]
    if not listing:
        pairs.append(("DECIDED AGAIN", f"{shown['rechecked']:,}{f': {_came(shown)}' if shown['rechecked'] else ''}"))
    pairs += [
        (_WORDS[name].partition(":")[0].upper() if name in ("due", "not_due") else "BUT", _count_of(shown, name))
        for name in _WORDS
        if shown[name] or (name == "due" and listing)
    ]
    if shown["because"]:
        pairs.append(("BECAUSE OF", ", ".join(f"{kind} {count:,}" for kind, count in shown["because"].items())))
    if shown["verdicts"]:
        pairs.append(("VERDICTS", ", ".join(f"{count:,} {name}" for name, count in shown["verdicts"].items())))
    pairs += [
        ("UNDER", f"{shown['policy']['digest']}, {', '.join(layers) if layers else 'the shipped rules alone'}"),
        ("AT", shown["at"]),
    ]
    if shown["fail_on"]:
        pairs.append(("FAIL ON", f"{', '.join(shown['fail_on'])}: {'met' if shown['met'] else 'not met'}"))
    return Section(pairs=pairs)


def _count_of(shown: Mapping[str, Any], name: str) -> str:
    return f"{shown[name]:,}" if name in ("due", "not_due") else f"{shown[name]:,} {_WORDS[name]}"


def _narrowed(shown: Mapping[str, Any]) -> str:
    said = [f"for {' or '.join(shown['purposes'])}"] if shown["purposes"] else []
    said += [f"in the namespace {shown['namespace']}"] if shown["namespace"] else []
    said += [f"called {shown['workload']}"] if shown["workload"] else []
    return f" {' '.join(said)}" if said else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _remarks(shown: Mapping[str, Any]) -> Iterator[str]:
    if not shown["workloads"]:
        yield "there is nothing to recheck"
    if not shown["complete"]:
        yield "the run did not come to its end: this is what is on record, and the next run does the rest"
    if shown["hidden_deploy"]:
        hidden = _count(shown["hidden_deploy"], "workload")
        later = "there is a later one for another purpose; `--purpose deploy` alone looks at it"
        yield f"of {hidden} the decision for a deployment is not looked at: {later}"
    if len(shown["decisions"]) > MOST_LISTED:
        yield f"{len(shown['decisions']) - MOST_LISTED:,} more are not listed; -o json has them"
    if shown["evidence_as_recorded"]:
        yield f"of {_count(shown['evidence_as_recorded'], 'workload')} {FILES}"
    for problem in dict.fromkeys(each["problem"] for each in shown["policies"] if each["problem"]):
        yield f"of an older policy it cannot be told what differs: {problem}"
