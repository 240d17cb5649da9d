"""The history of prices: by hand, and as a law over any sequence of refreshes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy_engine.pricing.history import Today, merge
from policy_engine.pricing.placing import Offer, Slot

DAY = date(2026, 11, 1)
SLOTS = [Slot("gpt-4o", "proprietary_api", "openai", ""), Slot("llama-3-70b", "open_api", "aws-eu-west-1", "eu-west-1")]
State = tuple[float | None, float | None]


def step(entries: dict[str, dict[str, Any]], day: date, state: State) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Refresh once, to prices of `state` by slot (None: not stated); return entries and what became of the slots."""
    offers = {
        slot: Offer(slot, price, price * 4, None, slot.model, False, None, None, None)
        for slot, price in zip(SLOTS, state, strict=True)
        if price is not None
    }
    found, changes = merge(entries, offers, Today(day, "source", f"source of {day}", day, lambda _: ()))
    return found, [each.what for each in changes]


def in_force(entries: dict[str, dict[str, Any]], slot: Slot, day: date) -> list[float]:
    return [
        entry["input"]
        for entry in entries.values()
        if entry["model"] == slot.model
        and entry["valid_from"] <= day
        and ("valid_to" not in entry or day <= entry["valid_to"])
    ]


def test_a_price_changes_is_gone_and_comes_back() -> None:
    entries: dict[str, dict[str, Any]] = {}
    became = []
    for number, price in ((0, 2.5), (1, 2.5), (4, 2.0), (6, None), (7, None), (9, 2.0)):
        entries, changes = step(entries, DAY + timedelta(number), (price, None))
        became.append(changes)
    assert became == [["added"], ["same"], ["changed"], ["gone"], [], ["back"]]
    spans = [(e["input"], e["valid_from"].day, e.get("valid_to"), e["as_of"].day) for e in entries.values()]
    # confirmed on the 2nd, another from the 5th on, none from the 7th on, and again from the 10th on
    assert spans == [(2.5, 1, date(2026, 11, 4), 2), (2.0, 5, date(2026, 11, 6), 5), (2.0, 10, None, 10)]
    notes = [entry.get("note") for entry in entries.values()]
    assert notes == [None, "no longer stated by source of 2026-11-07, as read on 2026-11-07", None]


def test_what_was_found_and_changed_on_one_day_never_counted() -> None:
    entries, _ = step({}, DAY, (2.5, None))
    entries, changes = step(entries, DAY, (2.0, None))
    assert changes == ["changed"]
    assert [entry["input"] for entry in entries.values()] == [2.0]
    gone, changes = step(entries, DAY, (None, None))
    assert changes == ["gone"]
    assert [(entry["valid_from"], entry["valid_to"]) for entry in gone.values()] == [(DAY, DAY)]
    back, changes = step(gone, DAY, (3.0, None))
    assert changes == ["back"]
    assert [(entry["input"], entry.get("valid_to"), entry.get("note")) for entry in back.values()] == [
        (3.0, None, None)
    ]


_price = st.sampled_from([None, 1.0, 2.0, 3.0])
_steps = st.lists(st.tuples(st.integers(0, 3), _price, _price), max_size=12)


@given(steps=_steps)
def test_each_day_keeps_what_its_last_refresh_said(steps: list[tuple[int, float | None, float | None]]) -> None:
    entries: dict[str, dict[str, Any]] = {}
    said: list[tuple[date, State]] = []
    day = DAY
    for ahead, *prices in steps:
        day += timedelta(ahead)
        state = (prices[0], prices[1])
        entries, _ = step(entries, day, state)
        said.append((day, state))
        again, changes = step(entries, day, state)
        assert again == entries
        assert {*changes} <= {"same"}
    for number, slot in enumerate(SLOTS):
        for at in (DAY + timedelta(each) for each in range((day - DAY).days + 3)):
            counted = in_force(entries, slot, at)
            before = [(when, state[number]) for when, state in said if when <= at]
            last = before[-1] if before else (DAY, None)
            if last[1] is not None or last[0] < at or not before:
                assert counted == ([] if last[1] is None else [last[1]])
            else:  # a day that lost its price keeps one at most, that it was itself told of
                assert len(counted) <= 1
                assert {*counted} <= {price for when, price in before if when == at}
