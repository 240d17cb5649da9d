"""How much memory this process may use: the least of all limits, wherever it is set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policy_engine.probe.limits import reserve_bytes, usable_memory, usable_processors
from tests.unit.probe.trees import GIB, host, tree, version_one, version_two

UNLIMITED_V1 = "9223372036854771712\n"


def test_a_host_without_limits_has_what_it_says_and_no_swap(tmp_path: Path) -> None:
    found = usable_memory(host(tmp_path), {})
    assert (found.total_bytes, found.free_bytes, found.limit_bytes) == (64 * GIB, 60 * GIB, None)


def test_a_group_of_version_two_below_the_host_counts(tmp_path: Path) -> None:
    root = version_two(tmp_path, "/kubepods/pod/app")
    files = {"memory.max": f"{4 * GIB}\n", "memory.current": f"{GIB}\n", "memory.stat": f"inactive_file {GIB // 2}\n"}
    tree(root / "sys/fs/cgroup/kubepods/pod/app", files)
    found = usable_memory(root, {})
    assert (found.limit_bytes, found.free_bytes) == (4 * GIB, 4 * GIB - GIB // 2)
    assert found.limited_by == "control group, memory.max"


@pytest.mark.parametrize("name", ["memory.max", "memory.high"])
def test_a_limit_on_any_group_above_counts(tmp_path: Path, name: str) -> None:
    root = version_two(tmp_path, "/a/b/c")
    tree(root / "sys/fs/cgroup/a/b/c", {"memory.max": "max\n", "memory.current": f"{GIB}\n"})
    tree(root / "sys/fs/cgroup/a", {name: f"{2 * GIB}\n", "memory.current": f"{GIB}\n"})
    found = usable_memory(root, {})
    assert (found.limit_bytes, found.free_bytes) == (2 * GIB, GIB)
    assert found.limited_by == f"control group, {name}"


def test_the_least_of_several_limits_wins(tmp_path: Path) -> None:
    root = version_two(tmp_path, "/a/b")
    tree(root / "sys/fs/cgroup/a/b", {"memory.max": f"{8 * GIB}\n", "memory.current": "0\n"})
    tree(root / "sys/fs/cgroup/a", {"memory.max": f"{16 * GIB}\n", "memory.current": f"{15 * GIB}\n"})
    found = usable_memory(root, {"RLIMIT_AS": 3 * GIB})
    assert (found.limit_bytes, found.limited_by) == (3 * GIB, "RLIMIT_AS")
    assert found.free_bytes == GIB, "the group above leaves less than the limit that is least"


def test_version_one_counts_and_its_word_for_no_limit_does_not(tmp_path: Path) -> None:
    root = version_one(tmp_path, "/docker/abc")
    group = root / "sys/fs/cgroup/memory"
    tree(group / "docker/abc", {"memory.limit_in_bytes": f"{GIB}\n", "memory.usage_in_bytes": f"{GIB // 4}\n"})
    tree(group, {"memory.limit_in_bytes": UNLIMITED_V1, "memory.usage_in_bytes": "0\n"})
    found = usable_memory(root, {})
    assert (found.limit_bytes, found.free_bytes) == (GIB, GIB - GIB // 4)
    (group / "docker/abc/memory.limit_in_bytes").write_text(UNLIMITED_V1)
    assert usable_memory(root, {}).limit_bytes is None


@pytest.mark.parametrize(
    ("path", "base"), [("/docker/abc", "/docker/abc"), ("/../../x", "/../.."), ("/other", "/docker")]
)
def test_a_container_sees_its_own_group_at_the_mount_point(tmp_path: Path, path: str, base: str) -> None:
    root = version_one(tmp_path, path, base)
    tree(root / "sys/fs/cgroup/memory", {"memory.limit_in_bytes": f"{GIB}\n", "memory.usage_in_bytes": "0\n"})
    assert usable_memory(root, {}).limit_bytes == GIB


@pytest.mark.parametrize("text", ["max\n", "", "-1\n", "many\n", "1 2\n", "٣\n", "\x00\n"])
def test_nonsense_limits_nothing(tmp_path: Path, text: str) -> None:
    root = version_two(tmp_path, "/a")
    tree(root / "sys/fs/cgroup/a", {"memory.max": text, "memory.current": f"{GIB}\n"})
    assert usable_memory(root, {}).limit_bytes is None


@pytest.mark.parametrize("text", ["", "max\n", "-5\n"])
def test_a_limit_whose_use_cannot_be_read_leaves_nothing_free(tmp_path: Path, text: str) -> None:
    root = version_two(tmp_path, "/a")
    tree(root / "sys/fs/cgroup/a", {"memory.max": f"{GIB}\n", "memory.current": text})
    assert usable_memory(root, {}).free_bytes == 0


def test_nothing_readable_is_nothing_known(tmp_path: Path) -> None:
    found = usable_memory(tmp_path, {})
    assert (found.total_bytes, found.free_bytes, found.limit_bytes, found.limited_by) == (None, None, None, None)


def test_a_limit_above_the_host_is_none(tmp_path: Path) -> None:
    found = usable_memory(host(tmp_path), {"RLIMIT_DATA": 128 * GIB})
    assert (found.limit_bytes, found.limited_by, found.free_bytes) == (None, None, 60 * GIB)


@pytest.mark.parametrize(
    ("may_use", "kept"), [(128 * GIB, 16 * GIB), (16 * GIB, 2 * GIB), (8 * GIB, 2 * GIB), (GIB // 2, GIB // 8)]
)
def test_a_reserve_is_always_kept(may_use: int, kept: int) -> None:
    assert reserve_bytes(may_use) == kept


def test_processors_are_those_allowed_less_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    root = version_two(tmp_path, "/a/b")
    assert usable_processors(root) == 8
    tree(root / "sys/fs/cgroup/a", {"cpu.max": "250000 100000\n"})
    tree(root / "sys/fs/cgroup/a/b", {"cpu.max": "max 100000\n"})
    assert usable_processors(root) == 2
    tree(root / "sys/fs/cgroup/a/b", {"cpu.max": "50000 100000\n"})
    assert usable_processors(root) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_processors(host(tmp_path / "other")) == 1


def test_a_quota_of_version_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    root = version_one(tmp_path, "/docker/abc")
    quota = {"cpu.cfs_quota_us": "300000\n", "cpu.cfs_period_us": "100000\n"}
    tree(root / "sys/fs/cgroup/cpu/docker/abc", quota)
    assert usable_processors(root) == 3
    tree(root / "sys/fs/cgroup/cpu/docker/abc", {**quota, "cpu.cfs_quota_us": "-1\n"})
    assert usable_processors(root) == 8
