"""`policy audit report`: the officer's named reports, each bound to a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.verifying import check_keys
from policy_engine.cli.anchor_options import kept_notes
from policy_engine.cli.decision_filters import decision_filters, given_filters
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.moments import AsOf
from policy_engine.cli.officer_query import answered, command_line, query_options
from policy_engine.cli.options import Folder
from policy_engine.cli.progress import progress
from policy_engine.cli.report_export import export_options, export_report, take_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.reports.registry import Named
    from policy_engine.reports.report import Report


@click.command(
    "report",
    epilog="Example: policy audit report soc2-population --since 2026-01-01 --until 2026-03-31 --sample 25 --seed 4711",
)
@click.argument("name", required=False)
@decision_filters
@click.option("--as-of", type=AsOf(), help="The ledger as it was at this time, or when this date (UTC) ended.")
@click.option("--sample", metavar="N", type=click.IntRange(1), help="soc2-population: a random sample of so many.")
@click.option("--seed", metavar="TEXT", help="With --sample: what decides the sample.")
@click.option("--before", metavar="DIGEST", help="rule-impact: the policy before the change.")
@click.option("--after", metavar="DIGEST", help="rule-impact: the policy after it.")
@click.option("--subject", metavar="PERSON", help="access: whose values; the whole value.")
@click.option("--within", metavar="DAYS", type=click.IntRange(1), help="waivers: what is expiring.  [default: 14]")
@click.option("--longest", metavar="HOURS", type=click.IntRange(1), help="gaps: what is no gap yet.  [default: 24]")
@click.option(
    "--policy",
    "layers",
    metavar="DIR",
    multiple=True,
    type=Folder(path_type=Path),
    help="waivers, retention: a layer whose approvers.yaml, or retention.yaml, counts too.",
)
@click.option("--vkey", "vkeys", metavar="KEY", multiple=True, help="integrity: a verifier key that you pinned.")
@click.option("--origin", metavar="NAME", help="integrity: the log's name that you pinned.")
@click.option(
    "--kept",
    metavar="FILE|FOLDER|PLACE",
    multiple=True,
    help="integrity: a checkpoint or receipt that you kept, a folder of them, file:PATH or git:URL#BRANCH.",
)
@export_options
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@query_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    name: str | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    record_query: bool,
    **given: Any,
) -> int:
    """Make a named report; without a NAME, list them.

    A report says what was asked, how many there are, and the signed checkpoint that the count is bound to; all of it
    is read in one snapshot. The filters are those of `policy audit list`, where the report takes them. With --export
    it is written as a table, without persons unless --with-personal asks for them; `policy audit export-check` checks
    the folder. The exit status of `integrity` is 6 where a step failed.
    """
    from policy_engine.cli.main import LEDGER, OK
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.report_shown import writers

    targets = parse_outputs(outputs, FORMATS)
    exported = take_options(given)
    if name is None:
        listed = _names()
        write_reports(targets, report_writers(lambda: listed, lambda: _name_sections(listed)))
        return OK
    _check(name, given)
    check_keys(given["vkeys"])
    if exported is not None:
        place = (ledger, ledger_key)
        report, value, told = export_report(ctx, place, exported, lambda each: make(ctx, each, name, given))
        write_reports(targets, report_writers(lambda: value, lambda: told))
        return OK if report.ok else LEDGER
    with reading(ctx, ledger, ledger_key) as open_ledger:
        report = make(ctx, open_ledger, name, given)
    write_reports(targets, writers(report))
    return OK if report.ok else LEDGER


def make(ctx: click.Context, ledger: Ledger, name: str, given: Mapping[str, Any]) -> Report:
    """Return the report as the options ask for it, from one snapshot."""
    from policy_audit.snapshot import open_snapshot

    from policy_engine.asking.reporting import answer, compare_sampled, read_as_of

    origin = given["origin"] or (given["vkeys"][0].partition("+")[0] if given["vkeys"] else ledger.origin or "")
    own = {"own_key": ledger.verifier_key, "kept": kept_notes(given["kept"], origin)}
    bar = progress("verifying") if name == "integrity" else nullcontext(None)
    with open_snapshot(ledger, as_of=read_as_of(name, given)) as snapshot, bar as shown:
        with progress("comparing") if given["sample"] is not None else nullcontext(None) as tell:
            compare_sampled(snapshot, ledger, given, tell)
        report = answer(snapshot, name, {**given, **own, "progress": shown}, command_line(ctx))
        answered(ctx, report.population, snapshot.checkpoint)
    return report


def _check(name: str, given: Mapping[str, Any]) -> None:
    """Refuse what is no report, or does not take all options that were given.

    Raises:
        InputError: there is none.
        UsageError: it does not take one of the options, or lacks one.
    """
    from policy_engine.asking.reporting import check_asked, named_report

    named = named_report(name)
    foreign = given_filters({key: value for key, value in given.items() if key not in named.takes})
    if foreign:
        takes = ", ".join(sorted(given_filters(dict.fromkeys(named.takes, True))))
        raise UsageError(
            Problem("usage", f"the report `{name}` does not take `{foreign[0]}`", help=f"it takes {takes}")
        )
    check_asked(name, given)


def _names() -> dict[str, Any]:
    from policy_engine.reports.registry import REPORTS

    return {
        "kind": "ReportList",
        "reports": [
            {"name": name, "title": named.title, "says": named.says, "takes": sorted(_options(named))}
            for name, named in REPORTS.items()
        ],
    }


def _options(named: Named) -> list[str]:
    return given_filters(dict.fromkeys(named.takes, True))


def _name_sections(listed: Mapping[str, Any]) -> list[Section]:
    rows = [(row["name"], row["says"]) for row in listed["reports"]]
    return [Section(header=("=Report", "~Says"), rows=rows)]
