"""Step 3, parallel tests: the metric of each task, and how each candidate came out on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from policy_audit.entry import EntryType

from policy_engine.migrating.bed_step import PARALLEL, parity_command, reported_item
from policy_engine.migrating.case import Case, TaskView, named
from policy_engine.migrating.forms import Compared, ComparedTask
from policy_engine.migrating.item import Asks, Ground, Item, State, Step
from policy_engine.migrating.obliged import evidence_item, owed_of
from policy_engine.migrating.records import Evaluation
from policy_engine.migrating.shortlist import Shortlist
from policy_engine.wording import listed

_METRIC = "MIGRATE-03"
_PASSED = ("better", "equivalent")
_BENCHMARK = "own_benchmark"
_NOTE = "tune the prompt for each model before you compare: nothing on record shows whether that was done"


_GARBLED = "the later entry {} is malformed, and nobody knows what it says"


class Outcome(Struct, frozen=True):
    """How one candidate came out for one task, by one report."""

    report: Evaluation
    task: ComparedTask
    candidate: Compared

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
            for candidate in compared.candidates if _is_of(case, compared, task) else ():
                found.setdefault(named(case.catalog, candidate.model), Outcome(report, compared, candidate))
    return list(found.values())


def _is_of(case: Case, compared: ComparedTask, task: TaskView) -> bool:
    return compared.name == task.name or (compared.name is None and len(case.tasks) == 1)


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
    against = named(case.catalog, own.task.current.model)
    if case.replaced_model is None:
        return "unknown", f"write `migration.from.model`: it compares with {against}, and nobody says what is replaced"
    if against != case.replaced_model:
        return "missing", f"it compares with {against}, and {case.replaced_model} is what is replaced: {command}"
    if own.task.kind != task.facts["task.kind"]:
        return "missing", f"it is of {own.task.kind}, and the task is {task.facts['task.kind']}: {command}"
    loose = _looser(case, own.report)
    if loose is not None:
        return "missing", f"{loose}: {command}"
    if own.candidate.verdict in _PASSED:
        garbled = case.records.garbled_after(EntryType.EVALUATION_REPORT, own.report.index)
        return ("done", None) if garbled is None else ("unknown", f"{_GARBLED.format(garbled.index)}: {command}")
    if own.candidate.verdict == "worse":
        return "missing", f"it is worse: propose another candidate, or tune its prompt, and then {command}"
    return "missing", f"it settles nothing: run more examples, {command}"


def _looser(case: Case, report: Evaluation) -> str | None:
    """Return what of a report is looser than the policy has it, where that says."""
    most, least = (case.parameters.get(name) for name in ("parity_margin", "parity_confidence"))
    found = report.body.report
    if isinstance(most, float) and found.margin > most:
        return f"its margin of {found.margin:g} is wider than the {most:g} of param.parity_margin"
    if isinstance(least, float) and found.confidence < least:
        return f"its confidence of {found.confidence:g} is lower than the {least:g} of param.parity_confidence"
    return None


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
