"""Whole runs on the CPU that is there, with a part of torch replaced by one that is odd."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from policy_engine.errors import UsageError
from policy_engine.probe import run
from policy_engine.probe.device import Bench, choose, versions
from policy_engine.probe.disturbed import SHARED_CPU, signs
from policy_engine.probe.report import Memory, Rate, Report, Sustained
from tests.unit.probe.trees import Replaced

CPU = torch.device("cpu")


def probed(library: Any, monkeypatch: pytest.MonkeyPatch, seconds: float = 5.0) -> Report:
    monkeypatch.setattr(run, "torch", lambda: library)
    return run.probe("cpu", seconds, 1)


def no_bf16(*arguments: Any, **options: Any) -> Any:
    if arguments[0].dtype == torch.bfloat16:
        raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'BFloat16'")
    return torch.mm(*arguments, **options)


def test_a_run_reports_what_it_found_and_keeps_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.perf_counter()
    report = probed(Replaced(torch, mm=no_bf16), monkeypatch, 6.0)
    assert time.perf_counter() - begun < 9
    (device,) = report.devices
    assert device.type == "cpu"
    assert device.memory.intact in (True, None)
    assert {rate.name for rate in device.rates} == {"copy", "fp32", "bf16", "fp16", "fp8", "decode"}
    bf16 = device.rate("bf16")
    assert bf16 is not None
    assert bf16.problem is not None
    assert "BFloat16" in bf16.problem
    assert device.disturbed[-1] == SHARED_CPU
    assert report.versions["torch"] == torch.__version__


def test_a_run_without_time_reports_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "torch", lambda: torch)
    begun = time.perf_counter()
    report = run.probe("cpu", 6.0, 1, began=begun - 60)
    assert time.perf_counter() - begun < 5
    (device,) = report.devices
    assert all(rate.problem for rate in device.rates)
    assert (device.memory.touched_bytes, device.sustained) == (0, None)


@pytest.mark.parametrize("wanted", ["cuda:99", "tpu", "cpu:x", "mps:-1", "", "cuda:"])
def test_a_device_that_is_not_there_is_a_usage_error(wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(torch, wanted or ":")
    assert caught.value.code == "no-device"


class Accelerators:
    """Two devices of a kind, as torch tells of them."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count

    def is_available(self) -> bool:
        return True

    def current_accelerator(self) -> Any:
        return torch.device(self.kind)

    def device_count(self) -> int:
        return self.count


def test_devices_are_chosen_by_kind_and_number() -> None:
    two = Replaced(torch, accelerator=Accelerators("cuda", 2))
    assert [str(each) for each in choose(two, None)] == ["cuda:0", "cuda:1"]
    assert [str(each) for each in choose(two, "cuda:1")] == ["cuda:1"]
    assert [str(each) for each in choose(two, "cpu")] == ["cpu"]
    none = Replaced(torch, accelerator=Accelerators("cuda", 0))
    assert choose(none, None) == [CPU]


def test_amds_devices_are_told_apart() -> None:
    version = Replaced(torch.version, hip="6.4")
    assert Bench(Replaced(torch, version=version), torch.device("cuda", 0)).backend == "rocm"
    assert versions(Replaced(torch, version=version))["hip"] == "6.4"
    assert Bench(Replaced(torch, version=Replaced(torch.version, hip=None)), torch.device("cuda", 0)).backend == "cuda"


def sure(**changed: Any) -> tuple[str, ...]:
    """Return the signs at a device that is beyond doubt, but for what is changed."""
    given: dict[str, Any] = {
        "rates": [Rate(name="copy", rounds=(1.0, 1.0, 1.0))],
        "sustained": Sustained(seconds=3.0, first=1.0, last=1.0),
        "memory": Memory(total_bytes=1, touched_bytes=1, intact=True),
        "is_cpu": False,
        "switched": 0,
    }
    return signs(**{**given, **changed})


def test_an_accelerator_is_undisturbed_only_where_nothing_speaks_against_it() -> None:
    assert sure() == ()
    assert sure(sustained=None) != ()
    assert sure(sustained=Sustained(seconds=3.0, first=1.0, last=0.8)) != ()
    assert sure(rates=[Rate(name="copy", rounds=(1.0,))]) != ()
    assert sure(memory=Memory(total_bytes=1, touched_bytes=1, intact=False)) != ()


def test_a_cpu_is_never_undisturbed() -> None:
    assert sure(is_cpu=True)[-1] == SHARED_CPU
    busy = sure(is_cpu=True, switched=7, rates=[Rate(name="copy", rounds=(1.0,) * 3, busy=(1.0, 0.5, 1.0))])
    assert busy[:2] == ("the process had its processors for 0.50 of a sample", "it was taken off a processor 7 times")
