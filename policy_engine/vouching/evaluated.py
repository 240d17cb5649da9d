"""What a report of `policy parity` says for a workload on a day, or why it says nothing. Pure.

1. The entry holds the report that it names by its SHA-256, and each verdict follows from its figures.
2. Where the workload names a digest, it is that of the report, or of the golden dataset.
3. The report has not ended.
4. Its margin is no wider, and its confidence no lower, than the policy's parameters.
5. Every task that proposes an open model was compared: by the metric of its kind, that model with the one replaced.
   So was an open model that it falls back to.
6. Of each of these models it found that it is better, or equivalent.

A report that fails 4 to 6 speaks against the workload that names it: then it satisfies nothing, not even where a
reference beside it would. Where another model is judged in the place of what is proposed, such as a fallback that a
route looks for, the report is evidence of that one only where it names it so as well, for the task as it is: of the
same kind, by a metric that counts for it, and with the model replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import chain
from typing import Any

from policy_audit.entry import Entry
from policy_audit.errors import AuditError

from policy_engine.catalog.catalog import Catalog
from policy_engine.loading.policy import Policy
from policy_engine.loading.wording import quoted
from policy_engine.model.workload import Fallback, Proposal, Task, Workload
from policy_engine.vouching.entries import Speaks
from policy_engine.vouching.evaluation import (
    COUNTED,
    EVIDENCE,
    METRICS,
    SHOWN,
    Evaluation,
    evaluation_body,
    evaluation_of,
)
from policy_engine.vouching.evaluation import Task as Compared

MARGIN, CONFIDENCE = "parity_margin", "parity_confidence"
#: What policies on record that lack the parameters are held to.
_DEFAULTS = {MARGIN: 0.02, CONFIDENCE: 0.95}
_FOUND = {
    "worse": "found {model} worse than {other}",
    "inconclusive": "did not find whether {model} is worse than {other}",
    "too_few": "has too few examples to tell {model} from {other}",
}


def parameter(policy: Policy, name: str) -> float:
    """Return the policy's margin or confidence, a share."""
    found = policy.rules.parameters.get(name)
    return float(found.value) if found is not None else _DEFAULTS[name]


def check_evaluation(entry: Entry, workload: Workload, named: str | None, policy: Policy, day: date) -> Speaks | str:
    """Return until when the report speaks, and what against the workload; or why it says nothing on `day`.

    `named` is the digest that the workload gives with the evidence, None where it gives none.
    """
    try:
        report, ends = read_report(entry.body, workload.identity)
    except ValueError as error:
        return str(error)
    if named is not None and named not in (entry.body["sha256"], report.golden.sha256):
        return "its report is of another golden dataset than the file"
    if ends is not None and ends < day:
        return f"the report ended on {ends}"
    return Speaks(ends, problem_of(report, workload, policy), _shown(report, workload, policy.catalog))


def read_report(body: Mapping[str, Any], identity: str) -> tuple[Evaluation, date | None]:
    """Return the report that the body of an entry holds on the workload `identity`, and its last day; step 1.

    Raises:
        ValueError: it holds none that `policy parity` writes; the text says why.
    """
    try:
        report = evaluation_of(body.get("report"))
        until = body.get("valid_until")
        ends = date.fromisoformat(until) if until is not None else None
        # what a report of other members says is none that this program wrote
        same = evaluation_body(report, identity, until)
    except (AuditError, ValueError, TypeError, ArithmeticError, RecursionError):
        raise ValueError(
            "its entry holds no report of `policy parity` whose verdicts follow from its figures"
        ) from None
    if body.get("workload") != identity:
        raise ValueError("its entry is about another workload")
    if body.get("sha256") != same["sha256"]:
        raise ValueError("its entry names another report than it holds")
    if body.get("evidence") != list(EVIDENCE) or body.keys() != same.keys():
        raise ValueError("its entry is none that `policy parity` writes")
    return report, ends


def _shown(report: Evaluation, workload: Workload, catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return of each task the models that the report found better or equivalent, by the catalog's names of them.

    Of a task that it compared as other work, it shows none. One that stands in it twice is shown where both of its
    verdicts say so.
    """
    compared = {each.name: each for each in report.tasks}
    found: dict[str, tuple[str, ...]] = {}
    for task in workload.spec.tasks:
        of = compared.get(task.name)
        if of is None or any(_other_work(of, task, workload, catalog)):
            continue
        verdicts: dict[str, set[str]] = {}
        for each in of.candidates:
            verdicts.setdefault(key(catalog, each.model), set()).add(each.verdict)
        found[task.name] = tuple(sorted(name for name, said in verdicts.items() if said <= set(SHOWN)))
    return found


def problem_of(report: Evaluation, workload: Workload, policy: Policy) -> str | None:
    """Say what keeps a report from showing that the models proposed may replace what is in use; None where it does."""
    return next(_against(report, workload, policy), None)


def open_proposals(workload: Workload) -> list[tuple[Task, Proposal | Fallback]]:
    """Return the tasks that propose anything but a proprietary model, each with what it proposes and falls back to."""
    found: list[tuple[Task, Proposal | Fallback]] = []
    for task in workload.spec.tasks:
        if task.proposal is not None:
            found += [(task, task.proposal)]
            found += [(task, task.proposal.fallback)] if task.proposal.fallback is not None else []
    return [(task, proposal) for task, proposal in found if proposal.deployment != "proprietary_api"]


def _against(report: Evaluation, workload: Workload, policy: Policy) -> Iterator[str]:
    """Yield what keeps a report that is one from showing anything; steps 4 to 6."""
    yield from _looser(report, policy)
    proposals = open_proposals(workload)
    if not proposals:
        yield "no task of the workload proposes an open model that it could be held to"
    unsaid = [task.name for task in workload.spec.tasks if task.proposal is None]
    if unsaid:
        yield f"the task {quoted(unsaid[0])} proposes nothing that it could be held to"
    migration = workload.spec.migration
    replaced = migration.replaces if migration is not None and migration != "none" else None
    if migration != "none" and (replaced is None or replaced.model is None):
        yield "the migration names no model that it replaces"
    compared = {each.name: each for each in report.tasks}
    for task, proposal in proposals:
        found = compared.get(task.name)
        if found is None:
            yield f"its report has no task {quoted(task.name)}"
        else:
            yield from _of_task(found, task, proposal.model, workload, policy.catalog)


def problem_of_task(
    report: Evaluation, found: Compared, task: Task, model: str | None, workload: Workload, policy: Policy
) -> str | None:
    """Say what keeps a report from showing that `model` may do one task, as it was compared; None where it does."""
    of_task = _of_task(found, task, model, workload, policy.catalog)
    return next(chain(_looser(report, policy), of_task), None)


def _looser(report: Evaluation, policy: Policy) -> Iterator[str]:
    most, least = parameter(policy, MARGIN), parameter(policy, CONFIDENCE)
    if report.margin > most:
        yield f"its margin of {report.margin:g} is wider than param.{MARGIN} ({most:g})"
    if report.confidence < least:
        yield f"its confidence of {report.confidence:g} is lower than param.{CONFIDENCE} ({least:g})"


def _other_work(found: Compared, task: Task, workload: Workload, catalog: Catalog) -> Iterator[str]:
    """Yield why what was compared is not what the task does now: its kind, its metric, the model that is replaced."""
    name = quoted(task.name)
    if found.kind != task.kind:
        yield f"it compared the task {name} as {found.kind}, and the workload says {task.kind}"
    if found.metric not in COUNTED.intersection(METRICS.get(task.kind, COUNTED)):
        yield f"it compared the task {name} by {found.metric}, which does not count for {task.kind}"
    migration = workload.spec.migration
    replaced = migration.replaces if migration is not None and migration != "none" else None
    if replaced is not None and replaced.model is not None:
        current = found.current.model
        if not is_same(catalog, replaced.model, current):
            yield f"it compares with {quoted(current)}, and the workload replaces {quoted(replaced.model)}"


def _of_task(found: Compared, task: Task, model: str | None, workload: Workload, catalog: Catalog) -> Iterator[str]:
    yield from _other_work(found, task, workload, catalog)
    name = quoted(task.name)
    if model is None:
        yield f"the task {name} names no model that it could be held to"
        return
    of = [each for each in found.candidates if is_same(catalog, model, each.model)]
    if not of:
        yield f"it does not compare {quoted(model)}, which the task {name} proposes"
    for each in of:
        if each.verdict not in SHOWN:
            said = _FOUND[each.verdict].format(model=quoted(each.model), other=quoted(found.current.model))
            yield f"its report {said} on the task {name}, by {found.metric}"


def is_same(catalog: Catalog, one: str, other: str) -> bool:
    """Whether two names are of one model: by the catalog's aliases, or letter for letter."""
    return key(catalog, one) == key(catalog, other)


def key(catalog: Catalog, name: str) -> str:
    """Return the catalog's name of a model, else the name itself."""
    found = catalog.model(name)
    return found.key if found is not None else name
