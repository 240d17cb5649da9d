"""`policy sweep`: decides a fleet by columns, from a directory of workload files or a table of tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.ending import terminated_as_interrupted
from policy_engine.cli.options import (
    LedgerChoice,
    choose_ledger,
    decision_options,
    ledger_files,
    ledger_options,
    policy_options,
)
from policy_engine.cli.sections import FORMATS
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.cli.door import Door
    from policy_engine.cli.output import Target
    from policy_engine.fleet.recording import Recording
    from policy_engine.fleet.sweeping import Order, Swept
    from policy_engine.loading.policy import Policy

TABLES = ("parquet", "csv", "jsonl")
FAIL_ON = ("deny", "review", "allow_with_conditions")
ENGINES = ("polars", "ray")
_NO_WAIVERS = "the policy names who approves waivers, and none was looked for; name the ledger with --ledger"


@dataclass(frozen=True)
class _Asked:
    """What the options come down to."""

    source: Path
    source_format: str | None
    target: Path
    target_format: str
    rejects: Path
    keep: tuple[str, ...]
    ids: bool
    engine: str
    address: str | None
    at: datetime
    record: bool
    purpose: str
    ledger: LedgerChoice | None


@click.command("sweep", epilog="Example: policy sweep fleet.parquet --to findings.parquet -o markdown")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--to", "target", metavar="OUT", required=True, type=click.Path(path_type=Path), help="Where the findings go."
)
@click.option("--format", "target_format", type=click.Choice(TABLES), help="Of OUT.  [default: by its ending]")
@click.option("--source-format", type=click.Choice(TABLES), help="Of SOURCE.  [default: by its ending]")
@click.option(
    "--rejects", metavar="FILE", type=click.Path(path_type=Path), help="Bad rows.  [default: OUT.rejects.jsonl]"
)
@click.option("--keep", metavar="COLUMN", multiple=True, help="Pass a column through to the findings; repeatable.")
@click.option("--ids", is_flag=True, help="In Parquet, lists of ids in the place of masks, as CSV and JSONL have them.")
@click.option("--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 where a verdict is this or worse.")
@click.option(
    "--engine", type=click.Choice(ENGINES), default="polars", show_default=True, help="ray: beyond one machine."
)
@click.option("--ray-address", metavar="ADDRESS", help="A Ray cluster that runs.  [default: one started here]")
@click.option("--record", is_flag=True, help="Decide each workload in full, too, and put it on record.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@decision_options
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    source: Path,
    target: Path,
    target_format: str | None,
    source_format: str | None,
    rejects: Path | None,
    keep: tuple[str, ...],
    ids: bool,
    fail_on: str | None,
    engine: str,
    ray_address: str | None,
    record: bool,
    outputs: Sequence[str],
    at: datetime | None,
    purpose: str,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Decide a fleet: every task of SOURCE, as evaluate decides it, into a table of findings.

    SOURCE is a directory of workload files, or a table (Parquet, CSV or JSON Lines) with a row for each task and
    columns named as `policy rules facts` lists them. Bad rows go to a file of their own with their reasons, and never
    keep the others from being decided; the exit status is 2 then. Rows stand for themselves: that the tasks of a
    workload are all there, and their shares sum to 1, is checked in workload files, and where --record puts them on
    record. Without --record nothing is recorded. It needs the extra `fleet`; --engine ray needs the extra `ray`.
    """
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs

    reading, sweeping = _extra()
    targets = parse_outputs(outputs, FORMATS)
    reading.check_source(source)
    given = ledger is not None or record
    asked = _Asked(
        source=source,
        source_format=None if source.is_dir() else source_format or reading.format_of(source, "the source is"),
        target=target,
        target_format=target_format or reading.format_of(target, "to write"),
        rejects=rejects or target.with_name(f"{target.name}.rejects.jsonl"),
        keep=keep,
        ids=ids,
        engine=engine,
        address=ray_address,
        at=at or now(),
        record=record,
        purpose=purpose,
        ledger=choose_ledger(ctx, ledger, ledger_key) if given else None,
    )
    _check(asked, targets, layers)
    policy = load(layers, policy_digest)
    with ExitStack() as stack:
        order = _order(asked, policy, stack)
        with _told(order.recording):
            swept = sweeping.sweep(order)
    return _report(swept, asked, policy, targets, fail_on)


def _extra() -> tuple[Any, Any]:
    """Return the modules that need Polars.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        from policy_engine.fleet import reading, sweeping
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "polars":
            raise
        message = "a sweep needs Polars, which is not installed"
        raise UsageError(Problem("extra-missing", message, help="pip install policy-engine[fleet]")) from None
    return reading, sweeping


def _check(asked: _Asked, targets: Sequence[Target], layers: Sequence[Path]) -> None:
    """Refuse what cannot work before anything is read."""
    from policy_engine.cli.output import Target, check_place, spare

    if asked.address is not None and asked.engine != "ray":
        raise UsageError(Problem("usage", "`--ray-address` goes with `--engine ray`", help="leave one of the two out"))
    if "-" in (str(asked.target), str(asked.rejects)):
        message = "a sweep writes whole files, and `-` is none"
        raise UsageError(Problem("usage", message, help="name a file, such as `findings.csv`"))
    written = [Target("findings", asked.target), Target("rejects", asked.rejects)]
    if asked.target_format == "parquet" and not asked.ids:
        from policy_engine.fleet.writing import index_path

        written.append(Target("index", index_path(asked.target)))
    for each in written:
        if each.path is not None:
            check_place(each.path)
            if each.path.exists() and not each.path.is_file():
                raise UsageError(Problem("cannot-write", f"cannot write `{each.path}`: it is no regular file"))
    places = [each.path.resolve() for each in (*written, *targets) if each.path is not None]
    if len(set(places)) < len(places):
        raise UsageError(Problem("two-in-one-file", "two reports cannot go to one file"))
    files = [] if asked.source.is_dir() else [asked.source]
    files += ledger_files(asked.ledger) if asked.ledger is not None else []
    spare([*written, *targets], files, layers)


def _order(asked: _Asked, policy: Policy, stack: ExitStack) -> Order:
    from policy_engine.cli.door import Door
    from policy_engine.exports.csv_table import safe_text
    from policy_engine.fleet.sweeping import Order
    from policy_engine.model.approvers import WAIVERS

    seen = stack.enter_context(_shown())
    door = Door(asked.ledger, policy, stack, read_only=not asked.record) if asked.ledger is not None else None
    if door is None and policy.approvers.acting(WAIVERS):
        click.echo(f"warning: {_NO_WAIVERS}", err=True)
    return Order(
        source=asked.source,
        source_format=asked.source_format,
        target=asked.target,
        target_format=asked.target_format,
        rejects=asked.rejects,
        policy=policy,
        at=asked.at,
        safe=safe_text,
        keep=asked.keep,
        ids=asked.ids,
        ledger=(lambda: door.ledger) if door is not None else None,
        waivers=door.on_record if door is not None else None,
        recording=_recording(asked, door) if asked.record and door is not None else None,
        by_columns=_on_ray(asked) if asked.engine == "ray" else None,
        seen=seen,
    )


def _recording(asked: _Asked, door: Door) -> Recording:
    from policy_engine.fleet.recording import Recording
    from policy_engine.recorder import context_from_environment

    context = context_from_environment(asked.purpose)
    return Recording(lambda: door.ledger, context, lambda workload: door.waivers(workload, asked.at), door.check_fresh)


@contextmanager
def _told(recording: Recording | None) -> Iterator[None]:
    """Say of a recording that ends early how much of it stands; SIGTERM ends it as an interrupt does."""
    if recording is None:
        yield
        return
    try:
        with terminated_as_interrupted():
            yield
    except BaseException:
        if recording.recorded:
            what = "1 workload was" if recording.recorded == 1 else f"{recording.recorded:,} workloads were"
            click.echo(
                f"warning: {what} put on record before, and stay there; another run records them again", err=True
            )
        raise


def _on_ray(asked: _Asked) -> Any:
    """Return what decides on Ray.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        from policy_engine.fleet.on_ray import OnRay
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("ray", "pyarrow", "pandas"):
            raise
        message = "--engine ray needs Ray Data, which is not installed"
        raise UsageError(Problem("extra-missing", message, help="pip install policy-engine[ray]")) from None
    return lambda engine, job: OnRay(engine, job, asked.address)


@contextmanager
def _shown() -> Iterator[Callable[[int], None] | None]:
    """Give a call that shows how many rows were read; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("sweeping") as status:
        yield lambda rows: status.update(f"sweeping: {rows:,} rows read")


def _rows(count: int) -> str:
    return f"{count:,} row" + ("s" if count != 1 else "")


def _report(swept: Swept, asked: _Asked, policy: Policy, targets: Sequence[Target], fail_on: str | None) -> int:
    from policy_engine.cli.main import CONDITION, OK, USAGE, first_of, show_error
    from policy_engine.cli.output import write_reports
    from policy_engine.cli.sections import report_writers
    from policy_engine.cli.sweep_shown import document, sections
    from policy_engine.decide import format_time
    from policy_engine.errors import InputError
    from policy_engine.model.task_case import VERDICTS

    statuses = [OK]
    if swept.rejects:
        statuses.append(USAGE)
        are = "is a reject" if swept.rejects == 1 else "are rejects"
        message = f"{swept.rejects:,} of {_rows(swept.rows)} {are}; the first is {swept.first_reject}"
        show_error(InputError(Problem("sweep-rejects", message, help=f"`{asked.rejects}` has all with their reasons")))
    order: tuple[str, ...] = VERDICTS
    if fail_on is not None and any(swept.summary.verdicts[name] for name in order[order.index(fail_on) :]):
        statuses.append(CONDITION)
    rate = swept.rows / max(swept.seconds, 1e-9)
    click.echo(f"{_rows(swept.rows)} in {swept.seconds:,.2f} s, {rate:,.0f} rows a second", err=True)
    value = document(swept, asked.source, format_time(asked.at), asked.engine, policy)
    write_reports(targets, report_writers(lambda: value, lambda: sections(swept, asked.source)))
    return first_of(statuses)
