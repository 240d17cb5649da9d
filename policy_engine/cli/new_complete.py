"""`policy new --complete FILE`: ask only the unknowns that can change the verdict, and write the answers into the file.

The file is read once, edited in memory, and written whole at the end; nothing is recorded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from msgspec import structs

from policy_engine.cli.deciding import placed, read_source
from policy_engine.cli.new_answers import is_unknown, read_answer, wanted
from policy_engine.cli.new_listing import FORMATS, listed_questions, owed_text, writers
from policy_engine.cli.new_questions import AnswerError
from policy_engine.cli.printable import printable
from policy_engine.completion import Completion, Question, State, fact_at, path_of
from policy_engine.decide import Decider
from policy_engine.errors import InputError, PolicyError, Problem, UsageError, did_you_mean
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy
from policy_engine.loading.wording import listed, quoted
from policy_engine.loading.workload_file import LoadedWorkload, load_workloads
from policy_engine.loading.yaml_edit import set_value
from policy_engine.summary import VERDICT_WORDS
from policy_engine.vouching.voucher import Voucher
from policy_engine.wording import value_text

_SHOWN_OUTCOMES = 8


@dataclass(frozen=True)
class Request:
    """What the command line says."""

    file: str
    settings: Sequence[str]
    workload: str | None
    to: str | None
    force: bool
    outputs: Sequence[str]
    at: datetime


@dataclass
class _Session:
    """The text as it is by now, and what has been answered."""

    text: str
    name: str
    folder: Path
    policy: Policy
    at: datetime
    answered: int = 0
    skipped: set[tuple[int, tuple[str | int, ...]]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.completion = Completion(Decider(self.policy), self.at)
        self.loaded = load_workloads(self.text, self.name, self.policy.vocabulary)

    def state(self, index: int) -> State:
        """Decide one workload again, in memory."""
        loaded = self.loaded[index]
        vouch = Voucher(self.policy).of(loaded.workload, self.at, self.folder)
        evidence = check_evidence(loaded.workload, self.at.date(), self.folder, vouch)
        skipped = {path for document, path in self.skipped if document == index}
        try:
            return self.completion.state(loaded.document.value, evidence, skipped)
        except InputError as error:
            raise placed(error, loaded) from None

    def set(self, index: int, path: tuple[str | int, ...], value: Any) -> None:
        """Put one answer into the text.

        Raises:
            AnswerError: the workload may not say so.
            InputError: the text has no place for it.
        """
        text = set_value(self.text, self.name, index, path, value)
        try:
            loaded = load_workloads(text, self.name, self.policy.vocabulary)
        except InputError as caught:
            problem = caught.problems[0]
            raise AnswerError(problem.message + (f"; {problem.help}" if problem.help else "")) from None
        self.text, self.loaded = text, loaded
        self.answered += 1


def complete(request: Request, policy: Policy) -> None:
    """Ask, or set what is given, or list what would be asked; then write the file."""
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(request.outputs, FORMATS)
    text, name, folder = _read(request.file)
    target = request.to or request.file
    _check_target(request, target)
    session = _Session(text, name, folder, policy, request.at)
    chosen = _chosen(session, request)
    for setting in request.settings:
        _apply(session, chosen, setting)
    asking = not request.settings and not request.outputs and request.file != "-" and sys.stdin.isatty()
    if asking:
        for index in chosen:
            if not _ask(session, index):
                break
    if session.answered or request.to is not None:
        _write(target, session.text, text, request)
    if target == "-":
        click.echo(session.text, nl=False)
    if session.answered and target != "-":
        facts = "1 fact" if session.answered == 1 else f"{session.answered} facts"
        click.echo(
            f"wrote {facts} into {printable(target)}; `policy evaluate {printable(target)}` decides it", err=True
        )
    if not asking and (target != "-" or request.outputs):
        listing = [listed_questions(session.loaded[index].workload, session.state(index)) for index in chosen]
        write_reports(targets, writers(listing, request.file))


def _read(file: str) -> tuple[str, str, Path]:
    """Return the text with its line ends as they are, its name in messages, and its folder."""
    from policy_engine.loading.yaml_source import load_yaml

    content, name, folder = read_source(file)
    load_yaml(content, name)  # what is no UTF-8, or too large, is said by the loader
    return content.decode("utf-8"), name, folder


def _check_target(request: Request, target: str) -> None:
    if request.file == "-" and request.to is None:
        hint = "give --to FILE, or --to - for standard output"
        raise UsageError(Problem("no-target", "standard input cannot be written back", help=hint))
    if target == "-" and any("=" not in each for each in request.outputs):
        raise UsageError(Problem("two-on-stdout", "the file and the report cannot both go to standard output"))
    same = request.to is not None and os.path.realpath(request.to) == os.path.realpath(request.file)
    if request.to not in (None, "-") and not same and os.path.exists(target) and not request.force:
        hint = "--force overwrites it, --to names another"
        raise UsageError(Problem("file-exists", f"`{target}` is there already", help=hint))


def _chosen(session: _Session, request: Request) -> list[int]:
    """Return the workloads that are meant, by their place in the file."""
    names = [(each.workload.identity, each.workload.metadata.name) for each in session.loaded]
    if request.workload is None:
        if request.settings and len(names) > 1:
            known = listed(identity for identity, _ in names)
            message = f"the file has {len(names)} workloads, and --set is for one"
            raise UsageError(Problem("which-workload", message, help=f"give --workload: {known}"))
        return list(range(len(names)))
    found = [index for index, both in enumerate(names) if request.workload in both]
    if len(found) != 1:
        identities = [identity for identity, _ in names]
        what = "no workload" if not found else "more than one workload"
        hint = did_you_mean(request.workload, [*identities, *(name for _, name in names)])
        hint = hint or f"it has {listed(identities, 'and')}"
        message = f"the file has {what} called {quoted(request.workload)}"
        raise UsageError(Problem("which-workload", message, help=hint))
    return found


def _apply(session: _Session, chosen: Sequence[int], setting: str) -> None:
    """Apply one `--set FACT=VALUE`.

    Raises:
        UsageError: there is no such fact, or it cannot have this value.
    """
    name, equals, given = setting.partition("=")
    if not equals:
        raise UsageError(Problem("bad-setting", f"{quoted(setting)} sets nothing", help="write --set FACT=VALUE"))
    (index,) = chosen
    path = _path(session, session.loaded[index], name.strip())
    if is_unknown(given):
        session.skipped.add((index, path))
        return
    try:
        session.set(index, path, read_answer(fact_at(path, session.policy.vocabulary), given))
    except AnswerError as caught:
        raise UsageError(Problem("bad-setting", f"`{name.strip()}`: {caught}")) from None


def _path(session: _Session, loaded: LoadedWorkload, name: str) -> tuple[str | int, ...]:
    """Return where `name` is stated: a fact, or `task.NAME.FACT` of a task that is named."""
    tasks = [task.name for task in loaded.workload.spec.tasks]
    index: int | None = None
    for place, task in enumerate(tasks):
        if name.startswith(f"task.{task}.") and name not in session.policy.vocabulary.facts:
            rest = name.removeprefix(f"task.{task}.")
            index, name = place, rest if rest.startswith("proposal.") else f"task.{rest}"
            break
    if index is None and name.startswith(("task.", "proposal.")) and len(tasks) > 1:
        forms = listed(f"task.{task}.{name.removeprefix('task.')}" for task in tasks)
        raise UsageError(Problem("which-task", f"{quoted(name)} is a fact of a task", help=f"name the task: {forms}"))
    path = path_of(name, index or 0, loaded.workload, session.policy.catalog)
    fact = None
    if path is not None:
        try:
            fact = fact_at(path, session.policy.vocabulary)
        except KeyError:
            fact = None
    if path is None or fact is None or fact.source != "declared":
        declared = [fact.name for fact in session.policy.vocabulary.facts.values() if fact.source == "declared"]
        hint = did_you_mean(name, declared) or "the vocabulary names the facts; `data.residency` is one"
        raise UsageError(Problem("unknown-fact", f"no fact that a workload states is called {quoted(name)}", help=hint))
    return path


def _ask(session: _Session, index: int) -> bool:
    """Ask until nothing that is asked could change the verdict; False where the user has had enough."""
    while True:
        state = session.state(index)
        loaded = session.loaded[index]
        click.echo(f"{loaded.workload.identity}: {_standing(state)}", err=True)
        if not state.questions:
            _say_rest(session, index, state)
            return True
        question = state.questions[0]
        _show(question, len(session.loaded[index].workload.spec.tasks) > 1)
        if not _answer(session, index, question):
            return False


def _standing(state: State) -> str:
    count = len(state.questions)
    verdict = VERDICT_WORDS[state.verdict]
    if not count:
        return verdict
    return f"{verdict}; {'1 unknown fact' if count == 1 else f'{count} unknown facts'} can change that"


def _say_rest(session: _Session, index: int, state: State) -> None:
    left = sum(1 for document, _ in session.skipped if document == index)
    click.echo(f"  nothing more to ask{f'; {left} left unknown' if left else ''}", err=True)
    if state.catalog_gaps:
        click.echo(f"  the catalog does not know {printable(listed(state.catalog_gaps, 'and'))}", err=True)
    for duty in state.owed:
        click.echo(f"  {printable(owed_text(structs.asdict(duty), session.name))}", err=True)


def _show(question: Question, several: bool) -> None:
    task = f" (task {printable(question.task)})" if several and question.task is not None else ""
    click.echo(f"\n{question.name}{task}: {question.fact.meaning}", err=True)
    if outcomes := list(_outcomes(question)):
        click.echo(f"  {'; '.join(outcomes)}", err=True)


def _outcomes(question: Question) -> Iterator[str]:
    """Say what each verdict takes, by the values tried."""
    by_verdict: dict[str, list[str]] = {}
    for value, outcome in question.outcomes:
        by_verdict.setdefault(outcome, []).append(_shown(value))
    if len(by_verdict) > 1:
        for verdict, values in by_verdict.items():
            more = len(values) - _SHOWN_OUTCOMES
            shown = ", ".join(values[:_SHOWN_OUTCOMES]) + (f" and {more} more" if more > 0 else "")
            yield f"{VERDICT_WORDS[verdict]} for {shown}"


def _shown(value: Any) -> str:
    from policy_engine.loading.yaml_edit import flow

    return flow(value) if isinstance(value, dict | list) and value else value_text(value)


def _answer(session: _Session, index: int, question: Question) -> bool:
    """Take an answer until one can be used; False at the end of the input."""
    while True:
        click.echo(f"  {wanted(question.fact)} (Enter: don't know; Ctrl-D: stop): ", nl=False, err=True)
        given = sys.stdin.readline()
        if not given:
            click.echo(err=True)
            return False
        if is_unknown(given):
            session.skipped.add((index, question.path))
            return True
        try:
            session.set(index, question.path, read_answer(question.fact, given))
        except (AnswerError, InputError) as caught:
            message = caught.problems[0].message if isinstance(caught, PolicyError) else str(caught)
            click.echo(f"  {printable(message)}", err=True)
            if isinstance(caught, InputError):
                session.skipped.add((index, question.path))
                return True
        else:
            return True


def _write(target: str, text: str, before: str, request: Request) -> None:
    """Write the text, unless the file has become another meanwhile.

    Raises:
        UsageError: it cannot be written.
    """
    from policy_engine.cli.output import write_file

    if target == "-":
        return
    path = Path(target)
    try:
        if request.to is None and path.read_bytes() != before.encode():
            message = f"`{target}` has changed since it was read"
            raise UsageError(Problem("file-changed", message, help="nothing was written; run the command again"))
        write_file(path, text)
    except (OSError, ValueError) as caught:
        reason = (getattr(caught, "strerror", None) or "not a path").lower()
        raise UsageError(Problem("file-unwritable", f"cannot write `{target}`: {reason}")) from None
