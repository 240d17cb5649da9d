"""Install the wheels of a folder into a virtual environment, offline; `install.sh` finds the Python that runs this.

`install.py WHEELHOUSE FOLDER [sha256:DIGEST]` makes FOLDER with `bin/policy`, and does nothing where that was done
already. `install.py --digest WHEELHOUSE` prints the digest, which is that of
`cd WHEELHOUSE && LC_ALL=C sha256sum *.whl | sha256sum`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

USAGE, UNUSABLE, UNVERIFIED = 2, 3, 6
_READY = ".ready"


class InstallError(Exception):
    """Nothing was installed: the status to leave with, what is wrong, and what to do."""

    def __init__(self, status: int, message: str, help_: str) -> None:
        super().__init__(message)
        self.status, self.help = status, help_


def wheels_of(wheelhouse: Path) -> list[Path]:
    """Return the wheels, by name.

    Raises:
        InstallError: something else is in the folder. pip would read a page of links there, and follow them, or
            build a source distribution.
    """
    found = sorted(wheelhouse.iterdir(), key=lambda path: path.name.encode())
    for path in found:
        if path.suffix != ".whl" or path.is_symlink() or not path.is_file():
            message = f"the wheelhouse holds `{path.name}`, which is no wheel"
            raise InstallError(UNUSABLE, message, "leave nothing but wheels in that folder")
    return found


def digest_of(wheels: Sequence[Path]) -> str:
    """Return the digest over the wheels' digests and names."""
    whole = hashlib.sha256()
    for path in wheels:
        whole.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def install(wheelhouse: Path, folder: Path, wanted: str) -> None:
    """Install every wheel of `wheelhouse` into the new environment `folder`; `wanted` is its digest, or empty.

    Raises:
        InstallError: the digest is another, or the wheels do not do on this machine.
    """
    wheels = wheels_of(wheelhouse)
    found = digest_of(wheels)
    if wanted and wanted != found:
        message = f"the wheelhouse has the digest {found}, and {wanted} was asked for"
        raise InstallError(UNVERIFIED, message, "somebody changed it, or the pinned digest is of another one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two hooks that begin at once make it once
        ready = folder / _READY
        if ready.is_file() and ready.read_text() == found:
            return
        if folder.exists() and not (folder / "pyvenv.cfg").is_file():
            raise InstallError(USAGE, f"`{folder}` is there, and no virtual environment", "name another folder")
        shutil.rmtree(folder, ignore_errors=True)
        _pip(folder, wheelhouse, wheels)
        ready.write_text(found)


def _pip(folder: Path, wheelhouse: Path, wheels: Sequence[Path]) -> None:
    """Have pip install the wheels; no setting of the environment, nor of a file, sends it elsewhere."""
    here = find_spec("pip") is not None  # else the environment needs a pip of its own, which takes longer
    venv.create(folder, with_pip=not here, symlinks=True)
    python = str(folder / "bin" / "python")
    pip = [sys.executable, "-I", "-m", "pip", "--python", python] if here else [python, "-I", "-m", "pip"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    quiet = ["--isolated", "--disable-pip-version-check", "--quiet", "--no-input"]
    offline = ["--no-index", "--only-binary", ":all:", "--no-cache-dir", "--find-links", str(wheelhouse)]
    done = subprocess.run(
        [*pip, *quiet, "install", "--no-compile", *offline, *map(str, wheels)],
        env={**kept, "PIP_CONFIG_FILE": os.devnull},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        message = "pip could not install the wheels of the wheelhouse"
        raise InstallError(UNUSABLE, message, "it has to be made on such a machine, for such a Python")


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say, and return the exit status."""
    try:
        if arguments[0] == "--digest":
            print(digest_of(wheels_of(Path(arguments[1]))))
        else:
            wheelhouse, folder = (Path(os.path.abspath(name)) for name in arguments[:2])
            install(wheelhouse, folder, arguments[2] if len(arguments) > 2 else "")
    except InstallError as error:
        # a wheel's name may hold a line break, and a line of its own would be a command to a CI runner
        said = str(error).encode("unicode_escape").decode()
        print(f"error: {said}\n  help: {error.help}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
