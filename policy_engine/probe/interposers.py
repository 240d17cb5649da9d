"""What may stand between this process and the device: libraries that are loaded before others, and known hooks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Libraries that are known to answer in the driver's place, by a part of the file's name.
HOOKS = (
    "libvgpu", "hami", "libcuda-control", "libcudahook", "cuda_hook", "cuda-hook", "libgemhook", "libsoftmig",
    "libnvshare", "nvshare", "libcuda_hook", "gpushare", "libvcuda", "libmlu-control",
)  # fmt: skip
_PRELOADS = ("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES")
_HOOK_SETTINGS = ("CUDA_DEVICE_MEMORY_LIMIT", "CUDA_DEVICE_SM_LIMIT", "GPU_MEMORY_FRACTION")
#: Memory allocators and the like, which are preloaded everywhere and answer for no device.
_HARMLESS = re.compile(r"lib(jemalloc|tcmalloc(_minimal)?|mimalloc|gomp|iomp5|stdc\+\+)\.so[\d.]*")


def interposers(root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Name what was found, where it was found; nothing known to be harmless is named."""
    return tuple(dict.fromkeys(_found(root, os.environ if environ is None else environ)))


def _found(root: Path, environ: Mapping[str, str]) -> Iterator[str]:
    for name in _PRELOADS:
        for library in re.split(r"[\s:]+", environ.get(name, "")):
            if library and not _is_harmless(library):
                yield f"{name}: {library}"
    for line in _lines(root / "etc/ld.so.preload"):
        for library in re.split(r"[\s:]+", line.partition("#")[0]):
            if library and not _is_harmless(library):
                yield f"/etc/ld.so.preload: {library}"
    for name in environ:
        if name.startswith(_HOOK_SETTINGS):
            yield f"{name} is set, which vGPU hooks read"
    for line in _lines(root / "proc/self/maps"):
        file = line.split(maxsplit=5)[5] if line.count("/") else ""
        if any(hook in Path(file).name.lower() for hook in HOOKS):
            yield f"loaded: {file}"


def _is_harmless(library: str) -> bool:
    return _HARMLESS.fullmatch(Path(library).name) is not None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
