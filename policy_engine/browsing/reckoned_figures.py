"""What arithmetic says to a dispute about figures of one kind: prices, scores, and the bills that sources work out."""

from __future__ import annotations

from collections.abc import Iterator

from policy_engine.browsing.contest import Contest
from policy_engine.browsing.offers import PROMPT_TO_ANSWER, mixed_usd
from policy_engine.browsing.reckoned import Reckoning, money, times
from policy_engine.catalog.entries import Price, Score
from policy_engine.catalog.figures import in_force


def prices(contest: Contest) -> Iterator[Reckoning]:
    """Yield how far the prices of one model on one option lie apart."""
    groups: dict[tuple[str, str, str | None], list[Price]] = {}
    for each in contest.newest(contest.of(contest.catalog.prices)):
        groups.setdefault(contest.catalog.seller_of(each), []).append(each)
    for (model, option, _), found in sorted(groups.items(), key=str):
        by_usd: dict[float, list[Price]] = {}
        for each in sorted(found, key=lambda one: one.key):
            by_usd.setdefault(mixed_usd(each), []).append(each)
        if len(by_usd) < 2 or len({each.side for each in found}) < 2:
            continue
        for usd, own in sorted(by_usd.items()):
            one = own[0]
            parts = f"{money(one.input_usd_per_million)} in, {money(one.output_usd_per_million)} out"
            mix = f"({PROMPT_TO_ANSWER} x {money(one.input_usd_per_million)} + {money(one.output_usd_per_million)})"
            said = (
                f"{model} on {option} by {', '.join(each.source for each in own)} ({parts}):"
                f" {mix} / {PROMPT_TO_ANSWER + 1} = {money(usd)} USD per million tokens"
            )
            yield Reckoning(said, usd, "USD per million tokens", tuple(each.key for each in own))
        low, high = min(by_usd), max(by_usd)
        if low:
            said = f"{model} on {option}: {money(high)} / {money(low)} = {times(high / low)} times"
            yield Reckoning(said, high / low, "times", tuple(each.key for each in found), True)


def scores(contest: Contest) -> Iterator[Reckoning]:
    """Yield how far scores lie apart: of one model by several sources, else of several models that sources name."""
    by_benchmark: dict[str, dict[str, list[Score]]] = {}
    for each in contest.of(contest.catalog.scores):
        by_benchmark.setdefault(each.benchmark, {}).setdefault(each.model, []).append(each)
    for benchmark, by_model in by_benchmark.items():
        found = contest.catalog.benchmarks[benchmark]
        unit = "percentage points" if found.unit == "percent" else found.unit
        alone = []
        for model, own in by_model.items():
            if len(own) < 2:
                alone += own
            else:
                yield _apart(f"{found.title} of {model}", own, unit)
        if len(alone) > 1:
            models = " and ".join(each.model for each in alone)
            yield _apart(f"{found.title} of {models}, which are not one model", alone, unit)


def _apart(what: str, found: list[Score], unit: str) -> Reckoning:
    high, low = (pick(found, key=lambda each: (each.score, each.key)) for pick in (max, min))
    rests_on = tuple(each.key for each in found)
    gap = round(high.score - low.score, 9)
    if not gap:
        said = f"{what}: {high.score:g} by {' and '.join(each.source for each in found)}, who agree"
        return Reckoning(said, 0.0, unit, rests_on)
    said = f"{what}: {high.score:g} by {high.source} - {low.score:g} by {low.source} = {gap:g} {unit}"
    return Reckoning(said, gap, unit, rests_on, True)


def bills(contest: Contest) -> Iterator[Reckoning]:
    """Yield what the bills that a source works out come to at its prices."""
    for bill in contest.of(contest.catalog.cost_examples):
        history = contest.catalog.price_history(bill.model, bill.option)
        for price in history:
            if price.source != bill.source or not in_force(price, contest.day):
                continue
            usd = price.usd(bill.input_tokens, bill.output_tokens)
            whole = bill.input_tokens + bill.output_tokens
            each = (
                f"{whole:,} tokens x {money(price.input_usd_per_million)} USD per million"
                if price.blended
                else f"{bill.input_tokens:,} tokens x {money(price.input_usd_per_million)} +"
                f" {bill.output_tokens:,} x {money(price.output_usd_per_million)} USD per million"
            )
            said = f"{bill.model}: {each} = {money(usd)} USD; {bill.source} says {money(bill.usd)}"
            yield Reckoning(said, usd, "USD", (bill.key, price.key), True)
