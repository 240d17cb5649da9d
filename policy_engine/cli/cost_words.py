"""Numbers of `policy cost` as people read them: dollars, tokens, months, and ranges of them."""

from __future__ import annotations

from policy_engine.costing.curve import BreakEven
from policy_engine.costing.estimate import TaskCost
from policy_engine.costing.lines import Line
from policy_engine.costing.returns import Ends
from policy_engine.model.ranges import Range

_STEPS = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k"))
NEVER = "never"


def usd(value: float) -> str:
    """Return dollars: cents below a hundred, else none; from ten million on in millions; a part of a cent is none."""
    if 0 < abs(value) < 0.005:
        return "<0.01" if value > 0 else ">-0.01"
    if abs(value) >= 1e7:
        return f"{value / 1e6:,.1f} M"
    return f"{value:,.2f}" if abs(value) < 100 and value != int(value) else f"{value:,.0f}"


def usd_range(found: Range | None) -> str:
    """Return the central value with the range in brackets."""
    if found is None:
        return "unknown"
    if found.low == found.high:
        return usd(found.central)
    return f"{usd(found.central)} ({usd(found.low)} to {usd(found.high)})"


def tokens(value: float) -> str:
    """Return tokens in three digits, with k, M, bn (1e9) or tn (1e12)."""
    for step, sign in _STEPS:
        if abs(value) >= step:
            part = value / step
            return f"{part:,.3g} {sign}" if part < 1000 else f"{part:,.0f} {sign}"
    return f"{value:,.0f}"


def months(value: float) -> str:
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def three(found: BreakEven | Ends, of: str) -> tuple[str, str, str]:
    """Return the three ends, `never` where there is none; `of` is `tokens`, `usd` or `months`."""
    say = {"tokens": tokens, "usd": usd, "months": months}[of]
    low, central, high = (NEVER if each is None else say(each) for each in (found.low, found.central, found.high))
    return low, central, high


def ends_text(found: BreakEven | Ends, of: str) -> str:
    """Return the same as one text."""
    low, central, high = three(found, of)
    return low if low == central == high else f"{central} ({low} to {high})"


def short_name(line: Line) -> str:
    """Return the model, and how its machines are had."""
    if line.machine is None:
        return line.model
    had = "as claimed" if line.machine.claimed else ("bought" if line.machine.owned else "rented")
    return f"{line.model}, {had}"


def standing(task: TaskCost, line: Line) -> str:
    """Say what the option is, where not permitted, and of a model that it is ruled out, or not known to be usable."""
    (status,) = (each.status for each in task.options if each.option == line.option)
    said = [] if status == "permitted" else [str(status)]
    said += {True: [], None: ["not known to qualify"], False: ["model ruled out"]}[line.qualifies]
    return f" ({', '.join(said)})" if said else ""


def percent(found: Range | None) -> str:
    """Return a ratio in percent."""
    if found is None:
        return "-"
    low, central, high = (f"{100 * each:,.0f}" for each in (found.low, found.central, found.high))
    return f"{central} ({low} to {high})"


def plain(value: float) -> str:
    """Return an assumption's number."""
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
