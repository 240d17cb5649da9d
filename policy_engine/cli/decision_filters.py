"""The options that select recorded decisions; `asking.decision_query` makes a query of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from policy_engine.asking.decision_query import STAGES, VERDICTS
from policy_engine.cli.moments import AsOf, Since, Until
from policy_engine.cli.options import PURPOSES

F = TypeVar("F", bound=Callable[..., Any])
_ANY = ""
_FILTERS = (
    click.option("--workload", metavar="[NAMESPACE/]NAME", help="Decisions on this workload."),
    click.option("--namespace", metavar="NAME", help="Decisions in this namespace."),
    click.option("--owner", metavar="PERSON", help="Decisions on workloads that this person owns; the whole value."),
    click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="Repeatable."),
    click.option(
        "--rule", metavar="RULE-ID", help="Where this rule fired, is indeterminate, or is against the fallback."
    ),
    click.option("--criterion", metavar="ID", help="Where a rule that cites this criterion did."),
    click.option("--regulation", metavar="NAME", help="Decisions on data under this regulation."),
    click.option("--model", metavar="NAME", help="Where this model was proposed, or else recommended."),
    click.option("--deployment", metavar="NAME", help="Where this deployment was judged."),
    click.option(
        "--missing-evidence",
        metavar="[NAME]",
        is_flag=False,
        flag_value=_ANY,
        help="Where required evidence was not there: any, or that of this name.",
    ),
    click.option("--stage", type=click.Choice(STAGES), help="Decisions on workloads of this stage."),
    click.option("--purpose", type=click.Choice(PURPOSES), help="Decisions that were made for this."),
    click.option(
        "--policy-digest", metavar="DIGEST", help="Decided under this effective policy; 8 digits or more of it."
    ),
    click.option("--run", metavar="ID", help="Decisions of this run of a CI system."),
    click.option("--expired", is_flag=True, help="Whose `valid_until` has passed, now or at --at."),
    click.option(
        "--at",
        type=AsOf(),
        help="What --expired and reports go by: a time, or the end of a date (UTC).  [default: now]",
    ),
)
_PERIOD = (
    click.option("--since", type=Since(), help="Recorded at this time or date (UTC) or later."),
    click.option("--until", type=Until(), help="Recorded before this time, or on this date (UTC) at the latest."),
)


def decision_filters(command: F) -> F:
    """Every option that selects decisions."""
    for option in reversed((*_FILTERS, *_PERIOD)):
        command = option(command)
    return command


def given_filters(given: Mapping[str, Any]) -> list[str]:
    """Return the options that were given, as they are written."""
    found = (name for name, value in given.items() if value is not None and value is not False and value != ())
    return [
        "--" + {"verdicts": "verdict", "vkeys": "vkey", "layers": "policy"}.get(name, name).replace("_", "-")
        for name in found
    ]
