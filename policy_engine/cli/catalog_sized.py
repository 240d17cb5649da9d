"""What `policy catalog size` is asked, what it finds, and its picture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from policy_engine.catalog import Catalog
from policy_engine.catalog.entries import Gpu, Model
from policy_engine.catalog.needed import Fit, Held, Load, Rates, Rent, fit, held, rates, rent
from policy_engine.cli.catalog_size_words import cache_notes, model_notes
from policy_engine.errors import Problem, UsageError


@dataclass(frozen=True)
class Row:
    """One type of GPU at one quantization."""

    fit: Fit
    rates: Rates | None
    rent: Rent | None


@dataclass(frozen=True)
class Asked:
    """The question: a model, its load, and which devices; `named` where one type of them was asked for."""

    catalog: Catalog
    model: Model
    gpus: tuple[Gpu, ...]
    named: bool
    quantizations: tuple[str, ...]
    load: Load
    count: int | None
    reached: tuple[float, float]
    day: date

    @cached_property
    def held(self) -> list[Held]:
        return [held(self.model, each, self.load) for each in self.quantizations]

    @cached_property
    def rows(self) -> list[Row]:
        return [self._row(each, gpu) for each in self.held for gpu in self.gpus]

    @property
    def complete(self) -> bool:
        """Whether something is known of weights and cache, so that no number is a lower bound."""
        return all(each.complete for each in self.held)

    @property
    def bound(self) -> str:
        """What memory and numbers of GPUs are, where they are no exact ones."""
        if not self.complete:
            return ", at least"
        return ", at most" if any(each.cache_at_most for each in self.held) else ""

    def rows_of(self, quantization: str) -> list[Row]:
        return [row for row in self.rows if row.fit.held.quantization == quantization]

    def _row(self, each: Held, gpu: Gpu) -> Row:
        found = fit(self.catalog.rules, gpu, each, self.count)
        runs = found.devices is not None and found.fits is not False
        return Row(
            found,
            rates(self.model, found, self.load, self.reached) if runs else None,
            rent(self.catalog, self.model, gpu, found.devices, self.day),
        )

    @cached_property
    def notes(self) -> list[str]:
        notes = [*model_notes(self.catalog, self.model, self.load)]
        if self.model.parameters is not None:
            most = max((row.fit.devices or 0 for row in self.rows), default=0)
            notes += cache_notes(self.model, self.load, self.quantizations, most)
        return notes


def draw(asked: Asked, path: Path) -> None:
    """Draw the memory of each device: by quantization of the one that was named, else by type.

    Raises:
        UsageError: nothing can be drawn, or not to that place.
    """
    from policy_engine.plots.memory import Bar, draw_memory

    chosen = asked.rows if asked.named else asked.rows_of(asked.quantizations[0])
    bars = []
    for row in chosen:
        found = row.fit
        if found.weights_each is None:
            continue
        what = found.held.quantization if asked.named else found.gpu.key
        sizes = (found.weights_each, found.cache_each, found.overhead_each, found.usable_each, found.card_each)
        bars.append(Bar(f"{what}, {found.devices:,} GPU{'s' if found.devices != 1 else ''}", *sizes, found.fits))
    if not bars:
        message = f"there is nothing to draw: the memory that `{asked.model.key}` takes is not known, or fits nowhere"
        raise UsageError(Problem("nothing-to-draw", message, help="leave --plot out"))
    about = asked.gpus[0].key if asked.named else f"at {asked.quantizations[0]}"
    draw_memory(path, f"{asked.model.key}, {about}, {_load_text(asked.load)}{asked.bound}", bars)


def _load_text(load: Load) -> str:
    if load.context_tokens is None:
        return "without a cache"
    requests = f"{load.concurrency:,} request{'s' if load.concurrency > 1 else ''}"
    return f"{requests} of {load.context_tokens:,} tokens"
