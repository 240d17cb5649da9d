"""The report of `policy audit replay --policy`: what other rules would have decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.cli.replay_equal import MOST_LISTED
from policy_engine.cli.sections import Section

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry

    from policy_engine.comparing import Comparison

_COUNTS = ("asked", "same", "changed", "loosened", "undecidable", "not_replayable", "evidence_as_recorded")
AS_RECORDED = "evidence files were not looked at again: what was found in them is taken as recorded"


def run(
    ledger: Ledger,
    entries: Iterable[StoredEntry],
    layers: Sequence[Path],
    at: datetime | None,
    fail_on: Sequence[str],
    *,
    listed: bool,
) -> tuple[dict[str, Any], int]:
    """Decide `entries` under other rules; return what is shown, and the exit status.

    `listed`: decisions that stay the same are listed too, and every change is told.
    """
    from policy_engine.cli.options import load
    from policy_engine.decide import Decider, format_time
    from policy_engine.replay import Replayer

    decider = Decider(load(layers, None))
    replayer, counts, unlisted = Replayer(ledger), Counter[str](), 0
    shown: list[dict[str, Any]] = []
    for entry in entries:
        row = _row(decider, replayer, entry, at)
        counts["asked"] += 1
        counts[row["status"]] += 1
        counts["loosened"] += bool(row["loosened"])
        counts["evidence_as_recorded"] += bool(row["evidence_as_recorded"])
        if listed or row["status"] != "same":
            if len(shown) < MOST_LISTED:
                shown.append(row)
            else:
                unlisted += 1
    rules = decider.policy.rules
    report = {
        "kind": "ReplayUnderOtherRules",
        "policy": {
            "digest": rules.digest,
            "version": rules.version,
            "layers": [{"name": layer.name, "digest": layer.digest} for layer in rules.layers],
        },
        "at": format_time(at) if at is not None else None,
        **{name: counts[name] for name in _COUNTS},
        "detailed": listed,
        "decisions": shown,
        "more": unlisted,
    }
    return report, _status(counts, fail_on)


def _status(counts: Mapping[str, int], fail_on: Sequence[str]) -> int:
    from policy_engine.cli.main import CONDITION, LEDGER, OK, USAGE

    if counts["not_replayable"]:
        return LEDGER
    if counts["undecidable"]:
        return USAGE
    met = ("changed" in fail_on and counts["changed"]) or ("deny-to-allow" in fail_on and counts["loosened"])
    return CONDITION if met else OK


def _row(decider: Any, replayer: Any, entry: StoredEntry, at: datetime | None) -> dict[str, Any]:
    """Return what other rules make of one decision; what keeps one from being decided keeps no other."""
    from policy_engine.errors import PolicyError
    from policy_engine.replay import NotReplayableError, under

    view = entry.document["view"]
    row: dict[str, Any] = {
        "index": entry.index,
        "decision_id": view["decision_id"],
        "workload": f"{view['namespace']}/{view['workload']}",
        "status": "same",
        "why": None,
        "loosened": False,
        "verdict": {"before": view["verdict"], "after": None},
        "plan_monthly_usd": None,
        "tasks": [],
        "evidence_as_recorded": [],
    }
    try:
        found = under(decider, replayer, entry, at)
    except NotReplayableError as error:
        return row | {"status": "not_replayable", "why": error.why}
    except PolicyError as error:
        return row | {"status": "undecidable", "why": error.problems[0].message}
    return row | compared_value(found.comparison) | {"evidence_as_recorded": list(found.files)}


def compared_value(found: Comparison) -> dict[str, Any]:
    """Return what differs between two decisions, as JSON has it."""
    import msgspec

    tasks = [each for each in found.tasks if each.changed]
    return {
        "status": "changed" if found.changed else "same",
        "loosened": found.loosened,
        "verdict": msgspec.to_builtins(found.verdict),
        "plan_monthly_usd": msgspec.to_builtins(found.monthly_usd),
        "tasks": msgspec.to_builtins(tasks),
    }


def sections(shown: Mapping[str, Any]) -> list[Section]:
    """Return the report as people read it."""
    rows = shown["decisions"]
    header = (">#", "=Decision", "=Before", "=After", "~Workload")
    found = [Section(header=header, rows=[row_cells(row) for row in rows])] if rows else []
    if shown["detailed"]:
        found += [task_section(row, task) for row in rows for task in row["tasks"]]
    layers = [layer["name"] for layer in shown["policy"]["layers"][1:]]
    under = f"{shown['policy']['digest']}, {', '.join(layers) if layers else 'the shipped rules alone'}"
    when = shown["at"] or "the recorded times"
    found.append(
        Section(pairs=[("CHANGED" if shown["changed"] else "SAME", _verdict(shown)), ("Under", under), ("At", when)])
    )
    remarks = [f"{shown['more']:,} more are not listed"] if shown["more"] else []
    if shown["evidence_as_recorded"]:
        remarks.append(AS_RECORDED)
    return [*found, Section(lines=remarks)] if remarks else found


def row_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a decision's row: its place and id, both verdicts, and its workload with what is to say."""
    verdict = row["verdict"]
    after = verdict["after"] or row["status"].replace("_", " ")
    said = f"{row['workload']}: {row['why']}" if row["why"] else row["workload"]
    if row["status"] == "changed" and verdict["before"] == verdict["after"]:
        said += ": the verdict is the same, and what it rests on is not"
    return str(row["index"]), row["decision_id"][:12], verdict["before"] or "", after, said


def task_section(row: Mapping[str, Any], task: Mapping[str, Any]) -> Section:
    """Return what changed for one task of a decision."""
    pairs = [
        (name, f"{_text(task[key]['before'])} -> {_text(task[key]['after'])}")
        for name, key in (("verdict", "verdict"), ("recommended", "recommendation"), ("USD a month", "monthly_usd"))
        if task[key]["before"] != task[key]["after"]
    ]
    lines = [
        f"{what} {each['name']}: {_text(each['before'])} -> {_text(each['after'])}"
        + (f": {each['message']}" if each["message"] else "")
        for what, key in (("option", "options"), ("rule", "rules"), ("obligation", "obligations"))
        for each in task[key]
    ]
    return Section(f"Entry {row['index']}, task {task['name']}", pairs=pairs, lines=lines)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):  # an option
        cost = value["monthly_usd"]
        return f"{value['status']}, score {value['score']}" + (f", {cost:,.2f} USD" if cost is not None else "")
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _verdict(shown: Mapping[str, Any]) -> str:
    asked = shown["asked"]
    parts = [f"{shown[name]:,} {name.replace('_', ' ')}" for name in ("same", "changed") if shown[name]]
    parts += [f"{shown[name]:,} {name.replace('_', ' ')}" for name in ("undecidable", "not_replayable") if shown[name]]
    if shown["loosened"]:
        parts.append(f"{shown['loosened']:,} from deny to allow")
    return f"{asked:,} decision{'' if asked == 1 else 's'} under other rules: {', '.join(parts)}"
