"""`/evaluate`: a pasted workload is decided as a draft, and recorded; what is wrong with it stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.api.forms import check_origin, check_token, fields_of
from policy_engine.api.parameters import choice, read_items
from policy_engine.api.problems import RETRY_SECONDS, status_of, told_to
from policy_engine.api.requests import service_of
from policy_engine.console import links
from policy_engine.console.cells import Table, Verdict, columns
from policy_engine.console.examples import examples
from policy_engine.console.filters import given, takes
from policy_engine.console.forms import Field, sentence
from policy_engine.console.keeping import form_key
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import authorization_of_page, page, principal_of_page, see
from policy_engine.console.words_for_people import for_people
from policy_engine.errors import InputError, PolicyError, Problem
from policy_engine.next_steps import next_steps
from policy_engine.service.service import Answer, Asked
from policy_engine.summary import reasons
from policy_engine.ways_wording import on_server

router = page_router()
_FIELD = Field(
    "workload",
    "Workload",
    "area",
    hint="YAML or JSON; several documents, or a list, are decided together.",
    required=True,
)
TOO_LARGE = "body-too-large"
_MOST_SHOWN, _MOST_EXCERPT = 50, 160


@router.get("/evaluate")
@takes("example")
async def form(request: Request) -> Response:
    """Show the form, with the example of `?example=NAME` in it."""
    await principal_of_page(request, "decide")
    known = choice("example", [each.name for each in examples()], "The example to start from.")
    wanted = read_items(given(request.query_params.multi_items()), (known,))["example"]
    text = next((each.text for each in examples() if each.name == wanted), "")
    return await _page(request, text, ())


@router.post("/evaluate")
async def evaluate(request: Request) -> Response:
    """Decide and record the workloads of the text as drafts, and lead to the decision.

    Whatever refuses the form, the session's end among it, is answered with the form and its text.
    """
    check_origin(request)
    try:
        fields = await fields_of(request)
    except PolicyError:
        await principal_of_page(request, "decide")  # who may not send it is told that first
        raise
    # a form's text has the line ends of the network: places are counted in the file's own
    text = next(iter(fields.get("workload", ())), "").replace("\r\n", "\n")
    try:
        principal = await principal_of_page(request, "decide")
        check_token(request, fields)
        answer = await _decide(request, text, form_key(fields, service_of(request).policy.digest, text))
    except PolicyError as caught:
        error = told_to(request, caught)
        wrong = isinstance(error, InputError) and error.code != TOO_LARGE
        return await _page(request, text, error.problems, error=None if wrong else error)
    if len(answer.decisions) == 1 and "read" in principal.roles:
        return see(url("/decisions", str(answer.decisions[0]["ledger"]["index"])))
    may_read = "read" in principal.roles
    return await page(
        request,
        "evaluated.html",
        "Decided",
        table=_decided(answer.decisions, may_read),
        decided=[] if may_read else [_told(each) for each in answer.decisions],
    )


async def _decide(request: Request, text: str, key: str | None) -> Answer:
    service = service_of(request)
    sent, most = text.encode("utf-8", "surrogatepass"), service.settings.limits.body_bytes
    if len(sent) > most:
        message = f"the text has {len(sent):,} bytes, and {most:,} are taken"
        raise InputError(Problem(TOO_LARGE, message, help="decide fewer workloads at once"))
    if not text.strip():
        raise InputError(Problem("yaml-empty", "there is no workload", help="paste one"))
    return await service.decide(Asked(sent, authorization_of_page(request), "draft", key=key))


async def _page(
    request: Request, text: str, problems: Sequence[Problem], *, error: PolicyError | None = None
) -> Response:
    """Answer with the form and what is wrong with its text, or with `error`, which is not about the text."""
    count = len(problems)
    said = f"{count} problem{'s' if count > 1 else ''}: nothing was decided or recorded." if count else None
    lines = text.split("\n")
    status = status_of(error) if error is not None else 422 if problems else 200
    ended = isinstance(error, UnauthenticatedError)
    answer = await page(
        request,
        "evaluate.html",
        "Evaluate a draft",
        status=status,
        field=replace(_FIELD, value=text, error=said),
        problems=[_placed(for_people(each), lines) for each in problems[:_MOST_SHOWN]],
        left_out=max(0, count - _MOST_SHOWN),
        examples=[(each.title, url("/evaluate", example=each.name)) for each in examples()],
        ended=ended,
    )
    if status in (429, 503):
        answer.headers["Retry-After"] = str(getattr(error, "seconds", RETRY_SECONDS))
    return answer


def _told(decision: dict[str, Any]) -> dict[str, Any]:
    """Return what whoever may not read what is on record is told of what they had decided."""
    name = f"{decision['workload']['namespace']}/{decision['workload']['name']}"
    with on_server(""):
        tasks = [
            {
                "name": task["name"],
                "verdict": task["verdict"],
                "reasons": reasons(task),
                "steps": next_steps(task, None, decision["id"]),
            }
            for task in decision["tasks"]
        ]
    return {"name": name, "verdict": decision["verdict"], "entry": decision["ledger"]["index"], "tasks": tasks}


def _placed(problem: Problem, lines: list[str]) -> dict[str, Any]:
    """Return a problem with its place and that line of the text."""
    span = problem.span
    line = span.line if span is not None and 0 < span.line <= len(lines) else None
    return {
        "message": sentence(problem.message),
        "help": sentence(problem.help) if problem.help else None,
        "code": problem.code,
        "line": line,
        "column": span.column if span is not None else None,
        "excerpt": lines[line - 1].strip()[:_MOST_EXCERPT] if line is not None else None,
    }


def _decided(decisions: Sequence[dict[str, Any]], may_read: bool) -> Table:
    rows = []
    for each in decisions:
        workload, index = each["workload"], each["ledger"]["index"]
        named = f"{workload['namespace']}/{workload['name']}"
        which = links.workload(workload["namespace"], workload["name"]) if may_read else named
        rows.append((which, Verdict(each["verdict"]), links.entry(index) if may_read else str(index)))
    return Table("Decided and recorded", columns("~Workload", "Verdict", "Entry"), rows, hidden_caption=True)
