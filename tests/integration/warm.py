"""Commands in processes of their own that need not load the program first: forks of a process that has it loaded.

What a fork shares with the others is what loading leaves, and the seed of hashes. Nothing was decided, opened or read
in the process that is forked, and it has one thread. A process that is started, killed, limited or given another
seed is not one of these: `Place.start` starts those from nothing.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

_SECONDS = 120.0
#: What nearly every command loads, and nothing that starts threads.
_LOADED = (
    "policy_engine.cli.main",
    "policy_engine.cli.deciding",
    "policy_engine.cli.door",
    "policy_audit.ledger",
    "policy_audit.migrate",
    "policy_engine.recorder",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
    "alembic.context",
    "policy_audit.tables",
    "policy_audit.fsck",
    "policy_engine.cli.evaluate",
    "policy_engine.cli.text",
    "policy_engine.cli.audit_verify",
    "policy_engine.loading.policy",
    "policy_engine.decide",
    "policy_engine.loading.workload_file",
    "policy_engine.waivers.checking",
    "policy_engine.cli.gate",
    "policy_engine.cli.reports",
    "policy_engine.cli.selected",
    "policy_engine.cli.audit",
    "policy_engine.cli.audit_replay",
    "policy_engine.cli.table",
    "policy_audit.anchors.place",
    "policy_audit.anchors.file",
    "policy_audit.anchors.rounds",
    "durable_rules_engine",
)


class Warm:
    """The process that is forked. It ends with the one that made it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            names = ("PATH", "PYTHONPATH", "LANG")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # as a command has them, whose streams are made for what they are
                stderr=subprocess.PIPE,
                env={name: os.environ[name] for name in names if name in os.environ}
                | {"PYDANTIC_DISABLE_PLUGINS": "__all__"},  # as the command has it before it loads anything
            )
        self._socket.settimeout(_SECONDS)
        atexit.register(self._close)

    def _close(self) -> None:
        self._socket.close()
        self._process.communicate(timeout=_SECONDS)

    def run(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `policy` with these arguments, as `subprocess.run` would, with pipes for what it writes."""
        request = json.dumps([arguments, dict(environment), str(folder)]).encode()
        ends = [os.pipe(), os.pipe()]
        socket.send_fds(self._socket, [len(request).to_bytes(4, "big")], [write for _, write in ends])
        self._socket.sendall(request)
        for _, write in ends:
            os.close(write)
        found = [b"", b""]
        readers = [
            threading.Thread(target=_read, args=(found, n, read), daemon=True) for n, (read, _) in enumerate(ends)
        ]
        for reader in readers:
            reader.start()
        status = int.from_bytes(_exactly(self._socket, 4), "big", signed=True)
        for reader in readers:
            reader.join(_SECONDS)
            assert not reader.is_alive(), "somebody holds the pipe of a command that has ended"
        return subprocess.CompletedProcess(arguments, status, *found)


@functools.cache
def warm() -> Warm:
    return Warm()


def _read(found: list[bytes], number: int, end: int) -> None:
    with os.fdopen(end, "rb") as stream:
        found[number] = stream.read()


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        assert part, "the process that is forked has ended"
        found += part
    return found


def _serve(connection: socket.socket) -> None:
    """Fork for each request; return in each fork when its command is over, and at the end."""
    while True:
        size, ends, _, _ = socket.recv_fds(connection, 4, 2)
        if not size:
            return
        arguments, environment, folder = json.loads(_exactly(connection, int.from_bytes(size, "big")))
        assert threading.active_count() == 1
        child = os.fork()
        if child == 0:
            connection.close()
            _become(arguments, environment, folder, ends)
            return
        for end in ends:
            os.close(end)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(status.to_bytes(4, "big", signed=True))


def _become(arguments: list[str], environment: dict[str, str], folder: str, ends: list[int]) -> None:
    for end, place in zip(ends, (1, 2), strict=True):
        os.dup2(end, place)
        os.close(end)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    runpy.run_module("policy_engine", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in _LOADED:
        __import__(name)
    # Else each fork looks through all that was loaded as it ends, and so copies it: most of what it would take.
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
