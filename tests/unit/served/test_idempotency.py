"""`Idempotency-Key`: the same request with the same key is decided once, by whichever worker and after a restart."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.ledger import open_ledger

from policy_engine.access.tokens import revoked_draft
from policy_engine.errors import InputError, Problem
from policy_engine.recorder import Context
from policy_engine.service.ledgers import LedgerDoor
from tests.serving import WORKLOAD, Server, make_token, serving

ADMIN = Context("token", "root", "test", {})
OTHER = copy.deepcopy(WORKLOAD)
OTHER["metadata"]["name"] = "other"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}") as running:
        running.token("decide", subject="first@acme.example")
        yield running


def ask(server: Server, token: str, key: str | None, body: Any = WORKLOAD, query: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key is not None else {}
    with server.client(token) as client:
        return client.post(f"/v1/decisions{query}", json=body, headers=headers)


def size(server: Server) -> int:
    with open_ledger(server.ledger, read_only=True) as ledger:
        return int(ledger.list_entries(limit=1)[0].index) + 1


@pytest.mark.parametrize("body", [WORKLOAD, [WORKLOAD, OTHER], [OTHER]], ids=["one", "list", "list of one"])
def test_the_second_time_the_same_bytes_are_answered_and_nothing_is_recorded(server: Server, body: Any) -> None:
    token, key = server.token("decide"), f"key {len(body)} {type(body)}"
    first = ask(server, token, key, body, "?purpose=deploy")
    assert first.status_code == 200, first.text
    assert "idempotency-replayed" not in first.headers
    before = size(server)
    again = ask(server, token, key, body, "?purpose=deploy")
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    with serving(server.ledger) as restarted:
        assert ask(restarted, token, key, body, "?purpose=deploy").content == first.content
    assert size(server) == before


def test_the_answer_with_a_key_is_that_without_one(server: Server) -> None:
    token = server.token("decide")
    answers = [ask(server, token, key).json() for key in (None, "with-key")]
    for each in answers:
        del each["ledger"], each["id"], each["decided_at"]
    assert answers[0] == answers[1]


def test_another_request_with_the_key_is_refused(server: Server) -> None:
    token = server.token("decide")
    assert ask(server, token, "taken").status_code == 200
    before = size(server)
    for body, query in ((OTHER, ""), (WORKLOAD, "?purpose=deploy"), (WORKLOAD, "?run=1"), ([WORKLOAD], "")):
        refused = ask(server, token, "taken", body, query)
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency-conflict")
    assert size(server) == before


def test_a_key_is_its_principals_whatever_token_they_have(server: Server) -> None:
    first = ask(server, server.token("decide", subject="ann@acme.example"), "shared", OTHER)
    same = ask(server, server.token("decide", subject="ann@acme.example"), "shared", OTHER)
    other = ask(server, server.token("decide", subject="bob@acme.example"), "shared")
    assert same.content == first.content
    assert other.status_code == 200
    assert other.json()["id"] != first.json()["id"]


def test_whose_token_reaches_no_more_is_not_answered_again(server: Server) -> None:
    assert ask(server, server.token("decide"), "reach").status_code == 200
    with server.client(make_token(server.ledger, "decide", namespaces=["elsewhere"])) as client:
        refused = client.post("/v1/decisions", json=WORKLOAD, headers={"Idempotency-Key": "reach"})
    assert (refused.status_code, refused.json()["code"]) == (403, "namespace")


@pytest.mark.parametrize("shape", ["one", "list of one", "list"])
@pytest.mark.parametrize("kind", ["application/json", "application/yaml"])
def test_what_was_answered_is_answered_again_whatever_is_decided_by_now(
    server: Server, monkeypatch: pytest.MonkeyPatch, shape: str, kind: str
) -> None:
    body = {"one": WORKLOAD, "list of one": [WORKLOAD], "list": [WORKLOAD, OTHER]}[shape]
    text = json.dumps(body) if kind.endswith("json") else "# a comment\n" + yaml.safe_dump(body)
    token, headers = server.token("decide"), {"Idempotency-Key": f"again {shape} {kind}", "Content-Type": kind}
    with server.client(token) as client:
        first = client.post("/v1/decisions", content=text, headers=headers)
        assert first.status_code == 200, first.text
        assert server.service is not None

        async def refuse(*_: Any) -> Any:
            raise InputError(Problem("rule-of-tomorrow", "the workload is invalid by now"))

        monkeypatch.setattr(server.service.evaluator, "decide", refuse)
        monkeypatch.setattr(server.service.committer, "append", refuse)
        monkeypatch.setattr("policy_engine.service.memory.Memory.get", lambda *_: None)
        assert client.post("/v1/decisions", content=text).status_code in (415, 422)
        again = client.post("/v1/decisions", content=text, headers=headers)
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        other = client.post("/v1/decisions?run=2", content=text, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")


def test_a_revoked_token_is_not_answered_again(server: Server) -> None:
    token = server.token("decide")
    assert ask(server, token, "to be revoked").status_code == 200
    with open_ledger(server.ledger) as ledger:
        ledger.append(revoked_draft(token.split("_")[1], "lost", ADMIN))
    refused = ask(server, token, "to be revoked")
    assert (refused.status_code, refused.json()["code"]) == (401, "token-revoked")


def test_two_at_once_are_decided_once(server: Server) -> None:
    token = server.token("decide")
    before = size(server)
    with serving(server.ledger) as second, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, (server, second)[n % 2], token, "at once") for n in range(8)]
        answers = [each.result() for each in asked]
    assert {each.status_code for each in answers} == {200}
    assert len({each.content for each in answers}) == 1
    assert sum("idempotency-replayed" not in each.headers for each in answers) == 1
    assert size(server) == before + 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "é"])
def test_what_is_no_key_is_refused(server: Server, key: str) -> None:
    with server.client(server.token("decide")) as client:
        refused = client.post("/v1/decisions", json=WORKLOAD, headers={"Idempotency-Key": key.encode("latin-1")})
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency-key")
    assert ask(server, server.token("decide"), "x" * 255).status_code == 200


def test_an_erased_owner_leaves_the_answer_without_a_name(server: Server) -> None:
    token, owned = server.token("decide", subject="carl@acme.example"), copy.deepcopy(WORKLOAD)
    owned["metadata"]["owner"] = "olga@acme.example"
    first = ask(server, token, "erased", owned).json()
    with open_ledger(server.ledger) as ledger:
        ledger.erase("olga@acme.example", reason="asked to")
    again = ask(server, token, "erased", owned)
    assert again.json() == {**first, "workload": {**first["workload"], "owner": None}}
    assert again.headers["idempotency-replayed"] == "true"


def test_a_day_later_the_key_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, clock = f"sqlite:///{tmp_path / 'ledger.db'}", datetime.now(UTC)
    token = make_token(url, "decide", days=9)
    monkeypatch.setattr(LedgerDoor, "_open", lambda _: open_ledger(url, clock=lambda: clock))
    with serving(url) as server:
        first = ask(server, token, "daily").json()
        clock += timedelta(hours=23, minutes=59)
        assert ask(server, token, "daily").json() == first
        clock += timedelta(minutes=2)
        later = ask(server, token, "daily", OTHER)
        assert later.status_code == 200
        assert later.json()["workload"]["name"] == "other"
