"""`policy cost`: what a workload costs by option and model, and when what one runs oneself pays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import at_option, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import InputError, Problem, UsageError, did_you_mean

if TYPE_CHECKING:
    from policy_engine.costing.estimate import WorkloadCost
    from policy_engine.costing.speeds import Assumptions
    from policy_engine.loading.policy import Policy

_EPILOG = "Example: policy cost workload.yaml --assume engineer_usd_per_month=9000:12000:15000 --plot cost.svg"
KINDS = ("volume", "options")


@click.command("cost", short_help="Say what each option and model costs.", epilog=_EPILOG)
@click.argument("file", metavar="FILE")
@click.option(
    "--assume",
    "assumed",
    metavar="NAME=VALUE",
    multiple=True,
    help="Reckon with VALUE, or LOW:CENTRAL:HIGH; repeatable.",
)
@click.option(
    "--assumptions",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Reckon with those of this file, which is written as rules/assumptions.yaml is.",
)
@click.option("--workload", "chosen", metavar="[NAMESPACE/]NAME", help="This one alone, where FILE has several.")
@click.option(
    "--all", "everything", is_flag=True, help="Show every model as text, and not the cheapest of each option."
)
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw it, to .svg or .png.")
@click.option(
    "--plot-kind",
    "kind",
    type=click.Choice(KINDS),
    default="volume",
    show_default=True,
    help="volume: cost against volume, with break-even; options: side by side, by parts.",
)
@at_option("Prices as of this time, or of this date (UTC).  [default: now]", AsOf())
@output_option
@policy_options
def command(
    *,
    file: str,
    assumed: Sequence[str],
    assumptions: Path | None,
    chosen: str | None,
    everything: bool,
    plot: Path | None,
    kind: str,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """Say what each workload in FILE costs a month, by option and model, with engineers, power and all else.

    Beside that total cost over 12 and 36 months, pay-back, return, and the volume from which what one runs oneself
    pays against each API. All of it are ranges, and the assumptions behind them are listed. This decides nothing, and
    nothing is recorded: `policy evaluate` decides.
    """
    from policy_engine.cli.cost_assumed import assume
    from policy_engine.cli.cost_plot import draw
    from policy_engine.cli.cost_shown import as_sections
    from policy_engine.cli.cost_value import Report, as_value
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, spare, write_reports
    from policy_engine.loading.assumptions import read_assumptions

    targets = parse_outputs(outputs, FORMATS)
    read = [Path(file), *([assumptions] if assumptions is not None else [])]
    spare(targets, read, layers)
    if plot is not None:
        check_plot(plot, [target.path for target in targets])
    policy = load(layers, policy_digest)
    known = assume(read_assumptions(layers, policy, assumptions), assumed)
    moment = at or now()
    found = estimates(file, chosen, policy, known, moment)
    report = Report(policy, known, moment, found, everything)
    if plot is not None:
        draw(report, plot, kind)
    write_reports(targets, report_writers(lambda: as_value(report), lambda: as_sections(report)))


def check_plot(plot: Path, reports: Sequence[Path | None]) -> None:
    """Refuse a picture that cannot be drawn while nothing has been done yet."""
    from policy_engine.plots.canvas import check_picture

    if any(path is not None and path.resolve() == plot.resolve() for path in reports):
        raise UsageError(Problem("two-in-one-file", "a report and the picture cannot go to one file"))
    check_picture(plot)


def estimates(
    file: str, chosen: str | None, policy: Policy, assumed: Assumptions, at: datetime
) -> tuple[WorkloadCost, ...]:
    """Return the cost of each workload in `file`, or of the one that is chosen.

    Raises:
        InputError: the file is invalid, or has no such workload.
    """
    from policy_engine.cli.deciding import placed, read_source
    from policy_engine.costing.estimate import estimate
    from policy_engine.decide import Decider
    from policy_engine.loading.evidence import check_evidence
    from policy_engine.loading.workload_file import load_workloads
    from policy_engine.vouching.voucher import Voucher

    text, name, folder = read_source(file)
    loaded = load_workloads(text, name, policy.vocabulary)
    fitting = [each for each in loaded if chosen in (None, each.workload.identity, each.workload.metadata.name)]
    if not fitting:
        names = [each.workload.identity for each in loaded]
        hint = did_you_mean(chosen or "", names) or f"it has {', '.join(names)}"
        raise InputError(Problem("which-workload", f"`{name}` has no workload called `{chosen}`", help=hint))
    decider, voucher = Decider(policy), Voucher(policy)
    found = []
    for each in fitting:
        workload = each.workload
        evidence = check_evidence(workload, at.date(), folder, voucher.of(workload, at, folder))
        try:
            cases = decider.cases(workload, evidence, at)
        except InputError as error:
            raise placed(error, each) from None
        found.append(estimate(workload.identity, cases, decider.judge, assumed))
    return tuple(found)
