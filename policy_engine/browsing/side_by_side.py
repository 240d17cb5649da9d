"""The lines by which several models are compared: what they are, benchmarks, prices, memory, speed, latency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial

from msgspec.structs import replace

from policy_engine.browsing.cells import Cells, Device, weights, word
from policy_engine.browsing.comparison import Better, Cell, Line, ranked
from policy_engine.browsing.offers import cheapest_price
from policy_engine.browsing.sheet import Sheet
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Model
from policy_engine.model.vocabulary import OPTIONS

MODELS, BENCHMARKS, SPEED, LATENCY = "Models", "Benchmarks", "Speed", "Latency"
PRICES, BY_MONTH, MEMORY = "Prices, USD per million tokens", "Own hardware, USD/month", "Memory, GB"
SECONDS = "reasoning_answer_seconds"


@dataclass(frozen=True)
class SideBySide:
    """Models of the catalog on the day `day`, and the device where one is asked about."""

    catalog: Catalog
    models: tuple[Model, ...]
    day: date
    device: Device | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.key for each in self.models)

    @cached_property
    def sheets(self) -> tuple[Sheet, ...]:
        return tuple(Sheet(self.catalog, each, self.day) for each in self.models)

    @cached_property
    def _cells(self) -> Cells:
        return Cells(self.catalog, self.day, self.device)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every line that any of the models has something for, with its best."""
        parts = (self._models(), self._benchmarks(), self._prices(), self._memory(), self._speed(), self._latency())
        return tuple(ranked(line, self.names) for part in parts for line in part)

    def _models(self) -> Iterator[Line]:
        yield self._line(MODELS, "weights", "weights", "", lambda each: word(each.model.weights))
        yield self._line(MODELS, "licence", "licence", "", self._cells.licence)
        yield self._line(MODELS, "commercial use", "commercial_use", "", self._cells.commercial)
        yield self._line(MODELS, "modalities", "modalities", "", self._cells.modalities)
        yield self._line(MODELS, "context", "context_tokens", "tokens", self._cells.field("context_tokens"), "more")
        yield self._line(MODELS, "size", "parameters_billion", "billion", self._cells.field("params_b", closed=False))
        if any(each.active_b is not None for each in self.models):
            name = "read for a token"
            yield self._line(MODELS, name, "active_parameters_billion", "billion", self._cells.active)
        if any(each.retires_on is not None for each in self.models):
            yield self._line(MODELS, "retirement", "retires_on", "", self._cells.retirement)

    def _benchmarks(self) -> Iterator[Line]:
        for name, benchmark in self.catalog.benchmarks.items():
            if any(name in each.scores for each in self.sheets):
                found = [self._cells.counting(each.scores.get(name, ()), lambda one: one.score) for each in self.sheets]
                yield Line(BENCHMARKS, benchmark.title, name, benchmark.unit, "more", tuple(found))

    def _prices(self) -> Iterator[Line]:
        unit = "USD per million tokens"
        if any(cheapest_price(tuple(one.offered for one in each.offerings)) for each in self.sheets):
            name = "cheapest, 3 in to 1 out"
            yield self._line(PRICES, name, "cheapest_mixed_usd_per_million_tokens", unit, self._cells.cheapest, "less")
        for option in OPTIONS:
            if option in SELF_RUN:
                if any(found.plan for each in self.sheets if (found := self._cells.on(each, option))):
                    key, cell = f"{option}_usd_per_month", partial(self._cells.plan, option)
                    yield self._line(BY_MONTH, option, key, "USD/month", cell, "less")
            elif any(found.price for each in self.sheets if (found := self._cells.on(each, option))):
                for side in ("input", "output"):
                    key, name = f"{option}_{side}_usd_per_million_tokens", f"{option}, {side}"
                    yield self._line(PRICES, name, key, unit, partial(self._cells.price, option, side), "less")

    def _memory(self) -> Iterator[Line]:
        for place, each in enumerate(next((sheet.memory for sheet in self.sheets if sheet.memory), ())):
            name = f"weights at {each.quantization}, by arithmetic"
            key = f"weights_{each.quantization}_gb"
            yield self._line(MEMORY, name, key, "GB", partial(weights, place), "less")
        if any(each.of(self.catalog.memory_requirements) for each in self.sheets):
            yield self._line(MEMORY, "what a source asks for", "memory_asked_gb", "GB", self._cells.asked, "less")

    def _speed(self) -> Iterator[Line]:
        kinds = {(one.measure, one.device) for each in self.sheets for one in each.of(self.catalog.speeds)}
        for measure, device in sorted(kinds):
            if measure != SECONDS:
                unit = "tokens/s" if measure == "tokens_per_second" else "tokens/hour"
                cell = partial(self._cells.reported, measure, device)
                yield self._line(SPEED, f"reported on {device}", measure, unit, cell, "more")
        if self.device is not None:
            key, name = "decode_ceiling_tokens_per_s", f"decode ceiling, {self.device.quantization}"
            line = self._line(SPEED, name, key, "tokens/s", self._cells.ceiling, "more")
            # on other numbers of devices it is no property of the model
            numbers = {cell.text for cell in line.cells if cell.state == "known"}
            alike = len(numbers) < 2
            yield (
                line
                if alike
                else replace(line, better=None, note="not compared: on other numbers of GPUs, or without a cache")
            )

    def _latency(self) -> Iterator[Line]:
        kinds = {one.device for each in self.sheets for one in each.of(self.catalog.speeds) if one.measure == SECONDS}
        for device in sorted(kinds):
            cell = partial(self._cells.reported, SECONDS, device)
            yield self._line(LATENCY, f"answer of reasoning, {device}", SECONDS, "seconds", cell, "less")

    def _line(
        self,
        group: str,
        name: str,
        key: str,
        unit: str,
        cell: Callable[[Sheet], Cell],
        better: Better | None = None,
    ) -> Line:
        return Line(group, name, key, unit, better, tuple(cell(each) for each in self.sheets))
