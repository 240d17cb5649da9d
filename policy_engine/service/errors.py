"""What the service refuses, beside what the engine and the ledger do; `api.problems` gives each its HTTP status."""

from __future__ import annotations

from policy_engine.errors import PolicyError, Problem


class NotFoundError(PolicyError):
    """What is asked for is not there, or not for whoever asks: the two look alike."""


class ConflictError(PolicyError):
    """It cannot be done to what is there: another request has the key, somebody was faster, one's own waiver."""


class BusyError(PolicyError):
    """Too much at once; `seconds` is when to come back."""

    def __init__(self, problem: Problem, seconds: int = 1) -> None:
        super().__init__(problem)
        self.seconds = seconds


#: Codes of the ledger that say that something is not there, which is no refusal.
MISSING = frozenset({"tile-missing", "blob-disposed"})
