"""`policy explain`: one recorded decision again, in full, or why one option was not recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from policy_engine.asking.entries import decision_entry
from policy_engine.asking.persons import personal_text
from policy_engine.asking.shown import decision_shown
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import ledger_options, output_options
from policy_engine.cli.sections import FORMATS, Section, as_markdown, as_text, report_writers

if TYPE_CHECKING:
    from policy_engine.cli.output import Writer


@click.command("explain", epilog="Example: policy explain 569fa0a1 --why-not self_hosted")
@click.argument("identifier", metavar="ID")
@click.option(
    "--why-not",
    "asked",
    metavar="OPTION",
    help="Say why OPTION, OPTION/MODEL or MODEL is not recommended, and what would have to change.",
)
@click.option("--all-rules", is_flag=True, help="List the rules that did not fire, too.")
@output_options(FORMATS)
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    identifier: str,
    asked: str | None,
    all_rules: bool,
    outputs: Sequence[str],
    quiet: bool,
    verbose: int,
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Show a recorded decision again, in full, as it was recorded.

    ID is the decision's id or its first characters, four or more. Names are shown where they are not erased.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    with reading(ctx, ledger, ledger_key) as open_ledger:
        entry = decision_entry(open_ledger, identifier)
        document = decision_shown(open_ledger, entry)
    write_reports(targets, _why_not(document, asked) if asked is not None else _writers(document, all_rules, quiet))


def _writers(document: Mapping[str, Any], all_rules: bool, quiet: bool) -> Mapping[str, Writer]:
    from policy_engine.asking.shown import trimmed

    shown = trimmed(document, all_rules)
    recorded = {**shown, "ledger": None}  # what is on record is told at the end
    after = [*(_silent_rules(document) if all_rules else ()), _record(document)]

    def text(stream: IO[str]) -> str:
        from policy_engine.cli.text import decision, render

        workload = shown["workload"]
        if quiet:
            return f"{shown['verdict']} {workload['namespace']}/{workload['name']}\n"
        return f"{render(decision(recorded, None, 1), stream).rstrip()}\n\n{as_text(after, stream)}"

    def markdown(stream: IO[str]) -> str:
        from policy_engine.cli.markdown import decisions

        return decisions([(None, shown)]) + "\n" + as_markdown(after)

    return {**report_writers(lambda: shown, lambda: after), "text": text, "markdown": markdown}


def _record(document: Mapping[str, Any]) -> Section:
    """Say who asked, from where, and where the receipt is."""
    ledger, context = document["ledger"], document["context"]
    pairs = [("entry", f"{ledger['index']}, recorded {ledger['recorded_at']}")]
    pairs += [(name, personal_text(document, name)) for name in document["personal"]]
    pairs += [(name, str(value)) for name, value in context.items() if name not in ("namespace", "workload")]
    pairs += [
        ("leaf hash", ledger["leaf_hash"]),
        ("receipt", f"under the checkpoint of size {ledger['tree_size']}: `policy audit prove {ledger['index']}`"),
    ]
    return Section("On record", pairs=pairs)


def _silent_rules(document: Mapping[str, Any]) -> list[Section]:
    return [
        Section(
            f"Rules that did not fire: {task['name']}",
            lines=[
                f"{row['id']} ({', '.join(row['criteria'])}): {row['title']}"
                for row in task["rules"]
                if row["outcome"] == "not_fired"
            ],
        )
        for task in document["tasks"]
    ]


def _why_not(document: Mapping[str, Any], asked: str) -> Mapping[str, Writer]:
    from policy_engine.cli.why_not_sections import sections
    from policy_engine.why_not import parse_question, why_not

    found = why_not(document, parse_question(document, asked))
    return report_writers(lambda: found, lambda: sections(found))
