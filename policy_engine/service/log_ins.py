"""Log-ins that failed, on record without letting anybody flood it: counted, and at most one entry each ten seconds.

The first goes on record at once. A request without any token is no log-in, and neither is a session that has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from policy_audit.entry import Draft, EntryType
from policy_audit.groups import Group

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.errors import PolicyError
from policy_engine.recorder import NOBODY
from policy_engine.service.committing import Committer

APART_SECONDS = 10.0
NO_LOG_IN = frozenset({"token-missing", "session-ended", "cross-site"})
#: Rows of one entry; further ones are counted by their reason alone.
_MOST_ROWS = 200


class LogIns:
    """Counts what failed in one worker, and puts it on record; used in one event loop."""

    def __init__(self, committer: Committer, clock: Callable[[], float] = time.monotonic) -> None:
        self._committer, self._clock = committer, clock
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self._since: datetime | None = None
        self._last: float | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._recording: asyncio.Task[None] | None = None

    def failed(self, error: UnauthenticatedError) -> None:
        """Count a log-in that failed; whoever tried is not kept waiting for the entry."""
        if error.code in NO_LOG_IN:
            return
        key = (error.code, error.token)
        self._counts[key if key in self._counts or len(self._counts) < _MOST_ROWS else (error.code, None)] += 1
        if self._since is None:
            self._since = datetime.now(UTC)
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait())

    async def stop(self) -> None:
        """Put on record what was counted."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._recording is not None:
            await self._recording
        await self._record()

    async def _wait(self) -> None:
        while self._counts:
            if self._last is not None:
                await asyncio.sleep(max(0.0, self._last + APART_SECONDS - self._clock()))
            self._recording = asyncio.create_task(self._record())
            await asyncio.shield(self._recording)
        self._waiting = None

    async def _record(self) -> None:
        if not self._counts or self._since is None:
            return
        counts, since = self._counts, self._since
        self._counts, self._since, self._last = Counter(), None, self._clock()
        try:
            await self._committer.append(Group([_draft(counts, since)]))
        except PolicyError:
            # the ledger is away: they go on record with the next
            self._counts.update(counts)
            self._since = since


def _draft(counts: Counter[tuple[str, str | None]], since: datetime) -> Draft:
    rows = [
        {"reason": reason, "token": token, "count": count}
        for (reason, token), count in sorted(counts.items(), key=lambda row: (row[0][0], row[0][1] or ""))
    ]
    body = {"count": counts.total(), "since": _time(since), "until": _time(datetime.now(UTC)), "failures": rows}
    return Draft(EntryType.LOG_INS_FAILED, body=body, context={"actor_known_by": NOBODY})


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
