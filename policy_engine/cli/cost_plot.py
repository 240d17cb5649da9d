"""The pictures of `policy cost`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from policy_engine.cli.cost_value import Report
from policy_engine.cli.cost_words import ends_text, short_name, standing, tokens, usd_range
from policy_engine.costing.compared import Compared, best_own
from policy_engine.costing.estimate import TaskCost, WorkloadCost
from policy_engine.costing.lines import Line
from policy_engine.costing.plans import Plan
from policy_engine.errors import Problem, UsageError
from policy_engine.model.ranges import Range
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.plots import cost_options, cost_volume


def draw(report: Report, path: Path, kind: str) -> None:
    """Draw the one workload of the report.

    Raises:
        UsageError: there are several, nothing can be drawn, or not to that place.
    """
    if len(report.workloads) != 1:
        names = ", ".join(each.identity for each in report.workloads)
        message = f"a picture is of one workload, and the file has {len(report.workloads)}"
        raise UsageError(Problem("which-workload", message, help=f"give --workload: {names}"))
    (found,) = report.workloads
    if kind == "options":
        _draw_options(found, path)
    else:
        _draw_volume(found, path)


def _nothing(why: str) -> UsageError:
    return UsageError(Problem("nothing-to-draw", f"there is nothing to draw: {why}", help="leave --plot out"))


def _draw_options(found: WorkloadCost, path: Path) -> None:
    if found.plans:
        bars = [_plan_bar(plan) for plan in found.plans]
    else:
        task = found.tasks[0]
        lines = [*_unpriced(task), *_apis(task), *best_own(task.lines)]
        bars = [_line_bar(line, task) for line in sorted(lines, key=lambda line: OPTIONS.index(line.option))]
    if not any(bar.parts for bar in bars):
        raise _nothing("no monthly cost is known, and the volume may not be stated")
    cost_options.draw_cost_options(path, found.identity, bars)


def _line_bar(line: Line, task: TaskCost) -> cost_options.Bar:
    return _bar(f"{line.option}{standing(task, line)}\n{short_name(line)}", line.parts, line.monthly, line.at_least)


def _plan_bar(plan: Plan) -> cost_options.Bar:
    status = "" if plan.status == "permitted" else f"\n({plan.status})"
    return _bar(f"{plan.name}{status}", plan.parts, plan.monthly, plan.at_least)


def _bar(name: str, parts: object, monthly: Range | None, at_least: bool) -> cost_options.Bar:
    """Return the bar of a month; one whose cost is not known has no parts, and says so."""
    if not isinstance(parts, dict) or monthly is None:
        return cost_options.Bar(name, {}, 0.0, 0.0, "unknown")
    central = {part: cost.central for part, cost in parts.items()}
    return cost_options.Bar(
        name, central, monthly.low, monthly.high, ("at least " if at_least else "") + usd_range(monthly)
    )


def _draw_volume(found: WorkloadCost, path: Path) -> None:
    panels = [panel for task in found.tasks if (panel := _panel(task, len(found.tasks) > 1)) is not None]
    if not panels:
        raise _nothing("the catalog prices nothing that its tasks could use")
    cost_volume.draw_cost_volume(path, found.identity, panels)


def _panel(task: TaskCost, several: bool) -> cost_volume.Panel | None:
    lines = _lines(task)
    if not lines:
        return None
    met = [each for each in task.compared if each.own in lines and each.api in lines]
    shown = sorted((each for each in met if each.break_even.central is not None), key=_where)
    own = task.load.tokens
    at = cost_volume.volumes([*(each.break_even.central or 0.0 for each in shown), own or 0.0])
    never = [(_both(each), _from(each)) for each in met if each not in shown]
    unpriced = [(f"{line.option} {line.model}, which the engine names", "cost unknown") for line in _unpriced(task)]
    return cost_volume.Panel(
        title=task.name if several else "",
        lines=tuple(_drawn(line, at, task) for line in lines),
        meetings=tuple(_meeting(each) for each in shown),
        volume=own or None,
        volume_says="" if own is None else f"this {'task' if several else 'workload'}: {tokens(own)} tokens/month",
        notes=(*never, *unpriced),
    )


def _where(each: Compared) -> float:
    return each.break_even.central or 0.0


def _lines(task: TaskCost) -> list[Line]:
    """Return what is drawn: the chosen model of each API, the reference, and rented machines where there are some."""
    own = best_own(task.lines)
    rented = {line.option for line in own if line.machine is not None and not line.machine.owned}
    own = [line for line in own if line.option not in rented or (line.machine and not line.machine.owned)]
    return [*_apis(task), *own]


def _apis(task: TaskCost) -> Iterator[Line]:
    for option in task.options:
        paid = [line for line in option.lines if not line.self_run and line.curve is not None]
        first = [line for line in paid if line.chosen] or sorted(paid, key=_by_fitness)[:1]
        yield from first
        yield from (line for line in paid if line is task.reference and line not in first)


def _by_fitness(line: Line) -> int:
    """Order a model that may be used before one of which that is not known, and that before one that is ruled out."""
    return {True: 0, None: 1, False: 2}[line.qualifies]


def _unpriced(task: TaskCost) -> list[Line]:
    """Return the models that the engine names and nobody prices."""
    return [line for line in task.lines if line.chosen and not line.self_run and line.curve is None]


def _drawn(line: Line, at: Sequence[float], task: TaskCost) -> cost_volume.Line:
    costs = [line.curve.at(volume) for volume in at] if line.curve is not None else []
    return cost_volume.Line(
        name=f"{line.option} {short_name(line)}{standing(task, line)}",
        option=line.option,
        volumes=tuple(at),
        low=tuple(cost.low for cost in costs),
        central=tuple(cost.central for cost in costs),
        high=tuple(cost.high for cost in costs),
        main=line.self_run or line.chosen or line is not task.reference,
    )


def _meeting(each: Compared) -> cost_volume.Meeting:
    at = each.break_even.central or 0.0
    cost = each.api.curve.at(at).central if each.api.curve is not None else 0.0
    return cost_volume.Meeting(at, cost, _both(each), _from(each))


def _both(each: Compared) -> str:
    return f"{each.own.option} {each.own.model} against {each.api.model}"


def _from(each: Compared) -> str:
    return ("at least " if each.break_even.at_least else "") + ends_text(each.break_even, "tokens")
