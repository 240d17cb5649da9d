"""The formats of decisions, as functions from the judged workloads to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from policy_engine.cli.deciding import Judged
from policy_engine.cli.output import Writer, to_json, to_yaml, write_reports
from policy_engine.errors import UsageError
from policy_engine.explain import used_rules

if TYPE_CHECKING:
    from policy_engine.cli.run_options import Run


def report(judged: Judged, run: Run) -> int:
    """Write the reports, and return the exit status of the writing: what was decided stands either way."""
    from policy_engine.cli.main import OK, show_error, status_of

    if not judged.decisions and not run.selection.listed:
        return OK
    from policy_engine.cli.selected import tell

    tell(run, judged)
    try:
        write_reports(run.targets, _writers(judged, run))
    except UsageError as error:
        show_error(error)
        return status_of(error)
    return OK


def trimmed(document: Mapping[str, Any], all_rules: bool) -> dict[str, Any]:
    """Return the document with the rules that did not fire left out, unless all are asked for."""
    if all_rules:
        return dict(document)
    tasks = [{**task, "rules": used_rules(task["rules"])} for task in document["tasks"]]
    return {**document, "tasks": tasks}


def _writers(judged: Judged, run: Run) -> dict[str, Writer]:
    """Return a writer for each format."""
    from policy_engine.cli.selected import lines

    decisions = [(file, trimmed(document, run.all_rules)) for file, document in judged.decisions]
    shown = Judged(decisions, judged.invalid, judged.documents, judged.listed)
    told = lines(run, judged)

    def text(stream: IO[str]) -> str:
        from policy_engine.cli.text import decision, render, verdict_line

        if run.quiet:
            return "\n".join([*(verdict_line(document) for _, document in decisions), *told])
        views = [render(decision(document, file, run.verbose), stream).rstrip("\n") for file, document in decisions]
        return "\n\n".join([*views, *(["\n".join(told)] if told else [])]) + "\n"

    def markdown(stream: IO[str]) -> str:
        from policy_engine.cli.markdown import decisions as rendered
        from policy_engine.cli.markdown import escape

        listed = [f"- {escape(line)}" for line in told]
        return "\n".join([rendered(decisions), *listed, ""]) if listed else rendered(decisions)

    return {
        "text": text,
        "json": lambda stream: to_json(shown.value()),
        "yaml": lambda stream: to_yaml(shown.value()),
        "markdown": markdown,
    }
