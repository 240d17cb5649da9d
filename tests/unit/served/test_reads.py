"""What is read through the server is on record before it is answered, and a poller does not flood the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from policy_audit.entry import EntryType
from policy_audit.ledger import open_ledger

from policy_engine.access.principal import Principal
from policy_engine.errors import Problem, RecordingError
from policy_engine.service.committing import Committer
from policy_engine.service.ledgers import LedgerDoor
from policy_engine.service.reads import SAME_SECONDS, Reads
from policy_engine.service.settings import Settings
from tests import looping

ALICE = Principal("alice@acme.example", frozenset({"read"}), "token", "0123456789ab")
BOB = Principal("bob@acme.example", frozenset({"read"}), "token", "ba9876543210")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def entries(ledger: str) -> list[Any]:
    with open_ledger(ledger, read_only=True) as opened:
        found = opened.list_entries(type=EntryType.OFFICER_QUERY, newest_first=False)
        return [(each.document, opened.personal(each.index)) for each in found]


def run(ledger: str, doing: Any) -> None:
    async def all_of_it() -> None:
        door, clock = LedgerDoor(Settings(ledger=ledger)), Clock()
        committer = Committer(door)
        committer.start(asyncio.get_running_loop())

        async def read(question: Any) -> Any:
            return await asyncio.to_thread(lambda: question(door.open()))

        reads = Reads(committer, read, clock)
        reads.start()
        try:
            await doing(reads, clock)
        finally:
            await reads.stop()
            await asyncio.get_running_loop().run_in_executor(None, committer.stop)
            door.close()

    looping.run(all_of_it())


@pytest.fixture
def ledger(tmp_path: Any) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def test_a_read_is_on_record_when_it_returns_and_names_no_person_in_its_text(ledger: str) -> None:
    async def doing(reads: Reads, _: Clock) -> None:
        asked = {"verdict": ["deny"], "owner": "zoe@acme.example", "cursor": "abc"}
        await reads.record(ALICE, "audit list", asked, 3, "GET /v1/decisions")
        ((document, personal),) = entries(ledger)
        command = "GET /v1/decisions cursor=CURSOR&owner=PERSON&verdict=deny"
        assert document["body"] == {"query": "audit list", "command": command, "count": 3}
        assert document["context"] == {"actor_known_by": "token", "token": ALICE.token}
        assert personal == {"actor": ALICE.subject, "subject": "zoe@acme.example"}

    run(ledger, doing)


def test_a_question_that_finds_nothing_puts_nobody_into_the_ledger(ledger: str) -> None:
    async def doing(reads: Reads, _: Clock) -> None:
        await reads.record(ALICE, "audit list", {"owner": "nobody@acme.example"}, 0, "")

    run(ledger, doing)
    ((document, personal),) = entries(ledger)
    assert "nobody@acme" not in str(document)
    assert personal == {"actor": ALICE.subject}


def test_the_same_question_within_a_minute_is_counted_and_another_is_an_entry(ledger: str) -> None:
    async def doing(reads: Reads, clock: Clock) -> None:
        for _ in range(5):
            await reads.record(ALICE, "audit list", {}, 3, "")
        assert len(entries(ledger)) == 1
        await reads.record(BOB, "audit list", {}, 3, "")
        await reads.record(ALICE, "audit list", {"owner": "zoe@acme.example"}, 3, "")
        await reads.record(ALICE, "audit list", {"owner": "yan@acme.example"}, 3, "")
        await reads.record(ALICE, "audit list", {}, 4, "")
        assert len(entries(ledger)) == 5
        clock.now = SAME_SECONDS + 1
        await reads.record(ALICE, "audit list", {}, 3, "")
        assert [each["body"].get("repeated") for each, _ in entries(ledger)] == [None] * 5 + [4, None]

    run(ledger, doing)
    assert len(entries(ledger)) == 7


def test_what_was_counted_goes_on_record_at_the_end(ledger: str) -> None:
    async def doing(reads: Reads, _: Clock) -> None:
        await asyncio.gather(*(reads.record(ALICE, "audit list", {}, 3, "") for _ in range(9)))

    run(ledger, doing)
    assert [each["body"].get("repeated", 0) for each, _ in entries(ledger)] == [0, 8]


def test_who_was_erased_is_not_written_again_by_a_count(ledger: str) -> None:
    async def doing(reads: Reads, clock: Clock) -> None:
        for _ in range(3):
            await reads.record(ALICE, "audit list", {"owner": "zoe@acme.example"}, 3, "")
            await reads.record(BOB, "audit list", {"owner": "zoe@acme.example"}, 3, "")
        with open_ledger(ledger) as opened:
            opened.erase("zoe@acme.example", reason="asked for")
            opened.erase(ALICE.subject, reason="asked for")

    run(ledger, doing)
    found = {
        (document["context"]["token"], document["body"].get("repeated")): held for document, held in entries(ledger)
    }
    assert found == {
        (ALICE.token, None): {},
        (BOB.token, None): {"actor": BOB.subject},
        (ALICE.token, 2): {},
        (BOB.token, 2): {"actor": BOB.subject},
    }


def test_counts_that_the_ledger_refuses_are_kept(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Committer.append

    async def refusing(self: Committer, group: Any) -> Any:
        raise RecordingError(Problem("ledger-away", "it is away"))

    async def doing(reads: Reads, clock: Clock) -> None:
        for _ in range(4):
            await reads.record(ALICE, "audit list", {}, 3, "")
        clock.now = SAME_SECONDS + 1
        monkeypatch.setattr(Committer, "append", refusing)
        for _ in range(2):
            with pytest.raises(RecordingError):
                await reads.record(ALICE, "audit list", {}, 3, "")
        monkeypatch.setattr(Committer, "append", kept)

    run(ledger, doing)
    assert [each["body"].get("repeated") for each, _ in entries(ledger)] == [None, 3]


def test_no_count_is_lost_between_those_who_come_when_the_minute_is_over(ledger: str) -> None:
    async def doing(reads: Reads, clock: Clock) -> None:
        for _ in range(2):
            await asyncio.gather(*(reads.record(ALICE, "audit list", {}, 3, "") for _ in range(9)))
            clock.now += SAME_SECONDS + 1

    run(ledger, doing)
    assert [each["body"].get("repeated") for each, _ in entries(ledger)] == [None, 8, None, 8]


def test_an_answer_is_withheld_where_the_ledger_refuses_the_read(tmp_path: Any) -> None:
    place = tmp_path / "ledger.db"
    place.write_bytes(b"no database at all, but a text that somebody put here")

    async def doing(reads: Reads, _: Clock) -> None:
        for _ in range(2):
            with pytest.raises(RecordingError):
                await reads.record(ALICE, "audit list", {}, 3, "")

    run(f"sqlite:///{place}", doing)
