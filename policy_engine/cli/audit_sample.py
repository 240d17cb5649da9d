"""`policy audit sample`: a random sample of decisions that an auditor can draw again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.verifying import checkpoint_of
from policy_engine.cli.decision_filters import decision_filters
from policy_engine.cli.ledger_reading import read_text, reading, write_bytes
from policy_engine.cli.moments import AsOf
from policy_engine.cli.officer_query import answered, command_line, query_options
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS
from policy_engine.errors import InputError, Problem, UsageError, VerificationFailedError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.snapshot import Snapshot

    from policy_engine.reports.report import Report


@click.command("sample", epilog="Example: policy audit sample --size 25 --seed 4711 --since 2026-01-01 --receipts out/")
@click.option("--size", "sample", metavar="N", type=click.IntRange(1), required=True, help="How many.")
@click.option("--seed", metavar="TEXT", required=True, help="What decides the sample; the same seed, the same sample.")
@decision_filters
@click.option("--as-of", type=AsOf(), help="Of the ledger as it was at this time, or when this date (UTC) ended.")
@click.option(
    "--size-of-tree", metavar="N", type=click.IntRange(0), help="Of the first N entries; a checkpoint's size."
)
@click.option(
    "--checkpoint", metavar="FILE", type=click.Path(path_type=Path), help="Of what this checkpoint or receipt covers."
)
@click.option(
    "--receipts",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write INDEX.json and INDEX.tlog-proof of each entry drawn.",
)
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@query_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    as_of: datetime | None,
    size_of_tree: int | None,
    checkpoint: Path | None,
    receipts: Path | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    record_query: bool,
    **given: Any,
) -> None:
    """Draw a random sample of decisions, with the size of the population that it is of.

    The key of an entry is the SHA-256 of `policy-audit-sample/v1`, the seed and the index in decimal, each on a line
    of its own without one at the end; the entries with the smallest keys are drawn. With a tree's size or a checkpoint,
    the sample is the same whatever is appended later.
    """
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.report_shown import writers

    targets = parse_outputs(outputs, FORMATS)
    if sum(each is not None for each in (as_of, size_of_tree, checkpoint)) > 1:
        message = "`--as-of`, `--size-of-tree` and `--checkpoint` each say which tree"
        raise UsageError(Problem("usage", message, help="give one of them"))
    note = checkpoint_of(read_text(checkpoint)) if checkpoint is not None else None
    with reading(ctx, ledger, ledger_key) as open_ledger:
        report, files = _sample(ctx, open_ledger, given, (as_of, size_of_tree, note), receipts is not None)
    if receipts is not None:
        _write(receipts, files)
    write_reports(targets, writers(report))


def _sample(
    ctx: click.Context,
    ledger: Ledger,
    given: dict[str, Any],
    tree: tuple[datetime | None, int | None, str | None],
    proven: bool,
) -> tuple[Report, dict[str, bytes]]:
    from policy_audit.errors import LedgerError
    from policy_audit.snapshot import open_snapshot

    from policy_engine.asking.reporting import answer, compare_sampled

    as_of, size, note = tree
    try:
        with open_snapshot(ledger, as_of=as_of, size=_size_of(note) if note is not None else size) as snapshot:
            if note is not None:
                _compare(snapshot, note)
            with progress("comparing") as tell:
                compare_sampled(snapshot, ledger, given, tell)
            report = answer(snapshot, "soc2-population", {**given, "as_of": as_of}, command_line(ctx))
            answered(ctx, len(report.rows), snapshot.checkpoint)
            return report, _files(snapshot, report) if proven else {}
    except LedgerError as error:
        if error.code != "checkpoint-missing":
            raise
        if note is None:
            raise InputError(Problem(error.code, error.message, help=error.help)) from error
        message = f"{error.message}, though one was kept: this is not the ledger that it was taken of"
        raise VerificationFailedError(Problem(error.code, message, help="run `policy audit verify`")) from error


def _size_of(note: str) -> int:
    from policy_audit.checkpoint import parse_checkpoint
    from policy_audit.errors import VerificationError

    try:
        return parse_checkpoint(note).size
    except VerificationError as error:
        raise InputError(Problem("checkpoint", f"the file holds no checkpoint: {error.message}")) from error


def _compare(snapshot: Snapshot, note: str) -> None:
    from policy_audit.checkpoint import parse_checkpoint

    kept = parse_checkpoint(note)
    if (kept.origin, kept.root) != (snapshot.checkpoint.origin, snapshot.checkpoint.root):
        message = f"the ledger's checkpoint of {kept.size:,} entries is not the one that was kept"
        raise VerificationFailedError(Problem("other-history", message, help="run `policy audit verify --kept FILE`"))


def _files(snapshot: Snapshot, report: Report) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for index in report.entries():
        found[f"{index}.json"] = snapshot.entry(index).raw
        found[f"{index}.tlog-proof"] = snapshot.receipt(index).encode()
    return found


def _write(folder: Path, files: dict[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make `{folder}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from None
    for name, data in files.items():
        write_bytes(str(folder / name), data)
