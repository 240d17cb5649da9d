"""How much memory this process may use, and how many processors: the host's, less every limit that holds it.

Read are /proc/meminfo, the control groups of this process and all above it (v1 and v2), and its resource limits. What
cannot be read, or is nonsense, limits nothing and frees nothing: the other readings count.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

#: Version 1 says "no limit" with the largest page-aligned number; nothing this large is a limit.
UNLIMITED = 1 << 60
_RESOURCES = (("RLIMIT_AS", resource.RLIMIT_AS, "VmSize"), ("RLIMIT_DATA", resource.RLIMIT_DATA, "VmData"))


class Usable(Struct, frozen=True):
    """Bytes: of the host, free for this process, and the least limit set on it, with what sets it."""

    total_bytes: int | None
    free_bytes: int | None
    limit_bytes: int | None
    limited_by: str | None


class _Limit(Struct, frozen=True):
    name: str
    bytes: int
    used: int | None


def usable_memory(root: Path = Path("/"), limits: Mapping[str, int] | None = None) -> Usable:
    """Return what this process may use now; `limits` stands for the resource limits, by name."""
    host = _table(root / "proc/meminfo")
    found = [*_groups(root), *_resources(root, _soft_limits() if limits is None else limits)]
    free = [host[name] for name in ("MemAvailable",) if name in host]
    free += [max(each.bytes - each.used, 0) for each in found if each.used is not None]
    total = host.get("MemTotal")
    least = min(found, key=lambda each: each.bytes, default=None)
    if least is not None and total is not None and least.bytes >= total:
        least = None  # a limit above what there is limits nothing
    return Usable(
        total, min(free, default=None), least.bytes if least else None, f"{least.name}" if least is not None else None
    )


def usable_processors(root: Path = Path("/")) -> int:
    """Return how many processors this process may keep busy: its affinity, less the quota of its control groups."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        allowed = os.cpu_count() or 1
    for _, folder in _folders(root, "cpu"):
        quota = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and all(word.isascii() and word.isdigit() for word in quota) and int(quota[1]) > 0:
            allowed = min(allowed, max(int(quota[0]) // int(quota[1]), 1))
    return max(allowed, 1)


def reserve_bytes(may_use: int) -> int:
    """Return what stays untouched of `may_use`: 2 GiB or an eighth, whichever is more, but no more than a quarter."""
    return max(min(2 << 30, may_use // 4), may_use // 8)


def _groups(root: Path) -> Iterator[_Limit]:
    """Yield the memory limits of this process's control groups, its own first."""
    for _, folder in _folders(root, "memory"):
        cached = _table(folder / "memory.stat", 1)
        files = cached.get("total_inactive_file", cached.get("inactive_file", 0))
        for name, used in (
            ("memory.max", "memory.current"),
            ("memory.high", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, current = _number(folder / name), _number(folder / used)
            if limit is not None and limit < UNLIMITED:
                # clean pages of files are given back before anything is killed
                held = max(current - files, 0) if current is not None else limit
                yield _Limit(f"control group, {name}", limit, held)


def _folders(root: Path, controller: str) -> Iterator[tuple[str, Path]]:
    """Yield the folders of this process's groups of `controller`, from its own up to the mount point."""
    mounts = list(_mounts(root))
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number != "0" and controller not in names.split(","):
            continue
        wanted = "cgroup2" if number == "0" else "cgroup"
        for kind, options, base, point in mounts:
            if kind != wanted or (wanted == "cgroup" and controller not in options):
                continue
            inside = _below(path, base)
            top = root / point.lstrip("/")
            for depth in range(len(inside), -1, -1):
                yield wanted, top.joinpath(*inside[:depth])


def _below(path: str, base: str) -> tuple[str, ...]:
    """Return the parts of `path` below the mounted `base`; none where a namespace hides how they lie."""
    parts, above = Path(path).parts[1:], Path(base).parts[1:]
    if ".." in parts or ".." in above or parts[: len(above)] != above:
        return ()
    return parts[len(above) :]


def _mounts(root: Path) -> Iterator[tuple[str, set[str], str, str]]:
    """Yield kind, controllers, root and mount point of every mounted tree of control groups."""
    for line in _lines(root / "proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(), right.split()
        if len(fields) >= 5 and kinds and kinds[0] in ("cgroup", "cgroup2"):
            yield kinds[0], set(kinds[-1].split(",")), _plain(fields[3]), _plain(fields[4])


def _plain(field: str) -> str:
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _resources(root: Path, limits: Mapping[str, int]) -> Iterator[_Limit]:
    status = _table(root / "proc/self/status")
    for name, _, field in _RESOURCES:
        if name in limits:
            yield _Limit(name, limits[name], status.get(field))


def _soft_limits() -> dict[str, int]:
    found = {name: resource.getrlimit(kind)[0] for name, kind, _ in _RESOURCES}
    return {name: limit for name, limit in found.items() if limit != resource.RLIM_INFINITY}


def _table(path: Path, unit: int = 1024) -> dict[str, int]:
    """Read lines of a name and a number, which a following `kB` makes kibibytes."""
    found = {}
    for line in _lines(path):
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isascii() and words[1].isdigit():
            found[words[0]] = int(words[1]) * (unit if words[-1] == "kB" else 1)
    return found


def _number(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if len(words) == 1 and words[0].isascii() and words[0].isdigit() else None


def _words(path: Path) -> list[str]:
    lines = _lines(path)
    return lines[0].split() if lines else []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):
        return []
