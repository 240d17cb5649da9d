"""The formats of decisions, as functions from the judged workloads to text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

import click

from policy_engine.asking.shown import trimmed
from policy_engine.ci.judged import Judged
from policy_engine.cli.job_summary import append_summary
from policy_engine.cli.output import Target, Writer, to_json, to_yaml, write_reports
from policy_engine.cli.run_options import CI_FORMATS
from policy_engine.errors import PolicyError, Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.cli.run_options import Run


def report(judged: Judged, run: Run, status: int) -> int:
    """Write the reports, and return the exit status of the writing: what was decided stands either way.

    `status` is what the command comes to without that. Where nothing was decided there is nothing for people to read,
    and CI systems are told all the same.
    """
    from policy_engine.cli.main import OK, show_error, status_of
    from policy_engine.cli.selected import tell

    targets = run.targets
    if not judged.workloads and (judged.stopped or not run.selection.listed):
        targets = run.for_ci
    more = [lambda: append_summary(judged, status)] if any(each.format == "github" for each in targets) else []
    if not judged.stopped:
        tell(run, judged)
    try:
        write_reports(targets, _writers(judged, run, status), more)
    except UsageError as error:
        show_error(error)
        return status_of(error)
    return OK


def report_failure(judged: Judged, run: Run, error: BaseException) -> None:
    """Tell CI systems that nothing is handed out, and why; that this fails changes nothing about the failure."""
    from policy_engine.cli.main import UNEXPECTED, status_of

    if isinstance(error, PolicyError):
        judged.stop(error.problems)
        status = status_of(error)
    else:
        judged.stop((Problem("unexpected", f"the run broke off: {type(error).__name__}"),))
        status = UNEXPECTED
    with suppress(Exception):
        report(judged, run if run.unselected is None else _careful(run), status)


def _careful(run: Run) -> Run:
    """Return the run without reports that would be written over what may be a workload: nobody knows what is one."""
    from policy_engine.cli.printable import printable

    kept = []
    for target in run.targets:
        path = target.path
        if path is None or not path.is_file() or not path.stat().st_size:  # what was a report is taken away by now
            kept.append(target)
        elif target in run.for_ci:
            click.echo(f"note: {printable(str(path))} is left as it is: it may be what was to be judged", err=True)
    return replace(run, targets=kept)


def take_away(targets: Sequence[Target]) -> None:
    """Remove reports of an earlier run: one that is left behind would be taken for this run's.

    What else stands there is written over at the end, where this run has a report to put in its place.
    """
    from policy_engine.cli.earlier import is_report

    for target in targets:
        path = target.path
        if path is not None and not path.is_symlink() and is_report(path):
            with suppress(OSError):  # writing it says why it cannot be
                path.unlink()


def _writers(judged: Judged, run: Run, status: int) -> dict[str, Writer]:
    """Return a writer for each format."""
    from policy_engine.cli.selected import lines

    decisions = [(file, trimmed(document, run.all_rules)) for file, document in judged.decisions]
    told = lines(run, judged)

    def value() -> Any:
        """Return one document, or an array where several workloads were given, or any number could be."""
        documents = [document for _, document in decisions]
        return documents[0] if judged.documents == 1 and documents and not run.selection.listed else documents

    def text(stream: IO[str]) -> str:
        from policy_engine.ci.closing import closing_lines
        from policy_engine.cli.printable import printable
        from policy_engine.cli.text import closing_view, decision, render, verdict_line

        closing = closing_lines(judged, run.quiet)
        totals = _totals(judged, run.quiet) if run.comment is not None and decisions else []
        if run.quiet:
            quiet = [*(verdict_line(document) for _, document in decisions), *totals, *map(printable, closing), *told]
            return "\n".join(quiet)
        views = [render(decision(document, file, run.verbose), stream).rstrip("\n") for file, document in decisions]
        ends = [render(closing_view(closing), stream).rstrip("\n")] if closing else []
        return "\n\n".join([*views, *totals, *ends, *(["\n".join(told)] if told else [])]) + "\n"

    def markdown(stream: IO[str]) -> str:
        if run.comment is not None:
            from policy_engine.ci.comment import render as comment

            return comment(judged, status, run.comment)
        from policy_engine.cli.markdown import decisions as rendered
        from policy_engine.markdown_text import escape

        listed = [f"- {escape(line)}" for line in told]
        return "\n".join([rendered(decisions), *listed, ""]) if listed else rendered(decisions)

    return {
        "text": text,
        "json": lambda stream: to_json(value()),
        "yaml": lambda stream: to_yaml(value()),
        "markdown": markdown,
        **{name: _ci_writer(name, judged, status) for name in CI_FORMATS},
    }


def _totals(judged: Judged, quiet: bool) -> list[str]:
    """Return the line that closes a gate's text: verdicts, waivers, and what a baseline accepts.

    Where neither a waiver nor a baseline is, nobody wants it of one workload, or with `quiet`.
    """
    from policy_engine.ci.tally import baseline_text, tally, totals_text, waivers_text

    found = tally(judged)
    more = [waivers_text(found)] if found.waivers else []
    more += [baseline_text(found)] if judged.baseline is not None else []
    return ["; ".join([totals_text(found), *more])] if more or (len(judged.workloads) > 1 and not quiet) else []


def _ci_writer(name: str, judged: Judged, status: int) -> Writer:
    def write(stream: IO[str]) -> str:
        text: str = import_module(f"policy_engine.ci.{name}").render(judged, status)
        return text

    return write
