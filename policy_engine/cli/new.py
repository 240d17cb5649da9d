"""`policy new`: ask the five questions (SYS-02) and write a workload file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.new_questions import QUESTIONS, AnswerError, Question
from policy_engine.cli.options import Time, load, now, policy_options
from policy_engine.errors import InputError, Problem, UsageError

_EXAMPLE = """
Write a workload file from answers to five questions.

Asks for what is not given as an option. Empty or `?` means that you do not know: the fact is then unknown, and
the decision says what it would change.

With --complete FILE it asks only the unknown facts of FILE that can change its verdict, largest effect first, and
writes the answers into FILE, with its comments and layout as they are. Without a terminal it lists what it would ask,
or takes the answers from --set.

\b
Example:
  policy new --to triage.yaml
  policy new --complete triage.yaml
  policy new --complete triage.yaml --set data.residency=eu,us --set volume.pattern=steady
  policy new --name triage --owner me@acme.example --stage pilot --task-name triage \\
    --task-kind classification --data-may-leave no --to triage.yaml
"""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for question in reversed(QUESTIONS):
        help_ = question.text + ("" if question.required else "; `unknown` if you do not know") + "."
        command = click.option(question.option, question.parameter, metavar="TEXT", help=help_)(command)
    return command


@click.command("new", help=_EXAMPLE)
@_options
@click.option("--complete", "completed", metavar="FILE", help="Complete FILE; `-` is standard input.")
@click.option("--set", "settings", metavar="FACT=VALUE", multiple=True, help="With --complete: an answer; repeatable.")
@click.option("--workload", metavar="NAME", help="With --complete: the workload that is meant, of several in FILE.")
@click.option("--to", metavar="FILE", help="The file to write; `-` is standard output. Default: NAME.yaml, or FILE.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FORMAT[=PATH]",
    multiple=True,
    help="With --complete: list what would be asked, as text, json or yaml.",
)
@click.option("--at", metavar="TIME", type=Time(), help="With --complete: the decision's time.  [default: now]")
@policy_options
def command(
    *,
    completed: str | None,
    settings: Sequence[str],
    workload: str | None,
    to: str | None,
    force: bool,
    outputs: Sequence[str],
    at: datetime | None,
    layers: Sequence[Path],
    policy_digest: str | None,
    **given: str | None,
) -> None:
    if completed is not None:
        _refuse_together(given)
        from policy_engine.cli.new_complete import Request, complete

        request = Request(completed, settings, workload, to, force, outputs, at or now())
        complete(request, load(layers, policy_digest))
        return
    extra = [name for name, value in (("--set", settings), ("--workload", workload), ("-o", outputs)) if value]
    if extra:
        raise UsageError(Problem("needs-complete", f"{', '.join(extra)} goes with --complete FILE"))
    answers = _answers(given, ask=sys.stdin.isatty())
    target = to or f"{answers['metadata.name']}.yaml"
    text = _text(answers, Path() if target == "-" else Path(target).parent)
    if target == "-":
        click.echo(text, nl=False)
        return
    _write(Path(target), text, force)
    click.echo(f"wrote {target}; `policy evaluate {target}` decides it")


def _refuse_together(given: dict[str, str | None]) -> None:
    """Refuse the options that answer the questions of a new file."""
    named = [question.option for question in QUESTIONS if given[question.parameter] is not None]
    if named:
        hint = "with --complete, answers are given by --set FACT=VALUE"
        raise UsageError(Problem("bad-option", f"{', '.join(named)} is for a new file", help=hint))


def _answers(given: dict[str, str | None], ask: bool) -> dict[str, Any]:
    """Return the answers by path: from the options, else from the terminal, else unknown.

    Raises:
        UsageError: with every option that is wrong, or that is required and missing where nobody can be asked.
    """
    answers: dict[str, Any] = {}
    problems: list[Problem] = []
    missing = [each.option for each in QUESTIONS if each.required and given[each.parameter] is None]
    if missing and not ask:
        hint = "standard input is no terminal, so that nothing can be asked"
        problems.append(Problem("missing-option", f"missing {', '.join(missing)}", help=hint))
    for question in QUESTIONS:
        option = given[question.parameter]
        if option is not None:
            try:
                answers[question.path] = question.answer(option)
            except AnswerError as caught:
                problems.append(Problem("bad-option", f"`{question.option}`: {caught}"))
    if problems:
        raise UsageError(problems)
    for question in QUESTIONS:
        if question.path not in answers:
            answers[question.path] = _asked(question) if ask else None
    return answers


def _asked(question: Question) -> Any:
    """Ask until the answer can be used; questions go to standard error, which leaves `--to -` clean."""
    while True:
        given = click.prompt(question.text, default="", show_default=False, err=True)
        try:
            return question.answer(given)
        except AnswerError as caught:
            click.echo(f"  {caught}", err=True)


def _text(answers: dict[str, Any], folder: Path) -> str:
    """Return the file's text, which is known to load.

    Raises:
        UsageError: an answer holds what no workload file may hold.
    """
    from policy_engine.cli.new_template import render
    from policy_engine.loading.layers import shipped_rules
    from policy_engine.loading.vocabulary_file import read_vocabulary
    from policy_engine.loading.workload_file import load_workloads

    rules = shipped_rules()
    vocabulary = read_vocabulary(rules)
    text = render(answers, vocabulary, _path_from(folder, rules / "schemas" / "workload.schema.json"))
    try:
        load_workloads(text, "<new>", vocabulary)
    except InputError as caught:
        raise UsageError(Problem(each.code, each.message, help=each.help) for each in caught.problems) from None
    return text


def _path_from(folder: Path, schema: Path) -> str:
    try:
        return Path(os.path.relpath(schema, folder)).as_posix()
    except ValueError:  # another drive
        return schema.as_posix()


def _write(path: Path, text: str, force: bool) -> None:
    from policy_engine.whole_files import write_whole

    try:
        if force:
            write_whole(path, text.encode())
            return
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        hint = "--force overwrites it, --to names another"
        raise UsageError(Problem("file-exists", f"`{path}` is there already", help=hint)) from None
    except (OSError, ValueError) as caught:
        reason = (getattr(caught, "strerror", None) or "not a path").lower()
        raise UsageError(Problem("file-unwritable", f"cannot write `{path}`: {reason}")) from caught
