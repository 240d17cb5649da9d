"""Trees of /proc and /sys as kernels and containers show them, and torch with parts replaced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

GIB = 1 << 30


def tree(root: Path, files: Mapping[str, str]) -> Path:
    """Write the files below `root`."""
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return root


def host(root: Path, total_gib: int = 64, available_gib: int = 60) -> Path:
    """A host without any limit."""
    text = f"MemTotal: {total_gib << 20} kB\nMemAvailable: {available_gib << 20} kB\nSwapFree: 99999999 kB\n"
    return tree(root, {"proc/meminfo": text, "proc/self/status": "VmSize:\t 1048576 kB\nVmData:\t 524288 kB\n"})


def version_two(root: Path, path: str, base: str = "/") -> Path:
    """A host with the unified tree mounted."""
    mount = f"30 24 0:26 {base} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
    return tree(host(root), {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": mount})


def version_one(root: Path, path: str, base: str = "/") -> Path:
    """A host with the memory controller mounted by itself."""
    groups = f"9:name=systemd:/\n4:memory:{path}\n2:cpu,cpuacct:{path}\n"
    mounts = (
        f"35 31 0:32 {base} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        f"36 31 0:33 {base} /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    )
    return tree(host(root), {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts})


class Replaced:
    """A library with some of its names replaced."""

    def __init__(self, library: Any, **names: Any) -> None:
        self._library, self._names = library, names

    def __getattr__(self, name: str) -> Any:
        return self._names[name] if name in self._names else getattr(self._library, name)
