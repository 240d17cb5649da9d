"""An attestation: what a probe found, as an entry of a ledger holds it, and read back from there.

Entries hold no floats (contract: the audit ledger, "Bytes"), so numbers that are not whole stand as decimal strings.
The statement names the workload whose claims were judged, or None: then it is of the host at large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from unicodedata import category

import msgspec
from msgspec.structs import asdict
from policy_audit.canonical import MAX_INTEGER, canonical_bytes

from policy_engine.probe.report import Rate, Report
from policy_engine.probe.verdict import ClaimVerdict

FORMAT = "policy-engine/v1"
KIND = "ProbeAttestation"
_SIGNIFICANT = 6
#: No device comes near, in GB/s or TFLOP/s.
_MOST = 1e9


def attestation_of(
    report: Report, verdicts: Sequence[ClaimVerdict], workload: str | None, valid_until: str | None = None
) -> dict[str, Any]:
    """Return the statement about `report`, in the profile of entries; `valid_until` is a date, its last day."""
    claims = [
        {name: value for name, value in asdict(each).items() if name in ("name", "gpu", "claimed", "unit", "verdict")}
        for each in verdicts
    ]
    document = {
        "apiVersion": FORMAT,
        "kind": KIND,
        "workload": workload,
        "valid_until": valid_until,
        "claims": claims,
        "report": msgspec.to_builtins(report),
    }
    found: dict[str, Any] = without_floats(document)
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
    _check_texts(attestation)
    report = msgspec.convert(attestation.get("report"), Report, strict=False)
    _check_numbers(report)
    return report


def without_floats(value: Any) -> Any:
    """Return plain data in the profile of entries, which hold no floats: they stand as decimal strings."""
    if isinstance(value, dict):
        return {key: without_floats(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_floats(each) for each in value]
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


def _check_texts(value: Any) -> None:
    """Refuse a text with a control character: names are shown to people, each on its line."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _check_texts(each)
    elif isinstance(value, str) and any(category(character) == "Cc" for character in value):
        raise ValueError("a text holds a control character")


def _check_numbers(report: Report) -> None:
    """Refuse what no probe measures: a number that is negative, none or beyond bounds, or more memory than there is."""
    for device in report.devices:
        memory = device.memory
        sizes = [memory.touched_bytes, memory.total_bytes, memory.limit_bytes, memory.free_bytes]
        if not all(0 <= size <= MAX_INTEGER for size in sizes if size is not None):
            raise ValueError(f"a size of the device {device.index} is none that can be measured")
        if memory.total_bytes is not None and memory.touched_bytes > memory.total_bytes:
            raise ValueError(f"more of the device {device.index} was written than there is")
        kept = device.sustained
        _refuse([*_numbers(device.rates), *((kept.seconds, kept.first, kept.last) if kept is not None else ())])
    _refuse([*_numbers(report.between), report.seconds])


def _numbers(rates: Sequence[Rate]) -> list[float]:
    return [number for rate in rates for number in (*rate.rounds, *rate.busy, rate.intensity or 0.0)]


def _refuse(numbers: Sequence[float]) -> None:
    if not all(0 <= number <= _MOST for number in numbers):
        raise ValueError("a number is none that can be measured")
