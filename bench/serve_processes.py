"""What processes take, from /proc: their seconds of CPU and their resident memory, with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
STARTING_SECONDS = 60


def family(root: int) -> list[int]:
    """Return `root` and all processes below it that are alive."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for each in found:
        found += children.get(each, ())
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return the CPU time that the processes and those below them have taken, ended children included."""
    ticks = 0
    for each in (each for root in roots for each in family(root)):
        fields = _stat(each)
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / _TICKS


def busy_seconds() -> float:
    """Return the CPU time that everybody on this machine has taken since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, *interrupts = map(int, fields[:7])
    return (user + nice + system + sum(interrupts)) / _TICKS


def resident_bytes(roots: Iterable[int]) -> int:
    """Return the resident memory of the processes and those below them; what they share counts in each."""
    total = 0
    for each in (each for root in roots for each in family(root)):
        with suppress(OSError):
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return total * _PAGE


def _stat(process: int) -> list[str]:
    """Return the fields after the name, from the state on; none where the process is gone."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return []


def wait_for(answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server that was started answers.

    Raises:
        RuntimeError: it ended, or takes too long; with the end of its log.
    """
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if answers():
            return
        time.sleep(0.1)
    end(process)
    raise RuntimeError(f"a server did not start: {log.read_text(errors='replace')[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to stop, and kill it where it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
