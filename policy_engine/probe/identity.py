"""Which host this is, as far as it tells: its name, a digest of its machine id, processor, container and CI."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from policy_engine.probe.interposers import interposers
from policy_engine.probe.report import Host

#: Variable -> the system that sets it, the particular ones first.
_CI = {
    "GITHUB_ACTIONS": "GitHub Actions",
    "GITLAB_CI": "GitLab CI",
    "JENKINS_URL": "Jenkins",
    "BUILDKITE": "Buildkite",
    "CIRCLECI": "CircleCI",
    "TF_BUILD": "Azure Pipelines",
    "TEAMCITY_VERSION": "TeamCity",
    "BITBUCKET_BUILD_NUMBER": "Bitbucket Pipelines",
    "CI": "CI",
}
_HIDING = (
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR",
)  # fmt: skip
#: Values of `CI` that say that it is none.
_NOT = ("", "0", "false", "no")
_CONTAINERS = ("docker", "kubepods", "containerd", "libpod", "lxc", "garden")


def describe_host(root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> Host:
    """Describe this host; what it does not tell is None."""
    environ = os.environ if environ is None else environ
    container = in_container(root, environ)
    hidden = [f"{name}={environ[name]}" for name in _HIDING if environ.get(name) not in (None, "all")]
    return Host(
        name=platform.node(),
        machine=machine_digest(root),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=cpu_name(root),
        cpus=os.cpu_count(),
        container=container,
        ci=next((system for name, system in _CI.items() if environ.get(name, "").lower() not in _NOT), None),
        hidden=(*hidden, *(["a container"] if container else [])),
        interposers=interposers(root, environ),
    )


def machine_digest(root: Path = Path("/")) -> str | None:
    """Return a digest of the machine id, which by itself is not to be handed out (machine-id(5))."""
    for name in ("etc/machine-id", "var/lib/dbus/machine-id"):
        found = _text(root / name).strip()
        if found and found != "uninitialized":
            return "sha256:" + hashlib.sha256(b"policy-engine/probe/machine\0" + found.encode()).hexdigest()
    return None


def cpu_name(root: Path = Path("/")) -> str | None:
    """Return the processor's name as the kernel has it."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model", "Hardware") and value.strip():
            return value.strip()
    return platform.processor() or None


def in_container(root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> bool | None:
    """Tell whether this is a container; None where nothing tells."""
    environ = os.environ if environ is None else environ
    if environ.get("KUBERNETES_SERVICE_HOST") or environ.get("container"):
        return True
    if any((root / name).exists() for name in ("run/secrets/kubernetes.io", ".dockerenv", "run/.containerenv")):
        return True
    groups = _text(root / "proc/self/cgroup")
    if not groups:
        return None
    return any(name in groups for name in _CONTAINERS)


def last_level_cache_bytes(root: Path = Path("/")) -> int | None:
    """Return the size of all last-level caches together; None where it is not told."""
    found: dict[str, int] = {}
    for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cache"):
        caches = []
        for cache in folder.glob("index[0-9]*"):
            level, size = _text(cache / "level").strip(), _text(cache / "size").strip()
            if level.isdigit() and size[:-1].isdigit() and size[-1:] in "KMG":
                unit = 1024 ** ("KMG".index(size[-1]) + 1)
                caches.append((int(level), int(size[:-1]) * unit, _text(cache / "shared_cpu_list").strip()))
        if caches:
            _, size_bytes, shared = max(caches)
            found[shared or folder.parent.name] = size_bytes
    return sum(found.values()) or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
