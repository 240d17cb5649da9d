"""`policy parity`: the answers of two models on a golden dataset, by the metric of the task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from policy_engine.cli.evidence_common import workload_option
from policy_engine.cli.options import ledger_options, policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.cli.waiver_common import Day

#: Verdicts by --fail-on: each takes in those before it.
FAIL_ON = {
    "worse": ("worse",),
    "inconclusive": ("worse", "inconclusive"),
    "too_few": ("worse", "inconclusive", "too_few"),
}
_EPILOG = (
    "Example: policy parity workload.yaml --golden golden.jsonl --current gpt-4o=gpt-4o.jsonl "
    "--candidate qwen3-14b=qwen3-14b.jsonl --plot parity.svg"
)
_SHARE = click.FloatRange(0, 0.5, min_open=True)


@click.command("parity", short_help="Compare the answers of two models on a golden dataset.", epilog=_EPILOG)
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--golden", required=True, metavar="FILE", type=click.Path(path_type=Path),
              help="The golden dataset: JSON Lines of id, expected, and where needed task.")  # fmt: skip
@click.option("--current", required=True, metavar="MODEL=FILE", help="The model in use, and its answers.")
@click.option("--candidate", "candidates", required=True, multiple=True, metavar="MODEL=FILE",
              help="A model that may replace it, and its answers; up to three.")  # fmt: skip
@click.option("--task", metavar="NAME", help="Compare this task alone.")
@click.option("--kind", metavar="KIND", help="The kind of the tasks, where no workload says it.")
@click.option("--metric", metavar="NAME", help="Decide by this metric.  [default: by the kind of the task]")
@click.option("--schema", "schemas", metavar="[TASK=]FILE", multiple=True,
              help="A JSON Schema that answers have to fit.")  # fmt: skip
@click.option("--margin", metavar="SHARE", type=_SHARE,
              help="How much worse counts as equivalent.  [default: param.parity_margin]")  # fmt: skip
@click.option("--confidence", metavar="SHARE", type=click.FloatRange(0.5, 0.9999),
              help="Of the intervals.  [default: param.parity_confidence]")  # fmt: skip
@click.option("--resamples", metavar="N", type=click.IntRange(1_000, 1_000_000), default=10_000, show_default=True,
              help="Draws of the bootstrap.")  # fmt: skip
@click.option("--seed", metavar="N", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Of the draws.")
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw the differences: .svg or .png.")
@click.option("--fail-on", type=click.Choice(list(FAIL_ON)),
              help="Exit with 1 on this verdict, or one before it in this list.")  # fmt: skip
@click.option("--record", "recording", is_flag=True, help="Put the report on record, as evidence of the workload.")
@click.option("--valid-until", "until", metavar="DATE", type=Day(), help="The last day on which it counts as evidence.")
@click.option("--to", "target", metavar="FILE", type=click.Path(path_type=Path),
              help="Write the receipt of what is recorded; the entry goes beside it.")  # fmt: skip
@output_option
@workload_option
@policy_options
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: str | None,
    golden: Path,
    current: str,
    candidates: Sequence[str],
    task: str | None,
    kind: str | None,
    metric: str | None,
    schemas: Sequence[str],
    margin: float | None,
    confidence: float | None,
    resamples: int,
    seed: int,
    plot: Path | None,
    fail_on: str | None,
    recording: bool,
    until: date | None,
    target: Path | None,
    outputs: Sequence[str],
    chosen: str | None,
    layers: Sequence[Path],
    policy_digest: str | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Compare the answers of candidates with those of the model in use, on a golden dataset.

    A line of answers has id and answer, and may have latency_ms and usd. The workload in FILE says of which kind its
    tasks are, which chooses the metric: macro F1 for classification and sentiment, ROUGE-L for summaries, exact match
    for extraction and internal questions. Intervals are of a paired bootstrap. A candidate is better, equivalent within
    the margin, worse, or it is not known: too few examples, or inconclusive. It needs the extra `parity`, and exits
    with 0 whatever the verdicts are.

    With --record the report is evidence golden_dataset and parallel_test of the workload. It holds digests and figures,
    and no text of an example or an answer.
    """
    from policy_engine.cli.main import CONDITION, OK
    from policy_engine.cli.options import choose_ledger, load
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.parity_asked import Given, ask, check_given, keep_apart
    from policy_engine.cli.parity_record import prepare, record, told
    from policy_engine.cli.parity_shown import Shown, as_sections, as_value, draw
    from policy_engine.parity.comparing import compare
    from policy_engine.vouching.evaluated import problem_of

    targets = parse_outputs(outputs, FORMATS)
    given = Given(file, chosen, golden, current, tuple(candidates), task, kind, metric, tuple(schemas))
    check_given(given, recording, {"--valid-until": until, "--to": target})
    keep_apart(targets, given, plot, target)
    policy = load(layers, policy_digest)
    asked = ask(given, policy, margin, confidence, resamples, seed)
    recorder = prepare(choose_ledger(ctx, ledger, ledger_key), asked, until, target) if recording else None
    found = compare(asked.golden, asked.files, asked.tasks, asked.terms, asked.problems)
    kept = record(recorder, found.report, policy) if recorder is not None else None
    problem = problem_of(found.report, asked.workload, policy) if asked.workload is not None else None
    shown = Shown(asked, found, kept, problem)
    with told(kept):
        if plot is not None:
            draw(plot, found)
        write_reports(targets, report_writers(lambda: as_value(shown), lambda: as_sections(shown)))
    verdicts = {each.verdict for one in found.report.tasks for each in one.candidates}
    return CONDITION if fail_on is not None and verdicts.intersection(FAIL_ON[fail_on]) else OK
