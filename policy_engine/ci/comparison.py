"""What a change makes of workloads: verdict, model, obligations and cost, before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policy_engine.ci.cells import cost_cell, duties_cell, judged_cell, verdict_cell
from policy_engine.ci.judged import Compared, Judged, JudgedWorkload
from policy_engine.ci.places import one_line, shown_path
from policy_engine.markdown_text import escape

_HEAD = (
    "| Workload | Change | Verdict | Model | Obligations | USD/month |",
    "| --- | --- | --- | --- | --- | ---: |",
)
_NOTE = (
    "What stood before was decided again for this comparison, under the rules, the waivers and the evidence of now. "
    "It is on no record."
)
_CELLS: tuple[Callable[[Mapping[str, Any]], str], ...] = (judged_cell, duties_cell, cost_cell)


def comparison(judged: Judged) -> Iterator[str]:
    """Yield the section about the changes since a revision; nothing where none was named."""
    since = judged.selection.since
    if since is None:
        return
    found = judged.compared or Compared()
    yield from (f"### Since {escape(one_line(since.revision))}", "")
    rows = [_row(each, found.before.get(each.name), each.file in found.open) for each in judged.workloads]
    for held in judged.selection.deleted:
        names = held.workloads or (shown_path(held.file),)
        rows += [_line(name, "deleted: it is not gated any more", "", "", "", "") for name in names]
    if rows:
        yield from (*_HEAD, *rows, "")
    if found.before:
        yield from (_NOTE, "")


def _row(now: JudgedWorkload, before: JudgedWorkload | None, is_open: bool) -> str:
    new = _cells(now)
    if before is None:
        return _line(now.name, "what it was cannot be decided" if is_open else "new", *new)
    old = _cells(before)
    change = "changed" if old != new else "the same outcome"
    both = [one if one == other else f"{other} → {one}" for one, other in zip(new, old, strict=True)]
    return _line(now.name, change, *both)


def _cells(workload: JudgedWorkload) -> list[str]:
    document = workload.shown or workload.decision.document
    return [verdict_cell(document), *(_by_task(document, cell) for cell in _CELLS)]


def _by_task(document: Mapping[str, Any], cell: Callable[[Mapping[str, Any]], str]) -> str:
    """Return what a cell says of the task; of several, of each."""
    tasks = document["tasks"]
    return cell(tasks[0]) if len(tasks) == 1 else "; ".join(f"{task['name']}: {cell(task)}" for task in tasks)


def _line(*cells: str) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"
