"""GitLab's Code Quality report: an array of findings, each with a fingerprint of its own."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from policy_engine.ci.judged import Judged
from policy_engine.ci.phrases import finding_text, problem_text, whole_text
from policy_engine.ci.places import is_stream, one_line, shown_path
from policy_engine.ci.selected import notes
from policy_engine.errors import Problem
from policy_engine.findings import Effect, Finding

SEVERITIES: dict[Effect, str] = {"deny": "critical", "review": "major", "condition": "minor", "advice": "info"}
#: What cannot be judged at all.
_BLOCKER = "blocker"
#: What stands for a file where there is none; GitLab wants a path.
NOWHERE = "policy-gate"


def render(judged: Judged, status: int) -> str:
    """Return the document; what the command comes to stands in what it says of the whole."""
    import orjson

    seen: Counter[str] = Counter()
    entries = []
    for entry, about in _entries(judged):
        named = "\0".join((entry["check_name"], entry["location"]["path"], about))
        digest = hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()
        seen[digest] += 1
        # the same twice, as from two documents of one file: the second has to have another
        again = f"{digest}\0{seen[digest]}".encode()
        entry["fingerprint"] = digest if seen[digest] == 1 else hashlib.sha256(again).hexdigest()
        entries.append(entry)
    return orjson.dumps(entries, option=orjson.OPT_INDENT_2).decode() + "\n"


def _entries(judged: Judged) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each entry without its fingerprint, with what the fingerprint is of beside check and path."""
    for problem in judged.stopped:
        yield _problem(problem, "stopped")
    for problem in judged.problems:
        yield _problem(problem, "invalid-file")
    for workload in judged.workloads:
        for finding in workload.findings:
            yield _finding(finding), finding.identity
    text = "; ".join([f"policy gate: {whole_text(judged)}", *notes(judged)])
    file = judged.workloads[0].file if judged.workloads else NOWHERE
    yield _entry(text, "policy-gate-totals", "info", file, 1), "totals"


def _finding(finding: Finding) -> dict[str, Any]:
    severity = SEVERITIES[finding.effect] if finding.accepted is None else "info"
    name = f"{finding.namespace}/{finding.workload}, {finding.task}"
    text = f"{finding.effect}: {finding_text(finding)}, {one_line(name)}"
    return _entry(text, finding.code, severity, finding.span.file, finding.span.line)


def _problem(problem: Problem, kind: str) -> tuple[dict[str, Any], str]:
    span = problem.span
    file, line = (span.file, span.line) if span is not None else (NOWHERE, 1)
    return _entry(problem_text(problem), f"{kind}/{problem.code}", _BLOCKER, file, line), problem.message


def _entry(text: str, check: str, severity: str, file: str, line: int) -> dict[str, Any]:
    path = "stdin" if is_stream(file) else shown_path(file)
    return {
        "description": one_line(text),
        "check_name": one_line(check),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    }
