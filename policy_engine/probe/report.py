"""What a probe found, as plain data: no torch, no clock. Bytes, GB/s (10^9), TFLOP/s (10^12), seconds.

A probe never raises on odd hardware: what it could not read or run is None, with the reason beside it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

#: Rates that claims can be held to. `copy` counts bytes read and written; `decode` counts weights and cache read.
RateName = Literal["copy", "fp32", "bf16", "fp16", "fp8", "decode", "host_to_device", "peer"]
UNITS: dict[str, str] = {
    "copy": "GB/s",
    "fp32": "TFLOP/s",
    "bf16": "TFLOP/s",
    "fp16": "TFLOP/s",
    "fp8": "TFLOP/s",
    "decode": "GB/s",
    "host_to_device": "GB/s",
    "peer": "GB/s",
}


class Rate(Struct, frozen=True, kw_only=True):
    """One rate over interleaved rounds: the best of each, in the unit of `UNITS`.

    `intensity` is the work's, in FLOP for each byte that it cannot but move; None for copies.
    `busy` is, on a CPU, the process's own time over wall time and threads, in the best sample of each round. `problem`
    says why there is no rate, or why what was measured counts for nothing (a product that is wrong).
    """

    name: RateName
    rounds: tuple[float, ...] = ()
    busy: tuple[float, ...] = ()
    problem: str | None = None
    intensity: float | None = None

    @property
    def best(self) -> float | None:
        return max(self.rounds, default=None) if self.problem is None else None

    @property
    def spread(self) -> float:
        """The best round over the worst; 1 where there is one round."""
        return max(self.rounds) / min(self.rounds) if self.rounds and min(self.rounds) > 0 else 1.0


class Memory(Struct, frozen=True, kw_only=True):
    """Memory of a device: what it reports, what this process may use, and what was written and read back.

    `limit_bytes` is the least limit set on this process (`limited_by` says by what), None where there is none.
    `intact` is whether every stamp read back, None where nothing was written; `stopped` says why no more was touched.
    """

    total_bytes: int | None
    free_bytes: int | None = None
    limit_bytes: int | None = None
    limited_by: str | None = None
    touched_bytes: int = 0
    intact: bool | None = None
    stopped: str | None = None


class Sustained(Struct, frozen=True, kw_only=True):
    """A matrix product kept up: TFLOP/s in the first and in the last second."""

    seconds: float
    first: float
    last: float

    @property
    def ratio(self) -> float:
        return self.last / self.first if self.first > 0 else 1.0


class Device(Struct, frozen=True, kw_only=True):
    """One device as torch and its driver name it.

    `type` is torch's (`cuda` also for ROCm, `cpu`, `mps`, `xpu`), `backend` tells them apart (`cuda`, `rocm`, ...).
    `ecc` is whether its memory corrects errors, None where that is not told.
    `threads` are those that a CPU was measured with, of the `processors` that its host has. `disturbed` are signs that
    it was not this process's alone or not steady, and what kept that from being told: only where it is empty is the
    device known to be exclusive.
    """

    index: int
    type: str
    backend: str
    name: str
    uuid: str | None = None
    driver: str | None = None
    ecc: bool | None = None
    memory: Memory
    rates: tuple[Rate, ...] = ()
    sustained: Sustained | None = None
    threads: int | None = None
    processors: int | None = None
    disturbed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def rate(self, name: str) -> Rate | None:
        return next((each for each in self.rates if each.name == name), None)


class Host(Struct, frozen=True, kw_only=True):
    """The host that was measured. `machine` is a digest of its machine id; `ci` names the CI system that ran the probe.

    `hidden` says that devices of the host may be kept from this process (`CUDA_VISIBLE_DEVICES`, a container).
    """

    name: str
    machine: str | None = None
    system: str = ""
    cpu: str | None = None
    cpus: int | None = None
    container: bool | None = None
    ci: str | None = None
    hidden: tuple[str, ...] = ()
    interposers: tuple[str, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """What one run of the probe found. `measured_at` is RFC 3339 in UTC; `versions` by name (python, torch, ...)."""

    measured_at: str
    seconds: float
    seed: int
    host: Host
    devices: tuple[Device, ...]
    versions: dict[str, str] = {}
    between: tuple[Rate, ...] = ()
    notes: tuple[str, ...] = ()
