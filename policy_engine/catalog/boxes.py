"""What a hardware claim amounts to: the most memory, bandwidth and arithmetic that it can stand for.

Every figure is an upper bound, the smaller of what is claimed and what is published, so that a contradiction drawn from
it stands whatever else is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import MEMORY, GpuClaim, HardwareClaim
from policy_engine.catalog.devices import MOST, NO_DEVICES, claimed_gib, device_findings, is_one_host, published_gib
from policy_engine.catalog.entries import Gpu
from policy_engine.catalog.rules import Rules
from policy_engine.catalog.sizing import GIB, Cards, peak_tflops
from policy_engine.catalog.verdicts import ClaimFinding


class Box(Struct, frozen=True):
    """The devices of a claim together.

    `cards` are None where no bound of the memory is known. `findings` judge each claim about a device by itself,
    `excess` says of those that exceed the published figures why, `missing` names the facts that are not known.
    """

    cards: Cards | None
    bandwidth_bytes_per_s: float | None
    tflops: float | None
    excess: tuple[str, ...]
    missing: tuple[str, ...]
    findings: tuple[ClaimFinding, ...]

    @property
    def devices(self) -> int:
        return sum(count for _, count in self.cards or ())

    @property
    def memory_bytes(self) -> float:
        return sum(memory * count for memory, count in self.cards or ())


def box_of(catalog: Catalog, claim: HardwareClaim) -> Box:
    """Return what `claim` amounts to; remembered by the catalog."""
    key = ("box", claim.gpus)
    found = catalog.remembered.get(key)
    if found is None:
        found = _box(catalog, claim)
        catalog.remember(key, found)
    box: Box = found
    return box


def _box(catalog: Catalog, claim: HardwareClaim) -> Box:
    if not claim.gpus:
        return Box(None, None, None, (), ("hardware.gpus",), (NO_DEVICES,))
    specs = [catalog.gpu(gpu.name) for gpu in claim.gpus]
    counts = [1 if is_one_host(gpu) else gpu.count for gpu in claim.gpus]
    rows = [
        _bounds(gpu, spec, count, catalog.rules) for gpu, spec, count in zip(claim.gpus, specs, counts, strict=True)
    ]
    missing = dict.fromkeys(f"hardware.gpus.{leaf}" for gpu in claim.gpus for leaf in _unknown_leaves(gpu))
    if any(row.memory_bytes is None for row in rows):
        missing["hardware.gpus.memory_gb"] = None
    findings = tuple(
        finding
        for row, (gpu, spec) in enumerate(zip(claim.gpus, specs, strict=True))
        for finding in device_findings(gpu, spec, catalog.rules, row)
    )
    return Box(
        cards=_cards([(row.memory_bytes, count) for row, count in zip(rows, counts, strict=True)]),
        bandwidth_bytes_per_s=_total([row.bandwidth_bytes_per_s for row in rows]),
        tflops=_total([row.tflops for row in rows]),
        excess=tuple(each.why for each in findings if each.verdict == "contradicted"),
        missing=tuple(missing),
        findings=findings,
    )


class _Bounds(NamedTuple):
    """Bounds of one row of a claim: memory of each device, bandwidth and arithmetic of all of them."""

    memory_bytes: float | None
    bandwidth_bytes_per_s: float | None
    tflops: float | None


def _bounds(gpu: GpuClaim, spec: Gpu | None, count: int | None, rules: Rules) -> _Bounds:
    # the least counts where several units are given
    claimed = min(claimed_gib(gpu, rules).values(), default=None)
    memory = _least(claimed, published_gib(spec, rules) if spec else None, not gpu.unknown.isdisjoint(MEMORY))
    bandwidth = _least(gpu.bandwidth_gb_s, spec.bandwidth_gb_s if spec else None, "bandwidth_gb_s" in gpu.unknown)
    tflops = _least(gpu.bf16_tflops, peak_tflops(spec) if spec else None, "bf16_tflops" in gpu.unknown)
    if count is None:
        return _Bounds(None if memory is None else memory * GIB, None, None)
    return _Bounds(
        None if memory is None else memory * GIB,
        None if bandwidth is None else bandwidth * 1e9 * count,
        None if tflops is None else tflops * count,
    )


def _cards(rows: Sequence[tuple[float | None, int | None]]) -> Cards | None:
    found: dict[float, int] = {}
    for memory, count in rows:
        if memory is None or count is None:
            return None
        found[memory] = found.get(memory, 0) + count
    return tuple(sorted(found.items(), reverse=True))


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _unknown_leaves(gpu: GpuClaim) -> list[str]:
    leaves = set(gpu.unknown)
    if gpu.name is None:
        leaves.add("name")
    if gpu.count is None and not is_one_host(gpu):
        leaves.add("count")
    return sorted(leaves)


def _least(claimed: float | None, published: float | None, unknown: bool) -> float | None:
    """Return the bound that claimed and published figure set together.

    Within the tolerance a claim is the driver's own figure, and the better one; a claim that is not known may reach it.
    """
    if published is None:
        return claimed
    most = published * MOST
    if claimed is None:
        return most if unknown else published
    return claimed if claimed <= most else published
