"""What is said of one claim about hardware, and of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

Word = Literal["verified", "contradicted", "unverifiable"]
#: What a verdict rests on: what was measured, or what is published or computed, which no measurement is needed for.
Basis = Literal["reading", "specification", "arithmetic"]
#: What is claimed of the devices themselves, and can be measured.
MEASURABLE = frozenset(
    {"count", "memory_gb", "memory_gib", "memory_mib", "bandwidth_gb_s", "bf16_tflops", "fp32_tflops"}
)


class ClaimVerdict(Struct, frozen=True):
    """A verdict on one thing that is claimed of `gpu`, in its `unit`.

    `row` is the place in `hardware.gpus`; both are None for what is claimed of the hardware at large.

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
    basis: Basis = "reading"
    row: int | None = None


class Judgement(NamedTuple):
    """A verdict without the claim that it is about."""

    verdict: Word
    why: str
    rounds: tuple[float, ...] = ()
    measured: float | None = None
    most: float | None = None
    basis: Basis = "reading"


def unverifiable(why: str) -> Judgement:
    """Return that nothing can be said, and why."""
    return Judgement("unverifiable", why)


def overall(verdicts: Sequence[ClaimVerdict]) -> Word:
    """Return what was measured of all that is claimed: contradicted where a reading contradicts any of it.

    Verified where every figure that can be measured is. What is published or computed contradicts a claim without any
    reading: arithmetic says so, and here it is no more than not verified.
    """
    if any(each.verdict == "contradicted" and each.basis == "reading" for each in verdicts):
        return "contradicted"
    measurable = [each for each in verdicts if each.name in MEASURABLE]
    return "verified" if measurable and all(each.verdict == "verified" for each in measurable) else "unverifiable"
