"""What was measured over what arithmetic says of the same claims."""

from __future__ import annotations

from typing import Any

from policy_engine.catalog import GpuClaim, HardwareClaim, ServesClaim, judge_hardware
from policy_engine.loading.policy import load_policy
from policy_engine.probe.overlay import overlay
from policy_engine.probe.verdicts import judge_measured
from tests.attesting import A100, device, memory, report

CATALOG = load_policy().catalog
SERVES = ServesClaim("llama-3.1-8b", "bf16", 1000.0, 1, 10, 10)


def laid(claim: HardwareClaim, *devices: Any) -> dict[tuple[int | None, str], tuple[str, str]]:
    found = overlay(judge_hardware(CATALOG, claim), judge_measured(CATALOG, claim, report(*devices)))
    return {(each.row, each.name): (each.verdict, each.grade) for each in found}


def test_nothing_measured_changes_nothing() -> None:
    findings = judge_hardware(CATALOG, HardwareClaim((GpuClaim(A100, 2),)))
    assert overlay(findings, ()) == findings


def test_each_row_has_its_own_measurement_and_what_is_served_comes_last() -> None:
    claim = HardwareClaim((GpuClaim(A100, 1, memory_gb=80), GpuClaim("L4", 1)), serves=SERVES)
    l4 = device(1, "NVIDIA L4", memory=memory(11.0, 11.5))
    found = laid(claim, device(0), l4)
    assert {found[0, name] for name in ("name", "count", "memory_gb")} == {("verified", "measured")}
    # the memory of the L4 is not claimed, and yet counted on
    assert found[1, "memory_gb"] == ("contradicted", "measured")
    assert found[1, "name"] == ("holds", "specification")
    assert [row for row, _ in found][-2:] == [None, None]


def test_a_device_that_no_catalog_knows_stands_by_its_measurement() -> None:
    own = "ACME Frobnicator 9"
    claim = HardwareClaim((GpuClaim(own, 2, memory_gb=80),))
    assert {verdict for verdict, _ in laid(claim, device(0, own), device(1, own)).values()} == {"verified"}


def test_what_arithmetic_contradicts_stays_contradicted() -> None:
    claim = HardwareClaim((GpuClaim(A100, 2, memory_gb=160, bandwidth_gb_s=4000),))
    found = laid(claim)
    assert found[0, "memory_gb"] == ("contradicted", "specification")
    assert found[0, "bandwidth_gb_s"] == ("contradicted", "specification")


def test_what_measuring_cannot_tell_is_said_beside_what_holds() -> None:
    claim = HardwareClaim((GpuClaim(A100, 2, memory_gb=80),))
    measured = judge_measured(CATALOG, claim, report(device(0, memory=memory(40.0)), device(1, memory=memory(40.0))))
    finding = next(each for each in overlay(judge_hardware(CATALOG, claim), measured) if each.name == "memory_gb")
    assert (finding.verdict, finding.grade) == ("holds", "specification")
    assert "measuring does not verify it: 40.0 GiB were written" in finding.why
