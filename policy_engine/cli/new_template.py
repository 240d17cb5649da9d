"""The file that `policy new` writes: every fact in its place, what is unknown as null with its meaning beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.loading.yaml_scalars import resolve_plain
from policy_engine.model.vocabulary import Vocabulary
from policy_engine.model.workload_paths import fact_name, keys_at

# Left out of the file: they have a default, or stand for something that is not there.
_LEFT_OUT = frozenset({"share", "modalities", "min_scores", "proposal", "namespace", "labels"})
# Strings that need no quotes, unless they read as something else, such as `true`.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.@/-]*")
_SECTIONS = ("data", "volume", "budget", "team")

_CLOSING = """\
  migration: null # what is replaced: `none` where nothing is; else from: {{deployment: ..., model: ..., provider: ...}}
  # needs: # a need not stated is not a need
{needs}
  # proposal (in a task), hardware and evidence say what you want to deploy, on what, and what vouches for it
"""


def render(answers: Mapping[str, Any], vocabulary: Vocabulary, schema: str) -> str:
    """Return the text of a workload file with `answers`, by path as the questions have them."""
    return "\n".join(_lines(answers, vocabulary, schema)) + "\n" + _closing(vocabulary)


def _lines(answers: Mapping[str, Any], vocabulary: Vocabulary, schema: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={schema}"
    yield "# null means unknown: never no, never zero. Fill in what you know."
    yield "apiVersion: policy-engine/v1"
    yield "kind: Workload"
    yield "metadata:"
    for key in ("name", "owner"):
        yield f"  {key}: {_scalar(answers[f'metadata.{key}'])}"
    yield "spec:"
    for key in ("stage", "organisation", "deploy_within_days"):
        yield _field(2, key, answers.get(key), f"workload.{key}", vocabulary)
    yield "  tasks:"
    bullet = "- "
    for key in keys_at(("spec", "tasks")):
        if key not in _LEFT_OUT:
            fact = fact_name(("spec", "tasks", key))
            line = _field(6, key, answers.get(f"task.{key}"), fact, vocabulary)
            yield line[:4] + bullet + line[6:]
            bullet = "  "
    for section in _SECTIONS:
        yield f"  {section}:"
        for key in keys_at(("spec", section)):
            fact = f"{section}.{key}"
            yield _field(4, key, answers.get(fact), fact, vocabulary)


def _field(indent: int, key: str, value: Any, fact: str, vocabulary: Vocabulary) -> str:
    """Return the line of one field; what is known needs no explanation."""
    line = f"{' ' * indent}{key}: {_scalar(value)}"
    return line if value is not None else f"{line} # {_meaning(fact, vocabulary)}"


def _meaning(name: str, vocabulary: Vocabulary) -> str:
    fact = vocabulary.facts[name]
    choices = f" One of {', '.join(fact.values)}." if fact.values else ""
    unit = f" In {fact.unit}." if fact.unit else ""
    return f"{fact.meaning}{choices}{unit}"


def _closing(vocabulary: Vocabulary) -> str:
    keys = keys_at(("spec", "needs"))
    needs = "\n".join(f"  #   {key}: true # {_meaning(f'needs.{key}', vocabulary)}" for key in keys)
    return _CLOSING.format(needs=needs)


def _scalar(value: Any) -> str:
    """Return `value` as YAML; JSON is YAML, and its quotes keep a string a string."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and resolve_plain(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
