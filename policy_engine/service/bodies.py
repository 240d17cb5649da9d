"""The body of a request for decisions: one workload or a list, JSON or YAML, with places for what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy_engine.errors import InputError, PolicyError, Problem, Span
from policy_engine.loading.json_source import load_json
from policy_engine.loading.workload_file import LoadedWorkload, load_document
from policy_engine.loading.yaml_source import Document, Most, begins_with_list, load_documents

if TYPE_CHECKING:
    from policy_engine.model.vocabulary import Vocabulary

#: What problems name in place of a file.
NAME = "body"
#: More values no body has that is one of workloads: a mebibyte of them has some 40,000.
MOST_VALUES = 80_000


def begins_list(body: bytes) -> bool:
    """Whether a body that has one workload has it in a list."""
    first = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return first == b"[" or (first != b"{" and begins_with_list(body))


def read_workloads(
    body: bytes, vocabulary: Vocabulary, most: int, *, is_json: bool = False
) -> tuple[list[LoadedWorkload], bool]:
    """Return the workloads of a body, and whether it is a list.

    A list is one of JSON or YAML, or a stream of YAML documents.

    Raises:
        InputError: with the problems of all documents; nothing of a body with one is decided.
    """
    if body.count(b",") > MOST_VALUES:  # else it takes seconds to say that
        message = f"the body has more than {MOST_VALUES:,} values"
        raise InputError(Problem("too-many-values", message, Span(NAME, 1, 1), "send it in several requests"))
    documents, single = _of_json(body) if is_json else _of_yaml(body, most)
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


def _of_yaml(body: bytes, most: int) -> tuple[list[Document | PolicyError], bool]:
    """Return the documents of a body, and whether it is a single one and no list."""
    found = load_documents(body, NAME, most=Most(most, 2 * MOST_VALUES))
    single = len(found) == 1
    documents: list[Document | PolicyError] = []
    for each in found:
        items = each.items() if isinstance(each, Document) else None
        single = single and items is None
        documents += items if items is not None else [each]
    return documents, single
