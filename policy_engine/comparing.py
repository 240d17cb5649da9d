"""What decides in two documents of one workload: verdicts, recommendations, options, rules, obligations, costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from policy_engine.errors import InputError, Problem
from policy_engine.model.fields import Deployment
from policy_engine.model.task_case import ALLOWING, Status, Verdict

Usd = int | float
T = TypeVar("T")


class _Recommendation(Struct, frozen=True):
    deployment: Deployment
    model: str | None
    provider: str | None
    monthly_usd: Usd | None
    provisional: bool = False


class _Option(Struct, frozen=True):
    deployment: Deployment
    status: Status
    score: int
    monthly_usd: Usd | None


class _Rule(Struct, frozen=True):
    id: str
    outcome: Literal["fired", "not_fired", "indeterminate"]
    message: str = ""


class _Obligation(Struct, frozen=True):
    evidence: str
    status: str
    enforcement: str


class _Task(Struct, frozen=True):
    name: str
    verdict: Verdict
    recommendation: _Recommendation | None
    options: tuple[_Option, ...]
    rules: tuple[_Rule, ...]
    obligations: tuple[_Obligation, ...]


class _Plan(Struct, frozen=True):
    monthly_usd: Usd | None


class _Decision(Struct, frozen=True):
    verdict: Verdict
    plan: _Plan
    tasks: tuple[_Task, ...]


class Change(Struct, frozen=True):
    """What was and what is; None where there is none, or it is not known."""

    before: Any
    after: Any

    @property
    def loosens(self) -> bool:
        """Whether a verdict no longer denies."""
        return self.before == "deny" and self.after in ALLOWING


class Named(Struct, frozen=True):
    """A change of the rule, option or obligation of this name; `message` is what the rule says."""

    name: str
    before: Any
    after: Any
    message: str | None = None


class TaskChange(Struct, frozen=True):
    """What changed for one task; `gone` and `new` tasks are in one of the documents alone."""

    name: str
    verdict: Change
    recommendation: Change
    monthly_usd: Change
    options: tuple[Named, ...]
    rules: tuple[Named, ...]
    obligations: tuple[Named, ...]

    @property
    def changed(self) -> bool:
        changes = (self.verdict, self.recommendation, self.monthly_usd)
        return any(each.before != each.after for each in changes) or bool(
            self.options or self.rules or self.obligations
        )


class Comparison(Struct, frozen=True):
    """Two decisions on one workload, side by side."""

    verdict: Change
    monthly_usd: Change
    tasks: tuple[TaskChange, ...] = field(default_factory=tuple)

    @property
    def changed(self) -> bool:
        """Whether anything differs that decides."""
        whole = any(each.before != each.after for each in (self.verdict, self.monthly_usd))
        return whole or any(task.changed for task in self.tasks)

    @property
    def loosened(self) -> bool:
        """Whether the workload, or a task of it, was denied and is allowed."""
        return self.verdict.loosens or any(task.verdict.loosens for task in self.tasks)


def compare(before: bytes, after: bytes) -> Comparison:
    """Compare two decisions' documents.

    Raises:
        InputError: one is no decision that this program knows.
    """
    one, other = (_read(content) for content in (before, after))
    pairs = _joined({task.name: task for task in one.tasks}, {task.name: task for task in other.tasks})
    tasks = tuple(_task(name, *pair) for name, *pair in pairs)
    return Comparison(Change(one.verdict, other.verdict), Change(one.plan.monthly_usd, other.plan.monthly_usd), tasks)


def _read(content: bytes) -> _Decision:
    try:
        return msgspec.json.decode(content, type=_Decision)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        message = f"the recorded decision is not what this program reads: {str(error)[:300]}"
        raise InputError(Problem("recorded-decision", message)) from None


def _task(name: str, one: _Task | None, other: _Task | None) -> TaskChange:
    recommended = [task.recommendation if task is not None else None for task in (one, other)]
    return TaskChange(
        name=name,
        verdict=Change(*(task.verdict if task is not None else None for task in (one, other))),
        recommendation=Change(*map(_recommended, recommended)),
        monthly_usd=Change(*(each.monthly_usd if each is not None else None for each in recommended)),
        options=tuple(_options(one, other)),
        rules=tuple(_rules(one, other)),
        obligations=tuple(_obligations(one, other)),
    )


def _recommended(found: _Recommendation | None) -> str | None:
    if found is None:
        return None
    parts = [each for each in (found.deployment, found.model, found.provider) if each is not None]
    return "/".join(parts) + (" (provisional)" if found.provisional else "")


def _options(one: _Task | None, other: _Task | None) -> Iterator[Named]:
    given = [{str(each.deployment): each for each in task.options} if task else {} for task in (one, other)]
    for name, before, after in _joined(*given):
        if (was := _option(before)) != (now := _option(after)):
            yield Named(name, was, now)


def _option(found: _Option | None) -> dict[str, Any] | None:
    return None if found is None else {"status": found.status, "score": found.score, "monthly_usd": found.monthly_usd}


def _rules(one: _Task | None, other: _Task | None) -> Iterator[Named]:
    given = [{each.id: each for each in task.rules} if task else {} for task in (one, other)]
    for name, before, after in _joined(*given):
        was, now = (each.outcome if each is not None else None for each in (before, after))
        # a rule that the other policy does not have, and that does not fire here, changes nothing
        if was != now and {was, now} != {None, "not_fired"}:
            said = after if after is not None and after.message else before
            yield Named(name, was, now, said.message or None if said is not None else None)


def _obligations(one: _Task | None, other: _Task | None) -> Iterator[Named]:
    given = [{each.evidence: each for each in task.obligations} if task else {} for task in (one, other)]
    for name, before, after in _joined(*given):
        was, now = (None if each is None else f"{each.status} ({each.enforcement})" for each in (before, after))
        if was != now:
            yield Named(name, was, now)


def _joined(one: Mapping[str, T], other: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    """Yield each name with what either has of it, in the order of the first, then of the second."""
    for name in {**one, **other}:
        yield name, one.get(name), other.get(name)
