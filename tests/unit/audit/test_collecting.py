"""Spools are collected once each, in order, by whoever comes first, on either database."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from policy_audit.changing import By
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.collecting import Lot, Parcel, Span, append_batch, batches, look, standing_at
from policy_audit.disposing import survey
from policy_audit.entry import Draft, EntryType
from policy_audit.errors import LedgerError
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.heartbeat import gaps
from policy_audit.keys import generate_signer
from policy_audit.ledger import DecisionFilter, Ledger
from policy_audit.proof import parse_proof
from policy_audit.retention import Period, Retention
from policy_audit.signing_program import SigningProgram
from policy_audit.snapshot import open_snapshot
from policy_audit.spool import Spool, new_call
from policy_audit.spool_format import read_name, time_in_name

from tests.spools import entry_bytes, files, forge_entry, leaf_of, read
from tests.stores import Store
from tests.unit.audit.test_spool import RULES, decision

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def accept(parcel: Parcel) -> None:
    """Whether the decision is one is not asked here."""


def spooled(folder: Path, number: int, before: timedelta, count: int = 2) -> Path:
    """A spool of one call, which was made some time before it is collected."""
    path = folder / f"spool-{number}"
    path.mkdir()
    drafts = [decision(100 * number + n, owner=f"olga.{number}@acme.example") for n in range(count)]
    Spool(path, lambda: NOW - before).write(drafts, new_call(str(number)), ("rules",))
    return path


def said(span: Span) -> Draft | None:
    if not span.leaves:
        return None
    entries = {"first": span.first, "last": span.first + len(span.leaves) - 1}
    return Draft(EntryType.COLLECTION, body={"entries": entries})


def collect(ledger: Ledger, *folders: Path, by: By | None = None) -> list[tuple[int, bool]]:
    found: list[tuple[int, bool]] = []
    looked = look(folders, accept, NOW)
    assert not looked.refused
    for batch in batches(looked.lots):
        span = append_batch(ledger, [(lot, lot.folder.read(lot.name)) for lot in batch], said, by or By(), True)
        found += [(place.index, place.already) for place in span.placed]
    return found


@pytest.fixture
def ledger(store: Store) -> Iterator[Ledger]:
    """A ledger with one decision of its own."""
    with store.open(clock=lambda: NOW - timedelta(hours=1)) as first:
        first.append(decision(0)[0])
    with store.open(clock=lambda: NOW) as opened:
        yield opened


def leaves(ledger: Ledger) -> list[str]:
    return [entry.leaf_hash for entry in ledger.list_entries(newest_first=False)]


def test_entries_stand_as_they_were_spooled_in_the_order_of_their_times(ledger: Ledger, tmp_path: Path) -> None:
    spools = [spooled(tmp_path, number, timedelta(hours=hours)) for number, hours in ((1, 2), (2, 30), (3, 0))]
    assert collect(ledger, *spools) == [(n, False) for n in range(1, 7)]
    expected = [entry_bytes(read(path)) for n in (1, 0, 2) for path in files(spools[n])]
    assert [entry.raw for entry in ledger.list_entries(newest_first=False)][1:7] == expected
    assert leaves(ledger)[1:7] == [leaf_of(data) for data in expected]
    report = ledger.verify()
    assert report.ok, report.problems
    assert len(leaves(ledger)) == 8
    assert ledger.entry(7).type == "collection"
    assert ledger.personal(1) == {"owner": "olga.2@acme.example"}
    assert ledger.blob(RULES.digest) == RULES.content
    assert [d.workload for d in ledger.list_decisions(DecisionFilter(), limit=9, newest_first=False)][1:3] == [
        "w200",
        "w201",
    ]


def test_every_change_of_time_has_its_checkpoint_and_every_entry_its_receipt(ledger: Ledger, tmp_path: Path) -> None:
    spools = [spooled(tmp_path, number, timedelta(minutes=number)) for number in range(1, 4)]
    collect(ledger, *spools)
    for index in range(7):
        proof = parse_proof(ledger.receipt(index))
        proof.verify(ledger.entry(index).raw, [str(ledger.verifier_key)], ledger.origin)
        assert parse_checkpoint(proof.checkpoint).size == (1 if index == 0 else 3 + 2 * ((index - 1) // 2))


def test_again_nothing_is_added(ledger: Ledger, store: Store, tmp_path: Path) -> None:
    spools = [spooled(tmp_path, number, timedelta(minutes=number)) for number in (1, 2)]
    first = collect(ledger, spools[0])
    shutil.copytree(spools[0], tmp_path / "copy")
    before = leaves(ledger)
    assert collect(ledger, spools[0], tmp_path / "copy") == [(index, True) for index, _ in first for _ in range(2)]
    assert leaves(ledger) == before
    assert collect(ledger, *spools, tmp_path / "copy")[:2] == [(4, False), (5, False)]
    with store.open(clock=lambda: NOW) as another:
        assert all(already for _, already in collect(another, *spools))
    assert len(leaves(ledger)) == 7
    assert ledger.verify().ok


def test_what_is_on_record_is_found_by_the_name_of_a_torn_file(ledger: Ledger, tmp_path: Path) -> None:
    spools = [spooled(tmp_path, number, timedelta(minutes=number)) for number in (1, 2)]
    collect(ledger, *spools)
    names = [path.name for path in files(spools[1])]
    assert {time_in_name(name) for name in names} == {json.loads(entry_bytes(read(files(spools[1])[0])))["recorded_at"]}
    found = standing_at(ledger, [str(time_in_name(names[0]))])
    assert [(each.call.run, each.call.id, each.n, each.of) for each in found] == [
        ("2", *(read_name(name) or ())) for name in names
    ]
    for name in ("x.spool.json", names[0].replace(names[0][:8], "20261332")):
        assert time_in_name(name) is None


def test_two_copies_at_once_are_one(ledger: Ledger, tmp_path: Path) -> None:
    spool = spooled(tmp_path, 1, timedelta(minutes=1))
    shutil.copytree(spool, tmp_path / "copy")
    assert sorted(collect(ledger, spool, tmp_path / "copy")) == [(1, False), (1, True), (2, False), (2, True)]


def test_two_collectors_at_once_add_nothing_twice(ledger: Ledger, store: Store, tmp_path: Path) -> None:
    spools = [spooled(tmp_path, number, timedelta(minutes=number)) for number in range(1, 9)]
    found: list[list[tuple[int, bool]]] = []
    start = threading.Barrier(3)

    def run(folders: list[Path]) -> None:
        with store.open(clock=lambda: NOW) as own:
            start.wait()
            # each in a commit of its own, so that the two alternate
            found.append([each for folder in folders for each in collect(own, folder)])

    threads = [threading.Thread(target=run, args=(folders,)) for folders in (spools, spools[::-1], spools)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 3
    added = [index for each in found for index, already in each if not already]
    assert len(added) == len(set(added)) == 16
    assert len(set(leaves(ledger))) == len(leaves(ledger)) == 1 + 16 + 8
    assert ledger.verify().ok


def test_who_collects_is_on_record(ledger: Ledger, tmp_path: Path) -> None:
    by = By({"actor": "anna@acme.example"}, {"actor_known_by": "asserted"})
    collect(ledger, spooled(tmp_path, 1, timedelta(minutes=1)), by=by)
    assert ledger.personal(3) == {"actor": "anna@acme.example"}
    assert ledger.entry(3).document["context"] == {"actor_known_by": "asserted"}


def test_as_of_a_time_the_ledger_had_only_what_was_collected_by_then(ledger: Ledger, tmp_path: Path) -> None:
    """By their own times the collected decisions were made before the ledger's own one, and on the same day after."""
    collect(ledger, spooled(tmp_path, 1, timedelta(hours=2)), spooled(tmp_path, 2, timedelta(minutes=30)))
    for before, size in ((timedelta(hours=1, minutes=30), 0), (timedelta(minutes=10), 1), (timedelta(0), 6)):
        with open_snapshot(ledger, as_of=NOW - before) as snapshot:
            assert snapshot.size == size, before


def test_an_export_verifies_and_says_what_was_collected(ledger: Ledger, tmp_path: Path) -> None:
    collect(ledger, spooled(tmp_path, 1, timedelta(days=3)))
    ledger.export_log(tmp_path / "log", documents=True)
    report = verify_folder(tmp_path / "log", Wanted(verifier_keys=[str(ledger.verifier_key)]))
    assert report.ok
    assert report.remarks == ["entries collected from spools, with their runners' times: 2"]


def test_a_runners_clock_makes_no_gap(ledger: Ledger, tmp_path: Path) -> None:
    collect(ledger, spooled(tmp_path, 1, timedelta(days=30)), spooled(tmp_path, 2, timedelta(days=3)))
    assert gaps(ledger, timedelta(hours=2), until=NOW) == []
    with open_snapshot(ledger) as snapshot:
        collected = snapshot.collected()
    assert [index for index in range(-1, 8) if index in collected] == [1, 2, 3, 4]


def test_a_runners_clock_shortens_no_period(store: Store, tmp_path: Path) -> None:
    """Three decisions of one day, one of them collected when the others' month has ended."""
    now = [NOW - timedelta(days=80)]
    retention = Retention([Period("all", 1, "test")])
    with store.open(clock=lambda: now[0]) as ledger:
        ledger.append_many([decision(0)[0], decision(1)[0]])
        now[0] = NOW
        collect(ledger, spooled(tmp_path, 1, timedelta(days=80), count=1))
        for days, due in ((0, {0, 1}), (20, {0, 1}), (32, {0, 1, 2})):
            now[0] = NOW + timedelta(days=days)
            found = survey(ledger, retention, lambda _: ())
            assert {index for index, _ in found.values} == due, days


def test_without_the_key_nothing_is_collected(ledger: Ledger, store: Store, tmp_path: Path) -> None:
    spool = spooled(tmp_path, 1, timedelta(minutes=1))
    with store.open(read_only=True) as reader, pytest.raises(LedgerError) as error:
        collect(reader, spool)
    assert error.value.code == "ledger-read-only"
    assert len(leaves(ledger)) == 1


@pytest.mark.parametrize(
    ("before", "code"), [(timedelta(days=91), "spool-time"), (timedelta(minutes=-6), "spool-time")]
)
def test_a_time_that_cannot_be_is_refused(tmp_path: Path, before: timedelta, code: str) -> None:
    looked = look([spooled(tmp_path, 1, before)], accept, NOW)
    assert [each.code for each in looked.refused] == [code] * 2
    assert looked.lots == []


def test_two_decisions_in_one_place_of_a_call_are_not_both_taken(tmp_path: Path) -> None:
    spool = spooled(tmp_path, 1, timedelta(minutes=1))
    copy = tmp_path / "copy"
    shutil.copytree(spool, copy)
    forge_entry(files(copy)[0], lambda entry: entry["context"].update(branch="other"))
    looked = look([spool, copy], accept, NOW)
    assert [(each.path, each.code) for each in looked.refused] == [(files(copy)[0], "spool-conflict")]
    assert len(looked.lots) == 3


def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = look([spooled(tmp_path, n, timedelta(minutes=n), count=4) for n in range(3)], accept, NOW)

    def whole() -> list[list[Lot]]:
        return list(batches(looked.lots))

    assert [len(batch) for batch in whole()] == [12]
    monkeypatch.setattr("policy_audit.collecting.BATCH_FILES", 5)
    assert [len(batch) for batch in whole()] == [5, 5, 2]
    monkeypatch.setattr("policy_audit.collecting.BATCH_BYTES", 2 * looked.lots[0].size)
    assert [len(batch) for batch in whole()] == [2] * 6
    assert list(batches([])) == [[]]


def test_a_program_that_signs_is_not_asked_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_audit.collecting.PROGRAM_TIMES", 2)
    looked = look([spooled(tmp_path, n, timedelta(minutes=n), count=2) for n in range(5)], accept, NOW)
    signer = generate_signer()
    program = SigningProgram(signer.verifier_key, ["/bin/false"])
    assert [len(batch) for batch in batches(looked.lots, signer)] == [10]
    assert [len(batch) for batch in batches(looked.lots, program)] == [4, 4, 2]


def test_what_is_no_spool(tmp_path: Path) -> None:
    spool = spooled(tmp_path, 1, timedelta(minutes=1))
    looked = look([tmp_path, spool, tmp_path / "nowhere"], accept, NOW)
    assert [(each.path, each.code) for each in looked.refused] == [
        (tmp_path, "spool-missing"),
        (tmp_path / "nowhere", "spool-missing"),
    ]
    assert len(looked.lots) == 2
