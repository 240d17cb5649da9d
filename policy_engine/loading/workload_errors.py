"""What pydantic found wrong with a workload, as problems: in this project's words, each at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from policy_engine.errors import Problem, Span, did_you_mean
from policy_engine.loading.wording import dotted, listed, quoted
from policy_engine.loading.yaml_source import Document
from policy_engine.model import fields
from policy_engine.model.vocabulary import Fact, Vocabulary
from policy_engine.model.workload_paths import (
    fact_name,
    fields_by_path,
    keys_at,
    pattern_of,
    places_of,
    shown,
)


class _Found(NamedTuple):
    """One of pydantic's findings: the path in the file, the value there, and what pydantic adds."""

    path: tuple[str | int, ...]
    value: Any
    context: dict[str, Any]
    document: Document
    fact: Fact | None

    @property
    def where(self) -> str:
        return f"`{dotted(self.path)}`"

    def problem(self, code: str, message: str, hint: str | None = None, span: Span | None = None) -> Problem:
        return Problem(f"workload-{code}", f"{self.where} {message}", span or self.document.span(*self.path), hint)


def problems_of(caught: ValidationError, document: Document, vocabulary: Vocabulary) -> Iterator[Problem]:
    """Reword each of the findings of `caught`."""
    for error in caught.errors(include_url=False):
        path = error["loc"]
        if path[:2] == ("spec", "migration"):  # the next step names the branch of the union, and stands in no file
            path = path[:2] + path[3:]
        fact = vocabulary.facts.get(fact_name(pattern_of(path)))
        found = _Found(path, error["input"], error.get("ctx", {}), document, fact)
        yield from _REWORDED.get(error["type"], _other(error["msg"]))(found)


def kind_of(value: Any) -> str:
    """Return what `value` is, in a user's words."""
    match value:
        case None:
            return "null"
        case bool():
            return f"`{str(value).lower()}`"
        case int():
            return f"the number {quoted(value)}"
        case float():
            return f"the number {quoted(value)} with a point or exponent"
        case str():
            return f"the string {quoted(value)}"
        case list():
            return "a list"
    return "a mapping"


def _missing(found: _Found) -> Iterator[Problem]:
    yield found.problem("missing-field", "is required", _meaning(found), found.document.span(*found.path[:-1]))


def _meaning(found: _Found) -> str | None:
    """Return what the field is for, and the words it may be."""
    choices = _choices(found.path)
    if found.fact is not None:
        meaning = found.fact.meaning.rstrip(".")
        return f"{meaning}; one of {listed(choices)}" if choices else meaning
    info = fields_by_path().get(pattern_of(found.path))
    description = info.description if info else None
    return f"write {listed(choices)}" if choices else description and description.rstrip(".")


def _is_required(found: _Found) -> bool:
    info = fields_by_path().get(pattern_of(found.path))
    return info is not None and info.is_required()


def _unknown_key(found: _Found) -> Iterator[Problem]:
    *parent, key = found.path
    place = pattern_of(tuple(parent))
    siblings = keys_at(place)
    message = f"unknown key {quoted(key)}" + (f" in `{dotted(parent)}`" if parent else "")
    yield Problem(
        "workload-unknown-key",
        message,
        found.document.key_span(*found.path),
        _suggestion(str(key), siblings),
    )


def _suggestion(key: str, siblings: list[str]) -> str:
    """Return the sibling that was meant, or the mapping where the key belongs, or what is known here."""
    if places := places_of(key):
        homes = [shown(each) for each in places]
        return f"`{key}` belongs in {listed(homes)}" if all(homes) else f"`{key}` belongs at the top level"
    if near := did_you_mean(key, siblings):
        return near
    everywhere = sorted({path[-1] for path in fields_by_path()})
    if near := did_you_mean(key, everywhere):
        meant = near.split("`")[1]
        homes = [shown(each) or "the top level" for each in places_of(meant)]
        return f"did you mean `{meant}` in {listed(homes)}?"
    return f"the keys here are {listed(siblings, 'and')}"


def _choice(found: _Found) -> Iterator[Problem]:
    choices = _choices(found.path)
    if found.path == ("spec", "migration"):
        hint = "write `none` where nothing is replaced, or a mapping with `from`; left out, it is unknown"
        yield found.problem("choice", f"cannot be {quoted(found.value)}", hint)
    elif found.value is None:
        yield found.problem("missing-field", "is required and cannot be null", _meaning(found))
    else:
        near = _near(found.value, choices) if isinstance(found.value, str) else None
        hint = f"{near or ''} one of {listed(choices)}".strip()
        yield found.problem("choice", f"cannot be {_as_written(found.value)}", hint)


def _near(word: str, choices: list[str]) -> str | None:
    """Return the help line for a choice in capitals, cut short or misspelt."""
    begun = [choice for choice in choices if len(word) > 2 and choice.startswith(word.lower())]
    return did_you_mean(begun[0] if len(begun) == 1 else word.lower(), choices)


def _choices(path: tuple[str | int, ...]) -> list[str]:
    info = fields_by_path().get(pattern_of(path))
    return _words(info.annotation) if info else []


def _words(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    return next((words for each in get_args(annotation) if (words := _words(each))), [])


def _type(wanted: str) -> Callable[[_Found], Iterator[Problem]]:
    def reworded(found: _Found) -> Iterator[Problem]:
        if found.value is None and _is_required(found):
            yield found.problem("missing-field", "is required and cannot be null", _meaning(found))
        else:
            message = f"wants {wanted}, and is {kind_of(found.value)}"
            yield found.problem("type", message, _retyped(found.value, wanted))

    return reworded


def _retyped(value: Any, wanted: str) -> str | None:
    """Return how to write `value` so that it is what is wanted."""
    match wanted, value:
        case "true or false", str() if value.lower() in ("yes", "on", "y", "true", "1"):
            return "write `true`"
        case "true or false", str() if value.lower() in ("no", "off", "n", "false", "0"):
            return "write `false`"
        case "a whole number", float() if value.is_integer():
            return f"write `{int(value)}`"
        case "a whole number" | "a number", str() if re.fullmatch(r"[0-9][0-9_, ]*(\.[0-9]+)?", value):
            return f"write `{re.sub('[_, ]', '', value)}`"
        case "a string", bool() | int() | float():
            return "put quotes around it"
        case "a list", str():
            return f"write `[{value}]`" if len(value) < 40 else "write it in `[` and `]`"
    return None


def _bound(relation: str, key: str) -> Callable[[_Found], Iterator[Problem]]:
    def reworded(found: _Found) -> Iterator[Problem]:
        bound = f"{found.context[key]:,}".removesuffix(".0")
        unit = f", in {found.fact.unit}" if found.fact and found.fact.unit not in (None, "ratio") else ""
        hint = f"{found.fact.meaning.rstrip('.')}{unit}" if found.fact else None
        yield found.problem("range", f"is {_as_written(found.value)}, {relation} {bound}", hint)

    return reworded


def _pattern(found: _Found) -> Iterator[Problem]:
    pattern = found.context["pattern"]
    if found.value == "":
        hint = None if _is_required(found) else "write a value, or leave it out where it is not known"
        yield found.problem("format", "is empty", hint or _meaning(found))
    elif pattern == fields.NAME_PATTERN:
        hint = "lower-case letters, digits, `-` and `.`, with a letter or digit at both ends"
        yield found.problem("format", f"cannot be {quoted(found.value)}", hint)
    elif pattern == fields.SHA256_PATTERN:
        yield found.problem("format", "is no SHA-256", "64 hexadecimal digits in lower case")
    else:
        yield found.problem("format", "has line breaks, or spaces around it", "write it on one line")


def _too_long(found: _Found) -> Iterator[Problem]:
    what = f"has {len(found.value):,} items, more than" if isinstance(found.value, list) else "is longer than"
    yield found.problem("range", f"{what} {found.context['max_length']:,}")


def _too_short(found: _Found) -> Iterator[Problem]:
    # pydantic also counts so when every item was refused, and then the items speak for themselves.
    if not found.value:
        hint = "write `[{name: cpu}]` for a host without a GPU" if found.path[-1] == "gpus" else None
        yield found.problem("range", "is an empty list", hint)


def _findings(found: _Found) -> Iterator[Problem]:
    for finding in found.context["findings"]:
        yield found._replace(path=found.path + finding.path).problem("check", finding.message, finding.help)


def _other(message: str) -> Callable[[_Found], Iterator[Problem]]:
    def reworded(found: _Found) -> Iterator[Problem]:
        yield found.problem("invalid", f"is refused: {message[:1].lower()}{message[1:]}")

    return reworded


def _as_written(value: Any) -> str:
    return kind_of(value) if isinstance(value, (list, dict, bool)) else quoted(value)


_REWORDED: dict[str, Callable[[_Found], Iterator[Problem]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _choice,
    "bool_type": _type("true or false"),
    "int_type": _type("a whole number"),
    "float_type": _type("a number"),
    "string_type": _type("a string"),
    "tuple_type": _type("a list"),
    "dict_type": _type("a mapping"),
    "model_type": _type("a mapping"),
    "greater_than_equal": _bound("below", "ge"),
    "less_than_equal": _bound("above", "le"),
    "string_pattern_mismatch": _pattern,
    "string_too_long": _too_long,
    "too_long": _too_long,
    "too_short": _too_short,
    "findings": _findings,
}
