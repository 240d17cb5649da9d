"""Decisions as Markdown: for a pull request, a wiki page or a ticket. Everything that a file says is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policy_engine.changes_wording import change_lines
from policy_engine.hardware_wording import claim_lines
from policy_engine.markdown_text import escape
from policy_engine.next_steps import next_steps
from policy_engine.option_wording import AT_LEAST_NOTE, option_cells, plan_text
from policy_engine.summary import (
    VERDICT_WORDS,
    dispute_lines,
    missing_lines,
    option_why,
    proposed_text,
    ranked_options,
    reasons,
    recommendation_text,
)

Document = Mapping[str, Any]


def decisions(shown: Sequence[tuple[str | None, Document]]) -> str:
    """Return all decisions as one Markdown document."""
    return "\n".join(_decision(document, file) for file, document in shown)


def _decision(document: Document, file: str | None) -> str:
    workload = document["workload"]
    lines = [
        f"## {VERDICT_WORDS[document['verdict']]}: {escape(workload['namespace'])}/{escape(workload['name'])}",
        "",
    ]
    for task in document["tasks"]:
        lines += _task(task, file, document["id"])
    plan = document["plan"]
    if len(plan["routes"]) > 1:
        lines += [f"{escape(plan_text(plan))}.", ""]
    lines += [
        f"Decision `{document['id']}` at {document['decided_at']}, policy `{document['policy']['digest']}`, "
        f"{_place(document.get('ledger') or {})}.",
        "",
    ]
    return "\n".join(lines)


def _place(ledger: Document) -> str:
    if ledger.get("status") == "spooled":
        return f"spooled as leaf `{ledger['leaf_hash']}`, to be collected into a ledger"
    return f"ledger entry {ledger.get('index', 'none')}"


def _task(task: Document, file: str | None, decision_id: str) -> list[str]:
    lines = [f"### Task {escape(task['name'])}: {VERDICT_WORDS[task['verdict']].lower()}", ""]
    if task["proposal"] is not None:
        lines += [f"Proposed: {escape(proposed_text(task))}.", ""]
    lines += [f"Recommended: {escape(recommendation_text(task))}.", ""]
    lines += _list("Why", reasons(task))
    lines += _list("Hardware", [line if mark == "-" else f"{mark}: {line}" for mark, line in claim_lines(task)])
    lines += [
        "| Option | Status | Score | USD/month | Model | Why |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    floors = False
    for row in ranked_options(task):
        cells = (*option_cells(task, row), option_why(task, row))
        floors = floors or cells[3].endswith("+")
        lines.append("| " + " | ".join(escape(cell) for cell in cells) + " |")
    lines.append("")
    if floors:
        lines += [escape(AT_LEAST_NOTE), ""]
    lines += _list("Not known", missing_lines(task))
    lines += _list("Do next", next_steps(task, file, decision_id))
    lines += _list("Would change it", change_lines(task))
    lines += _list("Advice", [advice["message"] for advice in task["advice"]])
    lines += _list("Disputed figures", dispute_lines(task["disputes"]))
    return lines


def _list(title: str, items: Sequence[str]) -> list[str]:
    return [f"**{title}**", "", *(f"- {escape(item)}" for item in items), ""] if items else []
