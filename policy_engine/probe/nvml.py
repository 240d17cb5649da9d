"""The one door to NVML, through `nvidia-ml-py`: what NVIDIA's driver says of a device that torch does not.

Drivers, virtual GPUs and containers refuse single questions with errors of many kinds. Each question is asked by
itself: what was not answered is named in `unread`, and is never taken for "no".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from msgspec import Struct

from policy_engine.probe.device import one_line

NOT_THERE = "NVML (the extra `probe` has nvidia-ml-py, and the driver its library)"
#: Bits of the reasons for a clock below the highest that say nothing: the device was idle.
_IDLE = 0x1
_REASONS = {
    0x2: "clocks set by an application",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks",
}


class Told(Struct):
    """What the driver told of one device: signs of disturbance, and what it did not tell."""

    driver: str | None = None
    disturbed: list[str] = []
    unread: list[str] = []
    ecc: bool | None = None


@contextmanager
def nvml() -> Iterator[Any]:
    """Give the library, initialised; None where it is not there or does not work."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # noqa: BLE001 - no package, no library, no driver, no rights: there is nothing to ask
        yield None
        return
    try:
        yield pynvml
    finally:
        with suppress(Exception):  # nothing hangs on it any more
            pynvml.nvmlShutdown()


def ask(library: Any, uuid: str | None) -> Told:
    """Return what the driver tells of the device of that id now."""
    told = Told()
    if library is None:
        told.unread.append(NOT_THERE)
        return told
    told.driver = _asked(told, "driver version", lambda: _text(library.nvmlSystemGetDriverVersion()))
    if uuid is None:
        told.unread.append("NVML: torch tells no id to find the device by")
        return told
    handle = _asked(told, "device", lambda: library.nvmlDeviceGetHandleByUUID(uuid))
    if handle is not None:
        _modes(library, handle, told)
        _others(library, handle, told)
        _throttling(library, handle, told)
    return told


def _modes(library: Any, handle: Any, told: Told) -> None:
    # "not supported" is an answer here: a device that cannot be split is whole
    mig = _asked(told, "MIG mode", lambda: library.nvmlDeviceGetMigMode(handle)[0], unsupported=0)
    if mig:
        told.disturbed.append("MIG is on: this may be a part of a device")
    virtual = _asked(told, "virtualisation", lambda: library.nvmlDeviceGetVirtualizationMode(handle), unsupported=0)
    if virtual == 2:  # NVML_GPU_VIRTUALIZATION_MODE_VGPU
        told.disturbed.append("a virtual GPU: others may share the device")
    ecc = _asked(told, "ECC mode", lambda: library.nvmlDeviceGetEccMode(handle)[0], unsupported=-1)
    if ecc is not None and ecc >= 0:
        told.ecc = bool(ecc)


def _others(library: Any, handle: Any, told: Told) -> None:
    found: set[int] = set()
    questions: tuple[tuple[str, Callable[[Any], Any], Any], ...] = (
        ("compute processes", library.nvmlDeviceGetComputeRunningProcesses, None),
        ("graphics processes", library.nvmlDeviceGetGraphicsRunningProcesses, None),
        ("MPS clients", getattr(library, "nvmlDeviceGetMPSComputeRunningProcesses", lambda _: []), ()),
    )
    before = len(told.unread)
    for what, question, unsupported in questions:
        listed = _asked(told, what, lambda question=question: [each.pid for each in question(handle)], unsupported)  # type: ignore[misc]
        found |= set(listed or ())
    # this process computes on the device: a list without it is of another place (a container), or of nothing
    if os.getpid() not in found and len(told.unread) == before:
        told.unread.append("NVML lists this process nowhere, and so cannot tell of others")
    foreign = found - {os.getpid()}
    if foreign:
        told.disturbed.append(f"{len(foreign)} other processes use the device")


def _throttling(library: Any, handle: Any, told: Told) -> None:
    limit = _asked(told, "power limit", lambda: library.nvmlDeviceGetEnforcedPowerLimit(handle))
    usual = _asked(told, "default power limit", lambda: library.nvmlDeviceGetPowerManagementDefaultLimit(handle))
    if limit is not None and usual is not None and limit < usual:
        told.disturbed.append(f"the power limit is {limit / 1000:,.0f} W, below the default of {usual / 1000:,.0f} W")
    question = getattr(library, "nvmlDeviceGetCurrentClocksEventReasons", None)
    question = question or getattr(library, "nvmlDeviceGetCurrentClocksThrottleReasons", None)
    bits = _asked(told, "throttle reasons", lambda: int(question(handle)))  # type: ignore[misc]
    if bits is not None and bits & ~_IDLE:
        names = [name for bit, name in _REASONS.items() if bits & bit] or [f"reason {bits:#x}"]
        told.disturbed.append(f"clocks are held down: {', '.join(names)}")


def _asked(told: Told, what: str, question: Callable[[], Any], unsupported: Any = None) -> Any:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - see the module: drivers raise what they like
        if unsupported is not None and type(error).__name__ == "NVMLError_NotSupported":
            return unsupported
        told.unread.append(f"NVML, {what}: {one_line(error)}")
        return None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
