"""What a change makes of workloads: verdict, model, obligations and cost, before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_UNKNOWN = "what it was cannot be decided"
_SEVERAL = "several have this name, or had: which one it was is not known"
_CELLS: tuple[Callable[[Mapping[str, Any]], str], ...] = (judged_cell, duties_cell, cost_cell)


def comparison(judged: Judged) -> Iterator[str]:
    """Yield the section about the changes since a revision; nothing where none was named."""
    since = judged.selection.since
    if since is None:
        return
    found = judged.compared or Compared()
    yield from (f"### Since {escape(one_line(since.revision))}", "")
    rows = list(_rows(judged.workloads, found))
    for held in judged.selection.deleted:
        names = held.workloads or (shown_path(held.file),)
        rows += [_line(name, "deleted: it is not gated any more", "", "", "", "") for name in names]
    if rows:
        yield from (*_HEAD, *rows, "")
    if found.before:
        yield from (_NOTE, "")


def _rows(workloads: Sequence[JudgedWorkload], found: Compared) -> Iterator[str]:
    """Yield a line for each workload, with what it was.

    Workloads of one name in one file are told apart by their order, where there are as many as there were. One that
    nobody saw move is found by its name alone, where no other has that.
    """
    now, names = Counter((each.file, each.name) for each in workloads), Counter(each.name for each in workloads)
    by_name: dict[str, list[JudgedWorkload]] = {}
    for (_, name), known in found.before.items():
        by_name.setdefault(name, []).extend(known)
    met: Counter[tuple[str, str]] = Counter()
    for each in workloads:
        key = (each.file, each.name)
        before = found.before.get(key, ())
        if not before and names[each.name] == len(by_name.get(each.name, ())) == 1:
            before = by_name[each.name]
        shown = each.name if names[each.name] == 1 else f"{each.name} in {shown_path(each.file)}"
        if not before:
            yield _line(shown, _UNKNOWN if each.file in found.open else "new", *_cells(each))
        elif len(before) != now[key]:
            yield _line(shown, _SEVERAL, *_cells(each))
        else:
            yield _changed(shown, each, before[met[key]])
        met[key] += 1


def _changed(shown: str, now: JudgedWorkload, before: JudgedWorkload) -> str:
    new, old = _cells(now), _cells(before)
    change = "changed" if old != new else "the same outcome"
    both = [one if one == other else f"{other} → {one}" for one, other in zip(new, old, strict=True)]
    return _line(shown, change, *both)


def _cells(workload: JudgedWorkload) -> list[str]:
    document = workload.shown or workload.decision.document
    return [verdict_cell(document), *(_by_task(document, cell) for cell in _CELLS)]


def _by_task(document: Mapping[str, Any], cell: Callable[[Mapping[str, Any]], str]) -> str:
    """Return what a cell says of the task; of several, of each."""
    tasks = document["tasks"]
    return cell(tasks[0]) if len(tasks) == 1 else "; ".join(f"{task['name']}: {cell(task)}" for task in tasks)


def _line(*cells: str) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"
