"""A decision as people read it in a terminal: the verdict first, then what may be deployed, why, and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from io import StringIO
from typing import IO, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from policy_engine.summary import (
    STATUS_ORDER,
    VERDICT_WORDS,
    dispute_text,
    next_steps,
    option_why,
    proposal_text,
    reasons,
    recommendation_text,
)
from policy_engine.wording import listed, usd, value_text

Document = Mapping[str, Any]
_VERDICT_STYLE = {"allow": "bold green", "allow_with_conditions": "bold yellow", "review": "bold yellow", "deny": "bold red"}
_STATUS_STYLE = {"permitted": "green", "uncertain": "yellow", "unavailable": "dim", "forbidden": "red"}
MAX_WIDTH = 100


def console_for(stream: IO[str]) -> Console:
    """Return a console on `stream`: colour only on a terminal and never with NO_COLOR, 80 columns elsewhere."""
    terminal = stream.isatty()
    width = None if terminal else 80
    if os.environ.get("COLUMNS", "").isdigit():
        width = int(os.environ["COLUMNS"])
    console = Console(
        file=stream,
        force_terminal=terminal,
        no_color=not terminal or bool(os.environ.get("NO_COLOR")),
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    if width is None and console.width > MAX_WIDTH:
        console.width = MAX_WIDTH
    return console


def render(renderable: RenderableType, stream: IO[str] | None = None) -> str:
    """Print `renderable` as it would look on `stream`, and return the text."""
    target = stream or sys.stdout
    console = console_for(target)
    buffer = StringIO()
    copy = Console(
        file=buffer,
        force_terminal=console.is_terminal,
        no_color=console.no_color,
        width=console.width,
        highlight=False,
        markup=False,
        emoji=False,
    )
    copy.print(renderable)
    return "\n".join(line.rstrip() for line in buffer.getvalue().split("\n"))


def decision(document: Document, file: str | None = None, verbose: int = 0) -> RenderableType:
    """Return a whole decision."""
    parts: list[RenderableType] = [_headline(document)]
    for task in document["tasks"]:
        parts.append(task_view(task, file, verbose, len(document["tasks"]) > 1))
    if len(document["tasks"]) > 1:
        parts.append(_plan(document["plan"]))
    parts.append(_footer(document))
    return Group(*parts)


def _headline(document: Document) -> RenderableType:
    workload = document["workload"]
    line = Text()
    line.append(VERDICT_WORDS[document["verdict"]], _VERDICT_STYLE[document["verdict"]])
    line.append(f"  {workload['namespace']}/{workload['name']}", "bold")
    line.append(f"  ({workload['stage']})")
    return line


def task_view(task: Document, file: str | None, verbose: int, named: bool) -> RenderableType:
    """Return one task: recommendation, reasons, options, what is missing, what to do."""
    parts: list[RenderableType] = []
    if named:
        head = Text("\n")
        head.append(f"Task {task['name']}: ", "bold")
        head.append(VERDICT_WORDS[task["verdict"]].lower(), _VERDICT_STYLE[task["verdict"]])
        parts.append(head)
    if task["proposal"] is not None:
        parts.append(_pair("Proposed", proposal_text(task["proposal"])))
        if task["proposal"]["fallback"] is not None:
            parts.append(_pair("Fallback", proposal_text(task["proposal"]["fallback"])))
    parts.append(_pair("Recommended", recommendation_text(task)))
    parts += _bullets("Why", reasons(task))
    parts += _bullets("Hardware", task["hardware"])
    parts.append(_options(task))
    parts += _missing(task)
    parts += _numbered("Do next", next_steps(task, file))
    parts += _bullets("Advice", [advice["message"] for advice in task["advice"]])
    parts += _bullets("Rests on disputed figures", [dispute_text(d) for d in task["disputes"]])
    if verbose:
        parts += _bullets("Rules", [_rule_text(row) for row in task["rules"] if row["outcome"] != "not_fired"])
        parts += _models(task)
    return Group(*parts)


def _pair(name: str, value: str) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=12, style="bold")
    table.add_column(overflow="fold")
    table.add_row(name, Text(value))
    return table


def _bullets(title: str, lines: list[str]) -> list[RenderableType]:
    return _list(title, [("-", line) for line in lines])


def _numbered(title: str, lines: list[str]) -> list[RenderableType]:
    return _list(title, [(f"{number}.", line) for number, line in enumerate(lines, 1)])


def _list(title: str, rows: list[tuple[str, str]]) -> list[RenderableType]:
    if not rows:
        return []
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for mark, line in rows:
        table.add_row(mark, Text(line))
    return [Text(title, "bold"), Padding(table, (0, 0, 0, 2))]


def _options(task: Document) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column("Option", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("USD/month", justify="right", no_wrap=True)
    table.add_column("Model and why", overflow="fold")
    rows = sorted(task["options"], key=lambda row: (STATUS_ORDER.index(row["status"]), -row["score"]))
    recommended = (task["recommendation"] or {}).get("deployment")
    for row in rows:
        low, high = row["score_range"]
        score = str(row["score"]) if low == high else f"{row['score']} ({low}..{high})"
        mark = "*" if row["deployment"] == recommended else " "
        table.add_row(
            f"{mark} {row['deployment']}",
            Text(row["status"], _STATUS_STYLE[row["status"]]),
            score,
            usd(row["monthly_usd"]) if row["monthly_usd"] is not None else "unknown",
            Text(_option_line(task, row)),
        )
    return table


def _option_line(task: Document, row: Document) -> str:
    notes = []
    if row["status"] in ("permitted", "uncertain") and row["model"]:
        notes.append(row["model"])
    if row["over_budget"]:
        notes.append("over budget")
    if row["deployment"] == task["cheapest"]:
        notes.append("cheapest")
    why = option_why(task, row)
    return ": ".join(part for part in (", ".join(notes), why) if part)


def _missing(task: Document) -> list[RenderableType]:
    missing, decisive = task["missing_facts"], task["decisive_facts"]
    if not missing:
        return []
    others = [name for name in missing if name not in decisive]
    lines = []
    if decisive:
        lines.append(f"can change the verdict: {', '.join(decisive)}")
    if others:
        lines.append(f"cannot: {', '.join(others)}")
    return _bullets("Not known", lines)


def _rule_text(row: Document) -> str:
    facts = ", ".join(f"{name} = {value_text(f['value'])} ({f['grade']})" for name, f in row["facts"].items())
    missing = f"; unknown: {listed(row['missing'])}" if row["missing"] else ""
    return f"{row['outcome']} {row['id']} ({', '.join(row['criteria'])}): {facts}{missing}"


def _models(task: Document) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for row in task["options"]:
        lines = []
        for model in row["models"]:
            mark = {True: "fits", False: "out", None: "unsure"}[model["qualifies"]]
            lines.append(f"{model['name']} ({mark}): {'; '.join(model['reasons']) or 'chosen'}")
        parts += _bullets(f"Models on {row['deployment']}", lines)
    return parts


def _plan(plan: Document) -> RenderableType:
    lines = []
    for route in plan["routes"]:
        target = f"{route['deployment'] or 'nothing permitted'} {route['model'] or ''}".strip()
        lines.append(f"{route['task']} ({route['share']:.0%} of the volume): {target}, {usd(route['monthly_usd'])} USD/month")
    total = "unknown" if plan["monthly_usd"] is None else f"{usd(plan['monthly_usd'])} USD/month"
    over = ", over budget" if plan["over_budget"] else ""
    return Group(Text(""), *_bullets(f"Plan: {plan['kind']}, {total}{over}", lines))


def _footer(document: Document) -> RenderableType:
    policy, ledger = document["policy"], document.get("ledger")
    lines = [f"Decision {document['id'][:16]} at {document['decided_at']}, policy {policy['version']} {policy['digest'][:19]}"]
    if document["valid_until"]:
        lines.append(f"Valid until {document['valid_until']}")
    if ledger:
        where = "scratch ledger, kept nowhere" if ledger.get("status") == "scratch" else "ledger"
        lines.append(f"Recorded in the {where} as entry {ledger['index']}; `policy explain {document['id'][:16]}` shows all")
    return Text("\n" + "\n".join(lines), "dim")
