"""The cost-value arithmetic in short: what the tasks cost today, and what they would; the rest is `policy cost`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from policy_engine.catalog import api_price, qualify
from policy_engine.catalog.entries import Price
from policy_engine.costing.disputed import other_prices
from policy_engine.decide import plan
from policy_engine.migrating.case import Case, TaskView
from policy_engine.model.ranges import ZERO, Range, exactly, total
from policy_engine.model.vocabulary import THIRD_PARTY


class TaskMoney(Struct, frozen=True):
    """One task's dollars a month; None is unknown. `at_least` marks a floor, `figure` the price that today's rest on.

    A range goes from the lowest to the highest side of the disputes about its prices, as in `policy cost`. `disputes`
    are about today's price, `judged_disputes` about that to come; `today_wants` is what to do where today's cost is not
    known.
    """

    task: str
    today_usd: float | None
    figure: str | None
    disputes: tuple[str, ...]
    today_wants: str | None
    option: str | None
    model: str | None
    judged_usd: float | None
    judged_at_least: bool
    recommended_option: str | None
    recommended_model: str | None
    recommended_usd: float | None
    recommended_at_least: bool
    today_range: Range | None = None
    judged_range: Range | None = None
    saving_range: Range | None = None
    judged_disputes: tuple[str, ...] = ()


class Money(Struct, frozen=True):
    """The workload's dollars a month, today and with what is judged."""

    tasks: tuple[TaskMoney, ...]
    declared_usd: float | None
    computed_usd: float | None
    judged_usd: float | None
    judged_at_least: bool

    @property
    def disputes(self) -> tuple[str, ...]:
        """What the prices behind these figures are disputed by."""
        of_today = () if self.declared_usd is not None else [name for row in self.tasks for name in row.disputes]
        return tuple(dict.fromkeys([*of_today, *(name for row in self.tasks for name in row.judged_disputes)]))

    @property
    def today_range(self) -> Range | None:
        return exactly(self.declared_usd) if self.declared_usd is not None else self.computed_range

    @property
    def computed_range(self) -> Range | None:
        return _sum([row.today_range for row in self.tasks])

    @property
    def judged_range(self) -> Range | None:
        return _sum([row.judged_range for row in self.tasks])

    @property
    def saving_range(self) -> Range | None:
        """The difference; a task that stays at its price saves nothing, whichever side of a dispute is right."""
        if self.declared_usd is None:
            return _sum([row.saving_range for row in self.tasks])
        judged = self.judged_range
        return exactly(self.declared_usd) - judged if judged is not None else None

    @property
    def today_usd(self) -> float | None:
        """Today's bill: as declared, else by price and volume."""
        return self.computed_usd if self.declared_usd is None else self.declared_usd

    @property
    def saving_usd(self) -> float | None:
        """What is saved, at most that where the cost to come is a floor."""
        if self.today_usd is None or self.judged_usd is None:
            return None
        return self.today_usd - self.judged_usd

    @property
    def saving_percent(self) -> float | None:
        if self.saving_usd is None or not self.today_usd:
            return None
        return 100.0 * self.saving_usd / self.today_usd


def money_of(case: Case) -> Money:
    """Return today's and tomorrow's cost of a workload."""
    routes = plan(case.results)
    rows = tuple(_task(case, task, route) for task, route in zip(case.tasks, routes["routes"], strict=True))
    today = [row.today_usd for row in rows]
    declared = case.tasks[0].facts.get("budget.api_spend_usd_per_month")
    computed = None if None in today else sum(each for each in today if each is not None)
    return Money(rows, declared, computed, routes["monthly_usd"], routes["at_least"])


def _task(case: Case, task: TaskView, route: Any) -> TaskMoney:
    usd, price, wants = _today(case, task)
    sold = _judged_price(case, task, route)
    today = _between(case, task, usd, price, case.replaced_model, case.replaced_option)
    judged = _between(case, task, route["monthly_usd"], sold, route["model"], route["deployment"])
    saved = today - judged if today is not None and judged is not None else None
    if price is not None and price is sold and usd == route["monthly_usd"]:
        saved = ZERO
    recommended = task.document["recommendation"]
    firm = recommended if recommended is not None and not recommended["provisional"] else None
    return TaskMoney(
        task.name,
        usd,
        price.key if price is not None else None,
        price.disputes if price is not None else (),
        wants,
        route["deployment"],
        task.model,
        route["monthly_usd"],
        route["at_least"],
        firm["deployment"] if firm is not None else None,
        firm["model"] if firm is not None else None,
        firm["monthly_usd"] if firm is not None else None,
        bool(firm is not None and (firm["cost"] or {}).get("at_least")),
        today,
        judged,
        saved,
        sold.disputes if sold is not None else (),
    )


def _judged_price(case: Case, task: TaskView, route: Any) -> Price | None:
    """Return the price of what is judged, at the provider that is proposed, else in general; None for own machines."""
    option, model = route["deployment"], case.catalog.model(route["model"])
    if option not in THIRD_PARTY or model is None:
        return None
    provider = task.facts.get("proposal.provider")
    own = case.catalog.price(model.key, option, case.day, provider)
    return own if own is not None else case.catalog.price(model.key, option, case.day)


def _between(
    case: Case, task: TaskView, usd: float | None, price: Price | None, name: str | None, option: str | None
) -> Range | None:
    """Return a cost between what the lowest and the highest side of its price's disputes say."""
    model, needs = case.catalog.model(name), task.result.models["open_api"].asked.needs
    sent, answered = needs.input_tokens_per_month, needs.output_tokens_per_month
    if usd is None:
        return None
    if price is None or model is None or sent is None or answered is None:
        return exactly(usd)
    where = option or ("proprietary_api" if model.weights == "closed" else "open_api")
    others = other_prices(case.catalog, price, model.key, where, case.day, price.provider)
    bills = [usd, *(each.usd(sent, answered) for each in others)]
    return Range(min(bills), usd, max(bills))


def _sum(ranges: list[Range | None]) -> Range | None:
    known = [each for each in ranges if each is not None]
    return total(known) if len(known) == len(ranges) else None


def _today(case: Case, task: TaskView) -> tuple[float | None, Price | None, str | None]:
    """Return what the replaced model costs for this task, the price behind it, and what would have to be said."""
    migration = case.migration
    replaced = migration.replaces if migration is not None else None
    if replaced is None or replaced.model is None:
        return None, None, "write `migration.from: {deployment: ..., model: ...}`"
    needs = task.result.models["open_api"].asked.needs
    sent, answered = needs.input_tokens_per_month, needs.output_tokens_per_month
    if sent is None or answered is None:
        return None, None, "write `volume.input_tokens_per_month` and `output_tokens_per_month`"
    option = replaced.deployment
    if option is not None and option not in THIRD_PARTY:
        found = qualify(case.catalog, option, replaced.model, needs, case.day)
        usd = found.monthly_usd if found is not None else None
        return usd, None, None if usd is not None else _no_price(replaced.model)
    price = api_price(case.catalog, replaced.model, case.day, option=option)
    if price is None:
        return None, None, _no_price(replaced.model)
    return price.usd(sent, answered), price, None


def _no_price(model: str) -> str:
    return f"add the price of `{model}` to a layer's catalog, or write `budget.api_spend_usd_per_month`"
