"""Holds: what their entries say, what they cover, and that what cannot be read covers everything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_audit.entry import Entry, EntryType
from policy_audit.errors import LedgerError
from policy_audit.holding import list_holds, place_hold, release_hold
from policy_audit.holds import Hold, Holds, Matter, Scope, check_scope, covers
from policy_audit.ledger import Draft, open_ledger

AT = "2026-01-31T12:00:00.000000Z"
PLACE = {"action": "place", "hold": "h", "scope": {"kind": "all"}, "reason": "case"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["place", "release", "h", "all", "subject", "workload"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["action", "hold", "scope", "kind", "namespace", "since"]), inner, max_size=5)
    ),
)


def entry(body: dict[str, Any], commitments: dict[str, str] | None = None) -> Entry:
    return Entry(EntryType.HOLD.value, AT, {}, commitments or {}, {}, body, {}, {})


def held(*bodies: dict[str, Any], **commitments: str) -> Holds:
    holds = Holds()
    for index, body in enumerate(bodies):
        holds.read(index, entry(body, commitments))
    return holds


def matter(**given: Any) -> Matter:
    return Matter(**{"index": 5, "type": "decision", "recorded_at": AT, "namespace": "a", "workload": "b", **given})


def test_a_hold_is_in_place_until_it_is_released() -> None:
    holds = held(PLACE, {"action": "release", "hold": "other"}, {"action": "release", "hold": "h"})
    assert holds.active == []
    assert [(hold.id, hold.index, hold.released) for hold in holds] == [("h", 0, 2)]
    assert [hold.index for hold in held({"action": "release", "hold": "h"}, PLACE).active] == [1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"by": "somebody"},
        {"action": "lift", "hold": "h"},
        {"action": "release"},
        {"action": "release", "hold": 7},
        {**PLACE, "hold": "Not An Id"},
        {**PLACE, "hold": None},
        {**PLACE, "reason": None},
        {**PLACE, "ticket": 7},
        {**PLACE, "scope": "all"},
        {**PLACE, "scope": {}},
        {**PLACE, "scope": {"kind": "some"}},
        {**PLACE, "scope": {"kind": "all", "namespace": "a"}},
        {**PLACE, "scope": {"kind": "workload", "namespace": "a"}},
        {**PLACE, "scope": {"kind": "namespace", "namespace": None}},
        {**PLACE, "scope": {"kind": "indexes"}},
        {**PLACE, "scope": {"kind": "indexes", "first": True}},
        {**PLACE, "scope": {"kind": "indexes", "first": 3, "last": 2}},
        {**PLACE, "scope": {"kind": "period", "since": "yesterday"}},
        {**PLACE, "scope": {"kind": "period", "since": "2026-01-01"}},
        {**PLACE, "scope": {"kind": "subject"}},
    ],
)
def test_a_hold_that_cannot_be_read_covers_everything(body: dict[str, Any]) -> None:
    (hold,) = held(body).active
    assert (hold.id, hold.readable) == ("entry-0", False)
    assert covers(hold, matter())
    assert held(body, {"action": "release", "hold": "entry-0"}).active == []


@given(JSON)
def test_no_hold_entry_is_ignored(body: Any) -> None:
    if not isinstance(body, dict):
        return
    holds = held(body)
    released = body.get("action") == "release" and isinstance(body.get("hold"), str)
    assert len(holds.active) == (0 if released else 1)


@pytest.mark.parametrize(
    ("scope", "given", "covered"),
    [
        (Scope("all"), {}, True),
        (Scope("workload", "a", "b"), {}, True),
        (Scope("workload", "a", "c"), {}, False),
        (Scope("workload", "c", "b"), {}, False),
        (Scope("workload", "a", "b"), {"namespace": None, "workload": None}, True),
        (Scope("workload", "a", "b"), {"namespace": None, "workload": None, "type": "export"}, False),
        (Scope("workload", "a", "b"), {"workload": None}, True),
        (Scope("namespace", "a"), {}, True),
        (Scope("namespace", "c"), {}, False),
        (Scope("namespace", "c"), {"namespace": None, "type": "waiver-granted"}, True),
        (Scope("period", since=AT), {}, True),
        (Scope("period", until=AT), {}, False),
        (Scope("period", since="2026-01-31T12:00:00.000001Z"), {}, False),
        (Scope("period", until="2026-01-31T12:00:00.000001Z"), {}, True),
        (Scope("indexes", first=5, last=5), {}, True),
        (Scope("indexes", first=6), {}, False),
        (Scope("indexes", last=4), {}, False),
        (Scope("subject"), {}, False),  # by the values held, which is told elsewhere
    ],
)
def test_what_a_scope_covers(scope: Scope, given: dict[str, Any], covered: bool) -> None:
    assert covers(Hold("h", scope, 0, AT), matter(**given)) is covered


def test_times_of_a_scope_are_kept_in_utc() -> None:
    found = check_scope(Scope("period", since="2026-01-31T13:00:00+01:00"))
    assert found.since == AT
    for wrong in (Scope("period", since="2026-01-31T13:00:00"), Scope("period", since=AT, until=AT), Scope("none")):
        with pytest.raises(LedgerError):
            check_scope(wrong)


def test_placing_releasing_and_listing() -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        first = place_hold(ledger, Scope("all"), reason="case 1", ticket="T-1")
        assert first.id.startswith("hold-")
        place_hold(ledger, Scope("namespace", "a"), reason="case 2", identifier="two")
        ledger.append(Draft(EntryType.HOLD, body={"odd": 1}))
        assert [hold.id for hold in list_holds(ledger)] == [first.id, "two", "entry-2"]
        assert release_hold(ledger, "entry-2", reason="a mistake").released == 3
        assert release_hold(ledger, "two", reason="closed").released == 4
        for again in ("two", "entry-2", "none"):
            with pytest.raises(LedgerError) as caught:
                release_hold(ledger, again, reason="again")
            assert caught.value.code == "hold-missing"
        with pytest.raises(LedgerError) as caught:
            place_hold(ledger, Scope("all"), reason="again", identifier="two")
        assert caught.value.code == "hold-id"
        for wrong in ({"scope": Scope("subject")}, {"scope": Scope("all"), "subject": "alice"}):
            with pytest.raises(LedgerError):
                place_hold(ledger, reason="case", **wrong)  # type: ignore[arg-type]
        assert [hold.id for hold in list_holds(ledger) if hold.released is None] == [first.id]
        assert ledger.verify().ok
