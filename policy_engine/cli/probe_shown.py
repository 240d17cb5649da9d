"""What `policy probe` prints: one document for programs, sections for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from policy_engine.cli.probe_attest import how_to_name
from policy_engine.cli.sections import Section
from policy_engine.probe.report import UNITS, Device, Host, Memory, Rate, Report
from policy_engine.probe.verdict import ClaimVerdict

_GIB = 1 << 30
_NAMES = {
    "copy": "copy in memory",
    "fp32": "fp32 product",
    "bf16": "bf16 product",
    "fp16": "fp16 product",
    "fp8": "fp8 product",
    "decode": "decode step",
    "host_to_device": "host to device",
    "peer": "device to device",
}


def document(report: Report, verdicts: Sequence[ClaimVerdict], attestation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the run as one JSON value; `device` is the first one."""
    found = msgspec.to_builtins(report)
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "Probe",
        "measured_at": found["measured_at"],
        "seconds": found["seconds"],
        "seed": found["seed"],
        "device": found["devices"][0],
        "claims": [msgspec.to_builtins(each) for each in verdicts],
        "attestation": attestation,
        "devices": found["devices"],
        "between": found["between"],
        "host": found["host"],
        "versions": found["versions"],
        "notes": found["notes"],
    }


def sections(report: Report, verdicts: Sequence[ClaimVerdict], attestation: Mapping[str, Any] | None) -> list[Section]:
    """Return the run for people: the claims first, then what was measured, what disturbed it, what was not read."""
    found = [Section("Claims", header=("=Verdict", "=Claim", ">Claimed", "~Why"), rows=_claim_rows(verdicts))]
    found = found if verdicts else []
    for device in report.devices:
        found += list(_device(device, len(report.devices) > 1))
    if report.between:
        found.append(Section("Between devices", header=_HEADER, rows=[_rate_row(each) for each in report.between]))
    found.append(Section("Host", pairs=list(_host(report.host))))
    found.append(Section("Run", pairs=list(_run(report)), lines=report.notes))
    lines = how_to_name(attestation) if attestation is not None else ["none was recorded"]
    found.append(Section("Attestation", lines=lines))
    return found


_HEADER = ("=Measured", ">Best", "=Unit", ">Spread", "~Rounds")


def _claim_rows(verdicts: Sequence[ClaimVerdict]) -> list[tuple[str, str, str, str]]:
    return [
        (
            each.verdict,
            f"{each.gpu}: {each.name}" if each.gpu else each.name,
            f"{_figure(each.claimed)} {each.unit}".strip() if each.claimed is not None else "-",
            each.why,
        )
        for each in verdicts
    ]


def _device(device: Device, several: bool) -> Iterator[Section]:
    number = f" {device.index}" if several else ""
    pairs = [("Memory", memory_text(device.memory))]
    if device.uuid or device.driver:
        pairs.append(("Identity", ", ".join(filter(None, (device.uuid, f"driver {device.driver or 'not known'}")))))
    if device.ecc is not None:
        pairs.append(("Error correction", "on" if device.ecc else "off"))
    if device.threads is not None:
        pairs.append(("Threads", str(device.threads)))
    kept = device.sustained
    if kept is not None:
        said = f"{_figure(kept.first)} TFLOP/s at first, {_figure(kept.last)} at last, after {kept.seconds:.1f} s"
        pairs.append(("Kept up", said))
    yield Section(f"Device{number}: {device.name} ({device.backend})", pairs=pairs)
    yield Section(header=_HEADER, rows=[_rate_row(rate) for rate in device.rates])
    if device.disturbed:
        yield Section("Not known to be undisturbed", lines=device.disturbed)
    if device.unread:
        yield Section("Not read", lines=device.unread)


def memory_text(memory: Memory) -> str:
    """Say what of a memory was found."""
    total = f"{memory.total_bytes / _GIB:,.1f} GiB" if memory.total_bytes is not None else "an unknown size"
    parts = [f"{total}, {memory.touched_bytes / _GIB:,.2f} GiB written and read back"]
    if memory.intact is False:
        parts = [f"{total}: what was written did not read back"]
    if memory.limit_bytes is not None:
        parts.append(f"limited to {memory.limit_bytes / _GIB:,.2f} GiB by {memory.limited_by}")
    if memory.stopped:
        parts.append(f"no more because {memory.stopped}")
    return "; ".join(parts)


def _rate_row(rate: Rate) -> tuple[str, str, str, str, str]:
    name, unit = _NAMES[rate.name], UNITS[rate.name]
    if rate.best is None:
        return name, "-", unit, "-", rate.problem or "not measured"
    return name, _figure(rate.best), unit, f"{rate.spread:.2f}", ", ".join(map(_figure, rate.rounds))


def _host(host: Host) -> Iterator[tuple[str, str]]:
    yield "Name", host.name
    yield "System", host.system
    yield "Processor", f"{host.cpu or 'not known'}, {host.cpus or 'an unknown number of'} of them"
    yield "Machine", host.machine or "no machine id"
    if host.ci:
        yield "CI", host.ci
    if host.hidden:
        yield "Devices may be hidden by", ", ".join(host.hidden)
    yield "Interposers", ", ".join(host.interposers) or "none found"


def _run(report: Report) -> Iterator[tuple[str, str]]:
    yield "Measured", f"{report.measured_at}, in {report.seconds:.1f} s, seed {report.seed}"
    yield "Versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())


def _figure(value: float | str) -> str:
    """Return a number for people: four digits that count, thousands marked."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
