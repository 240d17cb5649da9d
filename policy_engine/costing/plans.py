"""Plans over all tasks of a workload: everything on one option, or each task on what the rules put first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from policy_engine.costing.lines import Line, running_people
from policy_engine.costing.machines import Machine
from policy_engine.costing.returns import Outlay
from policy_engine.costing.speeds import Assumptions
from policy_engine.model.ranges import ZERO, Range, exactly, total
from policy_engine.model.task_case import Status
from policy_engine.model.vocabulary import OPTIONS

if TYPE_CHECKING:
    from policy_engine.costing.estimate import TaskCost

_WORST: tuple[Status, ...] = ("forbidden", "unavailable", "uncertain", "permitted")


class Route(Struct, frozen=True):
    """A task on a line; None where nothing runs it there."""

    task: str
    line: Line | None


class Plan(Struct, frozen=True):
    """One line for each task. Engineers and operations of an option are paid once, however many tasks run on it.

    So is a move to one model on one option.

    Tasks with one model on the same machines share these. `status` is the worst that a task has there. `parts` and
    `outlay` are None where a part is not known.
    """

    name: str
    status: Status
    routes: tuple[Route, ...]
    parts: dict[str, Range] | None
    outlay: Outlay | None
    at_least: bool

    @property
    def monthly(self) -> Range | None:
        return None if self.parts is None else total(self.parts.values())


def plans_of(tasks: Sequence[TaskCost], chosen: Sequence[str | None], assumed: Assumptions) -> tuple[Plan, ...]:
    """Return a plan for each option that could run every task, then the hybrid one by `chosen`, where it is one."""
    plans = [_plan(f"all on {option}", tasks, [option] * len(tasks), assumed) for option in OPTIONS]
    found = [plan for plan in plans if all(route.line is not None for route in plan.routes)]
    if len({*chosen} - {None}) > 1:
        found.append(_plan("hybrid, as ranked", tasks, chosen, assumed))
    return tuple(found)


def _plan(name: str, tasks: Sequence[TaskCost], options: Sequence[str | None], assumed: Assumptions) -> Plan:
    routes = tuple(Route(task.name, _line(task, option)) for task, option in zip(tasks, options, strict=True))
    lines = [route.line for route in routes if route.line is not None]
    floor = any(line.at_least for line in lines)
    status = min((_status(task, option) for task, option in zip(tasks, options, strict=True)), key=_WORST.index)
    if len(lines) < len(routes) or any(line.parts is None for line in lines):
        return Plan(name, status, routes, None, None, floor)
    life = assumed["hardware_life_months"].range
    shared = _shared(lines, [task.load.tokens or 0.0 for task in tasks])
    people = [running_people(assumed, each) for each in dict.fromkeys(line.option for line in lines if line.self_run)]
    tokens = total(line.parts["tokens"] for line in lines if line.parts is not None and "tokens" in line.parts)
    parts = {
        "tokens": tokens,
        "machines": total((m.rent + m.maintenance + m.purchase / life) * count for m, count in shared),
        "power_and_space": total((machine.power + machine.space) * count for machine, count in shared),
        "engineers": total(each for each, _ in people),
        "operations": total(each for _, each in people),
    }
    running = total((tokens, *(each + other for each, other in people), *(m.running * count for m, count in shared)))
    purchase = total(machine.purchase * count for machine, count in shared)
    outlay = Outlay(running, _once(lines), purchase, life)
    return Plan(name, status, routes, {part: cost for part, cost in parts.items() if cost != ZERO}, outlay, floor)


def _shared(lines: Sequence[Line], tokens: Sequence[float]) -> list[tuple[Machine, Range]]:
    """Return the machines of a plan with their replicas: tasks with one model on the same machines share them."""
    groups: dict[tuple[str, str, str | None], list[tuple[Line, float]]] = {}
    for line, load in zip(lines, tokens, strict=True):
        if line.self_run:
            groups.setdefault((line.option, line.model, line.way), []).append((line, load))
    found = []
    for each in groups.values():
        first = each[0][0]
        if first.machine is None or first.curve is None:
            continue
        busy = total(exactly(load) / line.curve.capacity for line, load in each if line.curve and line.curve.capacity)
        count = busy.each(lambda replicas: float(max(1, math.ceil(replicas)))) + first.curve.spare
        found.append((first.machine, count))
    return found


def _once(lines: Sequence[Line]) -> Range:
    set_up = {line.option: line.once["set_up"] for line in lines if "set_up" in line.once}
    # what is in use is the workload's: its tasks move to one model on one option together
    moves = {(line.option, line.model): line.once["migration"] for line in lines if "migration" in line.once}
    return total((*set_up.values(), *moves.values()))


def _status(task: TaskCost, option: str | None) -> Status:
    return next((each.status for each in task.options if each.option == option), "unavailable")


def _line(task: TaskCost, option: str | None) -> Line | None:
    """Return the chosen model's line there, by rented machines where there is one; never a model that is ruled out."""
    lines = [line for each in task.options if each.option == option for line in each.lines]
    fitting = [line for line in lines if line.chosen and line.qualifies is not False]
    return min(fitting, key=lambda line: line.machine is not None and line.machine.owned, default=None)
