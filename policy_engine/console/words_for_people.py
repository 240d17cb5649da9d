"""What errors say to programs, said to people: by the code, where the words name requests, parameters or headers."""

from __future__ import annotations

import re

from policy_engine.errors import Problem

_LISTED = re.compile(r"`GET /v1/(decisions|workloads|waivers|reports|exports)[^`]*`")
#: Members of a request that a form has as fields of these labels.
_MEMBERS = re.compile(r"`?\b(valid)_(from|until)\b`?")
_HELP = {
    "decision-missing": "give its id, 8 digits or more of it, or its entry's number; the page Decisions lists them",
    "workload-missing": "the page Workloads lists them",
    "cursor": "begin again with the first page",
}
_MESSAGES = {"`at` goes with `expired`": "the date of Expired at counts with the box Expired only"}


def for_people(problem: Problem) -> Problem:
    """Return a problem in words for whoever uses pages."""
    message = _MESSAGES.get(problem.message, problem.message)
    hint = problem.help if message == problem.message else "tick the box, or leave the date out"
    if hint is not None and "Retry-After" in hint:
        hint = "wait a moment, and load the page again"
    return Problem(
        problem.code,
        message.replace("the parameter `", "the filter `").replace("parameter `", "filter `"),
        problem.span,
        _HELP.get(problem.code, _paged(hint)),
    )


def _paged(hint: str | None) -> str | None:
    if hint is None:
        return None
    named = _LISTED.sub(
        lambda found: f"the page {found[1].capitalize()}", hint.replace("this path takes", "this page takes")
    )
    return _MEMBERS.sub(r"Valid \2", named)
