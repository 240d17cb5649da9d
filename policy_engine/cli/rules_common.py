"""What the commands under `policy rules` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from policy_engine.cli.sections import FORMATS
from policy_engine.errors import Problem, UsageError, did_you_mean
from policy_engine.model.rule import STRENGTHS, Rule

F = TypeVar("F", bound=Callable[..., Any])
_NAMES = {points: name for name, points in STRENGTHS.items()}
EFFECTS = ("forbid", "prefer", "disfavour", "require", "derive", "advise")


def output_option(command: F) -> F:
    """`-o FORMAT[=PATH]`."""
    text = f"{', '.join(FORMATS)}; to a file with =PATH; repeatable.  [default: text]"
    return click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=text)(command)


def layer_directories(command: F) -> F:
    """Layers as arguments, over those of `--policy`."""
    return click.argument("directories", nargs=-1, metavar="[DIR]...", type=click.Path(path_type=Path))(command)


def known(word: str, names: Sequence[str], what: str) -> str:
    """Return `word` where it is one of `names`.

    Raises:
        UsageError: it is not, with the nearest name.
    """
    if word in names:
        return word
    hint = did_you_mean(word, names)
    if hint is None and len(names) <= 12:
        hint = f"one of {', '.join(names)}"
    raise UsageError(Problem("unknown-name", f"there is no {what} `{word}`", help=hint))


def effect_names(rule: Rule) -> list[str]:
    """Return the names of the rule's effects."""
    return [name for name in EFFECTS if getattr(rule, name)]


def effect_pairs(rule: Rule) -> list[tuple[str, str]]:
    """Return each effect with what it does, in words."""
    pairs: list[tuple[str, str]] = []
    if rule.forbid:
        pairs.append(("forbid", f"{', '.join(rule.forbid)} ({rule.enforcement})"))
    for name in ("prefer", "disfavour"):
        strengths = getattr(rule, name)
        if strengths:
            pairs.append((name, ", ".join(f"{option} {_NAMES[points]}" for option, points in strengths.items())))
    for evidence, options in rule.require.items():
        pairs.append(("require", f"{evidence}, {rule.grade} or better, on {', '.join(options)} ({rule.enforcement})"))
    pairs += [("derive", f"{derivation.fact} = {derivation.text}") for derivation in rule.derive]
    if rule.advise:
        pairs.append(("advise", rule.advise))
    return pairs
