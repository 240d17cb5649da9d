"""Groups for tests, and a clock that is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from policy_audit.errors import LedgerError
from policy_audit.groups import Answer, Recorded
from policy_audit.ledger import Draft, EntryType, Once


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def once(key: str, request: str = "same") -> Once:
    return Once(digest(key), digest(request))


def hold(number: int, key: str | None = None, request: str = "same") -> Draft:
    return Draft(EntryType.HOLD, body={"n": number}, once=once(key, request) if key is not None else None)


def shown(answer: Answer) -> str | list[int]:
    """An answer in short: the code of its refusal, or the indexes."""
    return answer.code if isinstance(answer, LedgerError) else [each.index for each in answer]


def recorded(answer: Answer) -> list[Recorded]:
    assert not isinstance(answer, LedgerError), answer
    return answer
