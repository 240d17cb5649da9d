"""What a source of prices says, before anything is made of it: a quote for each name that it has."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec import Struct

#: Dollars per million tokens above which a figure is no price of a model, but a slip of units.
MOST_USD_PER_MILLION = 10_000
#: Below it a figure is nought: the cheapest models are sold for a hundred times as much.
LEAST_USD_PER_MILLION = Decimal("0.0001")
ZERO = "a price of zero: free, or not known"


class Quote(Struct, frozen=True):
    """One model at one provider, each by the source's own name; money in dollars per million tokens.

    `notes` say what the source has beside the two prices that were taken. `regions` None: it names none. `problem`
    says why the two are no price; then they are not read.
    """

    provider: str
    name: str
    input: Decimal | None
    output: Decimal | None
    notes: tuple[str, ...] = ()
    context_tokens: int | None = None
    retires_on: date | None = None
    regions: tuple[str, ...] | None = None
    problem: str | None = None


class SourceData(Struct, frozen=True):
    """All that a source says: its name and version, the day on which it stood so, and the digest of its bytes."""

    name: str
    version: str | None
    day: date
    sha256: str
    quotes: tuple[Quote, ...]

    @property
    def title(self) -> str:
        """The source as figures name it."""
        return self.name if self.version is None else f"{self.name} {self.version}"


def problem_of(*prices: Decimal | None) -> str | None:
    """Say why `prices`, dollars per million tokens, are none that may be reckoned with; None where they are."""
    if any(each is None for each in prices):
        return "no price for both prompt and answer tokens"
    known = [each for each in prices if each is not None]
    if any(not each.is_finite() or each < 0 or each > MOST_USD_PER_MILLION for each in known):
        return "what it states is no price of tokens"
    # a direction that costs nothing is one that nobody priced: it would come out as the cheapest of all
    return ZERO if any(each < LEAST_USD_PER_MILLION for each in known) else None


def usd(amount: Decimal) -> str:
    """Write dollars per million tokens in full, without zeros at the end."""
    return f"{amount.normalize():f}"
