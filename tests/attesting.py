"""Attestations as a probe on a host with two A100s would record them: readings of such cards, made up here as data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from policy_audit.keys import Signer

from policy_engine.catalog.sizing import GIB
from policy_engine.probe.attestation import attestation_of
from policy_engine.probe.report import Device, Host, Memory, Rate, Report
from policy_engine.vouching.attested import attestation_body

A100 = "NVIDIA A100-SXM4-80GB"
HOST = "gpu-01"


def memory(touched_gib: float = 76.6, total_gib: float = 79.25, **more: Any) -> Memory:
    known = {"total_bytes": int(total_gib * GIB), "touched_bytes": int(touched_gib * GIB), "intact": True}
    return Memory(**(known | more))


def device(index: int = 0, name: str = A100, **more: Any) -> Device:
    rates = (
        Rate(name="copy", rounds=(1640.0, 1655.5, 1651.0)),
        Rate(name="bf16", rounds=(248.0, 251.25, 250.5)),
        Rate(name="fp32", rounds=(18.5, 18.6, 18.4)),
    )
    known = {"type": "cuda", "backend": "cuda", "memory": memory(), "rates": rates, "driver": "580.65"}
    return Device(index=index, name=name, uuid=f"GPU-{index}", **(known | more))


def report(*devices: Device, measured_at: datetime | None = None, **host: Any) -> Report:
    at = (measured_at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    known = {"name": HOST, "machine": "0" * 64, "system": "Linux"}
    return Report(
        measured_at=at,
        seconds=21.5,
        seed=7,
        host=Host(**(known | host)),
        devices=devices or (device(0), device(1)),
        versions={"torch": "2.13.0"},
    )


def body(found: Report, workload: str | None, valid_until: str | None = None, signer: Signer | None = None) -> Any:
    """Return the body of the entry that records the report."""
    return attestation_body(attestation_of(found, (), workload, valid_until), signer)
