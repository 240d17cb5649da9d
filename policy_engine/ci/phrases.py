"""Sentences that the reports share."""

from __future__ import annotations

from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.ci.places import one_line
from policy_engine.ci.tally import baseline_text, tally, totals_text, waivers_text
from policy_engine.errors import Problem
from policy_engine.findings import Acceptance, Finding
from policy_engine.summary import VERDICT_WORDS


def headline(judged: Judged) -> str:
    """Say in a line what a run came to."""
    if judged.stopped:
        return f"nothing was handed out: {one_line(judged.stopped[0].message)}"
    if not judged.workloads and not judged.problems:
        return "there was nothing to judge" if judged.nothing_due else "no workload was judged"
    return totals_text(tally(judged))


def whole_text(judged: Judged) -> str:
    """Say in a line what a run came to, with what waivers and a baseline have to do with it."""
    found = tally(judged)
    return "; ".join([headline(judged), waivers_text(found), baseline_text(found)])


def accepted_text(acceptance: Acceptance) -> str:
    """Say why and through which day a baseline accepts a finding."""
    return f"accepted by a baseline through {acceptance.expires.isoformat()}: {one_line(acceptance.reason)}"


def finding_text(finding: Finding) -> str:
    """Say a finding in a line: what, by which rule, on which criteria."""
    cited = ", ".join((finding.code, *finding.criteria))
    text = f"{one_line(finding.message)} ({cited})"
    return f"{text} [{accepted_text(finding.accepted)}]" if finding.accepted is not None else text


def problem_text(problem: Problem) -> str:
    """Say in a line what is wrong, and what to do about it."""
    hint = f"; {one_line(problem.help)}" if problem.help else ""
    return f"{one_line(problem.message)}{hint}"


def verdict_text(workload: JudgedWorkload) -> str:
    """Return the verdict on a workload in words, in lower case."""
    return VERDICT_WORDS[workload.decision.verdict].lower()
