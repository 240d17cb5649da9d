"""Custom facts: `spec.custom`, checked against the `custom.*` facts that layers' vocabularies declare."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from policy_engine.errors import Problem, did_you_mean
from policy_engine.loading.wording import listed, quoted
from policy_engine.loading.workload_errors import kind_of
from policy_engine.loading.yaml_source import Document
from policy_engine.model.fields import MOST_ITEMS
from policy_engine.model.vocabulary import CUSTOM, Fact, Vocabulary

_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "double": "a number",
    "string": "a string",
    "list<string>": "a list of strings",
}


def custom_problems(document: Document, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Find custom facts that no layer declares, and values that their declarations do not allow."""
    for name, value in _custom(document.value).items():
        path = ("spec", "custom", name)
        fact = vocabulary.facts.get(CUSTOM + name)
        if fact is None:
            known = [each.removeprefix(CUSTOM) for each in vocabulary.facts if each.startswith(CUSTOM)]
            hint = did_you_mean(name, known) or "a layer's vocabulary.yaml declares custom facts"
            message = f"no layer declares the custom fact {quoted(name)}"
            yield Problem("workload-unknown-name", message, document.key_span(*path), hint)
        elif fact.source != "declared":
            # what a workload says would stand before what the rules derive
            message = (
                f"{quoted('spec.custom.' + name)} is not for a workload to say: its source is {quoted(fact.source)}"
            )
            hint = "leave it out; only custom facts whose source is `declared` are said by workloads"
            yield Problem("workload-custom", message, document.key_span(*path), hint)
        elif value is not None and (wrong := _wrong(value, fact)):
            message = f"{quoted('spec.custom.' + name)} {wrong}"
            yield Problem("workload-custom", message, document.span(*path), fact.meaning)


def with_typed_custom(value: dict[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the document with whole numbers as doubles where a custom fact is one, as the model does elsewhere."""
    custom = _custom(value)
    typed = {
        name: float(each)
        for name, each in custom.items()
        if type(each) is int
        and _finite(each)
        and (fact := vocabulary.facts.get(CUSTOM + name)) is not None
        and fact.type == "double"
    }
    if not typed:
        return value
    return {**value, "spec": {**value["spec"], "custom": {**custom, **typed}}}


def _custom(value: Any) -> dict[str, Any]:
    spec = value.get("spec") if isinstance(value, dict) else None
    custom = spec.get("custom") if isinstance(spec, dict) else None
    return custom if isinstance(custom, dict) else {}


def _wrong(value: Any, fact: Fact) -> str | None:
    """Return what is wrong with a value that is not null, or None."""
    if not _has_type(value, fact):
        return f"wants {_WANTED[fact.type]}, and is {kind_of(value)}"
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        return f"has {len(value):,} items, more than {MOST_ITEMS}"
    if fact.values is not None:
        for each in value if isinstance(value, list) else [value]:
            if each not in fact.values:
                return f"cannot be {quoted(each)}; it is one of {listed(fact.values)}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if fact.type == "double" and not _finite(value):  # no comparison holds of what is no number
            return "wants a finite number"
        if fact.minimum is not None and value < fact.minimum:
            return f"is {value}, below {fact.minimum:g}"
        if fact.maximum is not None and value > fact.maximum:
            return f"is {value}, above {fact.maximum:g}"
    return None


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no double holds
        return False


def _has_type(value: Any, fact: Fact) -> bool:
    match fact.type:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return type(value) is int
        case "double":
            return type(value) in (int, float)
        case "string":
            return isinstance(value, str)
        case "list<string>":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
