"""The served engine under load: its server on this machine, with a ledger that is durable, on SQLite or PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.serve_http import free_port, is_up, post
from bench.serve_processes import end, wait_for
from tests.postgres import Server

POLICY = str(Path(sys.executable).with_name("policy"))
SUBJECT = "bench@acme.example"
DECISIONS, EVALUATION = "/v1/decisions", "/access/v1/evaluation"
#: What PostgreSQL is given: what was committed is on the disk, and memory as a small server has it.
_POSTGRES = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "min_wal_size": "2GB",
    "max_wal_size": "4GB",
}
#: So many files of 16 MB has its log, which are written over: `min_wal_size` of them are kept.
_LOG_FILES = 120


@dataclass(frozen=True)
class Engine:
    """A running server; `processes` are its own and those of its database."""

    name: str
    url: str
    processes: tuple[int, ...]
    ledger: str
    token: str
    rules: Sequence[str]
    environment: dict[str, str]

    def fired(self, body: str) -> set[int]:
        """Return the numbers of the rules that fire for a workload document with one task."""
        document = json.loads(post(self.url, DECISIONS, body, self.token))
        (task,) = document["tasks"]
        number = {name: place for place, name in enumerate(self.rules)}
        return {number[rule["id"]] for rule in task["rules"] if rule["outcome"] == "fired"}

    def recorded(self) -> int:
        """Return how many decisions its ledger has."""
        from sqlalchemy import create_engine, text

        database = create_engine(self.ledger)
        try:
            with database.connect() as connection:
                return int(
                    connection.execute(text("SELECT count(*) FROM log_entry WHERE type = 'decision'")).scalar_one()
                )
        finally:
            database.dispose()

    def verified(self) -> str:
        """Return what `policy audit verify` has to complain of; nothing where it passes."""
        command = (POLICY, "audit", "verify", "--ledger", self.ledger)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr


@contextmanager
def serving(folder: Path, layer: Path, rules: Sequence[str], database: str, workers: int) -> Iterator[Engine]:
    """Start the engine on a fresh ledger of the database `sqlite` or `postgresql`, under the rules of `layer` alone."""
    folder.mkdir()
    if database == "sqlite":
        with _started(f"sqlite:///{folder}/ledger.db", (), folder, layer, rules, workers) as engine:
            yield engine
        return
    server = Server(**_POSTGRES)
    try:
        _fill_log(server)
        postmaster = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        with _started(server.url(server.create()), (postmaster,), folder, layer, rules, workers) as engine:
            yield engine
    finally:
        server.close()


def _fill_log(server: Server) -> None:
    """Leave the server with as much log as one has that has run for some days, whose files are written over.

    A new one has to fill each file with zeros first, and sync it, while every commit waits: 10 to 50 ms, each second.
    """
    with server.connect() as connection:
        for _ in range(_LOG_FILES):
            connection.execute("SELECT pg_logical_emit_message(false, 'bench', '')")  # else there is nothing to switch
            connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


@contextmanager
def _started(
    ledger: str, others: tuple[int, ...], folder: Path, layer: Path, rules: Sequence[str], workers: int
) -> Iterator[Engine]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("POLICY_", "OTEL_", "XDG_", "CI", "GIT"))}
    environment = {
        **kept,
        "HOME": str(folder),
        "POLICY_LEDGER_KEY": str(folder / "ledger.key"),
        "POLICY_ACTOR": SUBJECT,
    }
    _run(environment, "db", "upgrade", "--ledger", ledger)
    token = _run(environment, "token", "create", "--subject", SUBJECT, "--role", "decide", "--ledger", ledger).strip()
    port = free_port()
    command = [POLICY, "serve", "--listen", f"127.0.0.1:{port}", "--workers", str(workers), "--rate", "0"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--ledger", ledger, "--policy", str(layer)], stdout=output, stderr=output, env=environment
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: is_up(url, "/readyz"), process, folder / "output")
        name = "ours, PostgreSQL" if others else "ours, SQLite"
        yield Engine(name, url, (process.pid, *others), ledger, token, rules, environment)
    finally:
        end(process)


def _run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run((POLICY, *arguments), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"policy {' '.join(arguments[:2])}: {done.stdout}{done.stderr}")
    return done.stdout
