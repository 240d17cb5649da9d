"""What a hardware claim amounts to: the most memory, bandwidth and arithmetic that it can stand for.

Every figure is an upper bound, the smaller of what is claimed and what is published, so that a contradiction drawn from
it stands whatever else is unknown. `room_bytes` alone, what an even split holds, is none where cards differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import MEMORY, NO_GPU, GpuClaim, HardwareClaim
from policy_engine.catalog.devices import MOST, NO_DEVICES, claimed_gib, device_findings, is_one_host, published_gib
from policy_engine.catalog.entries import Gpu
from policy_engine.catalog.sizing import GIB, Cards, most_room_bytes, peak_tflops, room_bytes
from policy_engine.catalog.verdicts import ClaimFinding


class Box(Struct, frozen=True):
    """The devices of a claim together; beside a GPU the host itself, `cpu`, is none of them.

    `cards` are None where no bound of the memory is known, and so are `room_bytes`, the most that they hold of weights
    and cache spread evenly, and `most_bytes`, the most in any split. `findings` judge each claim about a device by
    itself, `excess` says of those that exceed the published figures why, `missing` names the facts that are not known.
    """

    cards: Cards | None
    room_bytes: float | None
    most_bytes: float | None
    bandwidth_bytes_per_s: float | None
    tflops: float | None
    excess: tuple[str, ...]
    missing: tuple[str, ...]
    findings: tuple[ClaimFinding, ...]

    @property
    def devices(self) -> int:
        return sum([count for _, count in self.cards or ()])

    @property
    def memory_bytes(self) -> float:
        return sum([memory * count for memory, count in self.cards or ()])


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
        return Box(None, None, None, None, None, (), ("hardware.gpus",), (NO_DEVICES,))
    rules = catalog.rules
    rows: list[_Bounds] = []
    findings: list[ClaimFinding] = []
    missing: dict[str, None] = {}
    beside = has_gpu(claim.gpus)
    for row, gpu in enumerate(claim.gpus):
        spec = catalog.gpu(gpu.name)
        claimed, published = claimed_gib(gpu, rules), published_gib(spec, rules) if spec else None
        findings += device_findings(gpu, spec, row, claimed, published)
        if not beside or gpu.name != NO_GPU:
            rows.append(_bounds(gpu, spec, claimed, published))
            missing.update(_unknown_leaves(gpu))
    if None in [row.memory_bytes for row in rows]:
        missing["hardware.gpus.memory_gb"] = None
    cards = _cards(rows)
    return Box(
        cards,
        None if cards is None else room_bytes(rules, cards),
        None if cards is None else most_room_bytes(rules, cards),
        _total([row.bandwidth_bytes_per_s for row in rows]),
        _total([row.tflops for row in rows]),
        tuple([each.why for each in findings if each.verdict == "contradicted"]),
        tuple(missing),
        tuple(findings),
    )


def has_gpu(gpus: Sequence[GpuClaim]) -> bool:
    """Tell whether one of `gpus` surely is a GPU: what the host beside it has then is no memory of GPUs, nor its speed.

    A row whose name is not known may be a host: until that is known all rows count, as they would then.
    """
    return any(gpu.name is not None and gpu.name != NO_GPU for gpu in gpus)


class _Bounds(NamedTuple):
    """Bounds of one row of a claim: memory of each device, how many, bandwidth and arithmetic of all of them."""

    memory_bytes: float | None
    devices: int | None
    bandwidth_bytes_per_s: float | None
    tflops: float | None


def _bounds(gpu: GpuClaim, spec: Gpu | None, claimed: Mapping[str, float], published: float | None) -> _Bounds:
    count = 1 if is_one_host(gpu) else gpu.count
    # the least counts where several units are given
    least = min(claimed.values()) if claimed else None
    memory = _least(least, published, not gpu.unknown.isdisjoint(MEMORY))
    memory = None if memory is None else memory * GIB
    if count is None:
        return _Bounds(memory, None, None, None)
    bandwidth = _least(gpu.bandwidth_gb_s, spec.bandwidth_gb_s if spec else None, "bandwidth_gb_s" in gpu.unknown)
    tflops = _least(gpu.bf16_tflops, peak_tflops(spec) if spec else None, "bf16_tflops" in gpu.unknown)
    return _Bounds(
        memory,
        count,
        None if bandwidth is None else bandwidth * 1e9 * count,
        None if tflops is None else tflops * count,
    )


def _cards(rows: Sequence[_Bounds]) -> Cards | None:
    found: dict[float, int] = {}
    for row in rows:
        if row.memory_bytes is None or row.devices is None:
            return None
        found[row.memory_bytes] = found.get(row.memory_bytes, 0) + row.devices
    return tuple(sorted(found.items(), reverse=True)) if len(found) > 1 else tuple(found.items())


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _unknown_leaves(gpu: GpuClaim) -> dict[str, None]:
    leaves = set(gpu.unknown)
    if gpu.name is None:
        leaves.add("name")
    if gpu.count is None and not is_one_host(gpu):
        leaves.add("count")
    return {f"hardware.gpus.{leaf}": None for leaf in sorted(leaves)} if leaves else {}


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
