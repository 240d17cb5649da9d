"""The one door to torch: which devices there are, and one device as the measuring stages use it.

The same calls on cuda, rocm, mps, xpu and cpu, through `torch.accelerator` and `torch.device`. Time is taken on the
host's clock between two synchronisations, each of which reads a value back: a device whose events or synchronisation
lie is waited for all the same.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from policy_engine.errors import Problem, UsageError
from policy_engine.probe.identity import cpu_name
from policy_engine.probe.limits import Usable, reserve_bytes, usable_memory

CPU = "cpu"
#: What of an accelerator's memory stays untouched: half a GiB, or a fiftieth.
_ACCELERATOR_RESERVE = 1 << 29


def torch() -> Any:
    """Return the library.

    Raises:
        UsageError: the extra is not installed, or it cannot be loaded.
    """
    # threads that wait for one another must sleep: spinning, they take the time of the one they wait for on a busy host
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch as library

        if not hasattr(library, "accelerator") or not hasattr(library, "__version__"):
            raise _broken(ImportError("it is too old, or a folder of that name stands in its place"))
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise _broken(error) from None
        hint = "install it with: pip install 'policy-engine[probe]'"
        raise UsageError(Problem("extra-missing", "measuring needs torch, which is not installed", help=hint)) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a library that is broken raises what it likes
        raise _broken(error) from None
    _exact(library)
    return library


def _exact(library: Any) -> None:
    """Let products be of the precision that they say: some images turn TF32 and 16-bit reductions on."""
    with suppress(Exception):  # not every build has each of them
        library.set_float32_matmul_precision("highest")
    for name in ("allow_bf16_reduced_precision_reduction", "allow_fp16_reduced_precision_reduction"):
        with suppress(Exception):
            setattr(library.backends.cuda.matmul, name, False)


def _broken(error: BaseException) -> UsageError:
    said = one_line(error)
    hint = (
        "install it anew with: pip install --force-reinstall 'policy-engine[probe]', or give this process more memory"
    )
    return UsageError(Problem("extra-broken", f"torch is installed and cannot be loaded: {said}", help=hint))


def one_line(error: BaseException) -> str:
    """Return what an error of a library or a driver says, on one line of bounded length."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__


def versions(library: Any) -> dict[str, str]:
    """Return the versions that a reading hangs on."""
    found = {"python": platform.python_version(), "torch": str(library.__version__)}
    for name in ("cuda", "hip", "xpu"):
        value = getattr(library.version, name, None)
        if value:
            found[name] = str(value)
    return found


def choose(library: Any, wanted: str | None) -> list[Any]:
    """Return torch's devices to measure: those of `wanted` (`cuda`, `cuda:1`, `cpu`), else all accelerators, else cpu.

    Raises:
        UsageError: there is no such device.
    """
    accelerator = _accelerator(library)
    there = {CPU: 1} if accelerator is None else {accelerator: _count(library), CPU: 1}
    kind, _, number = (wanted or accelerator or CPU).partition(":")
    kind = {"rocm": "cuda", "gpu": accelerator or "gpu"}.get(kind, kind)
    index = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else None
    if kind not in there or (":" in (wanted or "") and (index is None or index >= there[kind])):
        names = ", ".join(f"{name}:{each}" for name, count in there.items() if name != CPU for each in range(count))
        hint = f"there is {names}, {CPU}" if names else f"torch {library.__version__} finds {CPU} alone"
        raise UsageError(Problem("no-device", f"there is no device `{wanted}` that torch can use", help=hint))
    if kind == CPU:
        return [library.device(CPU)]
    return [library.device(kind, each) for each in range(there[kind]) if index in (None, each)]


def _accelerator(library: Any) -> str | None:
    try:
        found = library.accelerator.current_accelerator() if library.accelerator.is_available() else None
        return str(found.type) if found is not None and _count(library) else None
    except Exception:  # noqa: BLE001 - a driver that fails in any way is no accelerator that can be measured
        return None


def _count(library: Any) -> int:
    return int(library.accelerator.device_count())


class Bench:
    """One device under measurement: allocation, synchronisation, and what it says of itself."""

    def __init__(self, library: Any, device: Any) -> None:
        self.torch = library
        self.device = device

    @property
    def is_cpu(self) -> bool:
        return bool(self.device.type == CPU)

    @property
    def index(self) -> int:
        return int(self.device.index or 0)

    @property
    def backend(self) -> str:
        """The device's kind: torch's, but `rocm` where `cuda` is AMD's."""
        return (
            "rocm" if self.device.type == "cuda" and getattr(self.torch.version, "hip", None) else str(self.device.type)
        )

    @property
    def properties(self) -> Any:
        """What torch says of the device; None where it says nothing."""
        module = getattr(self.torch, self.device.type, None)
        try:
            return module.get_device_properties(self.device) if not self.is_cpu else None  # type: ignore[union-attr]
        except Exception:  # noqa: BLE001 - drivers raise what they like; then there is nothing to read
            return None

    @property
    def name(self) -> str:
        if self.is_cpu:
            return cpu_name() or "unknown processor"
        if self.device.type == "mps":
            with suppress(Exception):  # older ones do not tell
                return str(self.torch.backends.mps.get_name())
        return str(getattr(self.properties, "name", None) or f"unknown {self.device.type} device")

    @property
    def uuid(self) -> str | None:
        found = getattr(self.properties, "uuid", None)
        if found is None:
            return None
        text = str(found)
        return text if text.startswith(("GPU-", "MIG-")) or self.backend != "cuda" else f"GPU-{text}"

    def synchronize(self, last: Any = None) -> None:
        """Wait until the device has done all it was given; reading `last` back makes sure that it has."""
        if not self.is_cpu:
            self.torch.accelerator.synchronize(self.device)
        if last is not None:
            last.reshape(-1)[-1:].view(self.torch.uint8).cpu()

    def memory(self) -> Usable:
        """Return how much memory there is and may be used now."""
        if self.is_cpu:
            return usable_memory()
        free, total = self._reported()
        return Usable(total, free, None, None)

    def _reported(self) -> tuple[int | None, int | None]:
        kind = self.device.type
        module = getattr(self.torch, kind, None)
        for ask in (
            lambda: self.torch.accelerator.get_memory_info(self.device),
            lambda: module.mem_get_info(self.device),  # type: ignore[union-attr]
            lambda: _apple(module),
        ):
            try:
                free, total = ask()
                return int(free), int(total)
            except Exception:  # noqa: BLE001, S112 - not every backend has each of them
                continue
        total = getattr(self.properties, "total_memory", None)
        return None, int(total) if total else None

    def spare_bytes(self) -> int:
        """Return how much may be allocated now with the reserve kept; none where nothing is known."""
        found = self.memory()
        if found.free_bytes is None:
            return 0
        return max(found.free_bytes - self.reserve(found), 0)

    def reserve(self, found: Usable) -> int:
        """Return what stays untouched, in bytes."""
        may_use = min(each for each in (found.total_bytes, found.limit_bytes, 1 << 60) if each)
        if self.is_cpu or self.device.type == "mps":
            return reserve_bytes(may_use)
        return min(max(_ACCELERATOR_RESERVE, may_use // 50), may_use // 4)

    def release(self) -> None:
        """Give freed memory back to the device, so that others and the next stage see it free."""
        if not self.is_cpu:
            with suppress(Exception):  # not every backend has it, and nothing hangs on it
                self.torch.accelerator.empty_cache()

    def random(self, shape: Sequence[int], dtype: Any, tile: Any, scale: float = 1.0) -> Any:
        """Return a tensor of random values: `tile`, random values on the host, over and over."""
        torch = self.torch
        found = torch.empty(tuple(shape), dtype=dtype, device=self.device)
        flat, source = found.view(-1), (tile.view(-1) * scale).to(dtype).to(self.device)
        for start in range(0, flat.numel(), source.numel()):
            part = flat[start : start + source.numel()]
            part.copy_(source[: part.numel()])
        return found


def _apple(module: Any) -> tuple[int, int]:
    """Return free and total bytes of Apple's unified memory, as far as its driver recommends to use it."""
    total = int(module.recommended_max_memory())
    return total - int(module.driver_allocated_memory()), total
