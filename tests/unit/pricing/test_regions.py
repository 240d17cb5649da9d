"""Where a provider runs, from one refresh to the next: no silence of a source takes back what it stated."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from policy_engine.facts import region_allowed
from policy_engine.pricing.entries import provider_entries
from policy_engine.pricing.quotes import Quote
from tests.unit.pricing.scene import FIRST, quote, refreshed, source

EU, US = ("eu",), ("us",)
BIG, SMALL = "llama3-70b-8192", "llama3-8b-8192"


def groq(name: str, *regions: str) -> Quote:
    return quote(name, "1", "2", "groq", regions=regions or None)


@pytest.mark.parametrize(
    ("refreshes", "known"),
    [
        # nothing is known until all say it
        ([[groq(BIG, "us"), groq(SMALL)]], None),
        ([[groq(BIG, "us"), groq(SMALL, "eu")]], None),
        # and what is known is not forgotten: where one is silent, all are, or none is left
        ([[groq(BIG, "us")], [groq(BIG, "us"), groq(SMALL)]], US),
        ([[groq(BIG, "us")], [groq(BIG)]], US),
        ([[groq(BIG, "us")], []], US),
        ([[groq(BIG, "us")], [], [groq(SMALL)]], US),
        ([[groq(BIG, "us")], [groq(BIG, "xx-moon-1")]], US),
        # what others state beside a silent one is added
        ([[groq(BIG, "us")], [groq(BIG), groq(SMALL, "eu")]], ("eu", "us")),
        # other statements replace it, also where they have nothing in common
        ([[groq(BIG, "us")], [groq(BIG, "eu")]], EU),
        ([[groq(BIG, "us")], [groq(BIG), groq(SMALL, "eu")], [groq(BIG, "eu", "jp"), groq(SMALL, "eu")]], EU),
        ([[groq(BIG, "jp")], [groq(BIG, "us"), groq(SMALL, "eu")]], ("eu", "us")),
        # "global" is a statement, too
        ([[groq(BIG, "us")], [groq(BIG, "global")]], None),
    ],
)
def test_a_stated_region_is_forgotten_by_no_silence(
    tmp_path: Path, refreshes: list[list[Quote]], known: tuple[str, ...] | None
) -> None:
    for number, quotes in enumerate(refreshes):
        # a source that has nothing left of what it had is refused
        data = source(quote("gpt-4o", "2.5", "10"), *quotes, day=date(2026, 11, 1 + number), name="litellm")
        done = refreshed(tmp_path, data, FIRST + timedelta(number), wanted=["groq"])
    assert done.after.providers["groq"].regions == known


def test_a_data_zone_without_a_price_runs_where_it_ran(tmp_path: Path) -> None:
    mine, zoned = quote("gpt-4o", "2.5", "10"), quote("gpt-4o", "2.5", "10", "azure/us", regions=US)
    refreshed(tmp_path, source(mine, zoned, name="litellm"), wanted=["azure-us"])
    free = quote("gpt-4o", "0", "0", "azure/us", regions=US, problem="a price of zero")
    done = refreshed(tmp_path, source(mine, free, day=date(2026, 11, 2), name="litellm"), FIRST + timedelta(1))
    assert [(each.slot.provider, each.what) for each in done.changes] == [("azure-us", "gone"), ("openai", "same")]
    places = done.after.places("proprietary_api", "azure-us")
    assert places.known == US
    assert region_allowed(["eu"], "eu", done.after.regions, places) is False


def test_a_file_that_had_forgotten_has_it_of_its_ended_prices() -> None:
    ended = {"model": "gpt-4o", "option": "proprietary_api", "provider": "azure-us", "region": "us", "valid_to": FIRST}
    forgotten = {"azure-us": {"title": "Microsoft Azure, data zone US"}}
    data = source(name="litellm")
    assert provider_entries(forgotten, {"a": ended}, {}, data, set())["azure-us"]["regions"] == ["us"]
