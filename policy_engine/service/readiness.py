"""Whether a worker can decide and record: asked of the ledger by probes, and every few seconds without any.

Reading tells of a ledger that is away, of another version's, and of keys that are not its own. What reading does not
tell, a full disk above all, is what the last commit was refused with: that stands until one succeeds, or for a while,
after which requests have to try.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from policy_engine.errors import PolicyError
from policy_engine.service.ledgers import usable

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from policy_audit.ledger import Ledger

    from policy_engine.service.committing import Committer

#: So often the ledger is asked, and after so long without its answer it is none that is ready. Seconds.
ASK_SECONDS, SILENT_SECONDS = 5.0, 15.0
#: For so long the refusal of a commit stands, where none succeeds.
REFUSED_SECONDS = 15.0


class Readiness:
    """What one worker knows of it. `read` asks the ledger in a thread, in a bounded time."""

    def __init__(self, read: Callable[[Callable[[Ledger], None]], Awaitable[None]], committer: Committer) -> None:
        self._read, self._committer = read, committer
        self._since: float | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether it was, the last time that was asked, and a moment ago."""
        since = self._since
        return since is not None and time.monotonic() - since < SILENT_SECONDS and self._refusal() is None

    async def check(self) -> None:
        """Ask now.

        Raises:
            PolicyError: decisions cannot be recorded.
        """
        try:
            await self._read(usable)
            refusal = self._refusal()
            if refusal is not None:
                raise type(refusal)(refusal.problems)
        except PolicyError:
            self._since = None
            raise
        self._since = time.monotonic()

    def start(self) -> None:
        """Ask every few seconds from now on."""
        self._asking = asyncio.create_task(self._ask())

    async def stop(self) -> None:
        """Ask no more."""
        self._since = None
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self) -> None:
        while True:
            try:
                await self.check()
            except PolicyError:
                pass  # whoever asks for a decision is told
            except Exception:  # noqa: BLE001 - what nobody expected is no reason to ask no more
                self._since = None
            await asyncio.sleep(ASK_SECONDS)

    def _refusal(self) -> PolicyError | None:
        refused = self._committer.refused
        if refused is None or time.monotonic() - refused[0] >= REFUSED_SECONDS:
            return None
        return refused[1]
