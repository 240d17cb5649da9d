"""The report of `policy audit replay`: which decisions come out with the recorded bytes, and what differs in others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.cli.sections import Section

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry

    from policy_engine.replay import Replay

#: Decisions that a report lists; the others are counted.
MOST_LISTED = 1000
_MOST_DETAILED = 20
_RESULTS = {"equal": "equal", "differs": "differs", "not_replayable": "not replayable"}


def run(ledger: Ledger, entries: Iterable[StoredEntry], *, listed: bool) -> tuple[dict[str, Any], int]:
    """Replay `entries`; return what is shown, and the exit status. `listed`: those that are equal are listed too."""
    from policy_engine import SEMANTICS_VERSION, __version__
    from policy_engine.cli.main import LEDGER, OK
    from policy_engine.replay import Replayer

    replayer, counts, unlisted = Replayer(ledger), Counter[str](), 0
    shown: list[dict[str, Any]] = []
    for entry in entries:
        found = replayer.replay(entry)
        counts[found.status] += 1
        counts["engine_changed"] += found.engine_changed
        if listed or found.status != "equal":
            if len(shown) < MOST_LISTED:
                shown.append(_row(found))
            else:
                unlisted += 1
    good = not counts["differs"] and not counts["not_replayable"]
    report = {
        "kind": "ReplayReport",
        "ok": good,
        "engine": {"version": __version__, "semantics": SEMANTICS_VERSION},
        **{name: counts[name] for name in (*_RESULTS, "engine_changed")},
        "decisions": shown,
        "more": unlisted,
    }
    return report, OK if good else LEDGER


def _row(found: Replay) -> dict[str, Any]:
    return {
        "index": found.index,
        "decision_id": found.decision_id,
        "workload": found.workload,
        "status": found.status,
        "reason": found.reason,
        "why": found.why,
        "engine": found.engine,
        "engine_changed": found.engine_changed,
        "same_outcome": found.same_outcome,
        "differences": [
            {"path": each.path, "recorded": each.recorded, "replayed": each.replayed} for each in found.differences
        ],
        "more_differences": found.more,
    }


def sections(shown: Mapping[str, Any]) -> list[Section]:
    """Return the report as people read it."""
    rows = shown["decisions"]
    found = [Section(header=(">#", "=Decision", "=Result", "~Workload"), rows=[_cells(row) for row in rows])]
    found += [_detail(row) for row in [row for row in rows if row["differences"]][:_MOST_DETAILED]]
    found = [section for section in found if section.rows]
    found.append(Section(pairs=[("EQUAL" if shown["ok"] else "NOT EQUAL", _verdict(shown))]))
    remarks = []
    if shown["more"]:
        remarks.append(f"{shown['more']:,} more are not listed")
    if shown["engine_changed"]:
        here = shown["engine"]["version"]
        remarks.append(
            f"engine-changed: {_count(shown['engine_changed'])} by another version than {here}, which is here"
        )
    return [*found, Section(lines=remarks)] if remarks else found


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    result = _RESULTS[row["status"]]
    said = [row["workload"] or "", *([f"{row['why']} [{row['reason']}]"] if row["why"] else [])]
    if row["engine_changed"]:
        said.append(f"engine {row['engine']} [engine-changed]")
    return str(row["index"]), (row["decision_id"] or "")[:12], result, ": ".join(each for each in said if each)


def _detail(row: Mapping[str, Any]) -> Section:
    cells = [(each["path"], _value(each["recorded"]), _value(each["replayed"])) for each in row["differences"]]
    if row["more_differences"]:
        cells.append((f"and {row['more_differences']:,} more", "", ""))
    header = ("~Where", "~On record", "~Again")
    return Section(f"Entry {row['index']}: what differs", header=header, rows=cells)


def _value(text: str | None) -> str:
    return "nothing" if text is None else text


def _verdict(shown: Mapping[str, Any]) -> str:
    total = sum(shown[name] for name in _RESULTS)
    parts = [f"{shown[name]:,} {words}" for name, words in _RESULTS.items() if shown[name]]
    return f"{_count(total)} decided again: {', '.join(parts)}"


def _count(count: int) -> str:
    return f"{count:,} decision{'' if count == 1 else 's'}"
