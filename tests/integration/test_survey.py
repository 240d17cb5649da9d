"""What a survey before a disposal counts: every entry once, and what each hold covers, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

from policy_audit.disposing import Due, survey
from policy_audit.holding import Covered, list_covered, place_hold, release_hold
from policy_audit.holds import Scope
from policy_audit.ledger import Draft, EntryType

from policy_engine.loading.retention import read_retention, regulations_of
from tests.integration.persons import ALICE, BOB, decision
from tests.integration.test_disposing import RETENTION, Clock, Make, at, clock, make, run, workload

__all__ = ["clock", "make"]


def test_the_shipped_periods() -> None:
    shipped = {period.id: period for period in read_retention().periods}
    assert (shipped["hipaa-documentation"].months, shipped["hipaa-documentation"].regulations) == (72, {"hipaa"})
    assert (shipped["eu-ai-act-logs"].months, shipped["eu-ai-act-logs"].regulations) == (6, None)
    assert all(period.source for period in shipped.values())


def summed(due: Due) -> int:
    return sum(due.covered.values()) + due.kept + due.due_entries + due.gone


def test_every_entry_is_counted_once_by_what_covers_it(make: Make, clock: Clock) -> None:
    ledger = make(
        decision(0, ALICE, document=workload()),
        decision(1, BOB, document=workload("hipaa")),
        decision(2, ALICE, document=workload("sox", "gdpr")),
        decision(3, ALICE, document=workload("gdpr"), valid_until=None, workload="chat"),
        Draft(EntryType.EXPORT),
    )
    young = survey(ledger, RETENTION, regulations_of)
    told = {"all": 1, "hipaa": 2, "no period is known for `sox`": 1, "in effect": 1}
    assert young.covered == told, "not by age alone"
    assert young.unknown == {"sox": 1}
    assert young.next_due == "2021-06-01T00:00:00.000000Z"
    at(clock, 12)
    later = survey(ledger, RETENTION, regulations_of)
    assert later.covered == {"hipaa": 2, "no period is known for `sox`": 1, "in effect": 1}
    assert (later.due_entries, later.gone, later.unknown) == (1, 0, {"sox": 1})
    run(ledger)
    after = survey(ledger, RETENTION, regulations_of)
    assert (after.values, after.documents, after.due_entries) == ((), (), 0)
    assert after.covered["hipaa"] == 4, "what it was on is not known any more, and the disposal is an entry too"
    for due in (young, later, after):
        assert summed(due) == due.entries
    assert survey(ledger, RETENTION, regulations_of, before="2020-01-01T00:00:00Z").covered["recorded later"] == 5


def test_a_young_decision_is_in_effect_until_another_takes_its_place(make: Make, clock: Clock) -> None:
    ledger = make(decision(0, ALICE, document=workload("gdpr"), valid_until=None, workload="chat"))
    assert survey(ledger, RETENTION, regulations_of).covered == {"in effect": 1}
    clock.now = datetime(2020, 8, 1, tzinfo=UTC)
    ledger.append(decision(1, ALICE, document=workload("gdpr"), valid_until="2020-08-02T00:00:00Z", workload="chat"))
    found = survey(ledger, RETENTION, regulations_of)
    assert found.covered == {"gdpr": 2}
    assert found.next_due is not None
    assert found.next_due[:10] == "2022-08-01", "the first was in effect until then"


def test_each_hold_is_said_to_cover_what_it_covers_though_another_does_too(make: Make, clock: Clock) -> None:
    ledger = make(decision(0, ALICE, document=workload()), decision(1, BOB, document=workload()))
    place_hold(ledger, Scope("all"), reason="case", identifier="one")
    place_hold(ledger, Scope("subject"), reason="case", identifier="two", subject=ALICE)
    none = place_hold(ledger, Scope("subject"), reason="case", identifier="none", subject="nobody@x.example")
    at(clock, 40)
    due = survey(ledger, RETENTION, regulations_of)
    assert (due.held, due.kept) == ({"one": 2, "two": 1}, 2)
    assert summed(due) == due.entries == 5
    assert due.scopes == {2: Covered(4, 2, 2), 3: Covered(1, 1, 1), none.index: Covered()}
    assert [(hold.id, found) for hold, found in list_covered(ledger)] == [
        ("one", Covered(4, 2, 2)), ("two", Covered(1, 1, 1)), ("none", Covered())
    ]  # fmt: skip
    place_hold(ledger, Scope("subject"), reason="case", identifier="again", subject="nobody@x.example")
    assert dict(survey(ledger, RETENTION, regulations_of).scopes)[5] == Covered(1, 0, 0), "another hold is no matter"
    release_hold(ledger, "one", reason="closed")
    assert [found for hold, found in list_covered(ledger) if hold.id == "one"] == [None]
