"""What a hardware claim amounts to: the most memory, bandwidth and arithmetic that it can stand for.

Every figure is an upper bound, the smaller of what is claimed and what is published, so that a contradiction drawn from
it stands whatever else is unknown. `room_bytes` alone, what an even split holds, is none where cards differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    itself, `excess` says of those that exceed the published figures why, `missing` names the facts that are not known;
    the two others name those that would give bandwidth and arithmetic, where these are not known.
    """

    cards: Cards | None
    room_bytes: float | None
    most_bytes: float | None
    bandwidth_bytes_per_s: float | None
    tflops: float | None
    excess: tuple[str, ...]
    missing: tuple[str, ...]
    bandwidth_missing: tuple[str, ...]
    tflops_missing: tuple[str, ...]
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
        which = NO_DEVICES.missing
        return Box(None, None, None, None, None, (), which, which, which, (NO_DEVICES,))
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
    bandwidths, peaks = [row.bandwidth_bytes_per_s for row in rows], [row.tflops for row in rows]
    return Box(
        cards,
        None if cards is None else room_bytes(rules, cards),
        None if cards is None else most_room_bytes(rules, cards),
        _total(rows, bandwidths),
        _total(rows, peaks),
        tuple([each.why for each in findings if each.verdict == "contradicted"]),
        tuple(missing),
        _lacking(missing, bandwidths, "hardware.gpus.bandwidth_gb_s"),
        _lacking(missing, peaks, "hardware.gpus.bf16_tflops"),
        tuple(findings),
    )


def has_gpu(gpus: Sequence[GpuClaim]) -> bool:
    """Tell whether one of `gpus` surely is a GPU: what the host beside it has then is no memory of GPUs, nor its speed.

    A row whose name is not known may be a host: until that is known all rows count, as they would then.
    """
    return any(gpu.name is not None and gpu.name != NO_GPU for gpu in gpus)


class _Bounds(NamedTuple):
    """Bounds of one row of a claim: memory, bandwidth and arithmetic of each device, and how many there are."""

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
    bandwidth = _least(gpu.bandwidth_gb_s, spec.bandwidth_gb_s if spec else None, "bandwidth_gb_s" in gpu.unknown)
    tflops = _least(gpu.bf16_tflops, peak_tflops(spec) if spec else None, "bf16_tflops" in gpu.unknown)
    return _Bounds(memory, count, None if bandwidth is None else bandwidth * 1e9, tflops)


def _cards(rows: Sequence[_Bounds]) -> Cards | None:
    found: dict[float, int] = {}
    for row in rows:
        if row.memory_bytes is None or row.devices is None:
            return None
        found[row.memory_bytes] = found.get(row.memory_bytes, 0) + row.devices
    return tuple(sorted(found.items(), reverse=True)) if len(found) > 1 else tuple(found.items())


def _total(rows: Sequence[_Bounds], each: Sequence[float | None]) -> float | None:
    parts = [one * row.devices for row, one in zip(rows, each, strict=True) if one is not None and row.devices]
    return sum(parts) if len(parts) == len(rows) else None


def _lacking(missing: Iterable[str], each: Sequence[float | None], name: str) -> tuple[str, ...]:
    """Return what would give a figure of all devices: what is not known of them, and `name` where one lacks it."""
    return tuple(dict.fromkeys([*missing, name])) if None in each else tuple(missing)


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
