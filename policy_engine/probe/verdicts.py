"""Hold hardware claims to what a probe measured: verified, contradicted, or unverifiable with the reason.

B is the best rate over the rounds, c the claim, t the tolerance:

    1. a claim above the published figure is contradicted, whatever anyone measures
    2. verified       if B >= c (1 - t)
    3. contradicted   if B k < c (1 - t)
    4. unverifiable   otherwise, and wherever a reading cannot be trusted

k is what a device may have been slowed down by others: 1.25 where it is known to be this process's alone and steady,
else 3.2: on a shared host one quiet-looking run was seen to differ by 3.15 from the next.

INVARIANT: a device that does what is claimed of it is never contradicted, however busy it is; identity alone verifies
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import NO_GPU, GpuClaim, HardwareClaim
from policy_engine.catalog.devices import MOST, is_one_host
from policy_engine.catalog.entries import Gpu
from policy_engine.catalog.sizing import GIB, MIB, peak_tflops
from policy_engine.probe.report import Device, Memory, Rate, Report
from policy_engine.probe.serving import serving_verdicts
from policy_engine.probe.verdict import ClaimVerdict, Judgement, unverifiable

#: How much less than claimed still counts as the claim: drivers keep some memory, copies and products lose some rate.
MEMORY_TOLERANCE, BANDWIDTH_TOLERANCE = 0.04, 0.25
#: Graphics memory that corrects errors in line (T4, L4, L40S, ...) reports a sixteenth less than it is sold by, and
#: hosts keep some for firmware. Where as much is reported, all of it but what driver and reserve hold is to be touched.
AS_SOLD, HELD_BACK_BYTES = 15 / 16, 1 << 30
#: Products of NVIDIA's libraries reach 0.6 of the published peak and more; others are known to reach less.
PRODUCT_TOLERANCE = {"cuda": 0.40, "cpu": 0.40}
OTHER_PRODUCT_TOLERANCE = 0.60
NO_MEMORY = "neither the claim nor the catalog says how much memory it has"
STEADY_SPREAD = 1.15
STEADY_FACTOR, SHARED_FACTOR = 1.25, 3.2
#: A CPU measured with fewer threads than it has processors may do so much of what all of them would.
LEAST_SCALING = 1.6
#: A reading taken with less of the processors than this tells no more than one with this.
LEAST_BUSY = 0.05
ALL_ROUNDS = 3
#: More than the published figure by so much is no reading of that device.
IMPLAUSIBLE = 1.10


def judge_measured(catalog: Catalog, claim: HardwareClaim, report: Report) -> tuple[ClaimVerdict, ...]:
    """Return a verdict on each single thing that `claim` says of the hardware, in its order.

    Rows of one device, by whatever name, share what there is of it. A row without a name is held to what the named ones
    leave: it is not said which device is meant, so that nothing there contradicts it.
    """
    rows = claim.gpus or ()
    shared = _shared(catalog, rows, report)
    found: list[ClaimVerdict] = []
    for row, gpu in enumerate(rows):
        verdicts = _row(catalog, gpu, shared[_key(catalog, gpu)], report)
        found += [replace(each if gpu.name is not None else _open(each), row=row) for each in verdicts]
    matched = [(gpu, shared[_key(catalog, gpu)].devices) for gpu in rows]
    found += serving_verdicts(catalog, claim, matched, slack)
    if claim.usd_per_hour is not None:
        why = "no probe measures a price"
        found.append(ClaimVerdict("usd_per_hour", None, claim.usd_per_hour, "USD/hour", "unverifiable", why))
    if claim.host is not None:
        there = claim.host == report.host.name
        why = "the probe ran there" if there else f"the probe ran on `{report.host.name}`"
        found.append(ClaimVerdict("host", None, claim.host, "", "verified" if there else "unverifiable", why))
    if claim.region is not None:
        why = "no probe tells where a host stands"
        found.append(ClaimVerdict("region", None, claim.region, "", "unverifiable", why))
    return tuple(found)


class _Shared(NamedTuple):
    """The devices that all rows of one name speak of, and how many the rows claim together."""

    devices: list[Device]
    claimed: int


def _shared(catalog: Catalog, rows: Sequence[GpuClaim], report: Report) -> dict[str | None, _Shared]:
    named: dict[str | None, list[GpuClaim]] = {}
    for gpu in rows:
        named.setdefault(_key(catalog, gpu), []).append(gpu)
    found: dict[str | None, _Shared] = {}
    taken: list[Device] = []
    for key, gpus in named.items():
        devices = [] if key is None else matching(catalog, gpus[0], report)
        claimed = sum(gpu.count or 1 for gpu in gpus)
        found[key] = _Shared(devices, claimed)
        taken += devices[:claimed]
    if None in found:
        found[None] = _Shared([each for each in report.devices if each not in taken], found[None].claimed)
    return found


def _key(catalog: Catalog, gpu: GpuClaim) -> str | None:
    return None if gpu.name is None else canonical_name(catalog, gpu.name)


def _open(verdict: ClaimVerdict) -> ClaimVerdict:
    """Take back a contradiction by a device that may not be the one that is meant."""
    if verdict.verdict != "contradicted" or verdict.basis != "reading":
        return verdict
    return replace(verdict, verdict="unverifiable", why=f"{verdict.why}; the claim does not say which device it means")


def claimed_memory_bytes(catalog: Catalog, claim: HardwareClaim) -> int | None:
    """Return the most memory that is claimed of a device, or counted on as published; None where none is known."""
    units = {"memory_gb": GIB * catalog.rules.card_gib_per_gb, "memory_gib": GIB, "memory_mib": MIB}
    figures = (each for gpu in claim.gpus or () for each in _figures(gpu, catalog.gpu(gpu.name)))
    found = [value * units[name] for name, _, value in figures if name in units and value is not None]
    return int(max(found)) if found else None


def matching(catalog: Catalog, gpu: GpuClaim, report: Report) -> list[Device]:
    """Return the devices of exactly the claimed name, by the catalog's aliases; none where no name is claimed."""
    if gpu.name is None:
        return []
    if gpu.name == NO_GPU:
        return [each for each in report.devices if each.type == "cpu"]
    wanted = canonical_name(catalog, gpu.name)
    return [each for each in report.devices if each.type != "cpu" and canonical_name(catalog, each.name) == wanted]


def canonical_name(catalog: Catalog, name: str) -> str:
    """Return the name that the catalog keeps a device under; one that it does not know stands for itself."""
    known = catalog.gpu(name)
    return known.key if known is not None else name


def slack(device: Device, rate: Rate) -> float:
    """Return k: by how much others may have slowed `device` down while `rate` was measured.

    On a CPU it is measured how much of its processors the process had while the best reading was taken. Where it lacked
    much, that counts instead, twice: with shared caches what it had was slower, too. Half as much again where there
    was no time for all rounds: the best of few samples is further from what the device can do. And processors that were
    not used at all, because fewer threads were faster in a busy moment or no more were allowed, might have been.
    """
    steady = not device.disturbed and rate.spread <= STEADY_SPREAD
    if steady:
        return STEADY_FACTOR
    lacked = 2 / max(_busy(rate), LEAST_BUSY) if rate.busy else 0.0
    unused = (device.processors or 1) / (device.threads or 1) if device.type == "cpu" else 1.0
    return max(SHARED_FACTOR, lacked * (1.0 if len(rate.rounds) >= ALL_ROUNDS else 1.5), LEAST_SCALING * unused)


def _busy(rate: Rate) -> float:
    """Return which part of its processors the process had while the best reading was taken; 1 where it is not told."""
    return max(zip(rate.rounds, rate.busy, strict=False), default=(0.0, 1.0))[1]


def _row(catalog: Catalog, gpu: GpuClaim, shared: _Shared, report: Report) -> Iterator[ClaimVerdict]:
    devices = shared.devices
    there = ", ".join(dict.fromkeys(each.name for each in report.devices)) or "no device"
    absent = (
        f"this host has no `{gpu.name}`: it has {there} (a processor is claimed as `{NO_GPU}`)"
        if gpu.name is not None
        else "this host has no other device"
    )
    short = len(devices) < shared.claimed
    if short or not is_one_host(gpu):
        judged = _count(shared, report) if devices else unverifiable(absent)
        if gpu.count is None and not is_one_host(gpu) and judged.verdict != "contradicted":
            judged = unverifiable("how many there are is not claimed")
        yield ClaimVerdict("count", gpu.name, gpu.count, "devices", *judged)
    spec = catalog.gpu(gpu.name)
    for name, unit, claimed in _figures(gpu, spec):
        if not devices:
            judged = unverifiable(absent)
        elif claimed is None:
            judged = unverifiable("the claim gives no figure" if name in gpu.unknown else NO_MEMORY)
        else:
            each = [_trusted(_figure(catalog, name, claimed, device, spec), report) for device in devices]
            judged = _together(each, shared.claimed)
            if short and judged.verdict == "verified":
                judged = unverifiable(f"{len(devices)} of {shared.claimed} are here, of which: {judged.why}")
        yield ClaimVerdict(name, gpu.name, claimed, unit, *judged)


def _figures(gpu: GpuClaim, spec: Gpu | None) -> Iterator[tuple[str, str, float | None]]:
    """Yield what is claimed of each device; the published memory where none is, for a decision counts on it."""
    units = {"memory_gb": "GB", "memory_gib": "GiB", "memory_mib": "MiB"}
    given = [name for name in units if getattr(gpu, name) is not None or name in gpu.unknown]
    for name in given:
        yield name, units[name], getattr(gpu, name)
    if not given:
        yield "memory_gb", "GB", spec.memory_gb if spec is not None else None
    for name, unit in (("bandwidth_gb_s", "GB/s"), ("bf16_tflops", "TFLOP/s"), ("fp32_tflops", "TFLOP/s")):
        if getattr(gpu, name) is not None or name in gpu.unknown:
            yield name, unit, getattr(gpu, name)


def _count(shared: _Shared, report: Report) -> Judgement:
    devices, claimed = shared
    whole = [each for each in devices if each.memory.touched_bytes and each.memory.intact]
    said = f"{len(devices)} found, of which {len(whole)} were measured, and {claimed} are claimed in all"
    if len(whole) >= claimed:
        return _trusted(Judgement("verified", said, (float(len(whole)),)), report)
    if len(devices) >= claimed:
        return unverifiable(said)
    if devices[0].type == "cpu":
        return unverifiable(f"{said}: one host is measured at a time")
    if report.host.hidden:
        return unverifiable(f"{said}; more may be hidden from this process ({', '.join(report.host.hidden)})")
    return Judgement("contradicted", said, (float(len(devices)),))


def _figure(catalog: Catalog, name: str, claimed: float, device: Device, spec: Gpu | None) -> Judgement:
    if name in ("memory_gb", "memory_gib", "memory_mib"):
        return _memory(catalog, name, claimed, device, spec)
    if name == "bandwidth_gb_s":
        return _rate(claimed, device, device.rate("copy"), BANDWIDTH_TOLERANCE, spec.bandwidth_gb_s if spec else None)
    tolerance = PRODUCT_TOLERANCE.get(device.backend, OTHER_PRODUCT_TOLERANCE)
    peak = peak_tflops(spec) if spec else None
    if name == "fp32_tflops":
        # no 32-bit figure is published, and none is above the 16-bit peak
        return _rate(claimed, device, device.rate("fp32"), tolerance, peak)
    # a device without bf16 in hardware is sold by its fp16 figure, which is what the catalog has of it
    sixteen = [rate for rate in (device.rate("bf16"), device.rate("fp16")) if rate is not None]
    best = max(sixteen, key=lambda rate: rate.best or 0.0, default=None)
    return _rate(claimed, device, best, tolerance, peak)


def _memory(catalog: Catalog, name: str, claimed: float, device: Device, spec: Gpu | None) -> Judgement:
    memory = device.memory
    unit = {"memory_gb": GIB * catalog.rules.card_gib_per_gb, "memory_gib": GIB, "memory_mib": MIB}[name] or GIB
    claimed_bytes = claimed * unit
    least = reported = claimed_bytes * (1 - MEMORY_TOLERANCE)
    if name == "memory_gb" and (spec is not None or device.type == "cpu"):
        reported *= AS_SOLD
    published = spec.memory_gb * catalog.rules.card_gib_per_gb * GIB if spec is not None else None
    if published is not None and claimed_bytes > published * MOST:
        why = f"{claimed_bytes / GIB:,.1f} GiB are claimed, and {published / GIB:,.1f} are published"
        return Judgement("contradicted", why, basis="specification")
    if published is not None and memory.total_bytes is not None and memory.total_bytes >= reported:
        least = min(least, memory.total_bytes - HELD_BACK_BYTES)
    rounds = (memory.touched_bytes / unit,)
    most = memory.total_bytes / unit if memory.total_bytes is not None else None
    if memory.intact is False:
        return Judgement("contradicted", "what was written to its memory did not read back", rounds, 0.0, most)
    touched = f"{memory.touched_bytes / GIB:,.1f} GiB were written and read back"
    if memory.intact and memory.touched_bytes >= least:
        return Judgement("verified", touched, rounds, rounds[0], most)
    if memory.total_bytes is None:
        return Judgement("unverifiable", f"{touched}; how much there is could not be read", rounds, rounds[0], None)
    if memory.total_bytes < reported:
        said = f"{device.name} reports {memory.total_bytes / GIB:,.1f} GiB, and {claimed_bytes / GIB:,.1f} are claimed"
        if _is_masked(memory, device):
            return Judgement("unverifiable", f"{said}; but that is this container's own limit", rounds, rounds[0], most)
        return Judgement("contradicted", said, rounds, rounds[0], most)
    if memory.limit_bytes is not None and memory.limit_bytes < least:
        by = memory.limited_by or "a limit"
        why = f"this process may use {memory.limit_bytes / GIB:,.1f} GiB ({by}), and {touched}"
        return Judgement("unverifiable", why, rounds, rounds[0], most)
    why = f"{touched}, and {least / GIB:,.1f} GiB would verify it ({memory.stopped or 'no more was tried'})"
    return Judgement("unverifiable", why, rounds, rounds[0], most)


def _is_masked(memory: Memory, device: Device) -> bool:
    """Tell whether a host's memory is shown as large as the limit of a container in it, as some runtimes do."""
    return device.type == "cpu" and memory.limit_bytes is not None and memory.total_bytes is not None and (
        memory.total_bytes <= memory.limit_bytes * 1.01
    )  # fmt: skip


def _rate(claimed: float, device: Device, rate: Rate | None, tolerance: float, published: float | None) -> Judgement:
    if published is not None and claimed > published * MOST:
        why = f"{claimed:,.4g} are claimed, and {published:,.4g} are published"
        return Judgement("contradicted", why, rate.rounds if rate else (), basis="specification")
    if rate is None or rate.best is None:
        why = rate.problem if rate is not None and rate.problem else "it was not measured"
        return Judgement("unverifiable", why, rate.rounds if rate else ())
    best, factor, least = rate.best, slack(device, rate), claimed * (1 - tolerance)
    said = f"the best of {len(rate.rounds)} rounds is {best:,.4g}, which spread by {rate.spread:.2f}"
    if published is not None and best > published * IMPLAUSIBLE:
        why = f"{said}; {published:,.4g} are published, so that this is no reading to trust"
        return Judgement("unverifiable", why, rate.rounds, best)
    most = best * factor
    if best >= least:
        return Judgement("verified", f"{said}; {least:,.4g} suffice", rate.rounds, best, most)
    if most < least:
        why = f"{said}; undisturbed it might do {most:,.4g}, and {least:,.4g} would be needed"
        return Judgement("contradicted", why, rate.rounds, best, most)
    shared = f" ({device.disturbed[0]})" if device.disturbed else ""
    why = f"{said}: less than {least:,.4g}, but it may have been slowed down by {factor:g} times{shared}"
    return Judgement("unverifiable", why, rate.rounds, best, most)


def _trusted(judged: Judgement, report: Report) -> Judgement:
    """Take back what was verified through something that can make up readings."""
    if judged.verdict != "verified" or not report.host.interposers:
        return judged
    names = ", ".join(report.host.interposers)
    why = f"{judged.why}; but {names} stands between the probe and the device: run it without"
    return Judgement("unverifiable", why, judged.rounds, judged.measured, judged.most)


def _together(judged: Sequence[Judgement], count: int) -> Judgement:
    """Return the worst of the best `count` devices: what all that are claimed can do, and the least that any has."""
    order = ("verified", "unverifiable", "contradicted")
    ranked = sorted(judged, key=lambda each: (order.index(each.verdict), -(each.measured or 0.0)))
    chosen = ranked[: max(count, 1)]
    least = [each.most if each.most is not None else each.measured for each in chosen]
    known = [each for each in least if each is not None]
    return chosen[-1]._replace(most=min(known)) if chosen[-1].verdict == "verified" and known else chosen[-1]
