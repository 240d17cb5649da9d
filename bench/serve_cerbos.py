"""Cerbos as the peer of the served engine: its server on this machine, with a decision log and nothing else open."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import translate_cerbos
from bench.serve_http import free_port, is_up, post
from bench.serve_processes import end, wait_for
from policy_engine.language.tree import Node

#: Where `make bench-serve` has npm put it.
PROGRAM = Path(__file__).resolve().parent.parent / "build/cerbos/node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64"
PATH = "/api/check/resources"


@dataclass(frozen=True)
class Cerbos:
    """A running server."""

    url: str
    process: int
    log: Path
    version: str

    def fired(self, body: str) -> set[int]:
        """Return the numbers of the conditions that hold for one request."""
        return translate_cerbos.fired(json.loads(post(self.url, PATH, body)))

    def logged(self) -> int:
        """Return how many decisions its log has."""
        with self.log.open("rb") as lines:
            return sum(b'"log.kind":"decision"' in line for line in lines)


@contextmanager
def serving(folder: Path, conditions: Sequence[Node]) -> Iterator[Cerbos]:
    """Start Cerbos with these conditions; its files are in `folder`.

    The log is a file, written at each decision and synced when the server ends. The other place for it on this machine,
    an embedded database, is read by the administration API alone, which is off.
    """
    (folder / "policies").mkdir(parents=True)
    _write(folder / "policies" / "workload.yaml", translate_cerbos.policy(conditions))
    port, other = free_port(), free_port()
    log = folder / "decisions.jsonl"
    _write(folder / "config.yaml", _settings(folder, log, port, other))
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.split()[0]
    command = [str(PROGRAM), "server", "--config", str(folder / "config.yaml"), "--log-level", "error"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: is_up(url, "/_cerbos/health"), process, folder / "output")
        yield Cerbos(url, process.pid, log, version)
    finally:
        end(process)


def _settings(folder: Path, log: Path, port: int, other: int) -> dict[str, Any]:
    audit = {"enabled": True, "accessLogsEnabled": False, "decisionLogsEnabled": True, "backend": "file"}
    return {
        "server": {
            "httpListenAddr": f"127.0.0.1:{port}",
            "grpcListenAddr": f"127.0.0.1:{other}",
            "adminAPI": {"enabled": False},
        },
        "storage": {"driver": "disk", "disk": {"directory": str(folder / "policies"), "watchForChanges": False}},
        "telemetry": {"disabled": True},
        "audit": {**audit, "file": {"path": str(log)}},
    }


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML, too
