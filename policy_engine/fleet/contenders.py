"""The catalog for a fleet: every model that an option may come to use, with what it is judged by, once for all rows.

A contender is a candidate with the offers that a residency leaves of it: one candidate gives several where residencies
leave different ones, of which a row has one at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.catalog import Catalog, Needs
from policy_engine.catalog.candidates import Candidate, Offer, day_of
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.qualify import Rated, rate
from policy_engine.catalog.regions import ANYWHERE
from policy_engine.catalog.slate import least_rates

MET, UNKNOWN, OUT = 0, 1, 2
BENCHMARKS = ("mmlu", "humaneval")
Residency = tuple[str, ...] | None
Floors = Mapping[str, float | None] | None
#: What asks for nothing that is not asked for by name.
EASY = Needs(
    kind="other",
    complexity=None,
    quality="sufficient",
    modalities=(),
    context_tokens=0,
    min_scores={},
    commercial_use=False,
    residency=(ANYWHERE,),
    edge_wanted=True,
    input_tokens_per_month=None,
    output_tokens_per_month=None,
    hardware=None,
    routed=False,
)


class Contender(Struct, frozen=True):
    """A candidate with the offers that are left of it, and by residency whether they are left.

    `lines` are its ways to be paid for: prices by the million tokens in and out, or a box's dollars, its most tokens
    (None: any) and the engineers' dollars. `rates` compare without a volume.
    """

    option: str
    candidate: Candidate
    standing: tuple[int, ...]
    lines: tuple[tuple[float | None, ...], ...]
    rates: tuple[float, float] | None

    @property
    def name(self) -> str:
        return self.candidate.model.key

    @property
    def scores(self) -> tuple[float | None, ...]:
        return tuple(self.candidate.scores.get(name) for name in BENCHMARKS)

    @property
    def size(self) -> float:
        """Billions of parameters, which stand in for a cost that is not known."""
        size = self.candidate.model.params_b
        return inf if size is None else size


class FloorsVerdict(Struct, frozen=True):
    """What one row's floors make of one profile of scores: a standing, and how many scores the catalog lacks."""

    standing: int
    gaps: int


def contenders(catalog: Catalog, option: str, day: date, residencies: Sequence[Residency]) -> list[Contender]:
    """Return the contenders of `option`, by name; `standing` follows the order of `residencies`."""
    found = []
    for candidate in day_of(catalog, day).candidates[option]:
        if candidate.retired:
            continue  # ruled out whatever is asked
        left: dict[tuple[Offer, ...], list[int]] = {}
        for place, residency in enumerate(residencies):
            standing, rated = _placed(catalog, candidate, residency)
            row = left.setdefault(rated.offers, [OUT] * len(residencies))
            row[place] = standing
        found += [_contender(candidate, offers, tuple(row)) for offers, row in left.items() if {*row} != {OUT}]
    return found


def _placed(catalog: Catalog, candidate: Candidate, residency: Residency) -> tuple[int, Rated]:
    rated = rate(catalog, candidate, _asking(residency=residency))
    if rated.qualifies is False:
        return OUT, rated
    waits = any("data.residency" in reason.missing for reason in rated.reasons)
    return (UNKNOWN if waits else MET), rated


def _asking(residency: Residency = (ANYWHERE,), floors: Floors = None) -> Needs:
    return replace(EASY, residency=residency, min_scores={} if floors is None else floors)


def _contender(candidate: Candidate, offers: tuple[Offer, ...], standing: tuple[int, ...]) -> Contender:
    rated = Rated(candidate, None, (), offers, candidate.plans, None)
    lines: list[tuple[float | None, ...]]
    if candidate.option in SELF_RUN:
        lines = [(plan.usd, plan.tokens_per_month, plan.engineers_usd) for plan in candidate.plans]
        lines = [line for line in lines if not any(_undercuts(other, line) for other in lines)]
    else:
        prices = [offer.price for offer in offers if offer.price is not None]
        lines = [(price.input_usd_per_million, price.output_usd_per_million) for price in prices]
    return Contender(
        candidate.option, candidate, standing, tuple(sorted(set(lines), key=_line_order)), least_rates(rated)
    )


def _undercuts(one: tuple[float | None, ...], other: tuple[float | None, ...]) -> bool:
    """Whether a box never costs more than another, whatever it has to compute."""
    most, others = (inf if line[1] is None else line[1] for line in (one, other))
    usd, others_usd = one[0] or 0.0, other[0] or 0.0
    return one != other and one[2] == other[2] and usd <= others_usd and most >= others


def _line_order(line: tuple[float | None, ...]) -> tuple[float, ...]:
    return tuple(inf if each is None else each for each in line)


def floors_verdict(catalog: Catalog, candidate: Candidate, floors: Mapping[str, float | None]) -> FloorsVerdict:
    """Return what `floors` alone make of `candidate`, whose offers and entry do not matter here."""
    before = rate(catalog, candidate, _asking())
    after = rate(catalog, candidate, _asking(floors=floors))
    if after.qualifies is False:
        return FloorsVerdict(OUT, 0)
    more = after.reasons[len(before.reasons) :] if len(after.reasons) > len(before.reasons) else ()
    return FloorsVerdict(UNKNOWN if more else MET, _gaps(after) - _gaps(before))


def _gaps(rated: Rated) -> int:
    return sum(name.startswith("catalog.") for reason in rated.reasons for name in reason.missing)
