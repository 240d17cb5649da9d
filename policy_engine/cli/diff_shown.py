"""What `policy diff` shows, and the exit statuses that follow from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from policy_engine.cli.replay_equal import MOST_LISTED
from policy_engine.cli.replay_under import AS_RECORDED, compared_value, row_cells, task_section
from policy_engine.cli.sections import Section

if TYPE_CHECKING:
    from datetime import datetime

    from policy_engine.impact.recorded import Redecided
    from policy_engine.impact.sides import Side
    from policy_engine.impact.structure import Differing
    from policy_engine.impact.verdicts import Verdicts

#: What a proof is about.
_ABOUT = "with and without waivers, now and from each day on that a rule is enforced from"
_MET = {True: "met", False: "not met", None: "not known, since nothing was asked: see `verdicts` and `decisions` above"}
_MOST_DETAILED = 20
_MOST_REASONS = 3


class Recorded(NamedTuple):
    """The decisions on record that were decided again; `skipped` says why none were, and is None where they were."""

    found: Sequence[Redecided]
    skipped: str | None


def statuses(shown: Mapping[str, Any], found: Collection[Redecided]) -> Iterator[int]:
    """Yield the exit statuses that apply; the first by precedence wins."""
    from policy_engine.cli.main import CONDITION, LEDGER, USAGE

    stopped = {each.status for each in found}
    if "not_replayable" in stopped:
        yield LEDGER
    if "undecidable" in stopped:
        yield USAGE
    if shown["met"]:
        yield CONDITION
    elif shown["met"] is None:
        yield USAGE


def diff_value(
    sides: tuple[Side, Side],
    written: Sequence[Differing],
    proved: Verdicts,
    recorded: Recorded,
    at: datetime,
    fail_on: Collection[str],
) -> dict[str, Any]:
    """Return the report as JSON has it."""
    import msgspec

    from policy_engine.decide import format_time

    old, new = ({"name": s.name, "digest": s.policy.digest, "version": s.policy.rules.version} for s in sides)
    return {
        "kind": "PolicyDiff",
        "old": old,
        "new": new,
        "at": format_time(at),
        "written": [msgspec.to_builtins(each) for each in written],
        "verdicts": {
            "asked": proved.why is None,
            "why": proved.why,
            "changes": [msgspec.to_builtins(each) for each in proved.changes],
            "kinds": proved.kinds,
        },
        "recorded": _recorded(*recorded),
        "fail_on": list(fail_on),
        "met": _met(proved, recorded.found, fail_on),
    }


def _met(proved: Verdicts, found: Sequence[Redecided], fail_on: Collection[str]) -> bool | None:
    """Return whether a change to fail on is there; None where nothing was asked that could say so."""
    from policy_engine.impact.kinds import met

    if fail_on and proved.why is not None and all(each.comparison is None for each in found):
        return None
    return proved.met(fail_on) or met((kind for each in found for kind in each.kinds), fail_on)


def _recorded(found: Sequence[Redecided], skipped: str | None) -> dict[str, Any]:
    counts = Counter(each.status for each in found)
    kinds = Counter(kind for each in found for kind in each.kinds)
    rows = [_row(each) for each in found if each.status != "same"]
    return {
        "asked": skipped is None,
        "why": skipped,
        "decisions": len(found),
        **{name: counts[name] for name in ("same", "changed", "undecidable", "not_replayable")},
        "kinds": dict(kinds),
        "evidence_as_recorded": sum(bool(each.files) for each in found),
        "changes": rows[:MOST_LISTED],
        "more": max(len(rows) - MOST_LISTED, 0),
    }


def _row(each: Redecided) -> dict[str, Any]:
    row: dict[str, Any] = {
        "index": each.index,
        "decision_id": each.decision_id,
        "workload": each.workload,
        "recorded_verdict": each.verdict,
        "status": each.status,
        "why": each.why,
        "kinds": each.kinds,
        "verdict": {"before": None, "after": None},
        "plan_monthly_usd": None,
        "tasks": [],
    }
    return row | compared_value(each.comparison) if each.comparison is not None else row


def diff_sections(shown: Mapping[str, Any]) -> list[Section]:
    """Return the report as people read it."""
    return [
        *_written(shown["written"]),
        *_verdicts(shown["verdicts"], shown["at"]),
        *_recorded_sections(shown["recorded"]),
        _end(shown),
    ]


def _written(written: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    for section in dict.fromkeys(each["section"] for each in written):
        lines = [line for each in written if each["section"] == section for line in _entry(each)]
        yield Section(title=section, lines=lines)


def _entry(each: Mapping[str, Any]) -> Iterator[str]:
    title = f": {each['title']}" if each["title"] else ""
    if each["kind"] != "changed":
        yield f"{each['kind']} {each['name']}{title}"
    for part in each["parts"]:
        what = f"{part['of']}, {part['name']}" if part["of"] and part["of"] != part["name"] else part["name"]
        yield f"changed {each['name']}: {what}: {_text(part['before'])} -> {_text(part['after'])}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return f"`{value}`" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _verdicts(shown: Mapping[str, Any], at: str) -> Iterator[Section]:
    if not shown["asked"]:
        yield Section(title="verdicts that can change", lines=[f"not asked: {shown['why']}"])
        return
    for each in shown["changes"]:
        if each["status"] == "possible":
            later = f", from {each['at']} on" if each["at"] not in (None, at) else ""
            title = (
                f"a verdict can change from {each['before']} to {each['after']}{later}, as that of this workload does"
            )
            yield Section(title=title, block=each["example"])
            more = len(each["reasons"]) - _MOST_REASONS
            if each["beyond"]:
                yield Section(lines=[f"besides what the file says: {line}" for line in each["beyond"]])
            told = [*each["reasons"][:_MOST_REASONS], *([f"{more} more"] if more > 0 else [])]
            if told:
                yield Section(title=f"why it is {each['after']} then", lines=told)
    lines = [
        f"from {each['before']} to {each['after']}: not known: {each['why']}"
        for each in shown["changes"]
        if each["status"] == "undecided"
    ]
    none = [each for each in shown["changes"] if each["status"] == "impossible"]
    if len(none) == len(shown["changes"]):
        lines.append(f"no task's verdict changes, {_ABOUT}: proved")
    elif none:
        said = ", ".join(f"{each['before']} to {each['after']}" for each in none)
        lines.append(f"no task's verdict changes otherwise, {_ABOUT}, which is proved: {said}")
    own = {each["kind"] for each in shown["changes"] if each["status"] != "impossible"}
    several = [kind.replace("-to-", " to ") for kind in shown["kinds"] if kind not in own]
    if several:
        lines.append(f"a workload of several tasks can change besides from {', '.join(several)}")
    yield Section(title="verdicts that can change", lines=lines)


def _recorded_sections(shown: Mapping[str, Any]) -> Iterator[Section]:
    title = "decisions on record"
    if not shown["asked"]:
        yield Section(title=title, lines=[f"not asked: {shown['why']}"])
        return
    rows = shown["changes"]
    if rows:
        header = (">#", "=Decision", "=Before", "=After", "~Workload")
        yield Section(title=title, header=header, rows=[row_cells(row) for row in rows])
    for row in rows[:_MOST_DETAILED]:
        yield from (task_section(row, task) for task in row["tasks"])
    names = [name for name in ("same", "changed", "undecidable", "not_replayable") if shown[name]]
    parts = ", ".join(f"{shown[name]:,} {name.replace('_', ' ')}" for name in names)
    lines = [f"{shown['decisions']:,} decided again: {parts}" if parts else "there are none"]
    lines += [f"{count:,} from {kind.replace('-to-', ' to ')}" for kind, count in shown["kinds"].items()]
    lines += [f"{shown['more']:,} more are not listed"] if shown["more"] else []
    lines += [AS_RECORDED] if shown["evidence_as_recorded"] else []
    yield Section(title="" if rows else title, lines=lines)


def _end(shown: Mapping[str, Any]) -> Section:
    pairs = [(name.upper(), f"{shown[name]['name']}, {shown[name]['digest']}") for name in ("old", "new")]
    pairs.append(("AT", f"{shown['at']}; decisions on record at their own time, but with --at"))
    if shown["fail_on"]:
        pairs.append(("FAIL ON", f"{', '.join(shown['fail_on'])}: {_MET[shown['met']]}"))
    same = [] if shown["written"] else ["the two policies are the same"]
    return Section(pairs=pairs, lines=same)
