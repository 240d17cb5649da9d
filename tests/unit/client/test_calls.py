"""The client's calls: against a real server, and what is sent where one is not at hand."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest

from policy_engine.client import Allowed, Client, RefusedError, UnavailableError, UntrustedError
from tests.serving import WORKLOAD, Server, serving
from tests.unit.client.faking import Reply, faking, reply


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}") as running:
        yield running


def test_what_is_on_record_is_read_page_by_page(server: Server) -> None:
    with Client(server.url, server.token("decide", "read")) as client:
        made = [client.decide([WORKLOAD], details={"run": str(run)})[0] for run in range(3)]
        page = client.page(limit="2")
        assert page.next is not None
        rows = list(client.decisions(limit="2", workload="support/triage"))
        assert [row["index"] for row in rows] == [each.place.index for each in reversed(made)]
        assert [row["index"] for row in client.decisions(limit="2", most=1)] == [made[-1].place.index]
        assert list(client.decisions(stage="production")) == []
        shown = client.decision(made[0].id)
        assert (shown["id"], shown["verdict"]) == (made[0].id, made[0].verdict)
        assert client.receipt(str(made[1].place.index)).startswith("c2sp.org/tlog-proof@v1\n")
        assert client.checkpoint().count("\n") >= 4
        assert client.policy()["policy"] == made[0].policy_digest
        assert client.rule("data-stays-in-network")["id"] == "data-stays-in-network"
        for name in ("0" * 64, "../policy"):
            with pytest.raises(RefusedError) as error:
                client.decision(name)
            assert error.value.status in (400, 404)


def test_an_invalid_workload_is_refused_with_its_place(server: Server) -> None:
    broken = {**WORKLOAD, "spec": {**WORKLOAD["spec"], "stage": "no-such-stage"}}
    with Client(server.url, server.token("decide")) as client, pytest.raises(RefusedError) as error:
        client.decide([WORKLOAD, broken])
    assert error.value.status == 422
    (problem,) = error.value.problems
    assert problem.span is not None
    assert problem.span.column > len(json.dumps(WORKLOAD, separators=(",", ":")))


def test_waivers_and_access_are_asked_for_once() -> None:
    with (
        faking(reply({"id": "4f1c", "decision": True, "context": {"id": "1"}})) as fake,
        Client(fake.url, "t") as client,
    ):
        client.request_waiver({"rule": "r"})
        client.approve_waiver("4f1c", {"signatures": ["s"]})
        client.revoke_waiver("4f1c", "it is over")
        client.waivers(status="active", expiring="14")
        assert client.evaluate_access({"action": {"name": "deploy"}}) == Allowed(True, {"id": "1"})
        client.report("gaps", longest="24", as_of="2026-11-01")
    assert [f"{each.method} {each.path}" for each in fake.asked] == [
        "POST /v1/waivers",
        "POST /v1/waivers/4f1c/approval",
        "DELETE /v1/waivers/4f1c?reason=it+is+over",
        "GET /v1/waivers?status=active&expiring=14",
        "POST /access/v1/evaluation",
        "GET /v1/reports/gaps?longest=24&as_of=2026-11-01",
    ]
    assert json.loads(fake.asked[0].body) == {"rule": "r"}
    assert {each.headers["authorization"] for each in fake.asked} == {"Bearer t"}


@pytest.mark.parametrize("answer", [{"decision": "true"}, {"decision": 1}, {"decision": None}, {}, {"decision": []}])
def test_nothing_but_true_allows(answer: object) -> None:
    with faking(reply(answer)) as fake, Client(fake.url, "t") as client, pytest.raises(UntrustedError):
        client.evaluate_access({})


def test_an_export_is_waited_for_and_held_to_its_digest() -> None:
    content = b"PK, in truth"
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    states = [reply({"id": "1", "state": state}) for state in ("queued", "running", "done")]
    whole = Reply(200, content, {"Content-Type": "application/zip", "Repr-Digest": f"sha-256=:{digest}:"})
    with faking(*states, whole) as fake, Client(fake.url, "t") as client:
        assert client.export({"report": "log"}, every=0.01) == content
        assert [each.path for each in fake.asked] == ["/v1/exports", *["/v1/exports/1"] * 2, "/v1/exports/1/content"]
    other = Reply(200, content + b"!", whole.headers)
    with faking(*states, other) as fake, Client(fake.url, "t") as client, pytest.raises(UntrustedError):
        client.export({"report": "log"}, every=0.01)
    failed = {"id": "1", "state": "failed", "error": {"code": "disk", "detail": "the disk is full"}}
    for state, why in ((failed, "the disk is full"), ({"id": "1", "state": "running"}, "is not done within")):
        with faking(reply(state)) as fake, Client(fake.url, "t") as client, pytest.raises(UnavailableError, match=why):
            client.export({"report": "log"}, seconds=0.05, every=0.01)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "ä", "x" * 20_000, "a\x00"])
def test_what_is_no_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(Exception, match="token") as error:
        Client("http://127.0.0.1:1", token)
    assert "a b" not in str(error.value)


def test_a_token_does_not_show_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from policy_engine.client.credentials import secret

    shown = secret("hunter2")
    assert "hunter2" not in repr(shown) + str(shown) + f"{shown}"
    assert shown.reveal() == "hunter2"
