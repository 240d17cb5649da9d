"""`/evaluate`: a pasted workload is decided as a draft, and recorded; what is wrong with it stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.requests import service_of
from policy_engine.console import links
from policy_engine.console.cells import Table, Verdict, columns
from policy_engine.console.examples import examples
from policy_engine.console.forms import Field, sentence
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import authorization_of_page, check_form, page, principal_of_page, see
from policy_engine.errors import InputError, Problem
from policy_engine.service.service import Asked

router = page_router()
_FIELD = Field(
    "workload",
    "Workload",
    "area",
    hint="YAML or JSON; several documents, or a list, are decided together.",
    required=True,
)
_MOST_SHOWN, _MOST_EXCERPT = 50, 160


@router.get("/evaluate")
async def form(request: Request) -> Response:
    """Show the form, with the example of `?example=NAME` in it."""
    await principal_of_page(request, "decide")
    wanted = request.query_params.get("example")
    text = next((each.text for each in examples() if each.name == wanted), "")
    return await _page(request, text, ())


@router.post("/evaluate")
async def evaluate(request: Request) -> Response:
    """Decide and record the workloads of the text as drafts, and lead to the decision."""
    principal = await principal_of_page(request, "decide")
    fields = await check_form(request)
    # a form's text has the line ends of the network: places are counted in the file's own
    text = next(iter(fields.get("workload", ())), "").replace("\r\n", "\n")
    if not text.strip():
        return await _page(request, text, [Problem("yaml-empty", "there is no workload", help="paste one")])
    asked = Asked(text.encode("utf-8", "surrogatepass"), authorization_of_page(request), "draft")
    try:
        answer = await service_of(request).decide(asked)
    except InputError as error:
        return await _page(request, text, error.problems)
    if len(answer.decisions) == 1 and "read" in principal.roles:
        return see(url("/decisions", str(answer.decisions[0]["ledger"]["index"])))
    return await page(request, "evaluated.html", "Decided", table=_decided(answer.decisions))


async def _page(request: Request, text: str, problems: Sequence[Problem]) -> Response:
    from msgspec.structs import replace

    count = len(problems)
    error = f"{count} problem{'s' if count > 1 else ''}: nothing was decided or recorded." if count else None
    lines = text.split("\n")
    return await page(
        request,
        "evaluate.html",
        "Evaluate a draft",
        status=422 if problems else 200,
        field=replace(_FIELD, value=text, error=error),
        problems=[_placed(each, lines) for each in problems[:_MOST_SHOWN]],
        left_out=max(0, count - _MOST_SHOWN),
        examples=[(each.title, url("/evaluate", example=each.name)) for each in examples()],
    )


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


def _decided(decisions: Sequence[dict[str, Any]]) -> Table:
    rows = [
        (
            links.workload(each["workload"]["namespace"], each["workload"]["name"]),
            Verdict(each["verdict"]),
            links.entry(each["ledger"]["index"]),
        )
        for each in decisions
    ]
    return Table("Decided and recorded", columns("~Workload", "Verdict", "Decision"), rows, hidden_caption=True)
