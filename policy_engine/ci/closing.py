"""What closes a report: waivers that no task shows, and what a baseline came to."""

from __future__ import annotations

from collections.abc import Iterator

from policy_engine.baselines.applying import Idle, Use
from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.findings import Finding
from policy_engine.ways_wording import idle_waivers, waiver_text

MOST_LISTED = 50


def closing_lines(judged: Judged, quiet: bool = False) -> list[str]:
    """Return the lines, each with its bullet where it is one of a list; none where there is nothing to say.

    With `quiet`, a line alone: what a baseline came to, or nobody could tell why a denial is no failure.
    """
    if quiet:
        return [_summary(judged.baseline)] if judged.baseline is not None else []
    idle = [
        f"{each.name}: {waiver_text(row)}" for each in judged.workloads for row in idle_waivers(each.decision.document)
    ]
    unasked = [f"{each.name}: {text}" for each in judged.workloads for text in _unasked(each)]
    found = [*_listed("Waivers that lift nothing", idle), *_listed("Waivers whose ledger was not asked", unasked)]
    return found + (_baseline_lines(judged, judged.baseline) if judged.baseline is not None else [])


def asides(judged: Judged) -> list[str]:
    """Return what no finding says of waivers and of a baseline, a line each: for reports that list findings."""
    unasked = [f"{each.name}: {text}" for each in judged.workloads for text in _unasked(each)]
    found = _few(unasked)
    use = judged.baseline
    if use is None:
        return found
    titles = (
        ("an expired entry of the baseline", use.expired),
        ("an entry of the baseline that the policy does not let accept anything", use.refused),
        ("a stale entry of the baseline", use.stale),
    )
    found += [f"{use.elsewhere:,} of the baseline's entries are on {_elsewhere(use)}"] if use.elsewhere else []
    return found + [line for title, rows in titles for line in _few([f"{title}: {_idle(row)}" for row in rows])]


def _few(lines: list[str]) -> list[str]:
    return [*lines[:MOST_LISTED], *([f"and {len(lines) - MOST_LISTED:,} more"] if len(lines) > MOST_LISTED else [])]


def _unasked(each: JudgedWorkload) -> Iterator[str]:
    """Say which waivers were used that may have been revoked: nobody could be asked."""
    document = each.decision.document
    used = {row["id"] for task in document["tasks"] for row in task.get("waivers", ()) if row["applies"]}
    for row in document.get("waivers", {}).get("known", ()):
        if row.get("source") == "file-unasked" and row["id"] in used:
            name = f"the waiver {row['id'][:12]} of {row['rule']}"
            yield f"{name} counts by its file: that it was revoked would not be seen"


def _elsewhere(use: Use) -> str:
    return f"workloads that were not judged{f' ({use.over:,} of them expired)' if use.over else ''}"


def _summary(use: Use) -> str:
    counts = [
        f"{use.accepted:,} finding{'' if use.accepted == 1 else 's'} accepted",
        *(f"{len(rows):,} {name}" for name, rows in (("expired", use.expired), ("stale", use.stale)) if rows),
        *([f"{len(use.refused):,} that the policy does not let it accept"] if use.refused else []),
        *([f"{use.elsewhere:,} on {_elsewhere(use)}"] if use.elsewhere else []),
    ]
    return f"Baseline {use.baseline.name}: {', '.join(counts)}"


def _baseline_lines(judged: Judged, use: Use) -> list[str]:
    accepted = [_accepted(finding) for finding in judged.findings if finding.accepted is not None]
    return [
        _summary(use),
        *_listed("Accepted, and still denied or to be reviewed", accepted),
        *_listed("Expired entries, which accept nothing", [_idle(row) for row in use.expired]),
        *_listed("Entries that the policy does not let it accept", [_idle(row) for row in use.refused]),
        *_listed("Stale entries, which can be taken out", [_idle(row) for row in use.stale]),
    ]


def _listed(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  - {line}" for line in _few(lines))] if lines else []


def _accepted(finding: Finding) -> str:
    place = f"{finding.namespace}/{finding.workload}, {finding.task}"
    until = f"through {finding.accepted.expires}: {finding.accepted.reason}" if finding.accepted is not None else ""
    return f"{place}: {finding.effect} by {finding.code} at {finding.span}, {until}"


def _idle(row: Idle) -> str:
    entry = row.entry
    return f"{entry.namespace}/{entry.workload}, {entry.task}: {entry.code}, {row.why}"
