"""A decision as people read it in a terminal: the verdict first, then what may be deployed, why, and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from policy_engine.changes_wording import change_lines
from policy_engine.cli.hanging import Hanging
from policy_engine.cli.printable import printable
from policy_engine.hardware_wording import claim_lines
from policy_engine.next_steps import next_steps
from policy_engine.option_wording import AT_LEAST_NOTE, option_cells, plan_text
from policy_engine.summary import (
    NO_MODEL,
    VERDICT_WORDS,
    cost_text,
    dispute_lines,
    missing_lines,
    option_why,
    proposal_text,
    proposed_text,
    ranked_options,
    reasons,
    recommendation_text,
    stated,
)
from policy_engine.ways_wording import server_of
from policy_engine.wording import listed, value_text

Document = Mapping[str, Any]
_VERDICT_STYLE = {
    "allow": "bold green",
    "allow_with_conditions": "bold yellow",
    "review": "bold yellow",
    "deny": "bold red",
}
_STATUS_STYLE = {"permitted": "green", "uncertain": "yellow", "unavailable": "dim", "forbidden": "red"}
PIPE_WIDTH, MIN_WIDTH, MAX_WIDTH = 80, 40, 100


def console_for(stream: IO[str]) -> Console:
    """Return a console on `stream`: escape codes only on a terminal and never with NO_COLOR, 80 columns elsewhere."""
    terminal = stream.isatty()
    styled = terminal and not os.environ.get("NO_COLOR")
    given = os.environ.get("COLUMNS", "")
    columns = int(given) if given.isascii() and given.isdigit() else 0
    return Console(
        file=stream,
        force_terminal=styled,
        no_color=not styled,
        width=max(MIN_WIDTH, columns or (_terminal_width(stream) if terminal else PIPE_WIDTH)),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ=_environ(),
    )


def _environ() -> dict[str, str]:
    """Return the environment without the sizes, which rich would read with less care."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


def _terminal_width(stream: IO[str]) -> int:
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return min(columns or PIPE_WIDTH, MAX_WIDTH)


def render(renderable: RenderableType, stream: IO[str] | None = None) -> str:
    """Print `renderable` as it would look on `stream`, and return the text."""
    console = console_for(stream or sys.stdout)
    buffer = StringIO()
    copy = Console(
        file=buffer,
        force_terminal=console.is_terminal,
        no_color=console.no_color,
        width=console.width,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ=_environ(),
    )
    copy.print(renderable, crop=False)  # what may not be broken runs over the edge, and is there whole
    return "\n".join(line.rstrip() for line in buffer.getvalue().split("\n"))


def said(text: str, style: str = "") -> Text:
    """Return words that may come from a file: they are shown, never obeyed."""
    return Text(printable(text), style)


def closing_view(lines: Sequence[str]) -> RenderableType:
    """Return the lines that close a report: titles, and what is listed below each."""
    parts = []
    for line in lines:
        listed_ = line.startswith("  - ")
        label = Text("  - ") if listed_ else Text("")
        parts.append(Hanging(label, printable(line.removeprefix("  - ")), below=len(label)))
    return Group(*parts)


def verdict_line(document: Document) -> str:
    """Return the shortest report."""
    workload = document["workload"]
    return f"{document['verdict']} {printable(workload['namespace'])}/{printable(workload['name'])}"


def decision(document: Document, file: str | None = None, verbose: int = 0) -> RenderableType:
    """Return a whole decision."""
    several = len(document["tasks"]) > 1
    parts: list[RenderableType] = [_headline(document)]
    if several:
        parts.append(_plan(document))
    parts.extend(task_view(task, file, verbose, several, document.get("id")) for task in document["tasks"])
    parts.append(_footer(document))
    return Group(*parts)


def _headline(document: Document) -> RenderableType:
    workload = document["workload"]
    line = Text()
    line.append(VERDICT_WORDS[document["verdict"]], _VERDICT_STYLE[document["verdict"]])
    line.append_text(said(f"  {workload['namespace']}/{workload['name']}", "bold"))
    line.append(f"  ({workload['stage']})")
    return line


def task_view(
    task: Document, file: str | None, verbose: int, named: bool, decision_id: str | None = None
) -> RenderableType:
    """Return one task: recommendation, reasons, options, what is missing, what to do."""
    parts: list[RenderableType] = []
    if named:
        head = Text("\n")
        head.append_text(said(f"Task {task['name']}: ", "bold"))
        head.append(VERDICT_WORDS[task["verdict"]], _VERDICT_STYLE[task["verdict"]])
        parts.append(head)
    parts.append(_named(task))
    parts += _bullets("Why", reasons(task))
    parts += _list("Hardware", claim_lines(task))
    parts += _options(task)
    parts += _bullets("Not known", missing_lines(task))
    parts += _numbered("Do next", next_steps(task, file, decision_id))
    parts += _bullets("Would change it", change_lines(task))
    parts += _bullets("Advice", [advice["message"] for advice in task["advice"]])
    parts += _bullets("Disputed figures", dispute_lines(task["disputes"]))
    if verbose:
        parts += _bullets("Rules", [_rule_text(task, row) for row in task["rules"] if row["outcome"] != "not_fired"])
        parts += _models(task)
    return Group(*parts)


def _named(task: Document) -> RenderableType:
    """Return what is recommended and proposed, one under the other."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    table.add_row("Recommended", said(recommendation_text(task)))
    proposal = task["proposal"]
    if proposal is not None:
        table.add_row("Proposed", said(proposed_text(task)))
        if proposal["fallback"] is not None:
            table.add_row("Fallback", said(proposal_text(proposal["fallback"])))
    return table


def _bullets(title: str, lines: Sequence[str]) -> list[RenderableType]:
    return _list(title, [("-", line) for line in lines])


def _numbered(title: str, lines: Sequence[str]) -> list[RenderableType]:
    width = len(str(len(lines)))
    return _list(title, [(f"{number:>{width}}.", line) for number, line in enumerate(lines, 1)])


def _list(title: str, rows: list[tuple[str, str]]) -> list[RenderableType]:
    if not rows:
        return []
    width = max(len(mark) for mark, _ in rows)
    labels = [Text(f"  {mark:<{width}} ") for mark, _ in rows]
    items = [Hanging(label, printable(line), below=width + 3) for label, (_, line) in zip(labels, rows, strict=True)]
    return [Text(f"\n{title}", "bold"), *items]


def _options(task: Document) -> list[RenderableType]:
    """Return the options as a table, each with why it stands where it stands on the lines below it."""
    rows = ranked_options(task)
    cells = [_cells(task, row) for row in rows]
    floors = any(cost.endswith("+") for _, _, _, cost, _ in cells)
    if floors:  # the figures stay under one another, whether or not they are marked
        cells = [(*row[:3], row[3] if row[3].endswith("+") else f"{row[3]} ", row[4]) for row in cells]
    head = ("  Option", "Status", "Score", "USD/month", "Model")
    widths = [max(len(row[place]) for row in (head, *cells)) for place in range(4)]
    parts: list[RenderableType] = [Text(f"\n{_line(head, widths)}", "bold", no_wrap=True)]
    for row, texts in zip(rows, cells, strict=True):
        *before, model = texts
        label = said(_line((*before, ""), widths) + ("  " if model else ""))
        start = widths[0] + 2
        label.stylize(_STATUS_STYLE[row["status"]], start, start + len(row["status"]))
        parts.append(Hanging(label, printable(model)))
        if why := option_why(task, row):
            parts.append(Padding(said(why, "dim" if row["status"] == "unavailable" else ""), (0, 0, 0, 6)))
    return [*parts, Padding(said(AT_LEAST_NOTE, "dim"), (0, 0, 0, 2))] if floors else parts


def _cells(task: Document, row: Document) -> tuple[str, str, str, str, str]:
    recommended = (task["recommendation"] or {}).get("deployment")
    option, status, score, cost, model = option_cells(task, row)
    return f"{'*' if option == recommended else ' '} {option}", status, score, cost or "-", model


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    option, status, score, cost, model = cells
    return f"{option:<{widths[0]}}  {status:<{widths[1]}}  {score:>{widths[2]}}  {cost:>{widths[3]}}  {model}".rstrip()


def _rule_text(task: Document, row: Document) -> str:
    facts = ", ".join(f"{name} = {value_text(f['value'])} ({f['grade']})" for name, f in row["facts"].items())
    missing = f"unknown: {listed(stated(task, row['missing']))}" if row["missing"] else ""
    cited = ", ".join(row["criteria"]) or row.get("origin") or "no criterion"
    read = "; ".join(part for part in (facts, missing) if part)
    return f"{row['outcome']} {row['id']} ({cited}){': ' if read else ''}{read}"


def _models(task: Document) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for row in task["options"]:
        lines = []
        for model in row["models"]:
            mark = {True: "fits", False: "out", None: "unsure"}[model["qualifies"]]
            lines.append(f"{model['name']} ({mark}): {'; '.join(model['reasons']) or 'chosen'}")
        parts += _bullets(f"Models on {row['deployment']}", lines)
    return parts


def _plan(document: Document) -> RenderableType:
    plan = document["plan"]
    verdicts = {task["name"]: VERDICT_WORDS[task["verdict"]] for task in document["tasks"]}
    lines = []
    for route in plan["routes"]:
        option = route["deployment"]
        target = f"{option} {route['model'] or NO_MODEL}, {cost_text(route)}" if option else "nothing permitted"
        lines.append(f"{route['task']} ({route['share']:.0%} of the volume): {verdicts[route['task']]}, {target}")
    return Group(*_bullets(plan_text(plan), lines))


def _footer(document: Document) -> RenderableType:
    policy, ledger = document["policy"], document.get("ledger")
    short = document["id"][:16]
    lines = [
        f"Decision {short}, {document['decided_at']}",
        f"Policy {policy['version']}, {policy['digest'][:19]}",
    ]
    if document["valid_until"]:
        lines.append(f"Valid until {document['valid_until']}")
    stale = document["catalog"].get("stale") or ()
    if stale:
        lines.append(f"Rests on figures that are older than they should be: {', '.join(stale)}")
    if ledger and ledger.get("status") == "scratch":
        lines.append("Recorded in a scratch ledger, which is kept nowhere")
    elif ledger and ledger.get("status") == "spooled":
        lines.append(f"Spooled as leaf {ledger['leaf_hash'][:16]}, to be collected into a ledger")
    elif ledger:
        server = server_of()
        again = f"`policy explain {short}` shows" if server is None else f"`GET {server}/v1/decisions/{short}` answers"
        lines.append(f"Ledger entry {ledger['index']}; {again} it again")
    # what a server answered begins no line of its own
    return said("\n" + "\n".join(" ".join(line.split()) for line in lines), "dim")
