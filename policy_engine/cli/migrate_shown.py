"""Playbooks as people and programs read them: text, Markdown with a checklist, JSON and YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from policy_engine.cli import migrate_words as words
from policy_engine.cli.output import Writer, to_json, to_yaml
from policy_engine.cli.sections import Section, as_markdown, as_text
from policy_engine.migrating.document import document_of
from policy_engine.migrating.item import Step
from policy_engine.migrating.playbook import Playbook
from policy_engine.migrating.shortlist import Shortlist


def writers(found: Sequence[Playbook], several: bool) -> Mapping[str, Writer]:
    """Return a writer for each format; programs get one document, or a list where the file has `several`."""

    def value() -> Any:
        documents = [document_of(each) for each in found]
        return documents[0] if len(documents) == 1 and not several else documents

    def text(stream: IO[str]) -> str:
        return "\n".join(as_text(list(_text(each)), stream) for each in found)

    return {
        "text": text,
        "json": lambda stream: to_json(value()),
        "yaml": lambda stream: to_yaml(value()),
        "markdown": lambda stream: "\n".join(_markdown(each) for each in found),
    }


def _text(playbook: Playbook) -> Iterator[Section]:
    yield Section(title=words.head(playbook), pairs=list(words.head_pairs(playbook)))
    if playbook.steps:
        yield from _next(playbook)
    yield from (_step(step) for step in playbook.steps)
    yield from _rest(playbook)


def _next(playbook: Playbook) -> Iterator[Section]:
    lines = [f"{words.item_title(item)}: {item.action}" for item in playbook.next]
    yield Section(title="Do next", lines=lines or ["nothing is open"])


#: As wide as the longest word for a state: the steps stand below one another.
_STATE = max(map(len, words.STATE_WORDS.values()))


def _step(step: Step) -> Section:
    pairs = [
        (f"{words.STATE_WORDS[item.state]:<{_STATE}}", "\n".join([words.item_title(item), *words.item_lines(item)]))
        for item in step.items
    ]
    return Section(title=_step_title(step), pairs=pairs, lines=step.notes)


def _step_title(step: Step) -> str:
    return f"{step.number}. {step.title}: {step.done} of {step.needed}"


def _rest(playbook: Playbook) -> Iterator[Section]:
    """Yield candidates, money, reasons to stay or to switch, and the time."""
    yield from (_candidates(task, found) for task, found in playbook.shortlists.items())
    money = playbook.money
    lines = list(words.money_lines(money, playbook.case.call("cost", uses_ledger=False)))
    yield Section(title="Cost and value, USD a month", header=_MONEY, rows=words.money_rows(money), lines=lines)
    sides = words.condition_rows(playbook.conditions)
    yield Section(title="To stay closed, or to switch to open", header=("=To", "Rule", "Outcome"), rows=sides)
    if playbook.steps:
        yield Section(title="Time", lines=list(words.timeline_lines(playbook.timeline)))


_MONEY = ("Task", ">Today", "Judged", "Recommended")


def _candidates(task: str, found: Shortlist) -> Section:
    header = ("=Model", "Option", ">Score", ">GiB", ">USD/month", "~Why, licence and price")
    first = next(iter(found.candidates), None)
    unit = f", score is {first.benchmark} in {first.unit}" if first is not None else ""
    lines = [f"{found.sure} surely qualify, {found.doubtful} may; GiB is that of the weights{unit}"]
    rows = [words.candidate_cells(each) for each in found.candidates]
    return Section(title=f"Candidates for {task}", header=header, rows=rows, lines=lines)


def _markdown(playbook: Playbook) -> str:
    from policy_engine.markdown_text import escape

    parts = [as_markdown([Section(title=words.head(playbook), pairs=list(words.head_pairs(playbook)))])]
    if playbook.steps:
        parts.append(as_markdown(list(_next(playbook))))
    for step in playbook.steps:
        lines = [f"### {escape(_step_title(step))}", ""]
        for item in step.items:
            box = "x" if item.state in ("done", "not_needed") else " "
            state = "" if item.state == "done" else f" ({words.STATE_WORDS[item.state]})"
            lines.append(f"- [{box}] {escape(words.item_title(item))}{state}")
            lines += [f"  - {escape(line)}" for line in words.item_lines(item)]
        lines += [f"- {escape(note)}" for note in step.notes]
        parts.append("\n".join([*lines, ""]))
    return "\n".join([*parts, as_markdown(list(_rest(playbook)))])
