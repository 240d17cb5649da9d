"""Markdown for people: one comment on a pull request, or the summary of a job.

INVARIANT: all that a stranger wrote is escaped, so that nothing but the first line can be the marker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policy_engine.ci.cells import (
    cost_cell,
    duties_cell,
    findings_cell,
    proposed_cell,
    recommended_cell,
    verdict_cell,
)
from policy_engine.ci.comparison import comparison
from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.ci.limited import COMMENT, Size, limited
from policy_engine.ci.phrases import accepted_text, finding_text, headline, problem_text
from policy_engine.ci.places import shown_path, shown_place
from policy_engine.ci.selected import notes
from policy_engine.ci.tally import baseline_text, is_expired, tally, waivers_text
from policy_engine.errors import Problem
from policy_engine.findings import EFFECTS, Acceptance, Effect, Finding
from policy_engine.markdown_text import escape
from policy_engine.next_steps import next_steps

_RESULTS: dict[Effect, str] = {
    "deny": "denied",
    "review": "waits for a review",
    "condition": "passes, with conditions",
    "advice": "passes",
}
_TABLE = (
    "| Workload | Verdict | Recommended | Proposed | USD/month | Obligations | Findings |",
    "| --- | --- | --- | --- | ---: | --- | --- |",
)
_WAIVERS = ("waiver", "waiver-not-honoured")


def marker(name: str) -> str:
    """Return the first line of a comment, by which it is found again."""
    return f"<!-- policy-gate:{name} -->"


def render(judged: Judged, status: int, name: str = "gate") -> str:
    """Return the comment `name`; `status` is what the command comes to."""
    return limited([marker(name), "", *lines(judged, status)], COMMENT)


def summary(judged: Judged, status: int, limit: int, size: Size) -> str:
    """Return the same as the summary of a job, at most as long as `limit`."""
    return limited([*lines(judged, status), ""], limit, size)


def lines(judged: Judged, status: int) -> Iterator[str]:
    """Yield the lines, what matters most first."""
    found = tally(judged)
    yield f"## Policy gate: {_result(judged, status)}"
    yield from ("", f"{escape(headline(judged))}.", "")
    yield from (f"- {escape(_sentence(text))}" for text in (waivers_text(found), baseline_text(found)))
    yield ""
    yield from _section("Why nothing was handed out", map(_problem, judged.stopped))
    yield from _section("Files that cannot be judged", map(_problem, judged.problems))
    ordered = sorted(judged.workloads, key=lambda each: -EFFECTS.index(each.effect))
    if ordered:
        yield from _TABLE
        yield from (row for each in ordered for row in _rows(each))
        yield ""
    yield from comparison(judged)
    yield from _findings(ordered)
    yield from _section("Beside that", map(escape, notes(judged)))
    for workload in ordered:
        yield from _next(workload)
    yield from _section("Advice", [_finding(each) for each in _of(ordered) if each.effect == "advice"])
    if judged.policy_digest is not None:
        yield f"Policy `{judged.policy_digest}`."


def _result(judged: Judged, status: int) -> str:
    if judged.stopped:
        return "nothing was handed out"
    if not judged.workloads and not judged.problems:
        return "nothing was judged" if status else "there was nothing to judge"
    words = ["invalid files"] if judged.problems else []
    if judged.workloads:
        worst = max((each.effect for each in judged.workloads), key=EFFECTS.index)
        words.insert(0, _RESULTS[worst])
    return ", ".join(words)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _section(title: str, items: Iterable[str], numbered: bool = False) -> Iterator[str]:
    listed = list(items)
    if listed:
        yield from (f"### {title}", "")
        yield from (f"{f'{at}.' if numbered else '-'} {item}" for at, item in enumerate(listed, 1))
        yield ""


def _problem(problem: Problem) -> str:
    place = f"{shown_place(problem.span)}: " if problem.span is not None else ""
    return escape(f"{place}{problem_text(problem)} [{problem.code}]")


def _rows(workload: JudgedWorkload) -> Iterator[str]:
    """Yield a row of the table for each task."""
    document = workload.shown or workload.decision.document
    several = len(document["tasks"]) > 1
    for task in document["tasks"]:
        own = [each for each in workload.findings if each.task == task["name"]]
        name = f"{workload.name}, {task['name']}" if several else workload.name
        cells = (
            name,
            verdict_cell(task) + (" (accepted by a baseline)" if _is_accepted(own) else ""),
            recommended_cell(task),
            proposed_cell(task),
            cost_cell(task),
            duties_cell(task),
            findings_cell(own),
        )
        yield "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _is_accepted(findings: Sequence[Finding]) -> bool:
    """Whether a task passes by what a baseline accepts alone."""
    graver = [each for each in findings if each.effect in ("deny", "review")]
    return bool(graver) and all(each.accepted is not None for each in graver)


def _of(workloads: Sequence[JudgedWorkload]) -> list[Finding]:
    """Return the findings that neither a waiver nor a baseline is about."""
    every = [finding for each in workloads for finding in each.findings]
    return [each for each in every if each.kind not in _WAIVERS and each.accepted is None]


def _findings(workloads: Sequence[JudgedWorkload]) -> Iterator[str]:
    graver = sorted(_of(workloads), key=lambda each: -EFFECTS.index(each.effect))
    every = [finding for each in workloads for finding in each.findings]
    waivers = [each for each in every if each.kind in _WAIVERS]
    yield from _section("Findings", [_finding(each) for each in graver if each.effect != "advice"])
    yield from _section("Waivers in use", [_waiver(each) for each in waivers if each.kind == "waiver"])
    yield from _section("Expired waivers, which lift nothing", [_waiver(each) for each in waivers if is_expired(each)])
    others = [each for each in waivers if each.kind != "waiver" and not is_expired(each)]
    yield from _section("Waivers that lift nothing for another reason", [_waiver(each) for each in others])
    accepted = [_accepted(each, each.accepted) for each in every if each.accepted is not None]
    yield from _section("Accepted by a baseline", accepted)


def _finding(finding: Finding) -> str:
    place = escape(f"{shown_place(finding.span)} {finding.namespace}/{finding.workload}, {finding.task}")
    return f"**{finding.effect}** {place}: {escape(finding_text(finding))}"


def _waiver(finding: Finding) -> str:
    return escape(f"{finding.namespace}/{finding.workload}, {finding.task}: {finding.message}")


def _accepted(finding: Finding, acceptance: Acceptance) -> str:
    name = f"{finding.namespace}/{finding.workload}, {finding.task}"
    text = f"{name}: {finding.message} ({finding.code}); {accepted_text(acceptance)}"
    return f"**{finding.effect}** {escape(f'{shown_place(finding.span)} {text}')}"


def _next(workload: JudgedWorkload) -> Iterator[str]:
    """Yield what to do next about a workload that does not pass as it is."""
    if workload.effect not in ("deny", "review"):
        return
    document = workload.shown or workload.decision.document
    several = len(document["tasks"]) > 1
    for task in document["tasks"]:
        steps = next_steps(task, shown_path(workload.file), workload.decision.id)
        name = f"{workload.name}, {task['name']}" if several else workload.name
        yield from _section(f"What to do next: {escape(name)}", map(escape, steps), numbered=True)
