"""`policy catalog disputes`: where sources disagree, what arithmetic says to it, and what rests on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers


@click.command(
    "disputes",
    short_help="Show where sources disagree, with the arithmetic.",
    epilog="Example: policy catalog disputes DISPUTE-07",
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@at_option("Which side counts at this time, or on this date (UTC).  [default: now]", AsOf())
@output_option
@policy_options
def command(
    *,
    ids: Sequence[str],
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """Show the disputes of the register, or those that are named, in full.

    Each has both sides, the arithmetic, worked out from the figures of the catalog, which figure counts on the day and
    why, and the parameters and rules that rest on it. A layer that changes a figure changes the result.
    """
    from policy_engine.browsing.asked import disputes_asked
    from policy_engine.browsing.dispute_sections import as_sections
    from policy_engine.browsing.dispute_value import as_value
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    policy = load(layers, policy_digest)
    contests = disputes_asked(policy, (at or now()).date(), ids)
    whole = bool(ids)
    write_reports(targets, report_writers(lambda: as_value(contests), lambda: as_sections(contests, whole)))
