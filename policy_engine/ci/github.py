"""GitHub's workflow commands: an annotation for each finding, at most ten of a kind, as GitHub shows no more.

INVARIANT: every line is one command of this module, and what a stranger wrote ends none and begins none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from policy_engine.ci.judged import Judged
from policy_engine.ci.phrases import finding_text, headline, problem_text, whole_text
from policy_engine.ci.places import is_stream, one_line, shown_path
from policy_engine.ci.selected import notes
from policy_engine.errors import Problem, Span
from policy_engine.findings import Effect, Finding
from policy_engine.wording import printable

Level = Literal["error", "warning", "notice"]
LEVELS: dict[Effect, Level] = {"deny": "error", "review": "warning", "condition": "notice", "advice": "notice"}
#: What GitHub shows of a kind in one step.
MOST = 10
SUMMARY = "GITHUB_STEP_SUMMARY"
_LONGEST, _LONGEST_TITLE = 4000, 255
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


class Annotation(Struct, frozen=True):
    """What GitHub shows at a line of a file, or with the run where `span` is None."""

    level: Level
    title: str
    text: str
    span: Span | None = None

    def command(self) -> str:
        """Return the line that asks for it."""
        properties = {**_place(self.span), "title": _cut(one_line(self.title), _LONGEST_TITLE)}
        listed = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
        return f"::{self.level} {listed}::{_escaped(_cut(printable(self.text), _LONGEST), _DATA)}"


def render(judged: Judged, status: int) -> str:
    """Return the commands, a line each; `status` is what the command comes to."""
    found = [*_annotations(judged)]
    if status != 0 and not any(each.level == "error" for each in found) and not judged.workloads:
        found.insert(0, Annotation("error", "policy gate", headline(judged)))
    lines = []
    for level in ("error", "warning", "notice"):
        lines += [each.command() for each in _few([each for each in found if each.level == level])]
    return "".join(f"{line}\n" for line in lines)


def _annotations(judged: Judged) -> Iterator[Annotation]:
    """Yield what there is to say, what a run comes to first, then the graver first."""
    yield Annotation("notice", "policy gate", "; ".join([whole_text(judged), *notes(judged)]))
    for problem in judged.stopped:
        yield _problem(problem)
    for problem in judged.problems:
        yield _problem(problem)
    for effect in ("deny", "review", "condition", "advice"):
        yield from (_finding(each) for each in judged.findings if each.effect == effect)


def _problem(problem: Problem) -> Annotation:
    return Annotation("error", f"policy gate: {problem.code}", problem_text(problem), problem.span)


def _finding(finding: Finding) -> Annotation:
    level: Level = LEVELS[finding.effect] if finding.accepted is None else "notice"
    name = f"{finding.namespace}/{finding.workload}, {finding.task}"
    return Annotation(level, f"{finding.effect}: {finding.code} ({name})", finding_text(finding), finding.span)


def _few(found: list[Annotation]) -> list[Annotation]:
    """Return as many as GitHub shows; the last one says how many more there are, and where."""
    if len(found) <= MOST:
        return found
    kept, more = found[: MOST - 1], len(found) - MOST + 1
    where = "the job summary" if os.environ.get(SUMMARY) else "the other reports of this run, as `-o sarif=FILE`"
    level = found[0].level
    text = f"{more:,} more of {len(found):,}: GitHub shows {MOST} of a kind, and all are in {where}"
    return [*kept, Annotation(level, f"policy gate: {more:,} more {level}s", text)]


def _place(span: Span | None) -> dict[str, str]:
    if span is None or is_stream(span.file):
        return {}
    return {"file": shown_path(span.file), "line": str(span.line), "col": str(span.column)}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _escaped(text: str, pairs: dict[str, str]) -> str:
    return "".join(pairs.get(each, each) for each in text)
