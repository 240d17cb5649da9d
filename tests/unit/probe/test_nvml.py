"""What NVIDIA's driver tells, and what it refuses in odd ways: never an error, and never taken for "no"."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from policy_engine.probe.nvml import NOT_THERE, ask, nvml


class NVMLError_NotSupported(Exception):  # noqa: N801, N818 - as the library calls it
    """What the driver raises where a device has not got what is asked for."""


def raises(error: BaseException) -> Any:
    def question(*_: Any) -> Any:
        raise error

    return question


def processes(*numbers: int) -> list[Any]:
    return [SimpleNamespace(pid=number) for number in numbers]


def driver(**answers: Any) -> Any:
    """A driver of a whole, idle device that this process has for itself."""
    usual: dict[str, Any] = {
        "nvmlSystemGetDriverVersion": lambda: b"570.1",
        "nvmlDeviceGetHandleByUUID": lambda _: "handle",
        "nvmlDeviceGetMigMode": raises(NVMLError_NotSupported()),
        "nvmlDeviceGetVirtualizationMode": lambda _: 0,
        "nvmlDeviceGetEccMode": lambda _: [1, 1],
        "nvmlDeviceGetComputeRunningProcesses": lambda _: processes(os.getpid()),
        "nvmlDeviceGetGraphicsRunningProcesses": lambda _: [],
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 700_000,
        "nvmlDeviceGetPowerManagementDefaultLimit": lambda _: 700_000,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda _: 1,
    }
    return SimpleNamespace(**{**usual, **answers})


def test_a_whole_idle_device_of_ones_own_is_undisturbed() -> None:
    told = ask(driver(), "GPU-1")
    assert (told.driver, told.disturbed, told.unread) == ("570.1", [], [])


@pytest.mark.parametrize(
    ("answers", "sign"),
    [
        ({"nvmlDeviceGetMigMode": lambda _: [1, 1]}, "MIG is on"),
        ({"nvmlDeviceGetVirtualizationMode": lambda _: 2}, "a virtual GPU"),
        (
            {"nvmlDeviceGetComputeRunningProcesses": lambda _: processes(os.getpid(), 1)},
            "1 other processes",
        ),
        ({"nvmlDeviceGetGraphicsRunningProcesses": lambda _: processes(1)}, "1 other processes"),
        ({"nvmlDeviceGetEnforcedPowerLimit": lambda _: 300_000}, "the power limit is 300 W"),
        ({"nvmlDeviceGetCurrentClocksEventReasons": lambda _: 0x40}, "hardware thermal slowdown"),
        ({"nvmlDeviceGetCurrentClocksEventReasons": lambda _: 0x8000}, "reason 0x8000"),
    ],
)
def test_signs_of_disturbance_are_told(answers: dict[str, Any], sign: str) -> None:
    (found,) = ask(driver(**answers), "GPU-1").disturbed
    assert sign in found


@pytest.mark.parametrize("pids", [[], [99_999]])
def test_a_list_without_this_process_tells_nothing_of_others(pids: list[int]) -> None:
    listed = [SimpleNamespace(pid=pid) for pid in pids]
    told = ask(driver(nvmlDeviceGetComputeRunningProcesses=lambda _: listed), "GPU-1")
    assert any("lists this process nowhere" in each for each in told.unread)


@pytest.mark.parametrize("name", list(vars(driver())))
@pytest.mark.parametrize("error", [RuntimeError("GPU is lost"), OSError(5, "x"), ValueError(), RecursionError()])
def test_what_is_refused_is_unread(name: str, error: Exception) -> None:
    told = ask(driver(**{name: raises(error)}), "GPU-1")
    assert len(told.unread) == 1
    assert told.unread[0].startswith("NVML, ")


def test_a_driver_without_a_function_is_no_error() -> None:
    library = driver()
    del library.nvmlDeviceGetMigMode, library.nvmlDeviceGetCurrentClocksEventReasons
    assert len(ask(library, "GPU-1").unread) == 2


def test_without_the_library_or_an_id_everything_is_unread() -> None:
    assert ask(None, "GPU-1").unread == [NOT_THERE]
    assert len(ask(driver(), None).unread) == 1


@pytest.mark.parametrize("module", [None, SimpleNamespace(nvmlInit=raises(RuntimeError("library not found")))])
def test_a_library_that_is_not_there_or_does_not_start_is_none(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", module)
    with nvml() as library:
        assert library is None


@pytest.mark.parametrize(("mode", "ecc"), [(1, True), (0, False)])
def test_whether_memory_corrects_errors_is_told(mode: int, ecc: bool) -> None:
    assert ask(driver(nvmlDeviceGetEccMode=lambda _: (mode, mode)), "GPU-1").ecc is ecc
