"""Plans over all tasks of a workload: everything on one option, or each task on what the rules put first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.costing.lines import PARTS, Line, running_people
from policy_engine.costing.returns import Outlay
from policy_engine.costing.speeds import Assumptions
from policy_engine.model.ranges import ZERO, Range, total
from policy_engine.model.vocabulary import OPTIONS

if TYPE_CHECKING:
    from policy_engine.costing.estimate import TaskCost


class Route(Struct, frozen=True):
    """A task on a line; None where nothing runs it there."""

    task: str
    line: Line | None


class Plan(Struct, frozen=True):
    """One line for each task. Engineers and operations of an option are paid once, however many tasks run on it.

    Machines are those of each task by itself. `parts` and `outlay` are None where a part is not known.
    """

    name: str
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
    whole = len(lines) == len(routes) and all(line.parts is not None for line in lines)
    if not whole:
        return Plan(name, routes, None, None, any(line.at_least for line in lines))
    parts = {part: total(line.parts.get(part, ZERO) for line in lines if line.parts) for part in PARTS}
    own = list(dict.fromkeys(line.option for line in lines if line.self_run))
    people = [running_people(assumed, option) for option in own]
    parts["engineers"] = total(each for each, _ in people)
    parts["operations"] = total(each for _, each in people)
    parts = {part: cost for part, cost in parts.items() if cost != ZERO}
    return Plan(name, routes, parts, _outlay(lines, own, people), any(line.at_least for line in lines))


def _outlay(lines: Sequence[Line], own: Sequence[str], people: Sequence[tuple[Range, Range]]) -> Outlay | None:
    outlays = [line.outlay for line in lines if line.outlay is not None]
    paid_by_each = [line.parts for line in lines if line.self_run and line.parts is not None]
    running = total(each.running for each in outlays)
    if paid_by_each:
        alone = total(parts["engineers"] + parts["operations"] for parts in paid_by_each)
        once = total(one + other for one, other in people)
        running = Range(
            *(getattr(running, end) - getattr(alone, end) + getattr(once, end) for end in ("low", "central", "high"))
        )
    set_up = {line.option: line.once["set_up"] for line in lines if "set_up" in line.once}
    moves = total(line.once["migration"] for line in lines if "migration" in line.once)
    life = next((each.life_months for each in outlays if each.purchase != ZERO), outlays[0].life_months)
    purchase = total(each.purchase for each in outlays)
    return replace(
        outlays[0], running=running, once=total(set_up.values()) + moves, purchase=purchase, life_months=life
    )


def _line(task: TaskCost, option: str | None) -> Line | None:
    """Return the chosen model's line there, by rented machines where there is one; never a model that is ruled out."""
    lines = [line for each in task.options if each.option == option for line in each.lines]
    fitting = [line for line in lines if line.chosen and line.qualifies is not False]
    return min(fitting, key=lambda line: line.machine is not None and line.machine.owned, default=None)
