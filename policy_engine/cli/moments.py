"""Times on the command line of those who ask the ledger."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import click

from policy_engine.cli.options import Time

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Moment(Time):
    """An RFC 3339 time, or a date, which stands for its midnight in UTC."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = f"{value}T00:00:00Z" if isinstance(value, str) and _DATE.fullmatch(value) else value
        return super().convert(text, param, ctx)


def minute(moment: str) -> str:
    """Return a time of the ledger to the minute, as a table shows it."""
    return moment[:16].replace("T", " ")
