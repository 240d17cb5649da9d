"""Verdicts on hardware claims, and what several of them say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct


class Number(Struct, frozen=True, gc=False):
    """A number that decides, with its unit."""

    name: str
    value: float
    unit: str


class Verdict(Struct, frozen=True, gc=False):
    """What arithmetic says of a claim: it holds, it is contradicted, or (None) a needed figure is not known.

    `why` explains it in one line, `missing` names the facts that would decide it.
    """

    verdict: Literal["holds", "contradicted"] | None
    why: str
    numbers: tuple[Number, ...] = ()
    missing: tuple[str, ...] = ()


#: Claims about all of the hardware of which neither arithmetic nor a probe tells anything by themselves.
BEYOND = ("usd_per_hour", "region", "host")
FindingVerdict = Literal["verified", "holds", "contradicted", "unverifiable"]
ClaimGrade = Literal["arithmetic", "specification", "measured"]


class ClaimFinding(Struct, frozen=True, gc=False):
    """One single claim about the hardware, and what is said of it, as the decision holds it.

    `row` is the place in `hardware.gpus` and `gpu` the name there; both are None for a claim about all of it. `claimed`
    is None where the claim is not known. What arithmetic and published figures do not contradict `holds`: only a
    measurement says `verified`. `missing` names the facts that would decide an unverifiable claim; where there are
    none, only a measurement does.
    """

    name: str
    gpu: str | None
    row: int | None
    claimed: float | str | None
    unit: str | None
    verdict: FindingVerdict
    grade: ClaimGrade
    why: str
    numbers: tuple[Number, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def decides(self) -> bool:
        """Tell whether the finding counts in what all say together: not where nothing could ever decide it."""
        return self.verdict != "unverifiable" or bool(self.missing) or self.name not in BEYOND

    def document(self) -> dict[str, Any]:
        """Return the finding as a row of the decision's document."""
        return {
            "name": self.name,
            "gpu": self.gpu,
            "row": self.row,
            "claimed": self.claimed,
            "unit": self.unit,
            "verdict": self.verdict,
            "grade": self.grade,
            "why": self.why,
            "numbers": [{"name": each.name, "value": each.value, "unit": each.unit} for each in self.numbers],
            "missing": list(self.missing),
        }


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return what the parts say together: contradicted before unknown before holds."""
    found = [each.verdict for each in verdicts]
    wanted = "contradicted" if "contradicted" in found else None if None in found else "holds"
    parts = [each for each in verdicts if each.verdict == wanted]
    if len(parts) == 1:
        return parts[0]
    numbers = [each for part in parts for each in part.numbers]
    if len({each.name for each in numbers}) < len(numbers):
        numbers = list(dict.fromkeys(numbers))
    missing = dict.fromkeys([name for part in parts for name in part.missing])
    why = "; ".join(dict.fromkeys([part.why for part in parts]))
    return Verdict(parts[0].verdict, why, tuple(numbers), tuple(missing))
