"""A law of refreshes: where a provider is known to run, no silence of a source allows what was denied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy_engine.pricing.entries import provider_entries
from policy_engine.pricing.placing import Offer, Slot
from tests.property.worlds import cases
from tests.unit.pricing.scene import FIRST, shipped, source

law = cases(150)

STATED = st.none() | st.just(()) | st.lists(st.sampled_from(["us", "us-east-1", "eu", "jp"]), min_size=1, max_size=2)


@law
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), STATED), min_size=2, max_size=5))
def test_no_refresh_allows_what_was_denied_unless_a_source_states_it(
    refreshes: list[dict[str, Sequence[str] | None]],
) -> None:
    regions = shipped().catalog.regions
    prices: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, Any]] = {}
    for said in refreshes:
        for model in {*prices, *said}:
            prices[model] = (
                {"model": model, "option": "open_api", "provider": "groq"}
                if model in said
                else {**prices[model], "valid_to": FIRST}
            )
        offers = {}
        for model, where in said.items():
            slot = Slot(model, "open_api", "groq", "")
            told = None if where is None else tuple(sorted(set(where)))
            offers[slot] = Offer(slot, 1.0, 2.0, None, model, False, None, None, told)
        before, found = found, provider_entries(found, prices, offers, source(name="litellm"), set())
        assert provider_entries(found, prices, offers, source(name="litellm"), set()) == found, "the same again"
        for residency in ("us", "us-east-1", "eu", "jp"):
            denied, denies = (
                bool(known) and regions.apart(known, [residency])
                for known in (each.get("groq", {}).get("regions", ()) for each in (before, found))
            )
            if denied and not denies:
                told_now = [where for where in said.values() if where is not None]
                assert any(not where or not regions.apart(where, [residency]) for where in told_now)
