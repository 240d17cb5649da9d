"""Step 1, audit and strategy: what each task is, what it costs today, what it needs, who leads, how long there is."""

from __future__ import annotations

from collections.abc import Iterator

from policy_engine.migrating.case import Case, TaskView
from policy_engine.migrating.item import Asks, Ground, Item, State, Step
from policy_engine.migrating.money import Money
from policy_engine.migrating.obliged import evidence_item
from policy_engine.migrating.timeline import Timeline
from policy_engine.wording import usd, value_text

_AUDIT = "MIGRATE-01"
_CLASS = "TASK-01"
_NEITHER = "unclassified"


def audit_step(case: Case, money: Money, timeline: Timeline) -> Step:
    """Return the items of step 1."""
    items = [*_tasks(case, money), _champion(case), _plan(case, timeline)]
    return Step(1, "Audit and strategy", tuple(items))


def _tasks(case: Case, money: Money) -> Iterator[Item]:
    asks = case.asks(_AUDIT)
    for task in case.tasks:
        yield _class(case, task)
        yield _spend(case, task, money, asks)
        yield _latency(task, asks)
        yield _quality(task, asks)


def _class(case: Case, task: TaskView) -> Item:
    found = task.facts.get("task.class")
    asks = case.asks(_CLASS, task)
    if found is None:
        return Item("class", "Workhorse or frontier", "unknown", asks, action="state `kind`", task=task.name)
    words = "neither workhorse nor frontier work" if found == _NEITHER else found
    said = Ground("fact", "task.class", f"{words}, for its kind is {task.facts['task.kind']}")
    return Item("class", "Workhorse or frontier", "done", asks, (said,), task=task.name)


def _spend(case: Case, task: TaskView, money: Money, asks: Asks) -> Item:
    row = next(each for each in money.tasks if each.task == task.name)
    title = "What it costs today"
    if row.today_usd is not None:
        what = f"{usd(row.today_usd)} USD/month, {case.replaced_model} by its price and the volume of the task"
        what += f" ({', '.join(row.disputes)})" if row.disputes else ""
        figure = Ground("catalog", f"price {row.figure}" if row.figure else "price", what)
        return Item("spend", title, "done", asks, (figure,), task=task.name)
    declared = money.declared_usd
    if declared is not None and len(case.tasks) == 1:
        bill = Ground("fact", "budget.api_spend_usd_per_month", f"{usd(declared)} USD/month, as declared")
        return Item("spend", title, "done", asks, (bill,), task=task.name)
    return Item("spend", title, "unknown", asks, (), row.today_wants, task.name)


def _latency(task: TaskView, asks: Asks) -> Item:
    latency, batch = task.facts.get("task.latency_p95_ms"), task.facts.get("task.batch")
    shown: list[Ground] = []
    if latency is not None:
        shown.append(Ground("fact", "task.latency_p95_ms", f"{value_text(latency)} ms"))
    if batch is not None:
        shown.append(Ground("fact", "task.batch", "overnight work" if batch else "answered at once"))
    done = latency is not None or batch is True
    action = None if done else f"write `tasks[{task.index}].latency_p95_ms`, or `batch: true` where it can wait"
    return Item("latency", "Latency it needs", _stated(done), asks, tuple(shown), action, task.name)


def _quality(task: TaskView, asks: Asks) -> Item:
    quality, floors = task.facts.get("task.quality"), task.result.case.min_scores or {}
    shown = [Ground("fact", "task.quality", str(quality))] if quality is not None else []
    shown += [
        Ground("fact", f"task.min_scores.{name}", value_text(floor))
        for name, floor in floors.items()
        if floor is not None
    ]
    action = None if shown else f"write `tasks[{task.index}].quality: sufficient`, `high` or `best`"
    return Item("quality", "Quality it needs", _stated(bool(shown)), asks, tuple(shown), action, task.name)


def _stated(done: bool) -> State:
    return "done" if done else "missing"


def _champion(case: Case) -> Item:
    found = evidence_item(case, "owner_named", "Somebody leads the migration", "write `migration.champion: NAME`")
    return Item("champion", *(getattr(found, name) for name in ("title", "state", "asks", "shown_by", "action")))


def _plan(case: Case, timeline: Timeline) -> Item:
    asks = case.asks("OPS-06")
    title = "Weeks planned, and the deadline"
    shown = tuple(Ground("fact", name, says) for name, says in timeline.facts)
    return Item("weeks", title, timeline.state, asks, shown, timeline.action)
