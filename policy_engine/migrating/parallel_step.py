"""Step 3, parallel tests: the metric of each task, and how each candidate came out on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from policy_audit.entry import EntryType

from policy_engine.migrating.bed_step import PARALLEL, parity_command, reported_item
from policy_engine.migrating.case import Case, TaskView, named
from policy_engine.migrating.item import Asks, Ground, Item, State, Step
from policy_engine.migrating.obliged import evidence_item, owed_of
from policy_engine.migrating.records import Evaluation
from policy_engine.migrating.shortlist import Shortlist
from policy_engine.vouching.evaluated import open_proposals, problem_of_task
from policy_engine.vouching.evaluation import Candidate
from policy_engine.vouching.evaluation import Task as Compared
from policy_engine.wording import listed

_METRIC = "MIGRATE-03"
_BENCHMARK = "own_benchmark"
_NOTE = "tune the prompt for each model before you compare: nothing on record shows whether that was done"


_GARBLED = "the later entry {} is malformed, and nobody knows what it says"


class Outcome(Struct, frozen=True):
    """How one candidate came out for one task, by one report."""

    report: Evaluation
    task: Compared
    candidate: Candidate

    def says(self) -> str:
        """Return the outcome as people read it; metrics are parts of one."""
        ends, candidate = self.candidate.difference, self.candidate
        return (
            f"{candidate.model} is {candidate.verdict.replace('_', ' ')}: {self.task.metric} {candidate.value:.3f} "
            f"against {self.task.current.value:.3f} of {self.task.current.model} "
            f"(difference {ends.low:+.3f} to {ends.high:+.3f}, {self.task.examples:,} examples)"
        )


def parallel_step(case: Case, shortlists: Mapping[str, Shortlist]) -> Step:
    """Return the items of step 3."""
    items = [reported_item(case, PARALLEL, "Old and new model side by side")]
    if owed_of(case, _BENCHMARK):
        items.append(evidence_item(case, _BENCHMARK, "A benchmark on your own data"))
    items += [_outcome(case, task, shortlists.get(task.name)) for task in case.tasks]
    return Step(3, "Parallel tests", tuple(items), (_NOTE,))


def outcomes(case: Case, task: TaskView) -> list[Outcome]:
    """Return what is on record of a task, the newest report first, each candidate once."""
    found: dict[str | None, Outcome] = {}
    for report in case.records.evaluations:
        for compared in report.body.report.tasks:
            for candidate in compared.candidates if compared.name == task.name else ():
                found.setdefault(named(case.catalog, candidate.model), Outcome(report, compared, candidate))
    return list(found.values())


def metric_of(task: TaskView) -> str | None:
    """Return what the rules say of the metric for a kind of task."""
    advice = [each["message"] for each in task.document["advice"] if _METRIC in each["criteria"]]
    return str(advice[0]).split(". ")[0] if advice else None


def _outcome(case: Case, task: TaskView, shortlist: Shortlist | None) -> Item:
    asks, title = _asks(case, task), f"Compared by the metric of {task.facts['task.kind']}"
    found = outcomes(case, task)
    shown = [*_metric_ground(task), *(_ground(case, each) for each in found)]
    if task.moves_to_open is False:
        said = Ground("decision", str(task.option), "what is judged is no open model")
        return Item("outcome", title, "not_needed", asks.unheard, (said, *shown), task=task.name)
    own = next((each for each in found if named(case.catalog, each.candidate.model) == task.model), None)
    state, action = _judge(case, task, own)
    if own is None and found:
        names = listed([each.candidate.model for each in found])
        shown.append(Ground("decision", str(task.model), f"what is judged; on record is {names}"))
    shown += _coverage(case, found, shortlist)
    return Item("outcome", title, state, asks, tuple(shown), action, task.name)


def _judge(case: Case, task: TaskView, own: Outcome | None) -> tuple[State, str | None]:
    """Say what the newest report on the judged model comes to: only one that counts, against what is replaced."""
    command = parity_command(case)
    if own is None:
        # what nobody looked at, or somebody only names as evidence, may well have been done
        unseen = case.records.size is None or any(duty["status"] == "satisfied" for _, duty in owed_of(case, PARALLEL))
        return ("unknown" if unseen or task.model is None else "missing"), command
    problem = own.report.problem(case.day)
    if problem is not None:
        return ("missing" if own.report.revoked is not None else "overdue"), f"{problem}: {command}"
    if case.replaced_model is None:
        current = named(case.catalog, own.task.current.model)
        return "unknown", f"write `migration.from.model`: it compares with {current}, and nobody says what is replaced"
    against = _against(case, task, own)
    if against is not None:
        instead = "propose another candidate, or tune its prompt, and then " if own.candidate.verdict == "worse" else ""
        return "missing", f"{against}: {instead}{command}"
    garbled = case.records.garbled_after(EntryType.EVALUATION_REPORT, own.report.index)
    return ("done", None) if garbled is None else ("unknown", f"{_GARBLED.format(garbled.index)}: {command}")


def _against(case: Case, view: TaskView, own: Outcome) -> str | None:
    """Say what a decision has against the report on this task: of the judged model, and of an open fallback."""
    workload, policy, report = case.workload, case.decider.policy, own.report.body.report
    task = next(each for each in workload.spec.tasks if each.name == view.name)
    proposed = [each.model for of, each in open_proposals(workload) if of.name == task.name]
    found = (problem_of_task(report, own.task, task, model, workload, policy) for model in [view.model, *proposed])
    return next((each for each in found if each is not None), None)


def _asks(case: Case, task: TaskView) -> Asks:
    rules = [row["id"] for row in case.rows(_METRIC, task) if row["outcome"] == "fired" and not row["enforcement"]]
    return case.asks(_METRIC, task, rules or None)


def _metric_ground(task: TaskView) -> Iterator[Ground]:
    metric = metric_of(task)
    if metric is not None:
        yield Ground("decision", "metric", metric)


def _ground(case: Case, each: Outcome) -> Ground:
    problem = each.report.problem(case.day)
    index = each.report.index
    return Ground("entry", f"entry {index}", each.says() + (f"; {problem}" if problem is not None else ""), index)


def _coverage(case: Case, found: list[Outcome], shortlist: Shortlist | None) -> Iterator[Ground]:
    if shortlist is None or not shortlist.candidates:
        return
    known = {named(case.catalog, each.candidate.model) for each in found}
    of = len(shortlist.candidates)
    yield Ground("catalog", "short list", f"{sum(e.model in known for e in shortlist.candidates)} of {of} on record")
