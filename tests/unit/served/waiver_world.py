"""A served engine whose layer names approvers, a workload that a waivable rule denies, and people with tokens."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from policy_audit.ledger import open_ledger
from policy_audit.note import sign_note

from tests.serving import Server, make_token, serving
from tests.unit.cli.waiver_scene import RITA, WORKLOAD
from tests.unit.waivers.making import ANN, BOB, OPTION, RULE, Person, file_of


def soon(days: int = 30) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


_numbers = itertools.count()


class World:
    """Callers of a server, by name: each with a token of their own."""

    def __init__(self, server: Server, key: Path | None = None) -> None:
        self.server, self._key = server, key
        self._tokens: dict[str, str] = {}
        self._clients: dict[str, httpx.Client] = {}
        self.name = f"triage-{next(_numbers)}"
        self._make("administer", subject="admin@acme.example")

    def call(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask as `NAME@acme.example` with all roles, or with those after a colon, in namespaces after an `@`."""
        if who not in self._tokens:
            name, _, rest = who.partition(":")
            roles, _, reach = rest.partition("@")
            given = {"namespaces": reach.split(",")} if reach else {}
            made = filter(None, roles.split(","))
            self._tokens[who] = self._make(*made, subject=f"{name}@acme.example", **given)
        return self.send(self._tokens[who], method, path, **more)

    def _make(self, *roles: str, **more: Any) -> str:
        """Put a token on record; a ledger on a server has its key beside no file of its own."""
        if self._key is None:
            return make_token(self.server.ledger, *roles, **more)
        return make_token(self.server.ledger, *roles, key=self._key, **more)

    def send(self, token: str, method: str, path: str, **more: Any) -> httpx.Response:
        if token not in self._clients:
            self._clients[token] = self.server.client(token, verify=False)
        return self._clients[token].request(method, path, **more)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    @property
    def workload(self) -> str:
        return WORKLOAD.replace("name: triage", f"name: {self.name}")

    def fresh(self) -> World:
        """Return the world with another workload, on which nothing was ever decided."""
        self.name = f"triage-{next(_numbers)}"
        return self

    def decide(self, purpose: str = "deploy") -> dict[str, Any]:
        headers = {"Content-Type": "application/yaml"}
        found = self.call("ci", "POST", f"/v1/decisions?purpose={purpose}", content=self.workload, headers=headers)
        assert found.status_code == 200, found.text
        decision: dict[str, Any] = found.json()
        return decision

    def ask(self, who: str = "rita", **changed: Any) -> httpx.Response:
        wanted = {
            "workload": f"claims/{self.name}",
            "rule": RULE,
            "reason": "soon",
            "ticket": "OPS-7",
            "valid_until": soon(),
        }
        given = {key: value for key, value in (wanted | changed).items() if value is not None}
        return self.call(who, "POST", "/v1/waivers", json=given)

    def asked(self) -> dict[str, Any]:
        self.decide()
        found = self.ask()
        assert found.status_code == 201, found.text
        waiver: dict[str, Any] = found.json()
        return waiver

    def approve(self, waiver: dict[str, Any], who: str, *lines: str) -> httpx.Response:
        return self.call(who, "POST", f"/v1/waivers/{waiver['id']}/approval", json={"signatures": list(lines)})

    def revoke(self, waiver: dict[str, Any], who: str = "bob", reason: str = "over") -> httpx.Response:
        return self.call(who, "DELETE", f"/v1/waivers/{waiver['id']}", params={"reason": reason})

    def entries(self, kind: str) -> list[dict[str, Any]]:
        with open_ledger(self.server.ledger, read_only=True) as ledger:
            found = [entry.document for entry in ledger.list_entries(type=kind, newest_first=False)]
        return [each for each in found if each["context"].get("workload") == self.name]


def line_of(waiver: dict[str, Any], person: Person) -> str:
    """The signature line of a person over the text that the server says is signed."""
    return sign_note(waiver["text"], person.signer).rpartition("\n\n")[2].removesuffix("\n")


def layer_in(folder: Path, approvals: int, *people: Person) -> Path:
    layer = folder / "acme"
    layer.mkdir(exist_ok=True)
    head = f"waivers: {{approvals: {approvals}, max_days: 60}}\n"
    text = file_of(*(person.entry() for person in people or (ANN, BOB)), head=head)
    (layer / "approvers.yaml").write_text(text, encoding="utf-8")
    return layer


@contextmanager
def world(folder: Path, approvals: int = 1, ledger: str | None = None, **settings: Any) -> Iterator[World]:
    url = ledger or f"sqlite:///{folder / 'ledger.db'}"
    with serving(url, layers=(layer_in(folder, approvals),), **settings) as server:
        found = World(server)
        yield found
        found.close()


def status_of(decision: dict[str, Any]) -> str:
    (row,) = [row for row in decision["tasks"][0]["options"] if row["deployment"] == OPTION]
    found: str = row["status"]
    return found


__all__ = ["ANN", "BOB", "RITA", "RULE", "World", "layer_in", "line_of", "soon", "status_of", "world"]
