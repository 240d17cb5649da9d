"""A wheelhouse without a build: the distributions of this environment, packed into wheels again.

What `make wheelhouse` downloads and compiles is what is installed here, durable_rules' extension included. The wheel of
the project itself is built.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
#: What an installer wrote about the installation, which is no part of the distribution.
_INSTALLED = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}


def required(names: list[str]) -> set[str]:
    """The distributions that `names` bring in, with all that these need."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    done: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        if str(requirement) in done or not _wanted(requirement, {""}):
            continue
        done.add(str(requirement))
        found.add(canonicalize_name(requirement.name))
        for text in metadata.requires(requirement.name) or []:
            needed = Requirement(text)
            if _wanted(needed, extras | {""}):
                needed.marker = None
                waiting.append(needed)
    return found


def _wanted(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def pack(name: str, folder: Path) -> None:
    """Write the wheel of an installed distribution."""
    distribution = metadata.distribution(name)
    tags = HeaderParser().parsestr(distribution.read_text("WHEEL") or "").get_all("Tag", [])
    parts = [".".join(dict.fromkeys(part)) for part in zip(*(tag.split("-") for tag in tags), strict=True)]
    own = canonicalize_name(distribution.metadata["Name"]).replace("-", "_")
    stem = f"{own}-{distribution.version}"
    with zipfile.ZipFile(folder / f"{stem}-{'-'.join(parts)}.whl", "w", zipfile.ZIP_STORED) as wheel:
        record = []
        for path in distribution.files or []:
            inside = path.parts[0] != ".." and path.suffix != ".pyc"
            if not inside or (path.parts[0].endswith(".dist-info") and path.name in _INSTALLED):
                continue
            if path.parts[0].endswith(".dist-info"):
                info = path.parts[0]
            wheel.write(str(path.locate()), path.as_posix())
            record.append(f"{path.as_posix()},,\n")
        wheel.writestr(f"{info}/RECORD", "".join(record) + f"{info}/RECORD,,\n")


def fill(folder: Path) -> None:
    """Fill an empty folder as `make wheelhouse` does."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in required([*project["dependencies"], *project["optional-dependencies"]["postgres"]]):
        pack(name, folder)


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, made by the first of the processes of the tests that asks for it."""
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            making = folder.with_name(f"{folder.name}.{os.getpid()}")
            making.mkdir(parents=True)
            make(making)
            making.rename(folder)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
