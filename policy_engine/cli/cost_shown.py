"""The answer of `policy cost` as people read it: by option, over months, against APIs, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import PurePath

from policy_engine.catalog.cost import CONSUMER
from policy_engine.cli.cost_value import NO_DECISION, Report
from policy_engine.cli.cost_words import (
    NEVER,
    ends_text,
    percent,
    plain,
    short_name,
    standing,
    three,
    tokens,
    usd,
    usd_range,
)
from policy_engine.cli.sections import Section
from policy_engine.costing.compared import Compared, best_own
from policy_engine.costing.estimate import OptionCost, TaskCost, WorkloadCost
from policy_engine.costing.examples import Example, examples_of
from policy_engine.costing.lines import PARTS, Line
from policy_engine.costing.plans import Plan
from policy_engine.costing.returns import HORIZONS_MONTHS, Returns
from policy_engine.costing.thresholds import Threshold
from policy_engine.loading.assumptions import assumptions_digest
from policy_engine.model.ranges import Range, total
from policy_engine.wording import price_text

_SHOWN = 6
_NONE = "-"
_MARKS = {True: "", None: " ?", False: " x"}


def as_sections(report: Report) -> list[Section]:
    """Return what people read."""
    sections: list[Section] = []
    for found in report.workloads:
        sections.append(_head(found, report))
        for task in found.tasks:
            sections += _task(task, report, len(found.tasks) > 1)
        if found.plans:
            sections.append(_plans(found.plans))
    examples = list(examples_of(report.policy.catalog))
    return [*sections, *([_examples(examples)] if examples else []), _assumptions(report), _legend()]


def _head(found: WorkloadCost, report: Report) -> Section:
    pairs = [("prices of", report.at.astimezone(UTC).date().isoformat()), ("this is", NO_DECISION)]
    return Section(title=f"What {found.identity} costs", pairs=pairs)


def _task(task: TaskCost, report: Report, several: bool) -> Iterator[Section]:
    if several or task.to_state:
        yield _load(task)
    else:
        yield Section(lines=[f"{_volume(task)}, in requests of {_requests(task)} tokens"])
    for option in task.options:
        yield from _option(option, task, report.everything)
    yield from _explained(task)
    yield from _over_months(task)
    yield from _against(task, report.everything)
    if task.thresholds:
        yield _thresholds(task.thresholds)


def _load(task: TaskCost) -> Section:
    share = "" if task.share is None else f", {100 * task.share:.3g} % of the workload"
    lines = [f"{_volume(task)}{share}, in requests of {_requests(task)} tokens"]
    if task.to_state:
        lines.append(f"monthly costs need what the file does not state: {', '.join(task.to_state)}")
    return Section(title=f"Task {task.name}", lines=lines)


def _volume(task: TaskCost) -> str:
    load = task.load
    part = _spread(load.prompt_share.times(100))
    if load.tokens is None:
        return f"volume unknown, {part} % of it prompts"
    return f"{tokens(load.tokens)} tokens a month, {part} % of it prompts"


def _requests(task: TaskCost) -> str:
    return _spread(task.load.tokens_per_request)


def _spread(found: Range) -> str:
    low, central, high = (f"{each:,.0f}" for each in (found.low, found.central, found.high))
    return central if low == high else f"{central} ({low} to {high})"


def _option(option: OptionCost, task: TaskCost, everything: bool) -> Iterator[Section]:
    priced = [line for line in option.lines if line.curve is not None]
    shown = priced if everything else _shown(priced, task.reference)
    lines = [f"by {', '.join(option.rules)}"] if option.rules else []
    lines += [] if priced else list(option.reasons)
    if len(shown) < len(priced):
        lines.append(f"{len(priced) - len(shown)} more with --all")
    unknown = sorted({line.model for line in option.lines if line.curve is None})
    if unknown:
        names = unknown if everything else unknown[:_SHOWN]
        more = f" and {len(unknown) - len(names)} more" if len(names) < len(unknown) else ""
        lines.append(f"cost unknown, not zero: {', '.join(names)}{more}")
    yield Section(title=f"{option.option}: {option.status}", lines=lines)
    if shown:
        cells = [_cells(line) for line in shown]
        header = ("=Model", ">Low", ">USD/month", ">High", ">Decision", "~Paid for, by whom stated")
        if task.load.tokens is not None:
            yield Section(header=header, rows=cells)
        else:
            yield Section(header=(header[0], header[-1]), rows=[(each[0], each[-1]) for each in cells])


def _shown(lines: Sequence[Line], reference: Line | None) -> list[Line]:
    """Return the cheapest of those that may be used, the chosen one, and the one that self-running is held against."""
    able = [line for line in lines if line.qualifies is not False]
    first = [line for line in able if line.machine is None or not line.machine.owned][:_SHOWN]
    return [line for line in lines if line in first or line.chosen or line is reference]


def _mark(line: Line) -> str:
    return _MARKS[line.qualifies]


def _cells(line: Line) -> tuple[str, ...]:
    name = f"{'*' if line.chosen else ' '}{line.model}{_mark(line)}"
    cost = line.monthly
    more = "+" if line.at_least else ""
    ends = (_NONE,) * 3 if cost is None else tuple(usd(each) + more for each in (cost.low, cost.central, cost.high))
    decision = _NONE if line.decision_usd is None else usd(line.decision_usd)
    said = line.way or ""
    if line.replicas is not None and line.machine is not None:
        one = line.replicas.low == line.replicas.high == 1
        said += f", {_spread(line.replicas)} replica{'' if one else 's'}"
    if cost is None and line.machine is not None and line.curve is not None:
        said += f", {usd_range(line.curve.at(0.0))} USD/month before any load"
    said += _stated(line)
    if line.at_least:
        said += f"; at least, as {' and '.join(line.floors)}"
    if line.qualifies is False and line.reasons:
        said += f"; ruled out: {line.reasons[0]}"
    return (name, *ends, decision, said)


def _stated(line: Line) -> str:
    """Name the sources of the figures, with day and disputes."""
    found = [f"{each.source} {each.as_of}" for each in line.figures]
    found += ["stale"] if line.stale else []
    found += [name for each in line.figures for name in each.disputes]
    return f" ({', '.join(dict.fromkeys(found))})" if found else ""


def _explained(task: TaskCost) -> Iterator[Section]:
    """Say what an all-in cost has that a decision's figure has not."""
    lines = []
    for option in task.options:
        line = next((each for each in option.lines if each.chosen and each.self_run and each.parts), None)
        if line is None or line.parts is None or line.decision_usd is None:
            continue
        counts = ", ".join(option.decision_counts) or "nothing"
        parts = "; ".join(
            f"{name.replace('_', ' ')} {usd(line.parts[name].central)}" for name in PARTS if name in line.parts
        )
        lines.append(
            f"{option.option} with {line.model}: a decision counts {usd(line.decision_usd)} USD/month ({counts});"
            f" all in it is {'at least ' if line.at_least else ''}{usd_range(line.monthly)}, of which {parts}"
        )
    if any(CONSUMER in counts for option in task.options for counts in option.decision_counts):
        lines.append(
            "a consumer device is no machine here, though a decision counts one: no source says its memory or its"
            " speed, so that nobody can tell how many of them the load takes"
        )
    if lines:
        lines.append(
            "a decision's figure is a floor from sources alone: no source prices an engineer, and it counts as many"
            " boxes as their peak takes; this counts replicas at the load that they bear, spare ones, and people"
        )
        yield Section(title="Why it is not the decision's figure", lines=lines)


def _over_months(task: TaskCost) -> Iterator[Section]:
    rows = []
    for line in _best(task):
        if line.outlay is None:
            continue
        totals = [line.outlay.total(months) for months in HORIZONS_MONTHS]
        once = f"once {usd_range(total(line.once.values()))}"
        said = [f"{months} months {_low_high(each)}" for months, each in zip(HORIZONS_MONTHS, totals, strict=True)]
        more = "+" if line.at_least else ""
        central = (usd(each.central) + more for each in totals)
        rows.append((f"{_name(line)}{standing(task, line)}", *central, "; ".join([once, *said])))
    if rows:
        header = ("=Option, model", *(f">{months} months" for months in HORIZONS_MONTHS), "~Once, and low to high")
        yield Section(title="Total cost of ownership, USD", header=header, rows=rows)


def _low_high(found: Range) -> str:
    return usd(found.low) if found.low == found.high else f"{usd(found.low)} to {usd(found.high)}"


def _best(task: TaskCost) -> list[Line]:
    """Return the chosen line of each API, and the best of each way to run models oneself."""
    apis = [line for line in task.lines if line.chosen and not line.self_run and line.curve is not None]
    return [*apis, *best_own(task.lines)]


def _name(line: Line) -> str:
    return f"{line.option} {short_name(line)}"


def _against(task: TaskCost, everything: bool) -> Iterator[Section]:
    owns: dict[str, list[Compared]] = {}
    for each in task.compared:
        owns.setdefault(f"{_name(each.own)}{standing(task, each.own)}", []).append(each)
    for name, rows in owns.items():
        priced = [each.api for each in rows]
        apis = priced if everything else _shown(priced, task.reference)
        shown = [each for each in rows if each.api in apis]
        yield Section(
            title=f"When {name} pays",
            lines=[f"{len(rows) - len(shown)} more with --all"] if len(shown) < len(rows) else [],
            header=("=Against", ">Low", ">From tokens/month", ">High", "~Pay-back and return at this volume"),
            rows=[_compared(each) for each in shown],
        )


def _compared(each: Compared) -> tuple[str, ...]:
    api = f"{each.api.option} {each.api.model}{_mark(each.api)}"
    least = "+" if each.break_even.at_least else ""
    ends = [end if end == NEVER else end + least for end in three(each.break_even, "tokens")]
    return (api, *ends, "" if each.returns is None else _returned(each, each.returns))


def _returned(each: Compared, found: Returns) -> str:
    """Say what is saved and paid back; where the self-run cost is a floor, saving is at most and pay-back at least."""
    at_least, at_most = ("at least ", "at most ") if found.floor else ("", "")
    without = " without the purchase" if each.own.machine is not None and each.own.machine.owned else ""
    if found.saving.high < 0:
        return f"costs {at_least}{usd_range(_turned(found.saving))} USD/month more{without}"
    back = ends_text(found.payback_months, "months")
    paid = NEVER if back == NEVER else f"after {at_least}{back} months"
    said = f"saves {at_most}{usd_range(found.saving)} USD/month{without}, paid back {paid}"
    return said if found.roi is None else f"{said}, return after 36 months {at_most}{percent(found.roi)} %"


def _turned(found: Range) -> Range:
    return Range(-found.high, -found.central, -found.low)


def _thresholds(found: Sequence[Threshold]) -> Section:
    lines = []
    for each in found:
        of = "usd" if each.unit.startswith("USD") else ("months" if each.unit == "months" else "tokens")
        say = {"usd": usd, "months": plain, "tokens": tokens}[of]
        says = " to ".join(say(value) for value in each.says)
        against = "" if each.against is None else f" against {each.against}"
        here = ("at least " if each.here.at_least else "") + ends_text(each.here, of)
        here = "any volume" if each.here.high == 0 else here
        lines.append(
            f"{each.source} ({each.criterion}): {each.what} {says} {each.unit}. Here, {each.by}{against}:"
            f" {NEVER if each.here.low is None else f'{here}, {each.verdict}'}"
        )
    return Section(title="What the articles say, and what it is here", lines=lines)


def _plans(plans: Sequence[Plan]) -> Section:
    rows = []
    for plan in plans:
        said = "; ".join(f"{each.task}: {_name(each.line) if each.line else 'nothing'}" for each in plan.routes)
        if plan.outlay is not None:
            year, longest = (usd_range(plan.outlay.total(months)) for months in HORIZONS_MONTHS)
            least = "at least " if plan.at_least else ""
            said += f". Over 12 months {least}{year} USD, over 36 months {least}{longest} USD"
        status = "" if plan.status == "permitted" else f" ({plan.status})"
        rows.append((f"{plan.name}{status}", usd_range(plan.monthly) + ("+" if plan.at_least else ""), said))
    return Section(title="Plans over all tasks", header=("=Plan", ">USD/month", "~Tasks, total cost"), rows=rows)


def _examples(found: Sequence[Example]) -> Section:
    lines = []
    for each in found:
        value = tokens(each.value) if each.unit.startswith("tokens") else price_text(each.value).removesuffix(".00")
        stated = "" if each.stated is None else f", and it says {usd(each.stated)}"
        disputes = f" ({', '.join(each.disputes)})" if each.disputes else ""
        lines.append(f"{each.source}: {each.says} is {value} {each.unit}{stated}{disputes}")
    return Section(title="The articles' own figures", lines=lines)


def _assumptions(report: Report) -> Section:
    rows = [
        (
            each.name + (" -" if each.lowers_cost else ""),
            *(plain(value) for value in (each.range.low, each.range.central, each.range.high)),
            each.unit,
            _source(each.source),
        )
        for each in report.assumed.values()
    ]
    title = f"Assumptions, {assumptions_digest(report.assumed)[:19]}"
    return Section(title=title, header=("=Assumption", ">Low", ">Central", ">High", "=Unit", "Source"), rows=rows)


def _source(name: str) -> str:
    """Return who states an assumption, short enough for the table; the document has it whole."""
    return "parameter" if name.startswith("parameter ") else PurePath(name).name


def _legend() -> Section:
    lines = [
        "low takes the low end of each assumption and figure, high the high end; of those with `-` the other way round",
        "a break-even's low end sets the least self-running cost against the dearest figure of the API, its high end"
        " the reverse; `never` is no volume, or no month, at all",
        "`*` is the model that the engine names for the option, `?` one of which it is not known whether it may be"
        " used, `x` one that is ruled out; `+` is at least; M is a million, bn a thousand of these, tn a million",
        "a month carries its part of what is bought; total cost, pay-back and return carry all of it when it is paid,"
        " and again when its life ends; a saving is without it",
        "`--assume NAME=VALUE` or `NAME=LOW:CENTRAL:HIGH` replaces an assumption; those of the source `project` are"
        " this project's own, and no article states them",
    ]
    return Section(title="How to read it", lines=lines)
