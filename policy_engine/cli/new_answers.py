"""What people answer about a fact, read as its value: the same for `--set` and at the prompt."""

from __future__ import annotations

import re
from typing import Any

from policy_engine.cli.new_questions import DONT_KNOW, AnswerError
from policy_engine.completion import is_structure
from policy_engine.errors import PolicyError, did_you_mean
from policy_engine.loading.wording import listed, quoted
from policy_engine.model.vocabulary import Fact

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_YES, _NO = ("true", "yes", "y"), ("false", "no", "n")


def is_unknown(given: str) -> bool:
    """Whether an answer says that one does not know."""
    return given.strip().lower() in DONT_KNOW


def read_answer(fact: Fact, given: str) -> Any:
    """Return the value that `given` stands for.

    Raises:
        AnswerError: it stands for none of this fact's values.
    """
    given = given.strip()
    if is_structure(fact):
        return _structure(fact, given)
    match fact.type:
        case "bool":
            if given.lower() not in (*_YES, *_NO):
                raise AnswerError(f"{quoted(given)} is neither `true` nor `false`")
            return given.lower() in _YES
        case "int" | "double":
            return _number(fact, given)
        case "list<string>":
            return _list(fact, given)
    return _member(fact, given)


def wanted(fact: Fact) -> str:
    """Say what an answer looks like."""
    unit = f" of {fact.unit}" if fact.unit and fact.unit != "ratio" else ""
    choices = listed(fact.values) if fact.values else ""
    if is_structure(fact):
        return "YAML on one line"
    match fact.type:
        case "bool":
            return "true or false"
        case "int":
            return f"a whole number{unit}"
        case "double":
            return f"a number{unit}"
        case "list<string>":
            none = "; `none` for an empty list" if fact.name == "data.regulations" else ""
            return f"one or more, by commas{f', of {choices}' if choices else ''}{none}"
    return f"one of {choices}" if choices else "a name"


def _number(fact: Fact, given: str) -> int | float:
    plain = re.sub(r"(?<=\d)[,_](?=\d)", "", given).removeprefix("$")
    if not _NUMBER.fullmatch(plain) or len(plain) > 20 or (fact.type == "int" and "." in plain):
        raise AnswerError(f"{quoted(given)} is not {wanted(fact)}")
    number = float(plain) if "." in plain else int(plain)
    if fact.minimum is not None and number < fact.minimum:
        raise AnswerError(f"{quoted(given)} is below {fact.minimum:,g}")
    if fact.maximum is not None and number > fact.maximum:
        raise AnswerError(f"{quoted(given)} is above {fact.maximum:,g}")
    return number


def _list(fact: Fact, given: str) -> list[str]:
    inner = given.removeprefix("[").removesuffix("]")
    if inner.strip() in ("", "none"):
        return []
    return [_member(fact, part.strip().strip("\"'")) for part in inner.split(",")]


def _member(fact: Fact, given: str) -> str:
    if not given.isprintable():
        raise AnswerError(f"{quoted(given)} holds characters that cannot be printed")
    if fact.values is not None and given not in fact.values:
        near = did_you_mean(given, fact.values)
        raise AnswerError(f"{quoted(given)} is not one of {listed(fact.values)}" + (f"; {near}" if near else ""))
    return given


def _structure(fact: Fact, given: str) -> Any:
    from policy_engine.loading.yaml_source import load_yaml

    try:
        (document,) = load_yaml(given, "<answer>")
    except (PolicyError, ValueError) as caught:
        first = caught.problems[0].message if isinstance(caught, PolicyError) else "more than one value"
        raise AnswerError(f"{quoted(given)} is no YAML: {first}") from None
    return document.value
