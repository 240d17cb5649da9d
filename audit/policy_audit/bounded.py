"""Run a program with a deadline, with bounded output, and without a terminal to ask at."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from policy_audit.errors import AnchorError

MAX_OUTPUT_BYTES = 50_000_000
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Done:
    """What a program left: its status, and what it wrote."""

    status: int
    out: bytes
    err: str

    @property
    def reason(self) -> str:
        """The last line that it complained with."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return "".join(char if char.isprintable() else "?" for char in lines[-1])[:200] if lines else "no reason given"


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    given: bytes = b"",
    most: int = MAX_OUTPUT_BYTES,
) -> Done:
    """Run `command` in `folder`, in a session of its own, and return what it left.

    Raises:
        AnchorError: it cannot be started, wrote more than `most` bytes, or took longer than `seconds`.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise AnchorError(f"`{command[0]}` cannot be started: {(error.strerror or str(error)).lower()}") from error
    outputs: list[bytearray] = [bytearray(), bytearray()]
    readers = [
        threading.Thread(target=_drain, args=(stream, kept, most, process), daemon=True)
        for stream, kept in zip((process.stdout, process.stderr), outputs, strict=True)
    ]
    readers.append(threading.Thread(target=_feed, args=(process.stdin, given), daemon=True))
    for reader in readers:
        reader.start()
    try:
        status = process.wait(seconds)
        for reader in readers:
            reader.join(1)
        if any(reader.is_alive() for reader in readers):
            _end(process)  # it is done, and what it started still holds its output
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise AnchorError(f"`{command[0]}` was not done within {seconds:g} seconds") from None
        raise
    if any(len(kept) > most for kept in outputs):
        raise AnchorError(f"`{command[0]}` wrote more than {most:,} bytes")
    return Done(status, bytes(outputs[0]), outputs[1].decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program with all that it started; its session is its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _drain(stream: IO[bytes] | None, kept: bytearray, most: int, process: subprocess.Popen[bytes]) -> None:
    while stream is not None and (part := stream.read1(_CHUNK)):  # type: ignore[attr-defined]
        if len(kept) <= most:
            kept += part
        else:
            process.kill()


def _feed(stream: IO[bytes] | None, given: bytes) -> None:
    if stream is not None:
        with suppress(OSError), stream:
            stream.write(given)
