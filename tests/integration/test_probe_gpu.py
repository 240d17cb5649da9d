"""A real accelerator, where there is one: readings are held to published figures and to readings of others.

An H100 SXM was seen to copy at 3.0 TB/s and to multiply bf16 matrices at 798 TFLOP/s, an H200 at 4.3 TB/s and 769 to
798 TFLOP/s. Nothing is replaced here: without a device there is nothing to test.
"""

from __future__ import annotations

import pytest
import torch

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import GpuClaim, HardwareClaim
from policy_engine.catalog.sizing import card_bytes, peak_tflops
from policy_engine.loading.policy import load_policy
from policy_engine.probe.report import Report
from policy_engine.probe.run import probe
from policy_engine.probe.verdicts import judge_measured

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.accelerator.is_available(), reason=f"torch {torch.__version__} finds no accelerator"),
]
#: Driver's name -> copy in GB/s and bf16 in TFLOP/s, as others read them.
READ = {"NVIDIA H100 80GB HBM3": (3000.0, 798.0), "NVIDIA H200": (4300.0, 780.0)}


@pytest.fixture(scope="module")
def report() -> Report:
    return probe(None, 60.0, 1)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_policy().catalog


def test_every_device_is_measured_without_a_problem(report: Report) -> None:
    assert len(report.devices) == torch.accelerator.device_count()
    for device in report.devices:
        assert device.type != "cpu"
        assert device.memory.intact is True
        problems = {rate.name: rate.problem for rate in device.rates if rate.name in ("copy", "fp32", "bf16", "decode")}
        assert problems == {"copy": None, "fp32": None, "bf16": None, "decode": None}
        assert all(len(rate.rounds) == 3 for rate in device.rates if rate.problem is None and rate.name != "peer")
        assert device.sustained is not None


def test_no_reading_is_above_what_is_published_nor_far_below(report: Report, catalog: Catalog) -> None:
    known = [(device, gpu) for device in report.devices if (gpu := catalog.gpu(device.name)) is not None]
    if not known:
        pytest.skip(f"the catalog has no figures of {report.devices[0].name}")
    for device, gpu in known:
        total = device.memory.total_bytes
        assert total == pytest.approx(card_bytes(catalog.rules, gpu.memory_gb), rel=0.05)
        copy, bf16, peak = device.rate("copy"), device.rate("bf16"), peak_tflops(gpu)
        assert copy is not None
        assert bf16 is not None
        assert copy.best is not None
        assert bf16.best is not None
        assert peak is not None
        assert 0.4 * gpu.bandwidth_gb_s < copy.best < 1.05 * gpu.bandwidth_gb_s
        assert 0.3 * peak < bf16.best < 1.05 * peak
        decode = device.rate("decode")
        assert decode is not None
        assert decode.best is not None
        assert decode.best < 1.05 * gpu.bandwidth_gb_s


def test_readings_agree_with_those_of_others(report: Report) -> None:
    known = [(device, READ[device.name]) for device in report.devices if device.name in READ]
    if not known:
        pytest.skip(f"nobody's readings of {report.devices[0].name} are at hand")
    for device, (copy, product) in known:
        for name, expected in (("copy", copy), ("bf16", product)):
            rate = device.rate(name)
            assert rate is not None
            assert rate.best is not None
            assert 0.75 * expected < rate.best < 1.1 * expected


def test_published_figures_are_not_contradicted_and_ten_times_them_are(report: Report, catalog: Catalog) -> None:
    device = report.devices[0]
    gpu = catalog.gpu(device.name)
    if gpu is None:
        pytest.skip(f"the catalog has no figures of {device.name}")
    for times, wrong in ((1.0, "contradicted"), (10.0, "verified")):
        peak = peak_tflops(gpu)
        assert peak is not None
        row = GpuClaim(
            name=device.name,
            count=1,
            memory_gb=gpu.memory_gb * times,
            bandwidth_gb_s=gpu.bandwidth_gb_s * times,
            bf16_tflops=peak * times,
        )
        found = {each.name: each.verdict for each in judge_measured(catalog, HardwareClaim(gpus=(row,)), report)}
        assert wrong not in {verdict for name, verdict in found.items() if name != "count"}, found
