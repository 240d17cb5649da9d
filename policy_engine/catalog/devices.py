"""Judge each claim about a device by itself: against the published figures of the device that has exactly its name.

Identity alone verifies nothing: a claim within the published figures holds, which says that nothing contradicts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from policy_engine.catalog.claims import NO_GPU, GpuClaim
from policy_engine.catalog.entries import Gpu
from policy_engine.catalog.rules import Rules
from policy_engine.catalog.sizing import GIB, MIB, peak_tflops
from policy_engine.catalog.verdicts import ClaimFinding, FindingVerdict, Number
from policy_engine.wording import number

#: A claimed figure may exceed the published one by so much: vendors round, and drivers report other units.
TOLERANCE = 0.04
#: The most that is no contradiction, as a multiple; the last part is for what floats lose of a claim on the border.
MOST = (1 + TOLERANCE) * (1 + 1e-9)
_UNITS = {"memory_gb": "GB", "memory_gib": "GiB", "memory_mib": "MiB"}
_RATES = (
    ("bandwidth_gb_s", "GB/s", "bandwidth"),
    ("bf16_tflops", "TFLOP/s", "dense bf16 arithmetic"),
    ("fp32_tflops", "TFLOP/s", "fp32 arithmetic"),
)
_NAMELESS = "the name of the device is not known"
_HOST = "the catalog has no published figures of a host without a GPU"
#: What is found where no device is claimed at all.
NO_DEVICES = ClaimFinding(
    *("gpus", None, None, None, None, "unverifiable", "arithmetic", "which devices there are is not known"),
    missing=("hardware.gpus",),
)


def claimed_gib(gpu: GpuClaim, rules: Rules) -> dict[str, float]:
    """Return the memory that each device is claimed to have, in GiB, by the field that claims it.

    INVARIANT: the same memory in GB, GiB and MiB is the same number, so that its unit decides nothing. Nine places of
    a GiB are a byte.
    """
    found = {}
    if gpu.memory_gb is not None:
        found["memory_gb"] = round(gpu.memory_gb * rules.card_gib_per_gb, 9)
    if gpu.memory_gib is not None:
        found["memory_gib"] = round(gpu.memory_gib, 9)
    if gpu.memory_mib is not None:
        found["memory_mib"] = round(gpu.memory_mib * (MIB / GIB), 9)
    return found


def published_gib(spec: Gpu, rules: Rules) -> float:
    """Return the memory of a device as published, in GiB."""
    return round(spec.memory_gb * rules.card_gib_per_gb, 9)


def is_one_host(gpu: GpuClaim) -> bool:
    """Tell whether the row is a host without a GPU that says no number: then it is one."""
    return gpu.name == NO_GPU and gpu.count is None and "count" not in gpu.unknown


def device_findings(
    gpu: GpuClaim, spec: Gpu | None, row: int, claimed: Mapping[str, float], published: float | None
) -> list[ClaimFinding]:
    """Return what is said of each claim of one row of `hardware.gpus`; `spec` None: no such device is published.

    `claimed` is the memory by `claimed_gib`, `published` that of `spec`, in GiB.
    """
    found = [_name(gpu, spec, row)]
    if not is_one_host(gpu):
        found.append(_count(gpu, row))
    for name, gib in claimed.items():
        found.append(_memory(gpu, spec, row, name, gib, published))
    for name, unit, what in _RATES:
        rate = getattr(gpu, name)
        if rate is not None:
            found.append(_rate(gpu, spec, row, name, unit, what, rate))
    if gpu.unknown:
        found += _unknown(gpu, row)
    return found


def _unknown(gpu: GpuClaim, row: int) -> list[ClaimFinding]:
    units = {**_UNITS, **{name: unit for name, unit, _ in _RATES}}
    why = "it is claimed, and the figure is not known"
    return [
        _open(gpu, row, name, None, unit, why, f"hardware.gpus.{name}")
        for name, unit in units.items()
        if name in gpu.unknown
    ]


def _open(
    gpu: GpuClaim, row: int, name: str, claimed: float | str | None, unit: str | None, why: str, *missing: str
) -> ClaimFinding:
    """Return what is said of a claim that nothing known decides."""
    return ClaimFinding(name, gpu.name, row, claimed, unit, "unverifiable", "arithmetic", why, (), missing)


def _name(gpu: GpuClaim, spec: Gpu | None, row: int) -> ClaimFinding:
    name = gpu.name
    if spec is not None:
        return ClaimFinding("name", name, row, name, None, "holds", "specification", _published(spec))
    if name is None:
        return _open(gpu, row, "name", None, None, _NAMELESS, "hardware.gpus.name")
    if name == NO_GPU:
        return _open(gpu, row, "name", name, None, _HOST)
    why = (
        f"the catalog does not know a device of exactly the name `{name}`, and takes none that only looks like it;"
        " a layer's catalog/gpus.yaml adds it, or an alias"
    )
    return _open(gpu, row, "name", name, None, why, f"catalog.gpus.{name}")


@lru_cache(maxsize=256)
def _published(spec: Gpu) -> str:
    said = f"published figures: {spec.memory_gb:g} GB, {spec.bandwidth_gb_s:,.0f} GB/s"
    peak = peak_tflops(spec)
    return said if peak is None else f"{said}, {peak:,.0f} TFLOP/s of dense 16-bit arithmetic"


def _count(gpu: GpuClaim, row: int) -> ClaimFinding:
    if gpu.count is None:
        why = "how many there are is not known"
        return _open(gpu, row, "count", None, "devices", why, "hardware.gpus.count")
    why = "no figure bounds how many there are"
    return ClaimFinding("count", gpu.name, row, gpu.count, "devices", "holds", "arithmetic", why)


def _memory(gpu: GpuClaim, spec: Gpu | None, row: int, name: str, gib: float, published: float | None) -> ClaimFinding:
    claimed = getattr(gpu, name)
    if spec is None or published is None:
        return _unpublished(gpu, row, name, _UNITS[name], claimed)
    why = f"{gib:.1f} GiB of memory are claimed, and a {spec.key} has {spec.memory_gb:g} GB ({published:.1f} GiB)"
    numbers = (Number("memory claimed", gib, "GiB"), Number("memory published", published, "GiB"))
    return _held_to(gpu, row, name, _UNITS[name], claimed, gib, published, why, numbers)


def _rate(gpu: GpuClaim, spec: Gpu | None, row: int, name: str, unit: str, what: str, claimed: float) -> ClaimFinding:
    published = None
    if spec is not None:
        published = spec.bandwidth_gb_s if name == "bandwidth_gb_s" else peak_tflops(spec)
    if spec is None or published is None:
        return _unpublished(gpu, row, name, unit, claimed)
    if name == "bf16_tflops" and spec.bf16_tflops is None:
        what = "dense 16-bit arithmetic"  # what is published is a figure in fp16
    numbers = (Number(f"{what} claimed", claimed, unit), Number(f"{what} published", published, unit))
    said = f"{number(claimed) if claimed < 100 else f'{claimed:,.0f}'} {unit} of {what} are claimed"
    if name != "fp32_tflops":
        why = f"{said}, and a {spec.key} has {published:,.0f}"
        return _held_to(gpu, row, name, unit, claimed, claimed, published, why, numbers)
    # No device computes more in 32 bits than its tensor units do in 16; below that nothing published says.
    numbers = (numbers[0], Number("arithmetic peak", published, unit))
    if claimed > published * MOST:
        why = f"{said}, and a {spec.key} has {published:,.0f} even in 16 bits"
        return ClaimFinding(name, gpu.name, row, claimed, unit, "contradicted", "specification", why, numbers)
    why = f"the catalog has no fp32 figure of a {spec.key}, only its {published:,.0f} {unit} in 16 bits"
    return ClaimFinding(name, gpu.name, row, claimed, unit, "unverifiable", "specification", why, numbers)


def _held_to(
    gpu: GpuClaim,
    row: int,
    name: str,
    unit: str,
    claimed: float,
    amount: float,
    published: float,
    why: str,
    numbers: tuple[Number, ...],
) -> ClaimFinding:
    verdict: FindingVerdict = "contradicted" if amount > published * MOST else "holds"
    if verdict == "holds" and amount > published:
        why += f"; {TOLERANCE:.0%} more may be rounding"
    return ClaimFinding(name, gpu.name, row, claimed, unit, verdict, "specification", why, numbers)


def _unpublished(gpu: GpuClaim, row: int, name: str, unit: str, claimed: float) -> ClaimFinding:
    if gpu.name is None:
        return _open(gpu, row, name, claimed, unit, _NAMELESS, "hardware.gpus.name")
    if gpu.name == NO_GPU:
        return _open(gpu, row, name, claimed, unit, _HOST)
    why = f"the catalog has no published figure of `{gpu.name}`"
    return _open(gpu, row, name, claimed, unit, why, f"catalog.gpus.{gpu.name}")
