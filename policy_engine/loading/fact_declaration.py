"""Read how a vocabulary declares a fact, and refuse what contradicts itself: it would mean nothing, or two things."""

from __future__ import annotations

import re
from typing import Any, cast

from policy_engine.loading.reader import Reader
from policy_engine.loading.wording import among, quoted
from policy_engine.model.vocabulary import FACT_SOURCES, FACT_TYPES, Fact, FactSource, FactType

SCALARS = {"double": float, "int": int, "string": str, "bool": bool}
_KEYS = ("type", "unit", "values", "min", "max", "default", "required", "source", "meaning")
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\Z")
#: Components that CEL takes for something else.
RESERVED = frozenset(
    "in true null false as break const continue else for function if import let loop package return var void while "
    "int uint double bool string bytes list map type".split()
)
_NUMBERS = ("int", "double")
_WORDS = ("string", "list<string>")


def read_fact(entry: Reader, name: str, layer: str) -> Fact | None:
    """Return the fact that `entry` declares; None where its type or meaning cannot be told."""
    entry.only(_KEYS)
    parts = name.split(".")
    if not _NAME.match(name) or RESERVED.intersection(parts):
        entry.problem("bad-fact-name", f"`{name}` cannot be the name of a fact", key=True)
    if layer != "shipped" and (parts[0] != "custom" or len(parts) != 2):
        hint = "facts of a layer are called custom.<name>"
        entry.problem("bad-fact-name", f"a layer may not declare `{name}`", help_=hint, key=True)
    type_ = entry.choice("type", FACT_TYPES, required=True)
    meaning = entry.text("meaning", required=True)
    source = entry.choice("source", FACT_SOURCES) or "declared"
    if type_ is None or meaning is None:
        return None
    fact = Fact(
        name=name,
        type=cast(FactType, type_),
        meaning=meaning,
        unit=entry.text("unit"),
        values=(entry.texts("values") or None) if type_ in _WORDS else None,
        default=_default(entry, type_),
        required=entry.flag("required"),
        source=cast(FactSource, source),
        minimum=entry.number("min"),
        maximum=entry.number("max"),
        layer=layer,
    )
    _check_values(entry, fact)
    _check_bounds(entry, fact)
    _check_left_out(entry, fact)
    return fact


def read_scalar(entry: Reader, key: str, type_: str, *path: str | int) -> Any:
    """Return the scalar at `key` as a `type_`; an int may stand where a double belongs."""
    value = entry.value.get(key)
    if type_ == "double" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not SCALARS[type_]:
        entry.problem("wrong-type", f"`{key}` must be a {type_}", *(path or (key,)))
        return None
    return value


def outside(fact: Fact, value: Any) -> str | None:
    """Return what keeps a single `value` of the right type from being one of `fact`, or None."""
    if fact.values is not None and value not in fact.values:
        return f"{quoted(value)} is not among the values of `{fact.name}`"
    if fact.type in _NUMBERS:
        if fact.minimum is not None and value < fact.minimum:
            return f"{value} is below {fact.minimum:g}, the `min` of `{fact.name}`"
        if fact.maximum is not None and value > fact.maximum:
            return f"{value} is above {fact.maximum:g}, the `max` of `{fact.name}`"
    return None


def hint_for(fact: Fact, value: Any) -> str | None:
    """Return what a value that is outside could be instead."""
    if fact.values is None:
        return None
    return among(str(value), fact.values)


def _default(entry: Reader, type_: str) -> Any:
    """The value of a field that is left out, in the fact's type."""
    if entry.value.get("default") is None:
        return None
    if type_ == "list<string>":
        return list(entry.texts("default"))
    return read_scalar(entry, "default", type_)


def _check_values(entry: Reader, fact: Fact) -> None:
    if "values" not in entry.value:
        return
    if fact.type not in _WORDS:
        hint = "`min` and `max` bound a number" if fact.type in _NUMBERS else "a bool is true or false"
        message = f"`values` lists words, and `{fact.name}` is of type {fact.type}"
        entry.problem("bad-declaration", message, "values", help_=hint)
    elif entry.value["values"] == []:
        entry.problem("bad-declaration", "`values` is empty", "values", help_="leave it out where any word may stand")


def _check_bounds(entry: Reader, fact: Fact) -> None:
    for key, bound in (("min", fact.minimum), ("max", fact.maximum)):
        if bound is None:
            continue
        if fact.type not in _NUMBERS:
            message = f"`{key}` bounds a number, and `{fact.name}` is of type {fact.type}"
            hint = "`values` lists the words that may stand" if fact.type in _WORDS else "leave it out"
            entry.problem("bad-declaration", message, key, help_=hint)
        elif fact.type == "int" and bound != int(bound):
            message = f"`{key}` is {bound:g}, and `{fact.name}` is of type int"
            entry.problem("bad-declaration", message, key, help_="write a whole number, or `type: double`")
    if fact.minimum is not None and fact.maximum is not None and fact.minimum > fact.maximum:
        message = f"`min` is {fact.minimum:g}, above the `max` of {fact.maximum:g}"
        entry.problem("bad-declaration", message, "min", help_="no number lies between them")


def _check_left_out(entry: Reader, fact: Fact) -> None:
    """Report what is wrong with how the fact stands where a workload leaves it out."""
    given = [key for key, there in (("required", fact.required), ("default", fact.default is not None)) if there]
    if fact.source != "declared":
        for key in given:
            message = f"`{key}` is for what workloads state, and the source of `{fact.name}` is `{fact.source}`"
            entry.problem("bad-declaration", message, key, help_="leave it out")
    elif fact.required and fact.layer != "shipped":
        hint = "leave it out; a rule that reads it is indeterminate, and names it, while it is unknown"
        message = f"`{fact.name}` cannot be required: workloads may leave out what a layer adds"
        entry.problem("bad-declaration", message, "required", help_=hint)
    several = isinstance(fact.default, list)
    for index, value in enumerate(cast(list[Any], fact.default) if several else [fact.default]):
        wrong = outside(fact, value) if value is not None else None
        if wrong:
            path = ("default", index) if several else ("default",)
            entry.problem("bad-declaration", f"the default {wrong}", *path, help_=hint_for(fact, value))
