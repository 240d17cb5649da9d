"""Which host it is, and what may answer in a device's place."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from policy_engine.probe.identity import describe_host, last_level_cache_bytes
from policy_engine.probe.interposers import interposers
from tests.unit.probe.trees import tree


def test_the_machine_id_is_not_handed_out(tmp_path: Path) -> None:
    root = tree(tmp_path, {"etc/machine-id": "0123456789abcdef0123456789abcdef\n"})
    found = describe_host(root, {}).machine
    assert (
        found
        == "sha256:" + hashlib.sha256(b"policy-engine/probe/machine\x000123456789abcdef0123456789abcdef").hexdigest()
    )
    assert describe_host(tmp_path / "nowhere", {}).machine is None
    assert describe_host(tree(tmp_path / "new", {"etc/machine-id": "uninitialized\n"}), {}).machine is None


@pytest.mark.parametrize(
    ("environ", "system"),
    [({"GITHUB_ACTIONS": "true", "CI": "true"}, "GitHub Actions"), ({"CI": "1"}, "CI"), ({"CI": ""}, None), ({}, None)],
)
def test_a_ci_system_is_named(tmp_path: Path, environ: dict[str, str], system: str | None) -> None:
    assert describe_host(tmp_path, environ).ci == system


def test_a_container_and_hidden_devices_are_said(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": "4:memory:/docker/abc\n"})
    found = describe_host(root, {"CUDA_VISIBLE_DEVICES": "0,1", "NVIDIA_VISIBLE_DEVICES": "all"})
    assert found.container is True
    assert found.hidden == ("CUDA_VISIBLE_DEVICES=0,1", "a container")
    assert describe_host(tmp_path / "nowhere", {}).container is None


@pytest.mark.parametrize(
    ("files", "environ", "named"),
    [
        ({}, {"LD_PRELOAD": "/o/libvgpu.so:/o/libx.so"}, ("LD_PRELOAD: /o/libvgpu.so", "LD_PRELOAD: /o/libx.so")),
        ({}, {"LD_PRELOAD": "/usr/lib/libjemalloc.so.2 libtcmalloc_minimal.so.4"}, ()),
        ({}, {"LD_PRELOAD": "/opt/libjemalloc-hook.so"}, ("LD_PRELOAD: /opt/libjemalloc-hook.so",)),
        ({}, {"LD_AUDIT": "/opt/audit.so"}, ("LD_AUDIT: /opt/audit.so",)),
        ({"etc/ld.so.preload": "# none\n/opt/libvgpu.so\n"}, {}, ("/etc/ld.so.preload: /opt/libvgpu.so",)),
        ({}, {"CUDA_DEVICE_MEMORY_LIMIT_0": "8g"}, ("CUDA_DEVICE_MEMORY_LIMIT_0 is set, which vGPU hooks read",)),
        (
            {"proc/self/maps": "7f00-7f01 r-xp 0 08:01 12   /opt/libvgpu.so\n7f02-7f03 rw-p 0 00:00 0\n"},
            {},
            ("loaded: /opt/libvgpu.so",),
        ),
        ({"proc/self/maps": "7f00-7f01 r-xp 0 08:01 12 /usr/lib/libcuda.so.1\n"}, {}, ()),
    ],
)  # fmt: skip
def test_interposers_are_found_and_allocators_are_none(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], named: tuple[str, ...]
) -> None:
    assert interposers(tree(tmp_path, files), environ) == named


def test_caches_of_all_sockets_count_once_each(tmp_path: Path) -> None:
    files = {}
    for cpu, shared in ((0, "0-1"), (1, "0-1"), (2, "2-3")):
        for index, level, size in ((0, 1, "32K"), (2, 2, "1024K"), (3, 3, "32768K")):
            folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
            files |= {f"{folder}/level": f"{level}\n", f"{folder}/size": f"{size}\n"}
            files[f"{folder}/shared_cpu_list"] = f"{shared}\n"
    assert last_level_cache_bytes(tree(tmp_path, files)) == 64 << 20
    assert last_level_cache_bytes(tmp_path / "nowhere") is None
