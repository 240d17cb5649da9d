"""Lay what a probe measured over what arithmetic says of the same claims: who measured knows better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim
from policy_engine.catalog.sizing import GIB, MIB
from policy_engine.catalog.verdicts import ClaimFinding, Number
from policy_engine.probe.verdict import ClaimVerdict

#: What makes up a device: where both are verified, so is its name.
_BODILY = ("count", "memory_gb", "memory_gib", "memory_mib")


def overlay(findings: Sequence[ClaimFinding], measured: Sequence[ClaimVerdict]) -> tuple[ClaimFinding, ...]:
    """Return the findings with the measured verdicts in the place of those that they replace.

    INVARIANT: arithmetic's `contradicted` stays, whatever was measured.
    """
    if not measured:
        return tuple(findings)
    by_claim = {(each.row, each.name): each for each in measured}
    found = [_laid(finding, by_claim.pop((finding.row, finding.name), None)) for finding in findings]
    named = list(_names(found, [each for each in measured if each.row is not None]))
    # the memory of a device is measured where it is only published, too
    more = [_finding(each) for each in by_claim.values() if each.verdict != "unverifiable" and each.basis == "reading"]
    devices, at_large = ([each for each in (*named, *more) if (each.row is None) is large] for large in (False, True))
    return (*devices, *at_large)


def held_to(catalog: Catalog, claim: HardwareClaim, measured: Sequence[ClaimVerdict]) -> HardwareClaim:
    """Return the claim with no more memory than its devices were measured to have.

    What is verified may be a little less than is claimed; what runs there has to fit what is there.
    """
    units = {"memory_gb": catalog.rules.card_gib_per_gb, "memory_gib": 1.0, "memory_mib": MIB / GIB}
    verified = [each for each in measured if each.name in units and each.verdict == "verified"]
    most = {each.row: each.most * units[each.name] for each in verified if each.most is not None}
    rows = [
        gpu if row not in most else replace(gpu, memory_gib=min(most[row], gpu.memory_gib or most[row]))
        for row, gpu in enumerate(claim.gpus or ())
    ]
    return replace(claim, gpus=tuple(rows)) if most else claim


def _laid(finding: ClaimFinding, measured: ClaimVerdict | None) -> ClaimFinding:
    if measured is None or finding.verdict == "contradicted" or measured.basis != "reading" or measured.claimed is None:
        return finding
    if measured.verdict == "unverifiable":
        if not finding.decides:
            return finding  # it says already that nothing here tells
        return replace(finding, why=f"{finding.why}; measuring does not verify it: {measured.why}")
    numbers = (*finding.numbers, *_numbers(measured))
    return replace(finding, verdict=measured.verdict, grade="measured", why=measured.why, numbers=numbers, missing=())


def _names(findings: Iterable[ClaimFinding], measured: Sequence[ClaimVerdict]) -> Iterator[ClaimFinding]:
    for finding in findings:
        own = [each for each in measured if each.row == finding.row and each.name in _BODILY]
        whole = own and all(each.verdict == "verified" for each in own)
        if finding.name == "name" and finding.verdict != "contradicted" and whole and finding.claimed is not None:
            why = "devices of exactly this name were measured"
            yield replace(finding, verdict="verified", grade="measured", why=why, missing=())
        else:
            yield finding


def _finding(each: ClaimVerdict) -> ClaimFinding:
    return ClaimFinding(
        each.name, each.gpu, each.row, each.claimed, each.unit, each.verdict, "measured", each.why, _numbers(each)
    )


def _numbers(measured: ClaimVerdict) -> tuple[Number, ...]:
    pairs = (("measured", measured.measured), ("at most, undisturbed", measured.most))
    return tuple(Number(name, value, measured.unit) for name, value in pairs if value is not None)
