"""What is said of a hardware section, claim by claim: the devices, what they serve, and what that costs.

Each single claim has a finding with the numbers that decide it. The facts are what the findings say together, so that
a finding that is replaced (a measurement knows better) replaces what follows from it.

INVARIANT: taking knowledge away never turns a finding from `contradicted` into `holds`, or the other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from policy_engine.catalog.boxes import Box, box_of
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim, ServesClaim
from policy_engine.catalog.hardware import is_closed, served_of, unknown_model
from policy_engine.catalog.roofline import judge_hourly_price
from policy_engine.catalog.verdicts import ClaimFinding, FindingVerdict, Verdict

_OPEN: FindingVerdict = "unverifiable"
_NOTHING = "neither arithmetic nor a probe tells"
_COST = f"{_NOTHING} what it costs; with serves.tokens_per_hour the price of a token is held to the arithmetic"
_REGION = f"{_NOTHING} where it stands"
_HOST = f"{_NOTHING} which host it is in; an attestation of another host does not count"


def judge_hardware(catalog: Catalog, claim: HardwareClaim) -> tuple[ClaimFinding, ...]:
    """Return a finding for each single claim of `claim`, in the order of the file; remembered by the catalog."""
    key = ("findings", claim)
    found: tuple[ClaimFinding, ...] | None = catalog.remembered.get(key)
    if found is None:
        box = box_of(catalog, claim)
        served = () if claim.serves is None else _served(catalog, box, claim, claim.serves)
        found = (*box.findings, *served, *_beyond(claim))
        catalog.remember(key, found)
    return found


def judge_claim(catalog: Catalog, claim: HardwareClaim) -> Verdict:
    """Judge what is claimed of the hardware by itself: its figures, and the model that it is said to serve."""
    return summed(judge_hardware(catalog, claim))


def summed(findings: Sequence[ClaimFinding]) -> Verdict:
    """Return what the findings on a claim say together: the worst of them that decide. The numbers are theirs."""
    verdicts = [each.verdict for each in findings]
    if "contradicted" in verdicts:
        return _joined("contradicted", [each for each in findings if each.verdict == "contradicted"])
    if _OPEN in verdicts:
        left_open = [each for each in findings if each.verdict == _OPEN and each.decides]
        if left_open:
            return _joined(None, left_open)
    served = [each for each in findings if each.name.startswith("serves.")]
    return _joined("holds", served) if served else Verdict("holds", "nothing claimed exceeds the published figures")


def decided_by_serving(findings: Sequence[ClaimFinding]) -> bool:
    """Tell whether what the findings say together is about what is served, and not about the devices."""
    for verdict in ("contradicted", _OPEN):
        worst = [each.row for each in findings if each.verdict == verdict and each.decides]
        if worst:
            return all(row is None for row in worst) and findings[0].name != "gpus"
    for each in reversed(findings):
        if each.verdict != _OPEN:
            return each.row is None
    return False


def grade_beneath(findings: Sequence[ClaimFinding]) -> str:
    """Return the weakest grade of what the findings rest on: the claims, which are declared unless measured."""
    for each in findings:
        if each.grade != "measured" and each.decides:
            return "declared"
    return "measured"


def proposal_finding(model: str, judged: Verdict) -> ClaimFinding:
    """Return what is said of the proposed model on the claimed hardware."""
    return _finding("proposal.model", model, None, judged)


def _served(catalog: Catalog, box: Box, claim: HardwareClaim, serves: ServesClaim) -> tuple[ClaimFinding, ...]:
    known, model = served_of(catalog, claim), catalog.model(serves.model)
    if known is None or model is None:
        memory = rate = unknown_model(serves.model, "hardware.serves.model")
    else:
        memory, rate = known.memory, known.rate
    found = (
        _finding("serves.model", serves.model, None, memory),
        _finding("serves.tokens_per_hour", serves.tokens_per_hour, "tokens/hour", rate),
    )
    if claim.usd_per_hour is None or serves.tokens_per_hour is None:
        return found
    price = memory
    if model is not None:
        price = rate if is_closed(model) else judge_hourly_price(box, model, serves, claim.usd_per_hour)
    return (*found, _finding("usd_per_hour", claim.usd_per_hour, "USD/hour", price))


def _beyond(claim: HardwareClaim) -> Iterator[ClaimFinding]:
    """Yield what is said of claims that nothing here decides, so that none goes unmentioned."""
    usd = claim.usd_per_hour
    if usd is not None and (claim.serves is None or claim.serves.tokens_per_hour is None):
        missing = () if claim.serves is None else ("hardware.serves.tokens_per_hour",)
        yield _finding("usd_per_hour", usd, "USD/hour", Verdict(None, _COST, (), missing))
    for name, claimed, why in (("region", claim.region, _REGION), ("host", claim.host, _HOST)):
        if claimed is not None:
            yield _finding(name, claimed, None, Verdict(None, why))


def _finding(name: str, claimed: float | str | None, unit: str | None, judged: Verdict) -> ClaimFinding:
    verdict: FindingVerdict = judged.verdict or _OPEN
    why, numbers, missing = judged.why, judged.numbers, judged.missing
    return ClaimFinding(name, None, None, claimed, unit, verdict, "arithmetic", why, numbers, missing)


def _joined(verdict: Literal["holds", "contradicted"] | None, parts: Sequence[ClaimFinding]) -> Verdict:
    missing = dict.fromkeys([name for each in parts for name in each.missing])
    why = "; ".join(dict.fromkeys([each.why for each in parts]))
    return Verdict(verdict, why, (), tuple(missing))
