"""What a hardware claim amounts to: the most memory, bandwidth and arithmetic that it can stand for.

Every figure is an upper bound, the smaller of what is claimed and what is published, so that a contradiction drawn from
it stands whatever else is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import NO_GPU, GpuClaim, HardwareClaim
from policy_engine.catalog.entries import Gpu
from policy_engine.catalog.rules import Rules
from policy_engine.catalog.sizing import GIB, MIB, Cards, card_bytes, peak_tflops

#: A claimed figure may exceed the published one by so much: vendors round, and drivers report other units.
TOLERANCE = 0.04


class Box(Struct, frozen=True):
    """The devices of a claim together.

    `cards` are None where no bound of the memory is known. `excess` says which claims exceed
    the published figures, `missing` which facts are not known.
    """

    cards: Cards | None
    bandwidth_bytes_per_s: float | None
    tflops: float | None
    excess: tuple[str, ...]
    missing: tuple[str, ...]
    unspecified: tuple[str, ...]

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
        return Box(None, None, None, (), ("hardware.gpus",), ())
    specs = [catalog.gpu(gpu.name) for gpu in claim.gpus]
    counts = [1 if _is_one_host(gpu) else gpu.count for gpu in claim.gpus]
    rows = [
        _bounds(gpu, spec, count, catalog.rules) for gpu, spec, count in zip(claim.gpus, specs, counts, strict=True)
    ]
    missing = dict.fromkeys(f"hardware.gpus.{leaf}" for gpu in claim.gpus for leaf in _unknown_leaves(gpu))
    if any(row.memory_bytes is None for row in rows):
        missing["hardware.gpus.memory_gb"] = None
    return Box(
        cards=_cards([(row.memory_bytes, count) for row, count in zip(rows, counts, strict=True)]),
        bandwidth_bytes_per_s=_total([row.bandwidth_bytes_per_s for row in rows]),
        tflops=_total([row.tflops for row in rows]),
        excess=tuple(
            text for gpu, spec in zip(claim.gpus, specs, strict=True) for text in _excess(gpu, spec, catalog.rules)
        ),
        missing=tuple(missing),
        unspecified=tuple(
            gpu.name
            for gpu, spec in zip(claim.gpus, specs, strict=True)
            if spec is None and gpu.name not in (None, NO_GPU)
        ),
    )


class _Bounds(NamedTuple):
    """Bounds of one row of a claim: memory of each device, bandwidth and arithmetic of all of them."""

    memory_bytes: float | None
    bandwidth_bytes_per_s: float | None
    tflops: float | None


def _bounds(gpu: GpuClaim, spec: Gpu | None, count: int | None, rules: Rules) -> _Bounds:
    card = card_bytes(rules, spec.memory_gb) if spec else None
    memory_unknown = bool(gpu.unknown & {"memory_gb", "memory_gib", "memory_mib"})
    memory = _least(claimed_memory_bytes(gpu, rules), card, memory_unknown)
    bandwidth = _least(gpu.bandwidth_gb_s, spec.bandwidth_gb_s if spec else None, "bandwidth_gb_s" in gpu.unknown)
    tflops = _least(gpu.bf16_tflops, peak_tflops(spec) if spec else None, "bf16_tflops" in gpu.unknown)
    if count is None:
        return _Bounds(memory, None, None)
    return _Bounds(
        memory,
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


def _is_one_host(gpu: GpuClaim) -> bool:
    """Tell whether the row is a host without a GPU that says no number: then it is one."""
    return gpu.name == NO_GPU and gpu.count is None and "count" not in gpu.unknown


def _unknown_leaves(gpu: GpuClaim) -> list[str]:
    leaves = set(gpu.unknown)
    if gpu.name is None:
        leaves.add("name")
    if gpu.count is None and not _is_one_host(gpu):
        leaves.add("count")
    return sorted(leaves)


def claimed_memory_bytes(gpu: GpuClaim, rules: Rules) -> float | None:
    """Return the bytes that each device is claimed to have; the least where several units are given."""
    return min(_memory_claims(gpu, rules), default=None)


def _memory_claims(gpu: GpuClaim, rules: Rules) -> list[float]:
    claims = (
        None if gpu.memory_gb is None else card_bytes(rules, gpu.memory_gb),
        None if gpu.memory_gib is None else gpu.memory_gib * GIB,
        None if gpu.memory_mib is None else gpu.memory_mib * MIB,
    )
    return [each for each in claims if each is not None]


def _least(claimed: float | None, published: float | None, unknown: bool) -> float | None:
    """Return the bound that claimed and published figure set together.

    Within the tolerance a claim is the driver's own figure, and the better one; a claim that is not known may reach it.
    """
    if published is None:
        return claimed
    most = published * (1 + TOLERANCE)
    if claimed is None:
        return most if unknown else published
    return claimed if claimed <= most else published


def _excess(gpu: GpuClaim, spec: Gpu | None, rules: Rules) -> list[str]:
    """Say which claims exceed the published figures of `spec`."""
    if spec is None:
        return []
    found = []
    largest = max(_memory_claims(gpu, rules), default=0.0)
    published = card_bytes(rules, spec.memory_gb)
    if largest > published * (1 + TOLERANCE):
        found.append(
            f"{largest / GIB:.1f} GiB of memory are claimed, and a {spec.key} has {spec.memory_gb:g} GB"
            f" ({published / GIB:.1f} GiB)"
        )
    pairs = (
        ("bandwidth", "GB/s", gpu.bandwidth_gb_s, spec.bandwidth_gb_s),
        ("dense bf16 arithmetic", "TFLOP/s", gpu.bf16_tflops, peak_tflops(spec)),
    )
    for what, unit, claimed, figure in pairs:
        if claimed is not None and figure is not None and claimed > figure * (1 + TOLERANCE):
            found.append(f"{claimed:,.0f} {unit} of {what} are claimed, and a {spec.key} has {figure:,.0f}")
    return found
