"""Workload files: text to models with their places, and everything that is wrong with them, said at once.

1. `yaml_source` reads the documents, each on its own.
2. The model checks shape, types, bounds and what must agree.
3. The vocabulary checks the names that layers may add to: regulations, evidence, custom facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from policy_engine.errors import InputError, PolicyError, Problem, Span, did_you_mean
from policy_engine.loading.custom_facts import custom_problems, with_typed_custom
from policy_engine.loading.wording import listed, quoted
from policy_engine.loading.workload_errors import kind_of, problems_of
from policy_engine.loading.yaml_source import Document, load_documents, read_bytes
from policy_engine.model.vocabulary import Vocabulary
from policy_engine.model.workload import Workload


@dataclass(frozen=True, slots=True)
class LoadedWorkload:
    """A valid workload, the document it was read from, and that document's number in its file, from 0."""

    workload: Workload
    document: Document
    index: int


def load_workload_documents(
    source: str | bytes | Path, file: str | None, vocabulary: Vocabulary | None
) -> list[LoadedWorkload | InputError]:
    """Load each document of `source`, a text or a path, in order: as a workload or as what is wrong with it.

    Without a vocabulary the names that layers may add to are not checked: whoever decides does so. `file` is the name
    that problems give; None takes the path. What cannot be read at all is one error.
    """
    try:
        text = read_bytes(source) if isinstance(source, Path) else source
    except InputError as unreadable:
        return [unreadable]
    name = file if file is not None else str(source) if isinstance(source, Path) else "<text>"
    return [
        _as_input_error(each) if isinstance(each, PolicyError) else load_document(each, index, vocabulary)
        for index, each in enumerate(load_documents(text, name))
    ]


def load_workloads(source: str | bytes | Path, file: str | None, vocabulary: Vocabulary) -> list[LoadedWorkload]:
    """Load every document of `source`; as `load_workload_documents`.

    Raises:
        InputError: with the problems of all documents.
    """
    found = load_workload_documents(source, file, vocabulary)
    problems = [problem for each in found if isinstance(each, InputError) for problem in each.problems]
    if problems:
        raise InputError(problems)
    return [each for each in found if isinstance(each, LoadedWorkload)]


def load_document(document: Document, index: int, vocabulary: Vocabulary | None) -> LoadedWorkload | InputError:
    """Return the workload that `document` describes, or all of its problems in the file's order."""
    if wrong := list(_not_a_workload(document)):
        return InputError(wrong)
    problems: list[Problem] = []
    if vocabulary is not None:
        problems = [*_unknown_names(document, vocabulary), *custom_problems(document, vocabulary)]
    vocabulary = vocabulary or Vocabulary({})
    workload = None
    try:
        workload = Workload.model_validate(with_typed_custom(document.value, vocabulary))
    except ValidationError as caught:
        problems += problems_of(caught, document, vocabulary)
    if problems or workload is None:
        return InputError(sorted(problems, key=_place))
    return LoadedWorkload(workload, document, index)


def _as_input_error(error: PolicyError) -> InputError:
    return error if isinstance(error, InputError) else InputError(error.problems)


def _not_a_workload(document: Document) -> Iterator[Problem]:
    """Find what makes it pointless to check the rest: it is no mapping, or another kind of document."""
    value = document.value
    if not isinstance(value, dict):
        message = f"the document is {kind_of(value)}, and not a workload"
        yield Problem("workload-kind", message, document.span(), "a workload starts with `apiVersion:`")
        return
    for key, wanted in (("apiVersion", "policy-engine/v1"), ("kind", "Workload")):
        given = value.get(key, wanted)
        if given != wanted:
            message = f"{quoted(key)} is {quoted(given)}, and only {quoted(wanted)} is read here"
            yield Problem("workload-kind", message, document.span(key), f"write `{key}: {wanted}`")


def _unknown_names(document: Document, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Find regulations and evidence that neither the shipped vocabulary nor a layer's knows."""
    regulations = _at(document.value, "spec", "data", "regulations")
    for index, name in enumerate(regulations if isinstance(regulations, list) else []):
        if isinstance(name, str) and name not in vocabulary.regulations:
            where = document.span("spec", "data", "regulations", index)
            yield _unknown("regulation", name, where, list(vocabulary.regulations))
    evidence = _at(document.value, "spec", "evidence")
    for name in evidence if isinstance(evidence, dict) else {}:
        if name not in vocabulary.evidence:
            where = document.key_span("spec", "evidence", name)
            yield _unknown("evidence", name, where, list(vocabulary.evidence))


def _unknown(what: str, name: str, span: Span, known: list[str]) -> Problem:
    near = did_you_mean(name, known)
    hint = near or f"known are {listed(known, 'and')}; a layer's vocabulary.yaml adds more"
    return Problem("workload-unknown-name", f"unknown {what} {quoted(name)}", span, hint)


def _at(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)
