"""What the commands under `policy rules` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from policy_engine.cli.sections import FORMATS
from policy_engine.model.rule import STRENGTHS, Rule

F = TypeVar("F", bound=Callable[..., Any])
_NAMES = {points: name for name, points in STRENGTHS.items()}


def output_option(command: F) -> F:
    """`-o FORMAT[=PATH]`."""
    text = f"{', '.join(FORMATS)}; to a file with =PATH; repeatable.  [default: text]"
    return click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=text)(command)


def layer_directories(command: F) -> F:
    """Layers as arguments, over those of `--policy`."""
    return click.argument("directories", nargs=-1, metavar="[DIR]...", type=click.Path(path_type=Path))(command)


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
