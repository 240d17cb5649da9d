"""A workload out of the document that a ledger keeps of it: without places, and without the names of persons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from policy_engine.errors import InputError, Problem
from policy_engine.loading.recorded_document import MOST_BYTES
from policy_engine.loading.workload_file import load_document
from policy_engine.loading.yaml_builder import Node
from policy_engine.loading.yaml_source import Document
from policy_engine.model.personal import PRESENT
from policy_engine.model.vocabulary import Vocabulary
from policy_engine.model.workload import Workload

#: Stands for a person who was named; no rule and no byte of a decision knows who it is.
SOMEBODY = "somebody"
FILE = "<recorded workload>"


def recorded_workload(content: bytes, vocabulary: Vocabulary, persons: Mapping[str, str] | None = None) -> Workload:
    """Return the workload of recorded bytes, with `SOMEBODY` for each personal value that they hold as present.

    `persons` are the names (owner, champion) where they are known.

    Raises:
        InputError: they are no workload, hold a personal value, or name what the vocabulary does not know.
    """
    if len(content) > MOST_BYTES:
        raise _refused(f"the recorded workload has {len(content):,} bytes, more than {MOST_BYTES:,}")
    try:
        value: Any = orjson.loads(content)
    except (ValueError, RecursionError):
        raise _refused("the recorded workload is not JSON") from None
    if not isinstance(value, dict):
        raise _refused("the recorded workload is not a mapping")
    named = persons or {}
    _put_person(value.get("metadata"), "owner", named)
    spec = value.get("spec")
    migration = spec.get("migration") if isinstance(spec, dict) else None
    if isinstance(migration, dict) and migration.get("champion") is not None:
        _put_person(migration, "champion", named)
    found = load_document(Document(FILE, value, Node((1, 1), value)), 0, vocabulary)
    if isinstance(found, InputError):
        # it stands in no file, so that its places say nothing
        raise InputError(Problem(each.code, each.message, None, each.help) for each in found.problems)
    return found.workload


def _put_person(value: Any, name: str, persons: Mapping[str, str]) -> None:
    if not isinstance(value, dict) or value.get(name) != PRESENT:
        raise _refused(f"the recorded workload does not hold `{name}` as present and no more")
    value[name] = persons.get(name, SOMEBODY)


def _refused(message: str) -> InputError:
    return InputError(Problem("recorded-workload", message))
