"""Times and dates in questions to the ledger: the one rule of what a date stands for.

A time (RFC 3339) is exact. A date is a whole day in UTC: the beginning of a period (`since`) takes its first instant,
the end of one (`until`) all of it, and the moment that a question is about (`as_of`) its last instant.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from policy_engine.errors import Problem, UsageError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY = timedelta(days=1)
_LEAST = timedelta(microseconds=1)  # what the ledger's times are told apart by
#: How long after its midnight in UTC the instant is that a date stands for.
SINCE, UNTIL, AS_OF = timedelta(), _DAY, _DAY - _LEAST


def moment(text: str, after: timedelta) -> datetime:
    """Return the instant of an RFC 3339 time, or of a date, which stands for `after` its midnight.

    Raises:
        ValueError: it is neither; the text says so.
    """
    from policy_engine.decide import parse_time

    whole = text
    is_date = _DATE.fullmatch(text) is not None
    if is_date:
        with suppress(ValueError):  # a day that no calendar has is refused as it was typed
            date.fromisoformat(text)
            whole = f"{text}T00:00:00Z"
    try:
        found = parse_time(whole)
    except ValueError:
        message = f"`{whole}` is not a time such as 2026-11-22T09:00:00Z, nor a date such as 2026-11-22"
        raise ValueError(message) from None
    try:
        return found + after if is_date else found
    except OverflowError:
        raise ValueError(f"`{text}` is too late a date") from None


def now() -> datetime:
    """Return the time of a question that names none: the clock, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def check_period(since: datetime | None, until: datetime | None) -> None:
    """Refuse a period that holds no instant: its answer would be that nothing happened.

    Raises:
        UsageError: it ends before it begins, or as it begins.
    """
    if since is not None and until is not None and since >= until:
        message = f"the period ends before it begins: {exact(since)} to before {exact(until)}"
        raise UsageError(Problem("usage", message, help="give the earlier time or date as --since"))


def to_come(moment: datetime | None) -> str | None:
    """Say that a time whose ledger was asked for has not come yet; None where it has."""
    if moment is None or moment <= now():
        return None
    return f"{exact(moment)} has not come yet: this is the ledger as it is now, and may not be as it will be"


def minute(moment: str) -> str:
    """Return a time of the ledger to the minute, as a table shows it."""
    return moment[:16].replace("T", " ")


def exact(moment: datetime | None) -> str | None:
    """Return the instant that was asked for, as every answer says it; None where none was."""
    from policy_audit.view import instant

    return instant(moment) if moment is not None else None
