"""The body of a request for decisions: one workload or a list, JSON or YAML, with places for what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy_engine.errors import InputError, PolicyError, Problem, Span
from policy_engine.loading.json_source import load_json
from policy_engine.loading.workload_file import LoadedWorkload, load_document
from policy_engine.loading.yaml_source import Document, load_documents

if TYPE_CHECKING:
    from policy_engine.model.vocabulary import Vocabulary

#: What problems name in place of a file.
NAME = "body"


def read_workloads(
    body: bytes, vocabulary: Vocabulary, most: int, *, is_json: bool = False
) -> tuple[list[LoadedWorkload], bool]:
    """Return the workloads of a body, and whether it is a list.

    A list is one of JSON or YAML, or a stream of YAML documents.

    Raises:
        InputError: with the problems of all documents; nothing of a body with one is decided.
    """
    documents, single = _of_json(body) if is_json else _of_yaml(body)
    if len(documents) > most:
        message = f"the body has {len(documents):,} workloads, and {most:,} are taken at once"
        raise InputError(Problem("too-many-workloads", message, Span(NAME, 1, 1), "send them in several requests"))
    loaded = [
        each if isinstance(each, PolicyError) else load_document(each, index, vocabulary)
        for index, each in enumerate(documents)
    ]
    problems = [problem for each in loaded if isinstance(each, PolicyError) for problem in each.problems]
    if problems or not loaded:
        raise InputError(problems or Problem("yaml-empty", "the list is empty", Span(NAME, 1, 1)))
    return [each for each in loaded if isinstance(each, LoadedWorkload)], not single


def _of_json(body: bytes) -> tuple[list[Document | PolicyError], bool]:
    found = load_json(body, NAME)
    return ([*found], False) if isinstance(found, list) else ([found], True)


def _of_yaml(body: bytes) -> tuple[list[Document | PolicyError], bool]:
    """Return the documents of a body, and whether it is a single one and no list."""
    found = load_documents(body, NAME)
    single = len(found) == 1
    documents: list[Document | PolicyError] = []
    for each in found:
        items = each.items() if isinstance(each, Document) else None
        single = single and items is None
        documents += items if items is not None else [each]
    return documents, single
