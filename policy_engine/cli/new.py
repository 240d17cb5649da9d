"""`policy new`: ask the five questions (SYS-02) and write a workload file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from policy_engine.cli.new_questions import QUESTIONS, AnswerError, Question
from policy_engine.errors import InputError, Problem, UsageError

_EXAMPLE = """
Write a workload file from answers to five questions.

Asks for what is not given as an option. Empty or `?` means that you do not know: the fact is then unknown, and
the decision says what it would change.

\b
Example:
  policy new --to triage.yaml
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
@click.option("--to", metavar="FILE", help="The file to write; `-` is standard output. Default: NAME.yaml.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def command(to: str | None, force: bool, **given: str | None) -> None:
    answers = _answers(given, ask=sys.stdin.isatty())
    target = to or f"{answers['metadata.name']}.yaml"
    text = _text(answers, Path() if target == "-" else Path(target).parent)
    if target == "-":
        click.echo(text, nl=False)
        return
    _write(Path(target), text, force)
    click.echo(f"wrote {target}; `policy evaluate {target}` decides it")


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
    try:
        with path.open("w" if force else "x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        hint = "--force overwrites it, --to names another"
        raise UsageError(Problem("file-exists", f"`{path}` is there already", help=hint)) from None
    except (OSError, ValueError) as caught:
        reason = (getattr(caught, "strerror", None) or "not a path").lower()
        raise UsageError(Problem("file-unwritable", f"cannot write `{path}`: {reason}")) from caught
