"""Fields of forms from the parameters of the API: what can be asked is said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from policy_engine.api.parameters import Parameter, converted, unknown
from policy_engine.console.forms import Field, filled, sentence
from policy_engine.console.words_for_people import for_people
from policy_engine.errors import Problem, UsageError

_MOST_PROBLEMS = 12
_DATES = frozenset({"since", "until", "at", "as_of"})
Items = Sequence[tuple[str, str]]
Endpoint = Callable[..., Any]
#: The filters that pages take, by their handlers; None: it checks them itself.
_taken: dict[Endpoint, Sequence[str] | None] = {}


def given(items: Items) -> list[tuple[str, str]]:
    """Return what a form has, without the fields that were left empty."""
    return [(name, value.strip()) for name, value in items if value.strip()]


def check_names(items: Items, names: Sequence[str]) -> None:
    """Refuse an address with a filter that its page does not have: it would seem to have been applied.

    Raises:
        UsageError: it has one.
    """
    problems = [unknown(name, names) for name in dict(items) if name not in names]
    if problems:
        raise UsageError(problems[:_MOST_PROBLEMS])


def takes(*names: str) -> Callable[[Endpoint], Endpoint]:
    """Let a page take filters of these names; one that is not told so takes none."""

    def told(endpoint: Endpoint) -> Endpoint:
        _taken[endpoint] = names
        return endpoint

    return told


def takes_what_it_checks(endpoint: Endpoint) -> Endpoint:
    """Let a page take what it holds to `check_names` itself, once it knows the names."""
    _taken[endpoint] = None
    return endpoint


def check_taken(items: Items, endpoint: Endpoint) -> None:
    """Refuse an address with a filter that its page does not take, as `check_names` does."""
    names = _taken.get(endpoint, ())
    if names is not None:
        check_names(items, names)


def asked(items: Items, known: Sequence[Parameter]) -> tuple[dict[str, Any], list[Field]]:
    """Return the values of the parameters, and the fields of a form with what was given and what is wrong with it.

    What no parameter is named after was refused by then (`takes`).
    """
    found = given(items)
    values, wrong = converted(found, known)
    fields = filled([field_of(each) for each in known], found)
    marked = [
        replace(each, error=sentence(f"this {wrong[each.name]}")) if each.name in wrong else each for each in fields
    ]
    return values, marked


def field_of(parameter: Parameter) -> Field:
    """Return a field that asks for a parameter."""
    label = parameter.name.replace("_", " ").capitalize()
    hint = parameter.description.replace("`", "")
    schema: Mapping[str, Any] = parameter.schema
    if schema.get("type") == "boolean":
        return Field(parameter.name, label, "check", hint=hint)
    if "enum" in schema:
        options = tuple((each, each.replace("_", " ")) for each in schema["enum"])
        if parameter.many:
            return Field(parameter.name, label, "checks", (), options, hint)
        return Field(parameter.name, label, "select", options=(("", "Any"), *options), hint=hint)
    if schema.get("type") == "integer":
        default = parameter.default
        return Field(parameter.name, label, "number", str(default) if default is not None else "", hint=hint)
    return Field(parameter.name, label, "date" if parameter.name in _DATES else "text", hint=hint)


def is_wrong(fields: Sequence[Field]) -> bool:
    """Whether something is wrong with one of the fields."""
    return any(field.error for field in fields)


def refusal(problem: Problem) -> str:
    """Return what a question was refused with as sentences of a page."""
    said = for_people(problem)
    return " ".join(sentence(each) for each in (said.message, said.help) if each)
