"""Reports of what was done: each on a ledger that was made for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from policy_audit.changing import By
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.records import DecisionQuery
from policy_audit.snapshot import open_snapshot

from policy_engine.errors import InputError
from policy_engine.reports.asking import Asked
from policy_engine.reports.registry import REPORTS
from policy_engine.reports.report import Column, Report
from policy_engine.waivers.on_record import granted_draft
from tests.integration.tampering import decision
from tests.unit.waivers.making import ANN, asked_for, signed, statement

START = datetime(2026, 1, 1, tzinfo=UTC)
Ask = Callable[..., list[dict[str, Any]]]


class Clock:
    """A clock that goes on by hours."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Iterator[Ledger]:
    with open_ledger("sqlite:///:memory:", clock=clock) as opened:
        yield opened


def report(ledger: Ledger, name: str, query: DecisionQuery | None = None, **given: Any) -> Report:
    with open_snapshot(ledger) as snapshot:
        now = given.pop("now", START + timedelta(days=30))
        asked = Asked(snapshot, name, REPORTS[name].title, "", now, query or DecisionQuery(), given)
        return REPORTS[name].make(asked)


def rows(ledger: Ledger, name: str, query: DecisionQuery | None = None, **given: Any) -> list[dict[str, Any]]:
    return list(report(ledger, name, query, **given).records())


def decided(name: str, verdict: str = "allow", **view: Any) -> Draft:
    tags = view.pop("tags", {})
    draft = decision(0)
    return replace(draft, tags=tags, blobs={}, view={**draft.view, "workload": name, "verdict": verdict, **view})


def test_gaps_are_silences_restores_rotations_and_watching_that_broke_off(ledger: Ledger, clock: Clock) -> None:
    def beat(state: str) -> None:
        ledger.append(Draft(EntryType.HEARTBEAT, body={"state": state}))

    beat("on")  # 0
    clock.wait(30)
    beat("beat")  # 1: a silence before it
    clock.wait(1)
    beat("on")  # 2: it had not ended
    beat("off")  # 3
    clock.wait(50)
    ledger.append(Draft(EntryType.RESTORE, body={"reason": "disk"}))  # 4: announced silence, and a restore
    clock.wait(-2)
    ledger.append(decision(1))  # 5: the clock ran back
    found = rows(ledger, "gaps", now=clock.now + timedelta(hours=25))
    assert [(row["kind"], row["after_entry"], row["before_entry"]) for row in found] == [
        ("silence", 0, 1),
        ("watching broke off", 1, 2),
        ("silence", 3, 4),
        ("restore", 3, 4),
        ("clock ran back", 4, 5),
        ("silence", 5, None),
    ]
    assert [row["hours"] for row in found if row["kind"] == "silence"] == [30, 50, 25]
    assert found[2]["what"] == "announced: watching had ended"
    assert not [row for row in rows(ledger, "gaps", longest=60, now=clock.now) if row["kind"] == "silence"]
    late = rows(ledger, "gaps", DecisionQuery(since=START + timedelta(hours=40)), now=clock.now)
    assert [row["kind"] for row in late] == ["silence", "restore", "clock ran back"]


def test_what_is_no_waiver_and_no_activation_is_listed_and_hides_nothing(ledger: Ledger) -> None:
    ledger.append(Draft(EntryType.WAIVER_GRANTED, body={"waiver": "w", "approvals": []}, blobs={"waiver": b"no note"}))
    ledger.append(Draft(EntryType.WAIVER_REQUESTED, body={"waiver": "w"}))
    made = report(ledger, "waivers")
    found = [(row["status"], row["requested_entry"], row["granted_entry"]) for row in made.records()]
    assert found == [("unreadable", 1, None), ("unreadable", None, 0)]
    assert dict(made.summary)["entries that hold no waiver, or use none on record"] == 2


def test_the_use_of_a_waiver_that_is_not_on_record_is_told(ledger: Ledger) -> None:
    body = {"waiver": "0" * 64, "decision": "d", "decided_at": "2026-01-01T00:00:00Z"}
    index = ledger.append(Draft(EntryType.WAIVER_USED, body=body)).index
    (row,) = report(ledger, "waivers").records()
    assert (row["status"], row["last_use_entry"]) == ("unreadable", index)
    assert row["reason"] == "it is the use of a waiver that is not on record"


def grant(ledger: Ledger, claimed: str, *approvers: str, signed_for: str | None = "", **body: Any) -> None:
    """Put a grant on record that names `claimed` as requester, and its request by whom was signed for, if any."""
    people = {"approver" if not number else f"approver_{number}": who for number, who in enumerate(approvers)}
    made = statement(ticket=f"OPS-{len(ledger.list_entries())}")
    if signed_for is not None:
        made = asked_for(ledger, made, signed_for or claimed)
    ledger.append(granted_draft(made, signed(made, ANN), body, {"requester": claimed, **people}, {}))


def test_who_cannot_be_told_is_not_called_apart(ledger: Ledger) -> None:
    grant(ledger, "ann", "bob")
    grant(ledger, "ann", "bob", "ANN ")
    grant(ledger, "ann", "bob", actor_is_requester=True)
    grant(ledger, "cleo", "bob")
    grant(ledger, "ann", "bob", signed_for=None)
    grant(ledger, "ann", "bob", signed_for="bob")
    grant(ledger, "ann", "bob", signed_for="dora")
    ledger.append(Draft(EntryType.WAIVER_GRANTED, personal={"requester": "ann", "approver": "bob"}))
    ledger.erase("cleo", reason="asked", by=By({"actor": "olga"}))
    found = rows(ledger, "separation-of-duties")
    finding = "requester is not the signed one"
    assert [row["finding"] for row in found] == [
        "kept apart", "same person", "same person", "cannot be told", "cannot be told", finding, finding,
        "cannot be told",
    ]  # fmt: skip
    assert found[3]["asked"] == "(erased)"
    made = report(ledger, "waivers")
    assert dict(made.summary)["granted to whom cannot be told, or to another than was signed"] == 4
    assert [row["self_approved"] for row in reversed(list(made.records())[:-1])] == [
        "kept apart", "same person", "same person", "cannot be told", "cannot be told", "same person", finding
    ]  # fmt: skip


def test_erasures_and_refusals_holds_and_disposals(ledger: Ledger) -> None:
    place = {
        "action": "place",
        "hold": "h-1",
        "scope": {"kind": "workload", "namespace": "default", "workload": "chat"},
        "reason": "case 7",
    }
    ledger.append_many(
        [
            Draft(EntryType.HOLD, body=place, personal={"actor": "ann"}),
            Draft(EntryType.HOLD, body={**place, "hold": "h-2"}),
            Draft(EntryType.HOLD, body={"action": "release", "hold": "h-2", "reason": "over"}),
            Draft(EntryType.HOLD, body={"something": "else"}),
            Draft(EntryType.ERASURE, body={"refused": {"holds": ["h-1"]}, "reason": "asked"}),
            Draft(EntryType.ERASURE, body={"erased": [{"index": 9, "name": "owner"}], "reason": "asked"}),
            Draft(EntryType.DISPOSAL, body={"disposed": [{"index": 9, "name": "x"}], "documents": ["sha256:1"]}),
        ]
    )
    found = rows(ledger, "erasures")
    assert [(row["entry"], row["outcome"], row["values"], row["holds"]) for row in found] == [
        (4, "refused", None, ("h-1",)),
        (5, "erased", 1, ()),
        (6, "disposed of", 1, ()),
    ]
    held = [row for row in rows(ledger, "retention") if row["kind"] != "period"]
    assert [(row["name"], row["state"], row["released_entry"]) for row in held] == [
        ("h-1", "active", None),
        ("h-2", "released", 2),
        ("entry-3", "active", None),
        (None, "done", None),
    ]


def test_denials_repeat_where_nothing_was_changed(ledger: Ledger) -> None:
    same, other = {"workload_digest": "sha256:1"}, {"workload_digest": "sha256:2"}
    ledger.append_many(
        [
            decided("a", "deny", **same),
            decided("b", "deny", **same),
            decided("a", "deny", **same),
            decided("a", "deny", **other),
            decided("a", "allow", **other),
            decided("a", "deny", **{**other, "policy_digest": "sha256:new"}),
        ]
    )
    found = rows(ledger, "denials")
    assert [(row["entry"], row["denied_before"], row["repeat"], row["previous_denial"]) for row in found] == [
        (0, 0, False, None),
        (1, 0, False, None),
        (2, 1, True, 0),
        (3, 2, False, 2),
        (5, 3, False, 3),
    ]


def test_the_model_in_use_is_that_of_the_last_decision_for_deploying(ledger: Ledger) -> None:
    ledger.append_many(
        [
            decided("a", purpose="deploy", tags={"model": ["m-1"]}, valid_until="2026-01-15T00:00:00Z"),
            decided("a", purpose="draft", tags={"model": ["m-2"]}),
            decided("b", purpose="draft", tags={"model": ["m-3", "m-4"]}),
        ]
    )
    found = rows(ledger, "models")
    assert [(row["workload"], row["models"], row["purpose"], row["expired"]) for row in found] == [
        ("a", ("m-1",), "deploy", True),
        ("b", ("m-3", "m-4"), "draft", False),
    ]
    late = rows(ledger, "expired")
    assert [(row["workload"], row["entry"], row["days_past"]) for row in late] == [("a", 0, 16)]
    assert rows(ledger, "expired", at=START) == []


def test_a_change_of_rules_is_shown_by_rule(ledger: Ledger) -> None:
    with pytest.raises(InputError):
        report(ledger, "rule-impact")
    old, new = {"policy_digest": "sha256:old"}, {"policy_digest": "sha256:new"}
    ledger.append_many(
        [
            decided("a", tags={"rule": ["r-1", "r-2"]}, **old),
            decided("b", tags={"rule": ["r-1"]}, **old),
            decided("a", "deny", tags={"rule": ["r-1", "r-3"]}, **new),
        ]
    )
    made = report(ledger, "rule-impact")
    assert [tuple(row.values()) for row in made.records()] == [
        ("r-1", 2, 2, 1, 1, "acts in both"),
        ("r-2", 1, 2, 0, 1, "acts no more"),
        ("r-3", 0, 2, 1, 1, "new"),
    ]
    assert dict(made.summary) | {"before": 0, "after": 0} == {
        "before": 0,
        "after": 0,
        "allow before": 2,
        "deny after": 1,
    }
    named = report(ledger, "rule-impact", before="sha256:new", after="sha256:old")
    assert [row["change"] for row in named.records()] == ["acts in both", "new", "acts no more"]
    assert report(ledger, "rule-impact", after="sha256:new").rows == made.rows
    with pytest.raises(InputError):
        report(ledger, "rule-impact", before="sha256:new")


def test_a_timeline_of_a_workload_has_what_was_done_to_the_whole_ledger_meanwhile(ledger: Ledger) -> None:
    ledger.append_many(
        [
            decided("chat"),
            decided("other"),
            Draft(
                EntryType.WAIVER_REVOKED, body={"waiver": "w"}, context={"namespace": "default", "workload": "other"}
            ),
            Draft(EntryType.WAIVER_REVOKED, body={"waiver": "w"}, context={"namespace": "default", "workload": "chat"}),
            Draft(EntryType.RESTORE, body={"reason": "disk", "long": "x" * 9999}),
        ]
    )
    found = rows(ledger, "incident", DecisionQuery(namespace="default", workload="chat"))
    assert [row["entry"] for row in found] == [0, 3, 4]
    assert len(found[-1]["what"]) == 300
    assert [row["entry"] for row in rows(ledger, "incident")] == [0, 1, 2, 3, 4]


def test_a_report_is_a_table() -> None:
    with pytest.raises(ValueError, match="kind"):
        Column("x", "number")
