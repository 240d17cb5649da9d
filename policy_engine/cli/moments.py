"""Times and dates on the command line of those who ask the ledger: the one rule of what a date stands for.

A time (RFC 3339) is exact. A date is a whole day in UTC: `Since` takes its first instant, `Until` all of it, and `AsOf`
its last instant, so that whoever asks for "until 31 March" or "as of 31 March" is told of that day. `Before` leaves the
day out, as the word says. Days of waivers and evidence include both ends as well. The time of a decision (`--at` of the
commands that decide) is a time, and takes no date.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

import click

from policy_engine.asking.moments import AS_OF, SINCE, UNTIL, moment
from policy_engine.cli.options import Time


class _Moment(Time):
    """An RFC 3339 time, or a date, which stands for an instant so long after its midnight in UTC."""

    after: ClassVar[timedelta] = SINCE

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment(value, self.after)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Since(_Moment):
    """The beginning of a period, which includes it: of a date its first instant."""


class Until(_Moment):
    """The end of a period, which leaves it out: of a date the first instant after it."""

    after = UNTIL


class AsOf(_Moment):
    """The moment that a question is about, which includes it: of a date its last instant."""

    after = AS_OF


class Before(_Moment):
    """The end of a period that leaves a date out: its first instant."""
