"""Verdicts on hardware claims, and what several of them say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct


class Number(Struct, frozen=True):
    """A number that decides, with its unit."""

    name: str
    value: float
    unit: str


class Verdict(Struct, frozen=True):
    """What arithmetic says of a claim: it holds, it is contradicted, or (None) a needed figure is not known.

    `why` explains it in one line, `missing` names the facts that would decide it.
    """

    verdict: Literal["holds", "contradicted"] | None
    why: str
    numbers: tuple[Number, ...] = ()
    missing: tuple[str, ...] = ()


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return what the parts say together: contradicted before unknown before holds."""
    for wanted in ("contradicted", None, "holds"):
        parts = [each for each in verdicts if each.verdict == wanted]
        if parts:
            numbers = {(each.name, each.value): each for part in verdicts for each in part.numbers}
            missing = dict.fromkeys(name for part in parts for name in part.missing)
            why = "; ".join(dict.fromkeys(part.why for part in parts))
            return Verdict(parts[0].verdict, why, tuple(numbers.values()), tuple(missing))
    raise AssertionError("no verdict to combine")
