"""`GET /v1/decisions` and one of them: the documents of the command line, page by page, within a token's reach."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_audit.errors import LedgerError
from policy_audit.ledger import Ledger, open_ledger
from policy_audit.proof import parse_proof

from policy_engine.service import answering, recorded
from policy_engine.service.errors import NotFoundError
from tests.serving import Server, serving
from tests.unit.served.reading import DECIDED, decide_all, told, workload

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('recorded') / 'ledger.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def decided(server: Server) -> list[dict[str, Any]]:
    with server.client(server.token()) as client:
        return decide_all(client)


@pytest.fixture(scope="module")
def client(server: Server, decided: list[dict[str, Any]]) -> Iterator[httpx.Client]:
    with server.client(server.token("read")) as found:
        yield found


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["decisions"]
    return found


def names(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(each["namespace"], each["workload"]) for each in rows(answer)]


FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"namespace": "hr"},
    {"workload": "support/triage", "oldest_first": "true"},
    {"verdict": ["review", "deny"], "limit": "3"},
    {"owner": "owner-of-legal@acme.example"},
    {"stage": "prototype", "purpose": "deploy", "as_of": "2100-01-01"},
    {"missing_evidence": "", "since": "2020-01-01", "until": "2100-01-01"},
    {"missing_evidence": "*", "count": "true"},
    {"expired": "true", "at": "2100-01-01"},
    {"rule": "no-such-rule"},
    {"count": "true", "namespace": "support"},
    {"policy_digest": "{digest}"},
)


@pytest.mark.parametrize("asked", FILTERS, ids=lambda asked: ",".join(asked) or "nothing")
def test_it_is_the_document_of_the_command(
    client: httpx.Client, server: Server, decided: list[dict[str, Any]], asked: dict[str, Any], capfd: Capture
) -> None:
    asked = {k: v.replace("{digest}", decided[0]["policy"]["digest"][7:19]) if isinstance(v, str) else v
             for k, v in asked.items()}  # fmt: skip
    served = client.get("/v1/decisions", params=asked).json()
    options = []
    for name, value in asked.items():
        for each in value if isinstance(value, list) else [value]:
            options += [f"--{name.replace('_', '-')}", *([each] if each not in ("true", "") else [])]
    command = told(capfd, "audit", "list", "--ledger", server.ledger, *options)
    for moving in ("next", "checkpoint"):
        command.pop(moving, None), served.pop(moving, None)
    assert served == command


def test_pages_are_of_one_tree_whatever_is_appended_meanwhile(client: httpx.Client, server: Server) -> None:
    for oldest_first in ("false", "true"):
        before = names(client.get("/v1/decisions", params={"limit": "500", "oldest_first": oldest_first}))
        found, cursor = [], None
        while cursor is not None or not found:
            asked = {"limit": "2", "oldest_first": oldest_first, **({"cursor": cursor} if cursor else {})}
            page = client.get("/v1/decisions", params=asked)
            found += names(page)
            cursor = page.json()["next"]
            assert ("next" in page.links) == (cursor is not None)
            with server.client(server.token("decide")) as other:
                assert other.post("/v1/decisions", json=workload("support", "meanwhile")).status_code == 200
        assert found == before


def test_the_link_to_the_next_page_leads_there(client: httpx.Client) -> None:
    page = client.get("/v1/decisions", params={"limit": "1", "verdict": ["review", "deny"]})
    following = client.get(page.links["next"]["url"])
    assert rows(following)[0]["index"] < rows(page)[0]["index"]


def test_a_cursor_belongs_to_its_question(client: httpx.Client) -> None:
    cursor = client.get("/v1/decisions", params={"limit": "1"}).json()["next"]
    for asked in ({"namespace": "hr"}, {"oldest_first": "true"}, {"as_of": "2100-01-01"}):
        answer = client.get("/v1/decisions", params={**asked, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor")
    assert client.get("/v1/decisions", params={"limit": "3", "cursor": cursor}).status_code == 200


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00"])
def test_a_cursor_with_a_time_that_there_is_not_is_refused(client: httpx.Client, moment: str) -> None:
    given = client.get("/v1/decisions", params={"limit": "1"}).json()["next"]
    start, size, _, digest = json.loads(base64.urlsafe_b64decode(given + "=="))
    made = base64.urlsafe_b64encode(json.dumps([start, size, moment, digest]).encode()).decode()
    assert client.get("/v1/decisions", params={"limit": "1", "cursor": given}).status_code == 200
    answer = client.get("/v1/decisions", params={"limit": "1", "cursor": made})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(max_size=80),
        st.binary(max_size=60).map(lambda data: data.hex()),
        st.from_regex(r"W[A-Za-z0-9_=-]{0,60}"),
    )
)
def test_no_text_is_taken_for_a_cursor(client: httpx.Client, text: str) -> None:
    answer = client.get("/v1/decisions", params={"cursor": text.encode("utf-8", "replace").decode()})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("asked", "code", "hint"),
    [
        ("verdit=deny", "unknown-parameter", "did you mean `verdict`?"),
        ("missing-evidence=x", "unknown-parameter", "did you mean `missing_evidence`?"),
        ("limit=0", "parameter", None),
        ("limit=501", "parameter", None),
        ("limit=1&limit=2", "parameter", None),
        ("verdict=maybe", "parameter", None),
        ("owner=", "parameter", None),
        ("workload=a%00b", "parameter", None),
        ("since=2026-02-30", "parameter", None),
        ("since=2026-03-02&until=2026-03-01", "usage", "give the earlier time or date as since"),
        ("at=2026-03-02", "usage", "give both, or leave it out"),
        ("policy_digest=00000000", "policy-digest", None),
        ("expired=perhaps", "parameter", None),
    ],
)
def test_what_is_wrong_is_refused_with_what_to_do(
    client: httpx.Client, asked: str, code: str, hint: str | None
) -> None:
    answer = client.get(f"/v1/decisions?{asked}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == code
    assert hint is None or answer.json()["help"] == hint


def test_one_decision_is_the_document_of_the_command(
    client: httpx.Client, server: Server, decided: list[dict[str, Any]], capfd: Capture
) -> None:
    whole = decided[1]["id"]
    command = told(capfd, "explain", whole, "--ledger", server.ledger)
    for target in (whole, whole[:8], whole[:20].upper(), f"sha256:{whole}", str(decided[1]["ledger"]["index"])):
        assert client.get(f"/v1/decisions/{target}").json() == command, target
    every = told(capfd, "explain", whole, "--all-rules", "--ledger", server.ledger)
    assert client.get(f"/v1/decisions/{whole}?all_rules=true").json() == every


def test_who_only_decides_is_shown_no_person(server: Server, decided: list[dict[str, Any]]) -> None:
    with server.client(server.token("decide")) as other:
        text = other.get(f"/v1/decisions/{decided[1]['id']}").text
        assert other.get("/v1/decisions").status_code == 403
    assert "@acme.example" not in text
    assert json.loads(text)["id"] == decided[1]["id"]
    with server.client(server.token("approve")) as nobody:
        assert nobody.get(f"/v1/decisions/{decided[1]['id']}").status_code == 403


def test_a_receipt_is_verified_with_a_pinned_key_alone(
    client: httpx.Client, server: Server, decided: list[dict[str, Any]]
) -> None:
    with open_ledger(server.ledger, read_only=True) as ledger:
        vkey, entry = ledger.verifier_key, ledger.entry(decided[2]["ledger"]["index"])
    answer = client.get(f"/v1/decisions/{decided[2]['id']}/receipt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    raw = client.get(f"/v1/decisions/{decided[2]['id']}/entry").content
    assert raw == entry.raw
    proof = parse_proof(answer.text)
    checkpoint = proof.verify(raw, [vkey], vkey.partition("+")[0])
    assert (proof.index, checkpoint.size) == (entry.index, decided[2]["ledger"]["tree_size"])
    with pytest.raises(ValueError, match=r"not in the log|root|prove"):
        proof.verify(raw.replace(b"support", b"suqport"), [vkey], vkey.partition("+")[0])


def test_what_is_not_there_and_what_is_out_of_reach_look_alike(server: Server, decided: list[dict[str, Any]]) -> None:
    with server.client(server.token("read", "decide", namespaces=["hr"])) as scoped:
        assert set(names(scoped.get("/v1/decisions"))) == {each for each in DECIDED if each[0] == "hr"}
        assert rows(scoped.get("/v1/decisions?namespace=support")) == []
        assert scoped.get("/v1/decisions?namespace=suport").json()["hint"] is None
        assert scoped.get("/v1/decisions?count=true").json()["count"] == 2
        assert {each["workload"] for each in scoped.get("/v1/workloads").json()["workloads"]} == {
            "screening",
            "mood-of-staff",
        }
        foreign, absent = decided[0]["id"], "0" * 64
        for path in ("", "/receipt", "/entry"):
            answers = [scoped.get(f"/v1/decisions/{each}{path}") for each in (foreign, absent)]
            alike = [each.text.replace(name, "ID") for each, name in zip(answers, (foreign, absent), strict=True)]
            assert [each.status_code for each in answers] == [404, 404]
            assert alike[0] == alike[1]
            assert scoped.get(f"/v1/decisions/{decided[1]['id'][:8]}{path}").status_code == 200
        assert scoped.get(f"/v1/decisions/{decided[0]['ledger']['index']}").status_code == 404
        assert scoped.get("/v1/workloads/support/triage").status_code == 404
        assert scoped.get("/v1/workloads/hr/screening").status_code == 200


def test_history_of_a_workload_and_the_last_decision_on_each(
    client: httpx.Client, decided: list[dict[str, Any]]
) -> None:
    history = rows(client.get("/v1/workloads/support/triage?oldest_first=true"))
    assert [each["decision_id"] for each in history] == [decided[0]["id"], decided[2]["id"]]
    last = {
        (each["namespace"], each["workload"]): each["decision_id"]
        for each in client.get("/v1/workloads").json()["workloads"]
    }
    assert last["support", "triage"] == decided[2]["id"]
    assert last.keys() >= set(DECIDED)


@pytest.mark.parametrize(
    "target", ["0", "999999999999999999", "zz", "abc", "9" * 30, "%00", "..%2f", "sha256:", "-1", "é" * 9]
)
def test_no_text_is_taken_for_a_decision(client: httpx.Client, target: str) -> None:
    for path in ("", "/receipt", "/entry"):
        answer = client.get(f"/v1/decisions/{target}{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\x85b", "\ud800"])
def test_no_database_is_asked_for_a_name_with_control_characters(name: str) -> None:
    nobody: Any = None  # PostgreSQL refuses a question with NUL
    with pytest.raises(NotFoundError):
        recorded.history(nobody, None, "support", name, {})


def test_what_was_disposed_of_is_gone_and_no_refusal_of_the_ledger(
    client: httpx.Client, decided: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def disposed(*_: object) -> bytes:
        raise LedgerError("the document was disposed of", code="blob-disposed")

    monkeypatch.setattr(Ledger, "blob", disposed)
    answer = client.get(f"/v1/decisions/{decided[0]['id']}")
    assert (answer.status_code, answer.json()["code"]) == (410, "blob-disposed")
    assert "retry-after" not in answer.headers
    assert client.get(f"/v1/decisions/{decided[0]['id']}/receipt").status_code == 200


def test_yaml_where_it_is_asked_for_and_json_to_everything_else(client: httpx.Client) -> None:
    import yaml

    found = client.get("/v1/decisions?limit=1", headers={"Accept": "text/html;q=0.1, application/yaml"})
    assert found.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(found.text)["kind"] == "DecisionList"
    for accept in ("", "*/*", "image/png", "application/yaml;q=0.5, application/json", "application/yaml;q=x"):
        answer = client.get("/v1/decisions?limit=1", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), accept


def test_long_answers_are_packed_for_who_takes_it(
    server: Server, client: httpx.Client, decided: list[dict[str, Any]]
) -> None:
    path = f"/v1/decisions/{decided[0]['id']}"
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) * 3 < len(plain.content)
    with server.client(server.token("decide")) as other:
        made = other.post("/v1/decisions", json=workload("support", "triage"), headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in made.headers


def test_what_no_route_answers_is_a_problem_document(client: httpx.Client) -> None:
    wrong = client.request("DELETE", "/v1/decisions")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")
    assert wrong.json()["code"] == "method"
    for path in ("/nothing", "/v1/decisions/", "/v1/workloads/hr", "/v1/", "/v1//decisions"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
    head = client.head("/v1/decisions")
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "application/json")


def test_who_only_decides_has_what_they_had_decided_alone(server: Server, decided: list[dict[str, Any]]) -> None:
    own = server.token("decide", subject="pipeline@acme.example")
    with server.client(own) as pipeline, open_ledger(server.ledger, read_only=True) as ledger:
        made = pipeline.post("/v1/decisions", json=workload("new", "own")).json()
        before = ledger.latest(("officer-query",))
        for path in ("", "/receipt", "/entry"):
            for target in (made["id"], made["id"][:12], made["ledger"]["index"]):
                assert pipeline.get(f"/v1/decisions/{target}{path}").status_code == 200
            for each in (decided[0]["id"], decided[0]["ledger"]["index"], made["ledger"]["index"] - 1):
                names = str(each), "9" * len(str(each))
                answers = [pipeline.get(f"/v1/decisions/{name}{path}") for name in names]
                alike = [answer.text.replace(f"`{name}`", "ID") for answer, name in zip(answers, names, strict=True)]
                assert [answer.status_code for answer in answers] == [404, 404]
                assert alike[0] == alike[1]
        assert ledger.latest(("officer-query",)) == before


def test_who_asks_for_the_same_in_the_same_second_has_an_entry_each(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = answering.now()
    monkeypatch.setattr(answering, "now", lambda: moment)
    names = ("first@acme.example", "second@acme.example")
    asked = [server.token("decide", subject=name) for name in names]
    for token in asked:
        with server.client(token) as client:
            made = [client.post("/v1/decisions", json=workload("new", "twice")).json()]
    for token in asked:
        with server.client(token) as client:
            assert client.get(f"/v1/decisions/{made[0]['id']}").json()["id"] == made[0]["id"]


def test_receipt_and_entry_are_read_on_record(server: Server, decided: list[dict[str, Any]]) -> None:
    with server.client(server.token("read", subject="reader@acme.example")) as reader:
        for path in ("/receipt", "/entry"):
            assert reader.get(f"/v1/decisions/{decided[0]['id']}{path}").status_code == 200
    with open_ledger(server.ledger, read_only=True) as ledger:
        found = [each.document["body"]["query"] for each in ledger.list_entries(type="officer-query", limit=2)]
    assert sorted(found) == ["audit prove", "audit show"]
