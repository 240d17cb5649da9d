"""What is said of one claim about hardware."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

Word = Literal["verified", "contradicted", "unverifiable"]


class ClaimVerdict(Struct, frozen=True):
    """A verdict on one thing that is claimed of `gpu` (None: of the hardware at large), in its `unit`.

    `rounds` are the readings behind it, `measured` the best of them, `most` what the device might do undisturbed,
    all in that unit.
    """

    name: str
    gpu: str | None
    claimed: float | str | None
    unit: str
    verdict: Word
    why: str
    rounds: tuple[float, ...] = ()
    measured: float | None = None
    most: float | None = None


class Judgement(NamedTuple):
    """A verdict without the claim that it is about."""

    verdict: Word
    why: str
    rounds: tuple[float, ...] = ()
    measured: float | None = None
    most: float | None = None


def unverifiable(why: str) -> Judgement:
    """Return that nothing can be said, and why."""
    return Judgement("unverifiable", why)
