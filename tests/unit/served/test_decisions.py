"""`POST /v1/decisions`: decided, recorded, and only then answered."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from policy_audit.canonical import document_bytes
from policy_audit.ledger import open_ledger

from policy_engine.access.tokens import new_token
from tests.serving import WORKLOAD, Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}") as running:
        yield running


def test_a_decision_is_on_record_when_it_is_answered(server: Server) -> None:
    with server.client(server.token("decide")) as client:
        answer = client.post("/v1/decisions?purpose=deploy&run=17", json=WORKLOAD)
    assert answer.status_code == 200, answer.text
    decision = answer.json()
    with open_ledger(server.ledger, read_only=True) as ledger:
        entry = ledger.entry(decision["ledger"]["index"])
        assert entry.document["view"]["decision_id"] == decision["id"]
        assert entry.document["context"] | {"token": ""} == {
            "purpose": "deploy",
            "actor_known_by": "token",
            "namespace": "support",
            "workload": "triage",
            "run": "17",
            "token": "",
        }
        assert ledger.personal(entry.index)["actor"] == "alice@acme.example"
        recorded = json.loads(ledger.blob(entry.document["blobs"]["decision"]))
    assert recorded["verdict"] == decision["verdict"]


def test_a_list_is_decided_in_its_order_and_an_invalid_workload_keeps_all_back(server: Server) -> None:
    other = copy.deepcopy(WORKLOAD)
    other["metadata"]["name"] = "other"
    with server.client(server.token("decide")) as client:
        both = client.post("/v1/decisions", json=[WORKLOAD, other]).json()
        assert [each["workload"]["name"] for each in both] == ["triage", "other"]
        other["spec"]["tasks"][0]["kind"] = "no-such-kind"
        refused = client.post("/v1/decisions", json=[WORKLOAD, other])
    assert refused.status_code == 422
    problem = refused.json()
    assert problem["code"] == problem["problems"][0]["code"]
    assert problem["problems"][0]["line"] == 1
    assert problem["problems"][0]["column"] > len(json.dumps(WORKLOAD, separators=(",", ":")))
    with open_ledger(server.ledger, read_only=True) as ledger:
        assert ledger.list_entries(limit=1)[0].index == both[-1]["ledger"]["index"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("pupose=deploy", "unknown-parameter"),
        ("purpose=deploy&purpose=draft", "parameter"),
        ("run=1&run=2", "parameter"),
        ("purpose=", "purpose"),
        ("purpose=%1b", "purpose"),
    ],
)
def test_a_parameter_that_it_does_not_take_is_refused_and_nothing_is_recorded(
    server: Server, query: str, code: str
) -> None:
    with server.client(server.token("decide")) as client, open_ledger(server.ledger, read_only=True) as ledger:
        before = ledger.latest(("decision",))
        answer = client.post(f"/v1/decisions?{query}", json=WORKLOAD)
        assert (answer.status_code in (400, 422), answer.json()["code"]) == (True, code)
        assert ledger.latest(("decision",)) == before


def test_nobody_known_is_answered_nothing(server: Server) -> None:
    server.token("read")
    with server.client() as client:
        refused = client.post("/v1/decisions", json=WORKLOAD)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
    with server.client(server.token("read")) as client:
        assert client.post("/v1/decisions", json=WORKLOAD).status_code == 403


def test_a_ledger_that_cannot_be_opened_keeps_the_decision_back_and_tells_nobody_where_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "ledger.db"
    place.write_bytes(b"no database at all, but a text that somebody put here")
    with serving(f"sqlite:///{place}") as server, server.client() as client:
        answer = client.post("/v1/decisions", json=WORKLOAD)
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdigit()
        assert answer.json()["code"] == "not-a-ledger"
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "not-a-ledger")
        unknown = client.get("/v1/decisions", headers={"Authorization": f"Bearer {new_token()[0]}"})
        assert (unknown.status_code, unknown.json()["code"]) == (503, "not-a-ledger")
        page = client.get("/login/none", headers={"Accept": "text/html"})
        assert not any(str(tmp_path) in each.text for each in (answer, ready, unknown, page))
        assert f"`{place}`" in caplog.text
        assert client.get("/healthz").status_code == 200


def test_json_is_read_as_json_and_the_same_bytes_as_yaml_are_another_question(server: Server) -> None:
    owner = "\U0001f600/support"
    workload = {**WORKLOAD, "metadata": {**WORKLOAD["metadata"], "owner": owner}}
    text = json.dumps(workload).replace("/", "\\/", 2)  # an escape that YAML 1.2's reader here does not know
    with server.client(server.token("decide")) as client:

        def post(body: str, kind: str) -> httpx.Response:
            return client.post("/v1/decisions", content=body, headers={"Content-Type": f"application/{kind}"})

        answer = post(text, "json")
        assert answer.status_code == 200, answer.text
        assert answer.json()["workload"]["owner"] == owner
        listed = post(f"[{text}]", "json")
        assert [each["workload"]["owner"] for each in listed.json()] == [owner]
        relaxed = json.dumps(WORKLOAD)[:-1] + ",} # as YAML"
        assert [post(relaxed, kind).status_code for kind in ("json", "yaml", "json")] == [422, 200, 422]
        problem = post(relaxed, "json").json()
        assert (problem["code"], problem["problems"][0]["line"]) == ("json-syntax", 1)


def test_the_rules_that_did_not_fire_are_answered_where_they_are_asked_for(server: Server) -> None:
    with server.client(server.token("decide", "read")) as client:

        def post(query: str) -> httpx.Response:
            return client.post(f"/v1/decisions{query}", json=WORKLOAD, headers={"Idempotency-Key": "one"})

        short, whole, again = (post(query) for query in ("", "?all_rules=true", "?all_rules=false"))
        outcomes = [{rule["outcome"] for rule in each.json()["tasks"][0]["rules"]} for each in (short, whole)]
        assert "not_fired" not in outcomes[0]
        assert "not_fired" in outcomes[1]
        assert (again.content, whole.headers["idempotency-replayed"]) == (short.content, "true")
        recorded = client.get(f"/v1/decisions/{short.json()['id']}").json()
        assert recorded["tasks"] == short.json()["tasks"]
        document = {key: value for key, value in whole.json().items() if key not in ("id", "ledger")}
        document["workload"]["owner"] = {"present": True}
        assert hashlib.sha256(document_bytes(document)).hexdigest() == short.json()["id"]
        assert post("?all_rules=perhaps").status_code == 400
