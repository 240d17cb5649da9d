"""Step 2, the test bed: a golden dataset, and a short list of candidates for each workhorse task."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from policy_engine.migrating.case import Case, TaskView
from policy_engine.migrating.item import Ground, Item, State, Step
from policy_engine.migrating.obliged import evidence_item
from policy_engine.migrating.records import Evaluation
from policy_engine.migrating.shortlist import Shortlist
from policy_engine.vouching.evaluated import problem_of
from policy_engine.wording import listed

GOLDEN = "golden_dataset"
PARALLEL = "parallel_test"
_SHORTLIST = "MIGRATE-02"


def bed_step(case: Case, shortlists: Mapping[str, Shortlist]) -> Step:
    """Return the items of step 2."""
    items = [
        reported_item(case, GOLDEN, "A golden dataset, and a result on it"),
        *(_shortlist(case, task, shortlists.get(task.name)) for task in case.tasks),
    ]
    return Step(2, "Test bed", tuple(items))


def reported_item(case: Case, name: str, title: str) -> Item:
    """Return an item that evidence shows, with the reports on record that name it.

    A report that the workload does not name shows nothing to a decision: it is told, with the field to write.
    """
    reports = [each for each in case.records.evaluations if name in each.body.evidence]
    # the newest one that stands: what it says against the workload, no older one takes back
    newest = next((each for each in reports if each.problem(case.day) is None), None)
    counts = newest is not None and _against(newest, case) is None
    action = _name_it(name, newest) if newest is not None and counts else parity_command(case)
    found = evidence_item(case, name, title, action)
    grounds = (*found.shown_by, *(_report(each, case) for each in reports[:1]))
    return Item(found.id, found.title, found.state, found.asks, grounds, found.action)


def _against(report: Evaluation, case: Case) -> str | None:
    return problem_of(report.body.report, case.workload, case.decider.policy)


def _name_it(name: str, report: Evaluation) -> str:
    return f"write `evidence.{name}: {{ledger_index: {report.index}}}`, which counts in the same ledger"


def _report(each: Evaluation, case: Case) -> Ground:
    problem = each.problem(case.day) or _against(each, case)
    golden = each.body.report.golden
    said = f"the newest report, of {each.day}, on {golden.examples:,} examples of the dataset {golden.sha256[:12]}"
    return Ground("entry", f"entry {each.index}", said + (f"; {problem}" if problem is not None else ""), each.index)


def parity_command(case: Case) -> str:
    """Return the command that compares the answers of the judged open models on the golden dataset of all tasks.

    One report is evidence of the whole workload: one of a task alone would be of none.
    """
    models = dict.fromkeys(task.model for task in case.tasks if task.moves_to_open and task.model is not None)
    candidates = list(models) or ["CANDIDATE"]
    files = ["candidate.jsonl"] if len(candidates) == 1 else [f"candidate-{n + 1}.jsonl" for n in range(len(models))]
    sides = [("current", case.replaced_model or "CURRENT", "current.jsonl")]
    sides += [("candidate", model, file) for model, file in zip(candidates, files, strict=True)]
    words = " ".join(f"--{side} {shlex.quote(f'{model}={file}')}" for side, model, file in sides)
    return f"`{case.call('parity')} --golden golden.jsonl {words} --record`"


def _shortlist(case: Case, task: TaskView, found: Shortlist | None) -> Item:
    asks = case.asks(_SHORTLIST, task)
    title = "Two or three open candidates"
    kind = task.facts.get("task.class")
    if found is None:
        said = Ground("fact", "task.class", str(kind or "not known"))
        state: State = "unknown" if kind is None else "not_needed"
        action = None if state == "not_needed" else "classify the task first: only workhorse tasks have a short list"
        return Item("shortlist", title, state, asks if action else asks.unheard, (said,), action, task.name)
    least = int(case.parameters["shortlist_min"])
    shown = tuple(
        Ground("catalog", each.model, f"{each.why}, on {each.option}{'' if each.sure else ', not known to qualify'}")
        for each in found.candidates
    )
    if found.sure >= least:
        return Item("shortlist", title, "done", asks, shown, task=task.name)
    if found.sure + found.doubtful >= least:
        missing = sorted({name for each in found.candidates for name in each.missing})
        action = f"state what would tell whether they qualify: {listed(missing)}"
        return Item("shortlist", title, "unknown", asks, shown, action, task.name)
    action = (
        f"{found.sure} of {least} candidates qualify: relax what the task asks for, or add models to a layer's catalog"
    )
    return Item("shortlist", title, "missing", asks, shown, action, task.name)
