"""A workload's hardware section as the catalog judges it."""

from __future__ import annotations

from policy_engine.catalog import Catalog, GpuClaim, HardwareClaim, ServesClaim
from policy_engine.catalog.boxes import has_gpu
from policy_engine.catalog.claims import MEMORY, NO_GPU
from policy_engine.catalog.devices import claimed_gib, is_one_host, published_gib
from policy_engine.catalog.sizing import peak_tflops
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
        host=hardware.host,
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


def rows_without(catalog: Catalog, claim: HardwareClaim, leaf: str) -> list[int]:
    """Return the rows of `hardware.gpus` of which neither the claim nor the catalog says `leaf`.

    Memory may be said in any unit, and beside a GPU nothing is asked of the host.
    """
    gpus = claim.gpus or ()
    beside = has_gpu(gpus)
    rows = enumerate(gpus)
    return [row for row, gpu in rows if not (beside and gpu.name == NO_GPU) and _lacks(catalog, gpu, leaf)]


def _lacks(catalog: Catalog, gpu: GpuClaim, leaf: str) -> bool:
    if leaf in gpu.unknown:
        return True
    spec = catalog.gpu(gpu.name)
    match leaf:
        case "name":
            return gpu.name is None
        case "count":
            return gpu.count is None and not is_one_host(gpu)
        case "memory_gb":
            said = any(getattr(gpu, name) is not None or name in gpu.unknown for name in MEMORY)
            return spec is None and not said
        case "bandwidth_gb_s":
            return spec is None and gpu.bandwidth_gb_s is None
        case "bf16_tflops":
            return (spec is None or peak_tflops(spec) is None) and gpu.bf16_tflops is None
        case _:
            return False


def _each_gib(catalog: Catalog, gpu: GpuClaim) -> float | None:
    claimed = claimed_gib(gpu, catalog.rules)
    if claimed:
        return next(iter(claimed.values()))
    known = catalog.gpu(gpu.name)
    return published_gib(known, catalog.rules) if known is not None and not gpu.unknown else None
