"""The roofline of a probe: roofs as published and as measured, with what was measured and claimed on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim
from policy_engine.catalog.sizing import peak_tflops
from policy_engine.plots.roofline import Point, Roof
from policy_engine.probe.report import Device, Report
from policy_engine.probe.verdict import ClaimVerdict

_PRODUCTS = ("bf16", "fp16", "fp32")
#: Claimed figures -> the measured rate beside whose points they stand.
_CLAIMED = {"bf16_tflops": "bf16", "fp32_tflops": "fp32"}
#: Where a bandwidth is drawn: one operation for each byte, as in decoding a single stream in 16 bits.
_DECODING = 1.0


def roofs(catalog: Catalog, report: Report, claim: HardwareClaim | None) -> list[Roof]:
    """Return a roof for each kind of device, measured and published; devices of one name have one roof, the lowest."""
    found: dict[str, Roof] = {}
    for device in report.devices:
        roof = _measured(device)
        if roof is not None and (device.name not in found or roof.bandwidth_gb_s < found[device.name].bandwidth_gb_s):
            found[device.name] = roof
    names = [device.name for device in report.devices] + [
        gpu.name for gpu in (claim.gpus or () if claim else ()) if gpu.name
    ]
    published = {}
    for name in names:
        known = catalog.gpu(name)
        peak = peak_tflops(known) if known is not None else None
        if known is not None and peak is not None:
            published[known.key] = Roof(known.key, known.bandwidth_gb_s, peak, measured=False)
    return [*published.values(), *found.values()]


def _measured(device: Device) -> Roof | None:
    copy = device.rate("copy")
    peaks = [(rate.best, name) for name in _PRODUCTS if (rate := device.rate(name)) is not None and rate.best]
    if copy is None or copy.best is None or not peaks:
        return None
    peak, name = max(peaks)
    return Roof(f"{device.name} ({name})", copy.best, peak, measured=True)


def points(report: Report, verdicts: Sequence[ClaimVerdict]) -> list[Point]:
    """Return what was measured of each device, then each claim on a rate with its verdict."""
    return [*_measured_points(report), *_claims(report, verdicts)]


def _measured_points(report: Report) -> Iterator[Point]:
    for device in report.devices:
        where = f"{device.type}:{device.index} " if len(report.devices) > 1 else ""
        for rate in device.rates:
            if rate.best is not None and rate.intensity is not None:
                tflops = rate.best * rate.intensity / 1000 if rate.name == "decode" else rate.best
                yield Point(f"{where}{_words(rate.name)}", rate.intensity, tflops, "measured", None)


def _words(name: str) -> str:
    return "decode step" if name == "decode" else f"{name} product"


def _claims(report: Report, verdicts: Sequence[ClaimVerdict]) -> Iterator[Point]:
    for each in verdicts:
        if not isinstance(each.claimed, int | float):
            continue
        label = f"{each.gpu or 'each device'} {each.name}"
        if each.name == "bandwidth_gb_s":
            yield Point(label, _DECODING, each.claimed * _DECODING / 1000, "claim", each.verdict)
        elif each.name in _CLAIMED:
            yield Point(label, _intensity(report, _CLAIMED[each.name]), each.claimed, "claim", each.verdict)


def _intensity(report: Report, name: str) -> float:
    """Return the intensity of the measured product of that name; of one of 8,192 rows where there is none."""
    found = [rate.intensity for device in report.devices if (rate := device.rate(name)) is not None and rate.intensity]
    return max(found, default=2 * 8192 / 6)
