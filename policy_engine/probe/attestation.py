"""An attestation: what a probe found, as an entry of a ledger holds it, and read back from there.

Entries hold no floats (contract: the audit ledger, "Bytes"), so numbers that are not whole stand as decimal strings.
The statement names the workload whose claims were judged, or None: then it is of the host at large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import asdict
from policy_audit.canonical import canonical_bytes

from policy_engine.probe.report import Device, Rate, Report, Sustained
from policy_engine.probe.verdict import ClaimVerdict

FORMAT = "policy-engine/v1"
KIND = "ProbeAttestation"
_SIGNIFICANT = 6


def attestation_of(report: Report, verdicts: Sequence[ClaimVerdict], workload: str | None) -> dict[str, Any]:
    """Return the statement about `report`, in the profile of entries."""
    claims = [
        {name: value for name, value in asdict(each).items() if name in ("name", "gpu", "claimed", "unit", "verdict")}
        for each in verdicts
    ]
    document = {
        "apiVersion": FORMAT,
        "kind": KIND,
        "workload": workload,
        "claims": claims,
        "report": msgspec.to_builtins(report),
    }
    found: dict[str, Any] = _without_floats(document)
    return found


def attestation_digest(attestation: Any) -> str:
    """Return the SHA-256 of the statement's canonical bytes, in hexadecimal.

    Raises:
        CanonicalError: it is not of the profile of entries, or too large for one.
    """
    return sha256(canonical_bytes(attestation)).hexdigest()


def report_of(attestation: Any) -> Report:
    """Return the report that an attestation holds.

    Raises:
        ValueError: it holds none that this program writes.
    """
    if not isinstance(attestation, dict) or (attestation.get("apiVersion"), attestation.get("kind")) != (FORMAT, KIND):
        raise ValueError("it is no attestation of a probe")
    report = msgspec.convert(attestation.get("report"), Report, strict=False)
    _check_numbers(report)
    return report


def _without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_floats(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_floats(each) for each in value]
    return decimal(value) if isinstance(value, float) else value


def decimal(value: float) -> str:
    """Return a number as decimal digits, six of which count, without an exponent."""
    if not math.isfinite(value):
        return "0"
    if value == 0:
        return "0"
    places = max(0, _SIGNIFICANT - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _check_numbers(report: Report) -> None:
    """Refuse what no probe measures: a number that is negative, infinite or none, or more memory than there is."""
    for device in report.devices:
        memory = device.memory
        sizes = [memory.touched_bytes, memory.total_bytes, memory.limit_bytes, memory.free_bytes]
        rates = [*_numbers(device.rates), *(_sustained(device.sustained) if device.sustained is not None else ())]
        if memory.total_bytes is not None and memory.touched_bytes > memory.total_bytes:
            raise ValueError(f"more of the device {device.index} was written than there is")
        _refuse([*[float(size) for size in sizes if size is not None], *rates], device)
    _refuse(list(_numbers(report.between)), None)


def _numbers(rates: Sequence[Rate]) -> list[float]:
    return [number for rate in rates for number in (*rate.rounds, *rate.busy)]


def _sustained(kept: Sustained) -> tuple[float, ...]:
    return kept.seconds, kept.first, kept.last


def _refuse(numbers: Sequence[float], device: Device | None) -> None:
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        where = f"of the device {device.index}" if device is not None else "between devices"
        raise ValueError(f"a number {where} is none that can be measured")
