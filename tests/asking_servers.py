"""Clients that ask a served engine again and again, over connections that they keep, and tell each outcome apart."""

from __future__ import annotations

import copy
import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from policy_audit.ledger import Ledger

from tests.serving import WORKLOAD


def bodies(count: int) -> list[bytes]:
    """Return so many workloads that differ by name."""
    found = []
    for number in range(count):
        one: dict[str, Any] = copy.deepcopy(WORKLOAD)
        one["metadata"]["name"] = f"w-{number}"
        found.append(json.dumps(one).encode())
    return found


class Clients:
    """Clients in a closed loop, each over one connection at a time, until `stop` or until nobody listens any more.

    `answered` has the index and the id of each decision that was handed out, `refused` the status of each request that
    was answered otherwise, and `cut` what became of each that was sent and not answered.
    """

    def __init__(self, url: str, token: str, count: int, sent: list[bytes]) -> None:
        self.answered: list[tuple[int, str]] = []
        self.refused: list[int] = []
        self.cut: list[str] = []
        self._place, self._token, self._bodies = urlsplit(url).netloc, token, sent
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Let each client have its last answer."""
        self._stop.set()
        self.join()

    def join(self) -> None:
        """Wait for the clients: until nobody listens any more."""
        for each in self._threads:
            each.join(40)
            assert not each.is_alive()

    def wait_for(self, count: int) -> None:
        """Wait until so many more decisions were handed out."""
        before = len(self.answered)
        until(lambda: len(self.answered) >= before + count)

    def _run(self, number: int) -> None:
        deadline = time.monotonic() + 60
        while not self._stop.is_set() and time.monotonic() < deadline:
            connection = http.client.HTTPConnection(self._place, timeout=30)
            try:
                connection.connect()
            except OSError:
                return
            try:
                while not self._stop.is_set() and self._ask(connection, self._bodies[number % len(self._bodies)]):
                    number += 1
            except (OSError, http.client.HTTPException) as error:
                self.cut.append(repr(error))
            finally:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
        """Ask once; say whether the connection stays."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/decisions", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 200:
            document = json.loads(content)
            self.answered.append((document["ledger"]["index"], document["id"]))
        else:
            self.refused.append(answer.status)
        return not answer.will_close


def recorded(ledger: Ledger) -> set[tuple[int, str]]:
    """Return the index and the id of each decision on record."""
    found = ledger.list_entries(type="decision")
    return {(each.index, each.document["view"]["decision_id"]) for each in found}


def workers_of(supervisor: int) -> list[int]:
    """Return the processes that a supervisor started to answer requests."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for `condition`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)
