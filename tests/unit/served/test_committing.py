"""Those who wait for a commit too long: each is told so after its own time, whoever else waits."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from policy_audit.groups import Group

from policy_engine.errors import RecordingError
from policy_engine.service.committing import Committer
from tests import looping

SECONDS = 0.3


class Ledger:
    """One that answers nobody until it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.taken = 0

    def open(self) -> Ledger:
        return self

    def append_groups(self, groups: list[Group]) -> list[Any]:
        self.go.wait(20)
        self.taken += len(groups)
        return [[] for _ in groups]


async def late(committer: Committer) -> float:
    """Return after how many seconds somebody was told that it takes too long."""
    began = time.monotonic()
    (found,) = await asyncio.gather(committer.append(Group([])), return_exceptions=True)
    if isinstance(found, list):
        return 0.0
    assert isinstance(found, RecordingError)
    assert found.code == "ledger-timeout"
    return time.monotonic() - began


def test_each_is_told_after_its_own_time_and_what_was_handed_in_is_recorded() -> None:
    async def doing() -> None:
        ledger: Any = Ledger()
        committer = Committer(ledger, seconds=SECONDS)
        committer.start(asyncio.get_running_loop())
        asked = []
        for _ in range(5):
            asked.append(asyncio.create_task(late(committer)))
            await asyncio.sleep(SECONDS / 4)
        waited = await asyncio.gather(*asked)
        assert all(SECONDS * 0.95 <= each < SECONDS + 5 for each in waited)
        assert not committer._unanswered
        ledger.go.set()
        assert await late(committer) == 0.0
        await asyncio.to_thread(committer.stop)
        assert ledger.taken == 6

    looping.run(doing())


def test_who_was_answered_leaves_no_timer_behind_that_tells_somebody_else() -> None:
    async def doing() -> None:
        ledger: Any = Ledger()
        ledger.go.set()
        committer = Committer(ledger, seconds=SECONDS)
        committer.start(asyncio.get_running_loop())
        assert await late(committer) == 0.0
        await asyncio.sleep(SECONDS * 0.8)
        ledger.go.clear()
        assert await late(committer) >= SECONDS * 0.95
        ledger.go.set()
        await asyncio.to_thread(committer.stop)

    looping.run(doing())
