"""Who is let in, over HTTP: issuers' tokens, what a token reaches, and reads that are on record."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from policy_audit.entry import EntryType
from policy_audit.ledger import open_ledger
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.issuer import Oidc
from policy_engine.access.tokens import revoked_draft
from policy_engine.api import health
from policy_engine.api.requests import principal_of, record_read
from policy_engine.recorder import Context
from tests.serving import WORKLOAD, Server, serving
from tests.unit.access.issuing import AUDIENCE, ISSUER, OTHER_RSA, claims, jwks, token

ADMIN = Context("draft", "admin@acme.example", "asserted", {})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    oidc = Oidc(ISSUER, AUDIENCE, jwks(tmp_path / "jwks.json"), roles=(("deployers", "decide"),))
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", oidc=oidc) as running:
        yield running


def ask(server: Server, given: str | None, **more: Any) -> tuple[int, str]:
    with server.client(given) as client:
        answer = client.post("/v1/decisions", json=WORKLOAD, **more)
    return answer.status_code, answer.json().get("code", "")


def test_an_issuers_token_lets_in_whom_it_names_and_nothing_is_open(server: Server) -> None:
    at = int(time.time())
    times = {"iat": at - 5, "exp": at + 60}
    assert ask(server, None) == (401, "token-missing")
    assert ask(server, token(claims(roles=["deployers"], **times)))[0] == 200
    assert ask(server, token(claims(roles=["decide"], **times))) == (403, "role")
    assert ask(server, token(claims(roles=["deployers"], iat=at - 90, exp=at - 60))) == (401, "token-expired")
    assert ask(server, token(claims(roles=["deployers"], **times), key=OTHER_RSA)) == (401, "token-signature")
    assert ask(server, server.token("decide"))[0] == 200
    with open_ledger(server.ledger, read_only=True) as ledger:
        entry = ledger.list_entries(type=EntryType.DECISION, newest_first=False, limit=1)[0]
        assert entry.document["context"]["actor_known_by"] == "oidc"
        assert ledger.personal(entry.index)["actor"] == "ann@acme.example"


def test_who_has_no_token_uses_up_nothing_of_those_who_fail(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = watch_failures(server, monkeypatch)
    assert ask(server, None) == (401, "token-missing")
    assert failed == []


def test_a_token_that_was_revoked_by_another_process_counts_no_more_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = server.token("decide")
    assert ask(server, given)[0] == 200
    with open_ledger(server.ledger) as ledger:
        ledger.append(revoked_draft(given.split("_")[1], "lost", ADMIN))
    failed = watch_failures(server, monkeypatch)
    assert ask(server, given) == (401, "token-revoked")
    assert failed == ["127.0.0.1"]


@pytest.mark.parametrize("how", [{"json": {}}, {"content": b""}, {"json": WORKLOAD, "params": {"pupose": "deploy"}}])
def test_what_is_wrong_is_told_to_nobody_whose_token_was_revoked(
    server: Server, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    given = server.token("decide", namespaces=["support"])
    assert ask(server, given)[0] == 200
    with server.client(given) as client:
        assert client.post("/v1/decisions", **how).status_code in (400, 415, 422)
        with open_ledger(server.ledger) as ledger:
            ledger.append(revoked_draft(given.split("_")[1], "lost", ADMIN))
        failed = watch_failures(server, monkeypatch)
        assert client.post("/v1/decisions", **how).json()["code"] == "token-revoked"
    assert failed == ["127.0.0.1"]


def watch_failures(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses of log-ins that fail from now on."""
    assert server.service is not None
    found: list[str] = []
    monkeypatch.setattr(server.service.admission, "failed", lambda _, address: found.append(address))
    return found


def test_a_token_does_nothing_outside_its_namespaces(server: Server) -> None:
    assert ask(server, server.token("decide", namespaces=["support"]))[0] == 200
    assert ask(server, server.token("decide", namespaces=["claims"])) == (403, "namespace")
    assert ask(server, server.token("decide", namespaces=[])) == (403, "namespace")


def test_nothing_of_a_request_reaches_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    secret = server.token("read")
    with caplog.at_level(logging.DEBUG), server.client(secret) as client:
        client.get("/v1/forged%0a2026-11-29 admin logged in?owner=zoe@acme.example")
        client.post("/v1/decisions", content=b"zoe@acme.example", headers={"User-Agent": "forged"})
    told = "\n".join(f"{record.name} {record.getMessage()}" for record in caplog.records if record.name != "httpx")
    for each in (secret, "zoe@acme.example", "forged", "admin logged in"):
        assert each not in told


def test_a_read_is_on_record_with_the_token_and_the_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()

    @router.get("/v1/things/{id}")
    async def things(request: Request) -> Response:
        await principal_of(request, "read")
        await record_read(request, "audit list", 2)
        return Response(b"{}")

    monkeypatch.setattr(health, "router", router)
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}") as server:
        given = server.token("read")
        with server.client(given) as client:
            for _ in range(3):
                answer = client.get("/v1/things/7?owner=zoe@acme.example&verdict=deny&verdict=review")
                assert answer.status_code == 200, answer.text
    with open_ledger(server.ledger, read_only=True) as ledger:
        first, again = ledger.list_entries(type=EntryType.OFFICER_QUERY, newest_first=False)
        command = "GET /v1/things/{id} id=7&owner=PERSON&verdict=deny&verdict=review"
        assert first.document["body"] == {"query": "audit list", "command": command, "count": 2}
        assert first.document["context"] == {"actor_known_by": "token", "token": given.split("_")[1]}
        assert ledger.personal(first.index) == {"actor": "alice@acme.example", "subject": "zoe@acme.example"}
        # what was counted meanwhile went on record when the server stopped
        assert again.document["body"] == {"query": "audit list", "command": command, "count": 2, "repeated": 2}
