"""The one door to genai-prices: the data that is installed, and never what is newer on the net.

INVARIANT: only `genai_prices.data` and the types in it are read. Nothing here makes or starts an updater.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from policy_engine.errors import Problem, UsageError
from policy_engine.pricing.quotes import Quote, SourceData, problem_of, usd

NAME = "genai-prices"
_VERIFIED = re.compile(r"\b(?:verified|checked)\b[^.;]{0,60}?\bon (\d{4}-\d{2}-\d{2})\b", re.IGNORECASE)
_SHOWN = (("cache_read_mtok", "cached input"), ("cache_write_mtok", "cache write"))


def read_installed(day: date, stood: date | None = None) -> SourceData:
    """Return what the installed package says, with the prices that count on `day`.

    `stood` is the day on which the data stood so, where somebody knows it: the package does not state it. Else it is
    the newest day, not after `day`, on which the data says that a price was verified: it is at least as new as that.

    Raises:
        UsageError: the extra is not installed, or its data is not what this program reads.
    """
    try:
        import genai_prices
        from genai_prices import data
    except ImportError:
        message = "prices of today need genai-prices, which is not installed"
        hint = "pip install 'policy-engine[prices]', or name a LiteLLM price file with --from"
        raise UsageError(Problem("extra-missing", message, help=hint)) from None
    version = str(genai_prices.__version__)
    try:
        providers = data.providers
        quotes = tuple(_quote(each.id, model, day) for each in providers for model in each.models)
        newest = stood or _newest(providers, day)
        digest = sha256(Path(data.__file__).read_bytes()).hexdigest()
    except (AttributeError, TypeError, OSError) as error:
        message = f"the data of genai-prices {version} is not of the form that this program reads"
        raise UsageError(Problem("source-form", message, help="install a release of policy-engine for it")) from error
    if newest is None:
        message = f"genai-prices {version} does not say from which day its data is"
        raise UsageError(Problem("no-data-day", message, help="say it with --data-day DATE"))
    return SourceData(NAME, version, newest, digest, quotes)


def _newest(providers: Iterable[Any], day: date) -> date | None:
    """Return the newest day that a price is said to have been verified on: what is announced proves nothing."""
    found = {
        date.fromisoformat(each)
        for provider in providers
        for model in provider.models
        for each in _VERIFIED.findall(model.price_comments or "")
    }
    return max((each for each in found if each <= day), default=None)


def _quote(provider: str, model: Any, day: date) -> Quote:
    taken, notes = _in_force(model, day)
    into, out = (_base(getattr(taken, name)) for name in ("input_mtok", "output_mtok"))
    notes += [*_tiers(taken), *_others(taken), *_variants(model, day)]
    if model.deprecated:
        notes.append("the provider calls it deprecated")
    window = model.context_window
    return Quote(
        provider,
        model.id,
        into,
        out,
        tuple(notes),
        window if isinstance(window, int) and window > 0 else None,
        problem=problem_of(into, out),
    )


def _in_force(model: Any, day: date) -> tuple[Any, list[str]]:
    """Return the prices that count on `day`, and what is to be said of the others.

    Of prices by time of day the dearest is taken. Later entries come before earlier ones, as the package has it.
    """
    if not isinstance(model.prices, list):
        return model.prices, []
    notes, by_hour, standing = [], [], None
    for each in reversed(model.prices):
        start = getattr(each.constraint, "start_date", None)
        if start is not None and start > day:
            notes.append(f"from {start.isoformat()}: {_pair(each.prices)}")
        elif each.constraint is None or start is not None:
            standing = each.prices
            break
        else:
            by_hour.append(each.prices)
    choice = [*([standing] if standing is not None else []), *by_hour] or [model.prices[0].prices]
    taken = max(choice, key=lambda each: (_base(each.input_mtok) or 0) + (_base(each.output_mtok) or 0))
    others = sorted({_pair(each) for each in choice if each is not taken and _pair(each) != _pair(taken)})
    if others:
        notes.append(f"by time of day, the dearest is taken; else {' or '.join(others)}")
    return taken, notes


def _base(price: Any) -> Decimal | None:
    if price is None or isinstance(price, Decimal):
        return price
    base: Decimal = price.base
    return base


def _pair(prices: Any) -> str:
    into, out = (_base(getattr(prices, name)) for name in ("input_mtok", "output_mtok"))
    return f"{'?' if into is None else usd(into)} in, {'?' if out is None else usd(out)} out"


def _tiers(prices: Any) -> Iterator[str]:
    """Say what longer requests cost: the base price was taken."""
    starts: dict[int, dict[str, Decimal]] = {}
    for what in ("input_mtok", "output_mtok"):
        for tier in getattr(getattr(prices, what), "tiers", ()):
            starts.setdefault(int(tier.start), {})[what] = tier.price
    for start, each in sorted(starts.items()):
        said = ", ".join(f"{usd(amount)} {what.removesuffix('put_mtok')}" for what, amount in sorted(each.items()))
        yield f"above {start:,} tokens: {said}"


def _others(prices: Any) -> Iterator[str]:
    for name, title in _SHOWN:
        amount = _base(getattr(prices, name))
        if amount is not None:
            yield f"{title}: {usd(amount)}"


def _variants(model: Any, day: date) -> Iterator[str]:
    """Say what batches and other tiers of service cost: the standard price was taken."""
    for variant in model.price_variants or ():
        start = getattr(variant.constraint, "start_date", None)
        if (start is None or start <= day) and variant.prices.input_mtok is not None:
            yield f"{', '.join(map(str, variant.when.values()))}: {_pair(variant.prices)}"
