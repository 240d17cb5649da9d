"""The answer of `policy catalog disputes`, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_engine.browsing.contest import Contest
from policy_engine.browsing.dispute_value import entry_words
from policy_engine.browsing.reckonings import reckonings
from policy_engine.browsing.section import Section
from policy_engine.browsing.stated import marks
from policy_engine.browsing.words import (
    standing_text,
)
from policy_engine.catalog.entries import (
    Entry,
    HostingCost,
    Price,
)
from policy_engine.wording import value_text

_MOST_SHOWN = 2
_NO_FIGURE = "no figure and no parameter: the sides differ in words"


def as_sections(contests: Sequence[Contest], whole: bool) -> list[Section]:
    """Return what people read: a table of all, or each that was named as a `whole`."""
    if whole:
        return [section for contest in contests for section in _whole(contest)]
    rows = [(each.dispute.id, each.dispute.about, _overview(each)) for each in contests]
    header = ("=Dispute", "=About", "~What arithmetic says, and which source counts")
    lines = ["`policy catalog disputes ID` shows one in full"]
    return [Section(title=f"Disputes on {contests[0].day}", header=header, rows=rows), Section(lines=lines)]


def _overview(contest: Contest) -> str:
    results = [each.says for each in reckonings(contest) if each.result][:_MOST_SHOWN]
    counting = "; ".join(_counting(contest))
    return "\n".join([*results, f"counts: {counting}" if counting else _nothing(contest)])


def _nothing(contest: Contest) -> str:
    if contest.things:
        return "none of the figures is used"
    return "each figure stands for itself" if contest.others else _NO_FIGURE


def _counting(contest: Contest) -> Iterator[str]:
    for thing in contest.things:
        if thing.counts is not None:
            yield f"{thing.name} by {thing.counts.source}"
    for each in contest.parameters:
        yield f"param.{each.name} by {each.source}"


def _whole(contest: Contest) -> Iterator[Section]:
    dispute, day = contest.dispute, contest.day
    sides = [(", ".join(each.sources) or "nobody", each.says) for each in dispute.parties]
    yield Section(title=f"{dispute.id}: {dispute.about}", pairs=sides or [("sides", dispute.sides)])
    steps = [each.says for each in reckonings(contest)]
    yield Section(title="Arithmetic", lines=steps or ["there is nothing to reckon with: the sides differ in words"])
    yield Section(title=f"Which side counts on {day}", lines=list(_standing_lines(contest)) or [_nothing(contest)])
    if contest.others:
        yield Section(title="Stated beside it", lines=[_stated(contest, each) for each in contest.others])
    resting = [f"{each.rule.id} {each.why}" for each in contest.resting]
    yield Section(title="Rules that rest on it", lines=resting or [_none_rests(contest)])


def _none_rests(contest: Contest) -> str:
    if any(isinstance(thing.counts, Price | HostingCost) for thing in contest.things):
        return "none; what an option costs decides between options of one score"
    return "none"


def _standing_lines(contest: Contest) -> Iterator[str]:
    for thing in contest.things:
        for each in thing.standings:
            yield f"{thing.name}: {_stated(contest, each.figure)}; {standing_text(each)}"
    for parameter in contest.parameters:
        unit = f" {parameter.unit}" if parameter.unit else ""
        others = [
            f"{value_text(each.value)} by {each.source}"
            for each in parameter.alternatives
            if each.dispute == contest.dispute.id
        ]
        layer = "" if parameter.layer == "shipped" else f", layer {parameter.layer}"
        yield (
            f"param.{parameter.name}: {value_text(parameter.value)}{unit} by {parameter.source}{layer} counts; else"
            f" {', '.join(others)}"
        )


def _stated(contest: Contest, figure: Entry) -> str:
    return f"{entry_words(figure)} ({marks(contest.catalog, figure, contest.day)})"
