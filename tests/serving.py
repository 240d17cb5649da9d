"""A served engine for tests: in a thread of this process, over real HTTP on loopback; or in processes of its own."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from policy_audit.ledger import open_ledger

from policy_engine.access.principal import ROLES
from policy_engine.access.tokens import created_draft, new_token
from policy_engine.recorder import Context
from policy_engine.service.service import Service
from policy_engine.service.settings import Settings
from policy_engine.serving.app import create_app
from policy_engine.serving.protocol import Protocol

WORKLOAD: dict[str, Any] = {
    "apiVersion": "policy-engine/v1",
    "kind": "Workload",
    "metadata": {"name": "triage", "namespace": "support", "owner": "support@acme.example"},
    "spec": {
        "stage": "pilot",
        "tasks": [{"name": "triage", "kind": "classification", "complexity": "simple", "quality": "sufficient"}],
    },
}


class Server:
    """A server that answers at `url`."""

    def __init__(self, url: str, ledger: str, service: Service | None = None) -> None:
        self.url, self.ledger, self.service = url, ledger, service

    def client(self, token: str | None = None, **more: Any) -> httpx.Client:
        """Return a client; the caller closes it."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, **more)

    def token(self, *roles: str, subject: str = "alice@acme.example", days: float = 1, **more: Any) -> str:
        """Put a token on record, beside the running server, and return its text."""
        return make_token(self.ledger, *roles, subject=subject, days=days, **more)


def make_token(
    ledger: str,
    *roles: str,
    subject: str = "alice@acme.example",
    days: float = 1,
    namespaces: list[str] | None = None,
    key: Path | None = None,
) -> str:
    """Put a token on record in a ledger and return its text; without roles it has all."""
    text, name, digest = new_token()
    expires = datetime.now(UTC) + timedelta(days=days)
    by = Context("draft", "admin@acme.example", "asserted", {})
    with open_ledger(ledger, key_path=key) as opened:
        opened.append(created_draft(name, digest, subject, roles or ROLES, namespaces, expires, by))
    return text


@contextmanager
def serving(ledger: str, **settings: Any) -> Iterator[Server]:
    """Serve in a thread of this process until the block ends."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    told = Settings(ledger=ledger, port=listening.getsockname()[1], **settings)
    app = create_app(told)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="critical",
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        _until(lambda: server.started or not thread.is_alive())
        assert server.started, "the server did not start"
        yield Server(f"http://127.0.0.1:{listening.getsockname()[1]}", ledger, app.state.service)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving_process(
    ledger: str, *options: str, home: Path, wait: bool = True
) -> Iterator[tuple[Server, subprocess.Popen[bytes]]]:
    """Serve in processes of its own, as `policy serve` does, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "policy_engine", "serve", "--listen", f"127.0.0.1:{port}", "--ledger", ledger]
    env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    process = subprocess.Popen([*command, *options], env=env, stderr=subprocess.PIPE, start_new_session=True)
    if process.stderr is not None:
        # it is read at the end: a log that nobody reads loses lines, and its last ones say how it ended
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 1 << 20)
    server = Server(f"http://127.0.0.1:{port}", ledger)
    try:
        if wait:
            _until(lambda: process.poll() is not None or _ready(server.url))
            assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        yield server, process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
