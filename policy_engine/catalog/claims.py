"""Hardware as a workload claims it."""

from __future__ import annotations

from msgspec import Struct

NO_GPU = "cpu"
#: The memory of a device, in the unit that it is claimed in.
MEMORY = ("memory_gb", "memory_gib", "memory_mib")


class GpuClaim(Struct, frozen=True, cache_hash=True):
    """Devices of one kind: memory of each in GB as sold, GiB or MiB; bandwidth in GB/s; TFLOP/s dense.

    A figure that is None is not claimed, and the published one counts. One that is claimed but not known (null in the
    workload file) is named in `unknown` as well: then the claim may be contradicted, but never holds.
    """

    name: str | None
    count: int | None
    memory_gb: float | None = None
    memory_gib: float | None = None
    memory_mib: float | None = None
    bandwidth_gb_s: float | None = None
    bf16_tflops: float | None = None
    fp32_tflops: float | None = None
    unknown: frozenset[str] = frozenset()


class ServesClaim(Struct, frozen=True, cache_hash=True):
    """What the hardware is said to serve; tokens answered per hour in all, lengths of one request in tokens."""

    model: str | None = None
    quantization: str | None = None
    tokens_per_hour: float | None = None
    concurrency: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class HardwareClaim(Struct, frozen=True, cache_hash=True):
    """Everything claimed of the hardware; `serves` None says that nothing is claimed to be served."""

    gpus: tuple[GpuClaim, ...] | None
    usd_per_hour: float | None = None
    region: str | None = None
    serves: ServesClaim | None = None
    host: str | None = None
