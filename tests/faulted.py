"""Clients that keep asking a served engine whatever happens to it, and what they hold against it afterwards."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from policy_audit.ledger import open_ledger

from tests.asking_servers import bodies, recorded, until

#: Longer than any request may take: 30 seconds, and what a loaded machine adds.
LONGEST_SECONDS = 35.0


@dataclass(frozen=True)
class Outcome:
    """What became of one request. `status` is None where the connection was cut, or none came about."""

    began: float
    ended: float
    status: int | None
    place: tuple[int, str] | None = None
    retry_after: str | None = None
    code: str = ""


class Load:
    """Clients in a closed loop. One that was refused or cut off asks again a moment later, over another connection."""

    def __init__(self, url: str, token: str, clients: int = 6) -> None:
        self._place, self._token, self._bodies = urlsplit(url).netloc, token, bodies(4)
        self.outcomes: list[Outcome] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Let each client have its last answer."""
        self._ended.set()
        for each in self._threads:
            each.join(LONGEST_SECONDS + 5)
            assert not each.is_alive()

    def answered_after(self, moment: float, count: int = 12, seconds: float = 30) -> float:
        """Wait for so many decisions that were asked for after `moment`; return how long the first one took to come."""

        def found() -> list[float]:
            return [each.ended for each in list(self.outcomes) if each.status == 200 and each.began >= moment]

        until(lambda: len(found()) >= count, seconds)
        return min(found()) - moment

    def refused_after(self, moment: float, code: str, seconds: float = 30) -> None:
        """Wait for a refusal with this code."""
        until(lambda: any(e.code == code and e.ended >= moment for e in list(self.outcomes)), seconds)

    def _run(self, number: int) -> None:
        deadline = time.monotonic() + 120
        connection: http.client.HTTPConnection | None = None
        while not self._ended.is_set() and time.monotonic() < deadline:
            number += 1
            began = time.monotonic()
            try:
                connection = connection or http.client.HTTPConnection(self._place, timeout=LONGEST_SECONDS)
                outcome = self._ask(connection, began, self._bodies[number % len(self._bodies)])
            except (OSError, http.client.HTTPException) as error:
                outcome = Outcome(began, time.monotonic(), None, code=type(error).__name__)
            self.outcomes.append(outcome)
            if outcome.status != 200:
                if connection is not None:
                    connection.close()
                connection = None
                self._ended.wait(0.05)
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, began: float, body: bytes) -> Outcome:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/decisions", body, headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        ended = time.monotonic()
        if answer.status == 200:
            return Outcome(began, ended, 200, (document["ledger"]["index"], document["id"]))
        return Outcome(began, ended, answer.status, None, answer.headers["Retry-After"], document["code"])


def hold(load: Load, url: str, key: Path) -> None:
    """Hold all that was answered to the ledger: each decision is there, and whatever was no decision says so."""
    with open_ledger(url, key_path=key, read_only=True) as ledger:
        found = recorded(ledger)
        report = ledger.verify()
    assert report.ok, report
    answered = [each.place for each in load.outcomes if each.status == 200]
    assert len(set(answered)) == len(answered)
    assert set(answered) <= found
    others = [each for each in load.outcomes if each.status not in (200, None)]
    assert {each.status for each in others} <= {503}, {(each.status, each.code) for each in others}
    assert all(each.retry_after and 0 < int(each.retry_after) <= 60 for each in others)
    assert max(each.ended - each.began for each in load.outcomes) < LONGEST_SECONDS


class Relay:
    """A server's socket at another place, which can be told to pass nothing on for a while."""

    def __init__(self, folder: Path, target: str) -> None:
        self.passing = threading.Event()
        self.passing.set()
        self._target, self._open = target, list[socket.socket]()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / Path(target).name))
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self._target)
                except OSError:
                    client.close()
                    server.close()
                    continue
                self._open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.passing.wait()
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End, and cut whoever is connected."""
        self.passing.set()
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
