"""A server that answers what a test says, and a real answer for it to spoil."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from policy_engine.decide import Decider
from policy_engine.model.workload import Workload
from policy_engine.recorder import shown


@dataclass
class Reply:
    """What is answered; `write` writes the body itself, as it likes."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    write: Callable[[Any], None] | None = None


@dataclass
class Asked:
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Fake(ThreadingHTTPServer):
    """Answers one reply after the other, and the last one for ever."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, replies: Sequence[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies, self.asked = list(replies), list[Asked]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the other side may leave."""


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def log_message(self, *arguments: Any) -> None:
        pass

    def _answer(self) -> None:
        fake = self.server
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fake.asked.append(Asked(self.command, self.path, headers, body))
        reply = fake.replies.pop(0) if len(fake.replies) > 1 else fake.replies[0]
        if reply.write is not None:
            reply.write(self)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names are the library's


@contextmanager
def faking(*replies: Reply) -> Iterator[Fake]:
    """Answer until the block ends."""
    fake = Fake(replies)
    thread = threading.Thread(target=fake.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        fake.server_close()
        thread.join(5)


def answer_on(decider: Decider, workload: Mapping[str, Any], index: int = 3) -> dict[str, Any]:
    """Return what an honest server answers now on a workload."""
    at = datetime.now(UTC).replace(microsecond=0)
    decision = decider.decide(Workload.model_validate(workload), {}, at)
    place = {"index": index, "leaf_hash": "0" * 64, "tree_size": index + 1, "recorded_at": None, "status": "recorded"}
    found: dict[str, Any] = json.loads(json.dumps(shown(decision, place)))
    return found


def reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return a reply of this JSON."""
    kind = "application/json" if status < 400 else "application/problem+json"
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": kind, **named})
