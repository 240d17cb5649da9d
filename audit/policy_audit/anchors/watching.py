"""Watching: anchor whenever the ledger grew, and leave heartbeats that show when nobody did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from policy_audit.anchors.rounds import Outcome, Rounds
from policy_audit.errors import LedgerError
from policy_audit.heartbeat import BEAT, OFF, ON, heartbeat

_PASSING = frozenset({"ledger-locked", "ledger-disk-full", "ledger-io"})


@dataclass
class Watch:
    """Anchors at most `every` seconds apart while entries arrive; a heartbeat each `beat` seconds, where it is set.

    `report` gets the outcomes of each round, `trouble` what the ledger refused and may take later.
    """

    rounds: Rounds
    every: float
    report: Callable[[list[Outcome]], None]
    trouble: Callable[[LedgerError], None]
    beat: float | None = None

    def run(self, stop: threading.Event) -> list[Outcome]:
        """Run until `stop` is set; record the end, anchor it, and return the last outcomes.

        Raises:
            LedgerError: the ledger refused for a reason that does not pass.
        """
        ledger = self.rounds.ledger
        ledger.append(heartbeat(ON, self.beat))
        beaten = time.monotonic()
        outcomes: list[Outcome] = []
        while not stop.is_set():
            started = time.monotonic()
            try:
                if self.beat is not None and started - beaten >= self.beat:
                    ledger.append(heartbeat(BEAT, self.beat))
                    beaten = started
                if self.rounds.due:
                    outcomes = self.rounds.once()
                    self.report(outcomes)
            except LedgerError as error:
                if error.code not in _PASSING:
                    raise
                self.trouble(error)
            spent = time.monotonic() - started
            waits = [self.every - spent] + ([self.beat - (time.monotonic() - beaten)] if self.beat else [])
            stop.wait(max(0.05, min(waits)))
        ledger.append(heartbeat(OFF, self.beat))
        outcomes = self.rounds.once()
        self.report(outcomes)
        return outcomes
