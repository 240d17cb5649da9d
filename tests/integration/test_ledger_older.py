"""Ledgers of older revisions, with data: upgraded by the real migrations, sealed at their first use, and they go on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from policy_audit import grants, migrate
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, Once, open_ledger
from policy_audit.names import REVISION

from tests.integration import older
from tests.integration.persons import ALICE, BOB, decision, files_hold
from tests.integration.tampering import failed
from tests.integration.writers import acknowledged
from tests.postgres import Server
from tests.stores import SQLITE, Store, sqlite_store

REASON = "request under Art. 17"
TAGS = {"rule": ["a-rule", "b-rule"], "model": ["gpt-4o"]}


def tagged(draft: Draft) -> Draft:
    return replace(draft, tags=TAGS)


@pytest.fixture
def source(tmp_path: Path) -> Store:
    (tmp_path / "source").mkdir()
    return sqlite_store(tmp_path / "source")


@pytest.fixture(params=["0001", "0002"])
def old(request: pytest.FixtureRequest, nowhere: Store, source: Store) -> Store:
    """A ledger of an older revision, with plain values; of 0002 with tags."""
    drafts = [decision(0, ALICE, actor=BOB), decision(1, BOB), decision(2, "carol\n@acme.example")]
    with source.open() as ledger:
        ledger.append_many(drafts if request.param == "0001" else map(tagged, drafts))
    return older.make(nowhere, source, request.param)


def test_it_is_not_opened_on_a_server_and_upgraded_in_a_file(old: Store) -> None:
    before = migrate.status(old.url)
    assert before.current in ("0001", "0002")
    if old.kind == SQLITE:
        with old.open() as ledger:
            assert ledger.verify().ok
    else:
        with pytest.raises(LedgerError) as caught:
            old.open()
        assert caught.value.code == "ledger-not-migrated"
        assert migrate.upgrade(old.url) == before
    assert migrate.status(old.url) == migrate.MigrationStatus(REVISION, REVISION)


def test_upgraded_and_not_opened_yet_it_is_read_and_verified(old: Store) -> None:
    migrate.upgrade(old.url)
    with old.open(read_only=True) as reader:
        assert reader.personal(0) == {"owner": ALICE, "actor": BOB}
        assert reader.personal(2) == {"owner": "carol\n@acme.example"}
        report = reader.verify()
        assert report.ok, report.problems
        assert report.step("personal").note == "4 values were not sealed yet: open the ledger for appending once"


def test_it_is_sealed_at_its_first_use_and_goes_on(old: Store) -> None:
    if old.path is not None:
        assert files_hold(old.path, ALICE.encode()) != []
    migrate.upgrade(old.url)
    with old.open() as ledger:
        with old.connection() as connection:
            assert connection.execute("SELECT count(*) FROM personal WHERE subject IS NULL") == [(0,)]
        assert ledger.personal(0) == {"owner": ALICE, "actor": BOB}
        report = ledger.verify()
        assert report.ok, report.problems
        assert report.step("personal").note is None
        ledger.append_many([tagged(decision(3, ALICE)), decision(4, BOB)])
        assert len(ledger.erase(ALICE, reason=REASON).values) == 2
        report = ledger.verify()
        assert report.ok, report.problems
    if old.path is not None:
        assert files_hold(old.path, ALICE.encode(), BOB.encode()) == [], "nothing plain is left in pages that are free"


def test_an_altered_value_is_not_hidden_by_sealing(old: Store) -> None:
    with old.administrator() as connection:
        connection.execute("UPDATE personal SET value = 'mallory' WHERE leaf_index = 1")
    migrate.upgrade(old.url)
    with old.open() as ledger:
        report = ledger.verify()
        assert failed(report) == ["personal"]
        assert report.first_failing_index == 1
        assert ledger.personal(0) == {"owner": ALICE, "actor": BOB}
        assert ledger.erase("mallory", reason=REASON).values == ((1, "owner"),)
        assert ledger.verify().ok


def test_a_writer_who_may_not_delete_appends_and_an_eraser_seals(
    unmigrated: Store, source: Store, server: Server
) -> None:
    with source.open() as ledger:
        ledger.append_many([decision(0, ALICE, actor=BOB), decision(1, BOB)])
    older.make(unmigrated, source, "0001")
    writer, eraser = (f"{kind}_{unmigrated.database}" for kind in ("writer", "eraser"))
    with unmigrated.connection() as connection:
        for role in (writer, eraser):
            connection.execute(f"CREATE ROLE {role} LOGIN")
    migrate.upgrade(unmigrated.url)
    grants.apply(unmigrated.url, grants.Roles(writer=writer, eraser=eraser))
    for role, plain in ((writer, 3), (eraser, 0)):
        with open_ledger(server.url(unmigrated.database, role), key_path=unmigrated.key) as ledger:
            with unmigrated.connection() as connection:
                assert connection.execute("SELECT count(*) FROM personal WHERE subject IS NULL") == [(plain,)]
            ledger.append(decision(2, ALICE))
            assert ledger.personal(0) == {"owner": ALICE, "actor": BOB}
            report = ledger.verify()
            assert report.ok, report.problems
    with unmigrated.connection() as connection:
        for role in (writer, eraser):
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


def test_a_sealed_ledger_of_before_goes_on_and_answers_requests_once(nowhere: Store, source: Store) -> None:
    with source.open() as ledger:
        ledger.append_many([tagged(decision(0, ALICE, actor=BOB)), decision(1, BOB)])
    old = older.make_sealed(nowhere, source)
    assert migrate.status(old.url).current == "0003"
    with pytest.raises(LedgerError) as caught:
        old.open(read_only=True)
    assert caught.value.code in ("ledger-not-migrated", "ledger-missing")
    assert migrate.upgrade(old.url).current == "0003"
    with old.open() as ledger:
        report = ledger.verify()
        assert report.ok, report.problems
        draft = replace(decision(2, ALICE), once=Once("a" * 64, "b" * 64))
        assert [ledger.append(draft).index, ledger.append(draft).index, ledger.append(decision(3, BOB)).index] == [
            2,
            2,
            3,
        ]
        assert ledger.personal(0) == {"owner": ALICE, "actor": BOB}
        assert ledger.verify().ok


WRITER = """
import sys
url, key, revision = sys.argv[1:]
from policy_audit import names
names.REVISION = revision  # before anybody has taken it from there
if revision == "0001" and "postgresql" in url:
    names.LOCK = "SELECT id FROM log_head FOR UPDATE"  # its function is of 0002
from policy_audit import ledger
from policy_audit.errors import LedgerError
from policy_audit.personal_key import generate_personal_key
from policy_audit.vault import Vault

ledger.open_vault = lambda *arguments: Vault(generate_personal_key("x"))
with ledger.open_ledger(url, key_path=key) as opened:
    while True:
        try:
            recorded = opened.append(ledger.Draft(ledger.EntryType.HOLD))
        except LedgerError as error:
            print("refused", error.code, flush=True)
            break
        print(recorded.index, recorded.leaf_hash, flush=True)
"""


def test_a_writer_of_the_old_revision_stops_when_it_is_upgraded(old: Store) -> None:
    """What it was told is on record; nothing is written by what does not know the schema."""
    revision = migrate.status(old.url).current
    command = [sys.executable, "-c", WRITER, old.url, str(old.key), str(revision)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [writer.stdout for writer in writers if writer.stdout is not None]
    told = acknowledged([output.readline() for output in outputs])
    assert len(told) == 2, "both are at work"
    assert migrate.upgrade(old.url).current == revision
    for writer, output in zip(writers, outputs, strict=True):
        with output:
            lines = output.readlines()
        assert writer.wait(60) == 0
        assert lines[-1] == "refused ledger-newer\n"
        told |= acknowledged(lines)
    with old.open() as ledger:
        stored = {entry.index: entry.leaf_hash for entry in ledger.list_entries()}
        assert told.items() <= stored.items()
        assert len(stored) == len(told) + 3
        report = ledger.verify()
        assert report.ok, report.problems
