"""A workload's hardware section as the catalog judges it."""

from __future__ import annotations

from policy_engine.catalog import Catalog, GpuClaim, HardwareClaim, ServesClaim
from policy_engine.catalog.claims import MEMORY, NO_GPU
from policy_engine.catalog.devices import claimed_gib, published_gib
from policy_engine.model.workload import Gpu, Hardware, Serves

_FIGURES = (*MEMORY, "bandwidth_gb_s", "bf16_tflops", "fp32_tflops")


def claim_of(hardware: Hardware | None) -> HardwareClaim | None:
    """Return what is claimed; None where nothing is. A figure given as null is claimed and not known."""
    if hardware is None:
        return None
    serves = hardware.serves
    if serves is None and "serves" in hardware.model_fields_set:
        serves = Serves()  # null is unknown, not "nothing is served"
    return HardwareClaim(
        gpus=None if hardware.gpus is None else tuple(_gpu(gpu) for gpu in hardware.gpus),
        usd_per_hour=hardware.usd_per_hour,
        region=hardware.region,
        serves=None if serves is None else ServesClaim(**serves.model_dump()),
    )


def _gpu(gpu: Gpu) -> GpuClaim:
    figures = {name: getattr(gpu, name) for name in _FIGURES}
    given = {**figures, "count": gpu.count}
    unknown = frozenset(name for name in given if name in gpu.model_fields_set and given[name] is None)
    return GpuClaim(name=gpu.name, count=gpu.count, unknown=unknown, **figures)


def gpu_count(claim: HardwareClaim) -> int | None:
    """Return how many GPUs are claimed; 0 for a host with a CPU alone, None where a count is not known."""
    total = 0
    for gpu in claim.gpus or (None,):
        if gpu is None or gpu.name is None:
            return None
        if gpu.name == NO_GPU:
            continue
        if gpu.count is None:
            return None
        total += gpu.count
    return total


def memory_gib(catalog: Catalog, claim: HardwareClaim) -> float | None:
    """Return the GPU memory of the whole claim in GiB, by what is claimed, else as published; None where unknown."""
    total = 0.0
    for gpu in claim.gpus or (None,):
        if gpu is None or gpu.count is None or gpu.name is None:
            return None
        if gpu.name == NO_GPU:
            continue
        each = _each_gib(catalog, gpu)
        if each is None:
            return None
        total += gpu.count * each
    return total


def memory_grade(claim: HardwareClaim) -> str:
    """Return how the memory of the whole claim is known: as published where no device's own is claimed."""
    devices = [gpu for gpu in claim.gpus or () if gpu.name != NO_GPU]
    claimed = any(getattr(gpu, name) is not None for gpu in devices for name in MEMORY)
    return "derived" if claimed or not devices else "specification"


def _each_gib(catalog: Catalog, gpu: GpuClaim) -> float | None:
    claimed = claimed_gib(gpu, catalog.rules)
    if claimed:
        return next(iter(claimed.values()))
    known = catalog.gpu(gpu.name)
    return published_gib(known, catalog.rules) if known is not None and not gpu.unknown else None
