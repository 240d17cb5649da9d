"""Times and dates on the command line of those who ask the ledger: the one rule of what a date stands for.

A time (RFC 3339) is exact. A date is a whole day in UTC: `Since` takes its first instant, `Until` all of it, and `AsOf`
its last instant, so that whoever asks for "until 31 March" or "as of 31 March" is told of that day. `Before` leaves the
day out, as the word says. Days of waivers and evidence include both ends as well. The time of a decision (`--at` of the
commands that decide) is a time, and takes no date.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import click

from policy_engine.cli.options import Time, now
from policy_engine.errors import Problem, UsageError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY = timedelta(days=1)
_LEAST = timedelta(microseconds=1)  # what the ledger's times are told apart by


class _Moment(Time):
    """An RFC 3339 time, or a date, which stands for an instant so long after its midnight in UTC."""

    others = ", nor a date such as 2026-11-22"
    after: ClassVar[timedelta] = timedelta()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            return super().convert(value, param, ctx)
        with suppress(ValueError):  # a day that no calendar has is refused as it was typed
            date.fromisoformat(value)
            value = f"{value}T00:00:00Z"
        try:
            return super().convert(value, param, ctx) + self.after
        except OverflowError:
            self.fail(f"`{value[:10]}` is too late a date", param, ctx)


class Since(_Moment):
    """The beginning of a period, which includes it: of a date its first instant."""


class Until(_Moment):
    """The end of a period, which leaves it out: of a date the first instant after it."""

    after = _DAY


class AsOf(_Moment):
    """The moment that a question is about, which includes it: of a date its last instant."""

    after = _DAY - _LEAST


class Before(_Moment):
    """The end of a period that leaves a date out: its first instant."""


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
