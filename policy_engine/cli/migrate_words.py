"""What the text and the Markdown of a playbook both say: heads, items, money, time, candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_engine.asking.moments import minute
from policy_engine.migrating.item import Item
from policy_engine.migrating.money import Money
from policy_engine.migrating.playbook import Playbook
from policy_engine.migrating.shortlist import Candidate
from policy_engine.migrating.staying import Condition
from policy_engine.migrating.timeline import Timeline
from policy_engine.model.ranges import Range
from policy_engine.wording import listed, usd

STATE_WORDS = {
    "done": "done",
    "missing": "missing",
    "overdue": "overdue",
    "unknown": "unknown",
    "not_needed": "not needed",
}
_SPEAKS = {
    "advice": "advised by",
    "advisory": "advisory, by",
    "mandatory": "mandatory, by",
    "waivable": "mandatory unless waived, by",
    "unknown": "may be asked for by",
}
NO_DECISION = "this is no decision: `policy evaluate` records one"


def head(playbook: Playbook) -> str:
    """Name the workload, its stage, and how far it is."""
    workload = playbook.case.workload
    done = f"{playbook.done} of {playbook.needed} done" if playbook.steps else "no playbook"
    return f"Migration of {workload.identity} ({workload.spec.stage}): {done}"


def head_pairs(playbook: Playbook) -> Iterator[tuple[str, str]]:
    """Yield what the playbook rests on."""
    case = playbook.case
    yield "as of", f"{minute(case.at.isoformat())} UTC; {NO_DECISION}"
    if playbook.migration is None:
        yield "migration", "not known: write `migration: none`, or `migration: {from: {deployment: ..., model: ...}}`"
    elif not playbook.migration:
        yield "migration", "none: nothing is replaced; `migration: {from: ...}` says what is"
    else:
        yield "replaces", case.replaced_model or "not said: write `migration.from`"
    records = case.records
    if records.size is None:
        yield "ledger", "none is there: nothing on record was looked at"
    else:
        found = [_counted(len(records.evaluations), "report"), _counted(len(records.rollouts), "rollout decision")]
        yield "ledger", f"{_counted(records.size, 'entry', 'entries')}, of this workload {listed(found)}"
    for each in records.malformed:
        yield "malformed", f"entry {each.index} ({each.type}) shows nothing: {each.problem}"


def _counted(number: int, one: str, several: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def item_title(item: Item) -> str:
    """Name an item, with its task."""
    return item.title if item.task is None else f"{item.task}: {item.title[:1].lower()}{item.title[1:]}"


def item_lines(item: Item) -> Iterator[str]:
    """Yield what shows an item, with who asks for it, and what to do, each on one line."""
    shown = "; ".join(f"{each.name}: {each.says}" for each in item.shown_by)
    told = [each for each in (one_line(shown), asked_text(item)) if each]
    if told:
        yield "; ".join(told)
    if item.action is not None:
        yield one_line(f"do: {item.action}")


def one_line(text: str) -> str:
    """Return a text without line breaks: names and reasons are those of files and ledgers."""
    return " ".join(text.split())


def asked_text(item: Item) -> str:
    """Say which rule asks for an item, by which criterion, and how strictly."""
    asks = item.asks
    if not asks.rules:
        return f"no rule in force speaks of it ({', '.join(asks.criteria)})" if asks.criteria else ""
    rules = f"{listed(asks.rules)} ({', '.join(asks.criteria)})"
    if asks.enforcement == "none":
        by = f"{rules} {'asks' if len(asks.rules) == 1 else 'ask'} for nothing here"
    else:
        by = f"{_SPEAKS[asks.enforcement]} {rules}"
    return f"{by}; {asks.why}" if asks.why and item.state != "done" else by


def money_lines(money: Money, command: str) -> Iterator[str]:
    """Yield today's cost, the cost to come, and the difference; what is not known is said."""
    today = "unknown" if money.today_usd is None else f"{usd(money.today_usd)} USD/month"
    if money.declared_usd is not None:
        computed = "unknown" if money.computed_usd is None else f"{usd(money.computed_usd)} USD/month"
        today += f", as declared; by price and volume {computed}{_around(money.computed_range)}"
    else:
        today += _around(money.today_range)
    yield f"today: {today}"
    least = "at least " if money.judged_at_least else ""
    yield "with what is judged: " + (
        "unknown"
        if money.judged_usd is None
        else f"{least}{usd(money.judged_usd)} USD/month{_around(money.judged_range)}"
    )
    yield f"difference: {_saving(money)}{_saved_around(money.saving_range)}"
    if money.disputes:
        yield f"prices are disputed: {listed(list(money.disputes))}; the ranges go from side to side"
    yield f"`{command}` has every option, set-up and engineers, and when it pays back"


def _around(found: Range | None) -> str:
    """Say between which ends a figure lies, where sources dispute it."""
    return f", {usd(found.low)} to {usd(found.high)}" if found is not None and found.low < found.high else ""


def _saved_around(found: Range | None) -> str:
    if found is None or found.low >= found.high:
        return ""
    ends = [found.low, found.high] if found.high >= 0 else [found.high, found.low]
    words = ["less" if end >= 0 else "more" for end in ends]
    first = f"{usd(abs(ends[0]))}{'' if words[0] == words[1] else f' {words[0]}'}"
    return f", {first} to {usd(abs(ends[1]))} {words[1]}"


def _saving(money: Money) -> str:
    saved = money.saving_usd
    if saved is None:
        return "unknown"
    most = "at most " if money.judged_at_least and saved >= 0 else ("at least " if money.judged_at_least else "")
    percent = f" ({abs(money.saving_percent):.0f} percent)" if money.saving_percent is not None else ""
    return f"{most}{usd(abs(saved))} USD/month{percent} {'less' if saved >= 0 else 'more'}"


def money_rows(money: Money) -> list[tuple[str, str, str, str]]:
    """Return a row for each task: today, what is judged, and what is recommended, in USD a month."""
    return [
        (
            row.task,
            f"{usd(row.today_usd)}{_around(row.today_range)}",
            _placed(row.judged_usd, row.judged_at_least, row.option, row.model),
            _placed(row.recommended_usd, row.recommended_at_least, row.recommended_option, row.recommended_model),
        )
        for row in money.tasks
    ]


def _placed(cost: float | None, least: bool, option: str | None, model: str | None) -> str:
    if option is None:
        return "nothing is permitted"
    return f"{usd(cost)}{'+' if least and cost is not None else ''} {option} {model or '(no model named)'}"


def candidate_cells(each: Candidate) -> tuple[str, ...]:
    """Return a candidate's cells: model, where, score, weights, cost, and what is to note."""
    score = "?" if each.score is None else f"{each.score.score:g}"
    weights = "?" if each.weights_gib is None else f"{each.weights_gib:,.1f}"
    licence = f"licence {each.licence or 'not known'}, commercial use {each.licence_says or 'not known'}"
    at = f" at {each.provider}" if each.provider else ""
    price = ""
    if each.price is not None:
        price = f"; {each.price.input_usd_per_million:g} USD in, {each.price.output_usd_per_million:g} out per million"
    rest = [f"{found.benchmark} {found.score:g}" for found in each.scores if found is not each.score]
    others = f"; {', '.join(rest)}" if rest else ""
    doubt = f"; not known to qualify: {', '.join(each.missing)}" if not each.sure else ""
    cost = "?" if each.monthly_usd is None else f"{usd(each.monthly_usd)}{'+' if each.at_least else ''}"
    return each.model, each.option, score, weights, cost, f"{each.why}{at}; {licence}{price}{others}{doubt}"


def condition_rows(found: Sequence[Condition]) -> list[tuple[str, str, str]]:
    """Return a row for each criterion: side, its rules, and the tasks that it holds for, or may hold for."""
    tasks = len({each.task for each in found})
    by: dict[tuple[str, str], list[Condition]] = {}
    for each in found:
        by.setdefault((each.side, each.criterion), []).append(each)
    return [(side, _rules_of(group, criterion), _held(group, tasks)) for (side, criterion), group in by.items()]


def _rules_of(group: Sequence[Condition], criterion: str) -> str:
    return f"{listed(list(dict.fromkeys(rule for each in group for rule in each.rules)))} ({criterion})"


def _held(group: Sequence[Condition], tasks: int) -> str:
    held = [each.task for each in group if each.holds]
    open_ = [each for each in group if each.holds is None]
    parts = []
    if held:
        parts.append("holds" if tasks == 1 else f"holds for {listed(held)}")
    if open_:
        missing = listed(sorted({name for each in open_ for name in each.missing}))
        names = "" if tasks == 1 else f" for {listed([each.task for each in open_])}"
        parts.append(f"not known{names}: depends on {missing}")
    return "; ".join(parts) or "does not hold"


def timeline_lines(found: Timeline) -> Iterator[str]:
    """Yield the weeks that it takes, that are planned, and the phases."""
    low, high = found.usual_weeks
    planned = "not stated" if found.planned_weeks is None else f"{found.planned_weeks:g} weeks"
    left = "not stated" if found.deadline_weeks is None else f"{found.deadline_weeks:.1f} weeks"
    yield f"usually {low:g} to {high:g} weeks; planned {planned}; until the deadline {left}"
    for phase in found.phases:
        steps = f"step {phase.steps[0]}" if len(phase.steps) == 1 else f"steps {phase.steps[0]} and {phase.steps[1]}"
        yield f"weeks {phase.from_week:g} to {phase.to_week:g}: {phase.title} ({steps})"
    yield from found.problems
