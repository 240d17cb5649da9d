"""Disposal: what is past every period goes, on record; what a period, a hold or a later entry needs stays."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from policy_audit.disposing import Disposal, dispose, survey
from policy_audit.errors import LedgerError
from policy_audit.folder_check import Wanted, document_path, verify_folder
from policy_audit.holding import place_hold, release_hold
from policy_audit.holds import Scope
from policy_audit.ledger import Draft, EntryType, Ledger
from policy_audit.retention import Period, Retention

from policy_engine.loading.retention import regulations_of
from tests.integration.persons import ALICE, BOB, RULES, decision, files_hold
from tests.integration.tampering import failed, file_alone
from tests.stores import SQLITE, Store

RETENTION = Retention(
    [
        Period("all", 12, "project"),
        Period("hipaa", 72, "law", frozenset({"hipaa"}), minimum=True),
        Period("gdpr", 24, "project", frozenset({"gdpr"})),
    ]
)
REFUSED = (sqlite3.IntegrityError, psycopg.errors.RaiseException)
LONG_AGO, REASON = datetime(2020, 1, 31, 12, tzinfo=UTC), "yearly disposal"


class Clock:
    def __init__(self) -> None:
        self.now = LONG_AGO

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def workload(*regulations: str) -> bytes:
    return json.dumps({"spec": {"data": {"regulations": list(regulations)}}}).encode()


Make = Callable[..., Ledger]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(store: Store, clock: Clock) -> Any:
    opened: list[Ledger] = []

    def open_at(*drafts: Draft) -> Ledger:
        ledger = store.open(clock=clock)
        opened.append(ledger)
        if drafts:
            ledger.append_many(drafts)
        return ledger

    yield open_at
    for ledger in opened:
        ledger.close()


def at(clock: Clock, months: int) -> None:
    """Set the clock to so many months after the decisions were recorded, which count until June 2020."""
    year, month = divmod(2020 * 12 + 5 + months, 12)
    clock.now = datetime(year, month + 1, 2, tzinfo=UTC)


def run(ledger: Ledger, **more: Any) -> Disposal:
    done = dispose(ledger, RETENTION, regulations_of, reason=REASON, **more)
    report = ledger.verify()
    assert report.ok, report.problems
    return done


def test_an_export_goes_without_what_was_disposed_of(make: Make, clock: Clock, tmp_path: Path) -> None:
    ledger = make(decision(0, ALICE, document=workload()), decision(1, BOB, document=workload("hipaa")))
    key, folder = str(ledger.verifier_key), tmp_path / "out"

    def missing() -> tuple[int, int | None]:
        step = verify_folder(folder, Wanted([key], documents=True)).step("documents")
        return step.problems, step.first_index

    at(clock, 12)
    gone = run(ledger).documents
    exported = ledger.export_log(folder, documents=True)
    assert (exported.disposed, missing()) == (len(gone), (0, None))
    assert any("disposed of on record: 2" in text for text in verify_folder(folder, Wanted([key])).remarks)
    (folder / document_path(digest(ledger, 1, "workload"))).rename(tmp_path / "kept")
    assert missing() == (1, 1), "no disposal names it"
    (tmp_path / "kept").rename(folder / document_path(digest(ledger, 1, "workload")))
    again = ledger.append(decision(2, ALICE, document=workload())).index
    assert ledger.export_log(folder, documents=True).disposed == 1
    (folder / document_path(digest(ledger, again, "workload"))).unlink()
    assert missing() == (1, again), "an entry names it since"


def test_what_no_period_covers_goes_and_the_rest_stays(make: Make, clock: Clock, store: Store) -> None:
    ledger = make(
        decision(0, ALICE, document=workload()),
        decision(1, BOB, document=workload("hipaa")),
        decision(2, ALICE, document=workload("gdpr")),
    )
    at(clock, 11)
    assert run(ledger) == Disposal((), ())
    at(clock, 12)
    due = survey(ledger, RETENTION, regulations_of)
    done = run(ledger)
    assert done.values == due.values == ((0, "owner"),)
    assert set(done.documents) == set(due.documents) == {digest(ledger, 0, "decision"), digest(ledger, 0, "workload")}
    assert done.overwritten is (store.kind == SQLITE)
    assert ledger.personal(0) == {}
    assert ledger.disposed() == {(0, "owner")}
    with pytest.raises(LedgerError) as caught:
        ledger.blob(digest(ledger, 0, "decision"))
    assert caught.value.code == "blob-disposed"
    assert ledger.blob(digest(ledger, 0, "rules")) == RULES, "retained entries name it"
    at(clock, 24)
    assert run(ledger).values == ((2, "owner"),)
    at(clock, 71)
    assert run(ledger) == Disposal((), ())
    at(clock, 72)
    last = run(ledger)
    assert last.values == ((1, "owner"),)
    # the rules went with the last decision that names them
    assert digest(ledger, 1, "rules") in last.documents
    assert run(ledger) == Disposal((), ()), "what is gone is not disposed of again"


def digest(ledger: Ledger, index: int, role: str) -> str:
    return str(ledger.entry(index).document["blobs"][role])


@file_alone
def test_the_values_and_the_keys_of_persons_are_gone_from_the_files(make: Make, clock: Clock, store: Store) -> None:
    ledger = make(decision(0, ALICE, document=workload()), decision(1, BOB, document=workload("hipaa"), actor=ALICE))
    path = store.path
    assert path is not None
    connection = sqlite3.connect(path)
    (sealed,) = connection.execute("SELECT sealed FROM personal WHERE leaf_index = 0").fetchone()
    keys = dict(connection.execute("SELECT subject, wrapped FROM subject_key"))
    connection.close()
    alice = keys[ledger._vault.subject(ALICE)]
    at(clock, 12)
    run(ledger)
    assert files_hold(path, sealed, b'{"n":0}') == []
    assert files_hold(path, alice) != [], "another entry holds a value of hers"
    at(clock, 72)
    run(ledger)
    assert files_hold(path, *keys.values()) == []


@pytest.mark.parametrize(
    "document",
    [b"{}", b"[]", b"\xff", b"[" * 100_000, workload()[:-1], b'{"spec": {"data": {"regulations": null}}}',
     b'{"spec": {"data": {"regulations": "hipaa"}}}', b'{"spec": {"data": {"regulations": [1]}}}'],
)  # fmt: skip
def test_regulations_that_cannot_be_read_count_as_the_longest_period(make: Make, clock: Clock, document: bytes) -> None:
    ledger = make(decision(0, ALICE, document=document))
    at(clock, 71)
    assert run(ledger) == Disposal((), ())
    at(clock, 72)
    assert run(ledger).values == ((0, "owner"),)


def test_a_changed_or_missing_workload_counts_as_the_longest_period(make: Make, clock: Clock, store: Store) -> None:
    ledger = make(decision(0, ALICE, document=workload()), decision(1, BOB, document=workload("gdpr")))
    missing, changed = digest(ledger, 0, "workload"), digest(ledger, 1, "workload")
    with store.administrator() as connection:
        connection.execute("UPDATE blob SET content = ? WHERE digest = ?", (workload(), changed))
        connection.execute("DELETE FROM blob WHERE digest = ?", (missing,))
    at(clock, 40)
    assert dispose(ledger, RETENTION, regulations_of, reason=REASON) == Disposal((), ())


def test_a_regulation_without_a_period_covers_without_end(make: Make, clock: Clock) -> None:
    ledger = make(decision(0, ALICE, document=workload("sox")))
    at(clock, 12 * 500)
    assert run(ledger) == Disposal((), ())
    assert survey(ledger, RETENTION, regulations_of).covered == {"no period is known for `sox`": 1}


def test_a_decision_in_effect_is_covered_until_another_takes_its_place(make: Make, clock: Clock) -> None:
    ledger = make(decision(0, ALICE, document=workload(), valid_until=None, workload="chat"))
    at(clock, 40)
    assert run(ledger) == Disposal((), ())
    assert survey(ledger, RETENTION, regulations_of).covered == {"in effect": 1}
    ledger.append(decision(1, ALICE, document=workload(), valid_until=None, workload="chat"))
    at(clock, 51)
    assert run(ledger) == Disposal((), ()), "it was in effect a year ago"
    at(clock, 53)
    assert run(ledger).values == ((0, "owner"),)


def test_a_later_end_of_effect_moves_the_period(make: Make, clock: Clock) -> None:
    ledger = make(decision(0, ALICE, document=workload(), valid_until="2030-01-01T00:00:00Z"))
    clock.now = datetime(2030, 12, 31, tzinfo=UTC)
    assert run(ledger) == Disposal((), ())
    clock.now = datetime(2031, 1, 2, tzinfo=UTC)
    assert run(ledger).values == ((0, "owner"),)


def test_other_entries_have_the_longest_period_and_activations_stay(make: Make, clock: Clock) -> None:
    activation = Draft(EntryType.POLICY_ACTIVATION, personal={"actor": ALICE}, blobs={"rules": b"policy"})
    ledger = make(activation, Draft(EntryType.EXPORT, personal={"actor": BOB}))
    clock.now = datetime(2026, 1, 31, 11, tzinfo=UTC)
    assert run(ledger) == Disposal((), ())
    clock.now = datetime(2026, 1, 31, 13, tzinfo=UTC)
    assert run(ledger).values == ((1, "actor"),)
    ledger.append(activation)
    assert run(ledger) == Disposal((), ())
    assert ledger.blob(digest(ledger, 0, "rules")) == b"policy"


@pytest.mark.parametrize(
    "scope",
    [
        Scope("all"),
        Scope("workload", namespace="default", workload="w0"),
        Scope("namespace", namespace="default"),
        Scope("period", since="2020-01-01T00:00:00Z", until="2020-02-01T00:00:00Z"),
        Scope("period", until="2020-02-01T00:00:00Z"),
        Scope("indexes", first=0, last=0),
        Scope("indexes", last=0),
        Scope("subject"),
    ],
)
def test_a_hold_covers_and_its_release_frees(make: Make, clock: Clock, scope: Scope) -> None:
    ledger = make(decision(0, ALICE, document=workload()))
    place_hold(ledger, scope, reason="case", identifier="c1", subject=ALICE if scope.kind == "subject" else None)
    at(clock, 40)
    assert run(ledger) == Disposal((), ())
    assert survey(ledger, RETENTION, regulations_of).held["c1"] == 1
    release_hold(ledger, "c1", reason="closed")
    assert run(ledger).values == ((0, "owner"),)


@pytest.mark.parametrize(
    "scope",
    [
        Scope("workload", namespace="default", workload="other"),
        Scope("namespace", namespace="other"),
        Scope("period", since="2020-02-01T00:00:00Z"),
        Scope("indexes", first=1),
        Scope("subject"),
    ],
)
def test_a_hold_on_something_else_covers_nothing_here(make: Make, clock: Clock, scope: Scope) -> None:
    ledger = make(decision(0, ALICE, document=workload()))
    clock.now = datetime(2020, 3, 1, tzinfo=UTC)
    place_hold(ledger, scope, reason="case", subject=BOB if scope.kind == "subject" else None)
    at(clock, 40)
    assert run(ledger).values == ((0, "owner"),)


def test_a_hold_placed_in_the_middle_of_a_disposal_counts(
    make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the survey and the commit another process places a hold, and records a decision that names documents."""
    from policy_audit import disposing

    ledger = make(decision(0, ALICE, document=workload()), decision(1, BOB, document=workload(), namespace="other"))
    at(clock, 40)
    other = make()
    original = disposing.split

    def meanwhile(units: Any) -> Any:
        place_hold(other, Scope("workload", namespace="default", workload="w0"), reason="case")
        other.append(decision(1, ALICE, document=workload("hipaa")))  # the document {"n":1} again
        return original(units)

    monkeypatch.setattr(disposing, "split", meanwhile)
    done = run(ledger)
    assert done.values == ((1, "owner"),)
    assert done.documents == ()
    assert ledger.personal(0) == {"owner": ALICE}


def test_a_document_that_was_disposed_of_is_stored_again_where_it_is_named_again(make: Make, clock: Clock) -> None:
    """This process remembers that it has stored the document; another has disposed of it since."""
    first, second = make(decision(0, ALICE, document=workload())), make()
    at(clock, 40)
    assert len(run(second).documents) == 3
    index = first.append(decision(0, ALICE, document=workload())).index
    assert first.blob(digest(first, index, "decision")) == b'{"n":0}'
    report = first.verify()
    assert report.ok, report.problems


def test_before_narrows(make: Make, clock: Clock) -> None:
    ledger = make(decision(0, ALICE, document=workload()))
    clock.now = datetime(2020, 3, 1, tzinfo=UTC)
    ledger.append(decision(1, BOB, document=workload()))
    at(clock, 40)
    assert run(ledger, before="2020-02-01T00:00:00Z").values == ((0, "owner"),)
    assert run(ledger).values == ((1, "owner"),)


def test_many_are_disposed_of_in_several_commits(make: Make, clock: Clock) -> None:
    ledger = make(*(decision(n, ALICE, document=workload(), actor=BOB) for n in range(700)))
    at(clock, 40)
    done = run(ledger)
    assert len(done.values) == 1400
    assert len(done.documents) == 702
    assert len(done.entries) > 1
    assert len({ledger.entry(index).recorded_at for index in done.entries}) == len(done.entries)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_hold_that_was_hidden_still_covers(make: Make, clock: Clock, store: Store, hidden: bool) -> None:
    ledger = make(decision(0, ALICE, document=workload()))
    hold = place_hold(ledger, Scope("all"), reason="case")
    at(clock, 40)
    with store.administrator() as connection:
        change = "UPDATE log_entry SET type = 'export'" if hidden else "DELETE FROM log_entry"
        connection.execute(f"{change} WHERE leaf_index = ?", (hold.index,))
    if hidden:
        assert dispose(ledger, RETENTION, regulations_of, reason=REASON) == Disposal((), ())
    else:
        # with nothing due there is nothing to prove; with something due the tree is
        with pytest.raises(LedgerError) as caught:
            dispose(ledger, RETENTION, regulations_of, reason=REASON)
        assert caught.value.code == "ledger-tampered"


def test_the_administrator_who_deletes_a_document_is_found(make: Make, clock: Clock, store: Store) -> None:
    ledger = make(decision(0, ALICE, document=workload()), decision(1, BOB, document=workload("hipaa")))
    at(clock, 40)
    run(ledger)
    for statement in ("DELETE FROM blob", "DELETE FROM blob WHERE content = X'7B226E223A317D'"):
        with pytest.raises(REFUSED, match="append-only"), store.connection() as connection:
            connection.execute(statement)
    with store.administrator() as admin:
        admin.execute("DELETE FROM blob WHERE content = ?", (b'{"n":1}',))
    report = ledger.verify()
    assert failed(report) == ["blobs"]
    assert report.first_failing_index == 1


def test_a_disposal_excuses_nothing_that_is_named_after_it(make: Make, store: Store) -> None:
    first = decision(0, ALICE, document=workload())
    ledger = make(first)
    body = {"documents": [digest(ledger, 0, "decision")], "disposed": [{"index": 2, "name": "owner"}]}
    ledger.append(Draft(EntryType.DISPOSAL, body=body))
    ledger.append(decision(0, ALICE, document=workload()))
    with store.administrator() as connection:
        connection.execute("DELETE FROM blob WHERE content = ?", (b'{"n":0}',))
        connection.execute("DELETE FROM personal WHERE leaf_index = 2")
    report = ledger.verify()
    assert failed(report) == ["blobs", "personal"]
    assert {report.step(name).first_index for name in ("blobs", "personal")} == {2}


def test_what_was_disposed_of_and_is_put_back_is_found(make: Make, clock: Clock, store: Store) -> None:
    ledger = make(decision(0, ALICE, document=workload()))
    name = digest(ledger, 0, "decision")
    at(clock, 40)
    run(ledger)
    with store.connection() as connection:
        connection.execute("INSERT INTO blob VALUES (?, ?)", (name, b'{"n":0}'))
    report = ledger.verify()
    assert failed(report) == ["blobs"]
    assert "was disposed of by the entry 1, and is held" in report.problems[0]
