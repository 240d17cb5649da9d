"""The counts of a worker while it lives: its place among the host's workers, and what it shows of all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from policy_engine.service import metrics
from policy_engine.serving.accepting import Board
from policy_engine.serving.metrics import exposition
from policy_engine.serving.process_counts import ProcessCounts
from policy_engine.serving.slots import Slot

if TYPE_CHECKING:
    from fastapi import FastAPI

    from policy_engine.service.meter import Meter
    from policy_engine.service.settings import Settings
    from policy_engine.serving.logs import Log

#: Where workers leave their counts, beside the rules that their supervisor gives them.
FOLDER, CONNECTIONS = "metrics", "connections"


@asynccontextmanager
async def counting(app: FastAPI, settings: Settings, meter: Meter, log: Log | None) -> AsyncIterator[None]:
    """Write and show the counts of this worker until the block ends."""
    # without a supervisor there are no others
    slot = Slot(settings.rules.with_name(FOLDER) if settings.rules is not None else None, meter)
    connections = settings.rules.with_name(CONNECTIONS) if settings.rules is not None else None
    app.state.board = Board(connections, slot.number, settings.workers)
    process = ProcessCounts(meter, slot.number, asyncio.get_running_loop())
    lost = 0

    def tick() -> None:
        nonlocal lost
        process.tick()
        if log is not None and log.lost != lost:
            meter.count(metrics.LOG_LINES_LOST, by=log.lost - lost)
            lost = log.lost

    tick()
    app.state.exposition = lambda accept: exposition(slot.all(), accept)
    slot.start(tick)
    try:
        yield
    finally:
        tick()
        await asyncio.to_thread(slot.stop)
