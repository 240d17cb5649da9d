"""What the catalog holds: frozen entries, each figure with the source that states it and the day it was stated.

None is unknown: no source states it. Money is in US dollars, memory as sold in GB, parameters in billions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from msgspec import Struct

HOURS_PER_MONTH = 365.25 / 12 * 24
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600
TOKENS_PER_PRICE_UNIT = 1_000_000

Commercial = Literal["allowed", "review", "forbidden"]
Weights = Literal["open", "closed"]


class Entry(Struct, frozen=True, kw_only=True):
    """What every entry has: its key, and who states it.

    `rank` counts the layers, 0 for the shipped one. `side` names the party in a dispute: the source, or a label where
    one source contradicts itself. `starts` is the first day on which a figure counts, `valid_to` the last.
    """

    key: str
    source: str
    as_of: date
    layer: str = ""
    rank: int = 0
    side: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    disputes: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    note: str | None = None

    @property
    def starts(self) -> date:
        return self.valid_from or self.as_of


class Price(Entry, frozen=True, kw_only=True):
    """Dollars per million tokens of a model on one option; `blended` where one price covers both directions.

    `region` None is the same price in every region, or of a region that nobody states.
    """

    model: str
    option: str
    provider: str | None
    input_usd_per_million: float
    output_usd_per_million: float
    blended: bool
    region: str | None = None

    def usd(self, input_tokens: float, output_tokens: float) -> float:
        """Return dollars for that many tokens."""
        total = input_tokens * self.input_usd_per_million + output_tokens * self.output_usd_per_million
        return total / TOKENS_PER_PRICE_UNIT


class HostingCost(Entry, frozen=True, kw_only=True):
    """Dollars for `count` devices together, by the hour or the month; without a device, of self-hosting at large."""

    model: str | None
    gpu: str | None
    device: str | None
    count: int
    per: Literal["hour", "month"]
    usd_low: float
    usd_high: float
    at_least: bool

    @property
    def usd(self) -> float:
        """The middle of the range that the source gives."""
        return (self.usd_low + self.usd_high) / 2

    @property
    def hours(self) -> float:
        return HOURS_PER_MONTH if self.per == "hour" else 1.0


class OwnershipCost(Entry, frozen=True, kw_only=True):
    """Dollars to buy the hardware."""

    model: str | None
    gpu: str | None
    device: str | None
    count: int
    usd: float
    at_least: bool


class CostExample(Entry, frozen=True, kw_only=True):
    """A monthly bill that a source works out."""

    model: str
    option: str
    input_tokens: int
    output_tokens: int
    usd: float


class Score(Entry, frozen=True, kw_only=True):
    """A model's score in a benchmark, in the benchmark's unit."""

    model: str
    benchmark: str
    score: float


class BenchmarkLeader(Entry, frozen=True, kw_only=True):
    """The best score of the open or the closed field, where the source names no model."""

    benchmark: str
    weights: Weights
    score: float


class Speed(Entry, frozen=True, kw_only=True):
    """A speed that someone reported; never a bound."""

    model: str | None
    device: str
    measure: str
    value: float
    at_least: bool


class MemoryRequirement(Entry, frozen=True, kw_only=True):
    """The memory that a source asks for; the arithmetic of `sizing` does not read it."""

    model: str
    memory_gb: float
    at_least: bool
    devices: tuple[str, ...]


class Route(Entry, frozen=True, kw_only=True):
    """Models that a router names for a kind of work; no kinds or complexities stands for all of them."""

    kinds: tuple[str, ...]
    complexities: tuple[str, ...]
    option: str
    models: tuple[str, ...]


class Licence(Entry, frozen=True, kw_only=True):
    """What a licence says of commercial use."""

    commercial: Commercial
    terms: str | None


class Gpu(Entry, frozen=True, kw_only=True):
    """A device's published figures; TFLOP/s are dense tensor figures."""

    aliases: tuple[str, ...]
    memory_gb: float
    bandwidth_gb_s: float
    bf16_tflops: float | None
    fp16_tflops: float | None
    best_tflops: float | None
    watts: float | None


class Provider(Entry, frozen=True, kw_only=True):
    """Who serves models to third parties; `serves` None is every model it can, `regions` None is unknown.

    `while_priced`: it serves a model on the days on which a price of its own is in force, and on no other.
    """

    title: str | None
    options: tuple[str, ...]
    serves: tuple[str, ...] | None
    while_priced: bool
    regions: tuple[str, ...] | None


class Model(Entry, frozen=True, kw_only=True):
    """A model; `kv_bytes_per_token` is the 16-bit cache of one token, `deployments` None the default of its kind.

    `kv_upper_bound` says that long requests take less cache than that: some layers keep a window of them alone.
    """

    weights: Weights
    aliases: tuple[str, ...]
    vendor: str | None
    licence: str | None
    modalities: frozenset[str] | None
    context_tokens: int | None
    params_b: float | None
    active_b: float | None
    kv_bytes_per_token: float | None
    architecture: Mapping[str, object] | None
    deployments: tuple[str, ...] | None
    retires_on: date | None
    sources: Mapping[str, tuple[str, date]]
    kv_upper_bound: bool = False

    @property
    def parameters(self) -> float | None:
        """Parameters, all of them."""
        return None if self.params_b is None else self.params_b * 1e9

    @property
    def active_parameters(self) -> float | None:
        """Parameters that one token passes through: fewer than all in a mixture of experts."""
        billions = self.params_b if self.active_b is None else self.active_b
        return None if billions is None else billions * 1e9


class Benchmark(Struct, frozen=True):
    """A benchmark and the unit of its scores; more is better."""

    key: str
    title: str
    unit: str


class Region(Struct, frozen=True):
    """A place in the tree of regions."""

    key: str
    parent: str | None
    title: str | None
    aliases: tuple[str, ...]


class Source(Struct, frozen=True):
    """A source by its short name."""

    key: str
    description: str
    as_of: date


class Dispute(Struct, frozen=True):
    """A disagreement among sources, or of a source with arithmetic."""

    key: str
    about: str
    sides: str
