"""OpenID AuthZEN: yes only by a decision that stands, every answer on record, unknown is no."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.ledger import open_ledger

from policy_engine.access.tokens import revoked_draft
from policy_engine.api import bodies
from policy_engine.api.bodies import RecentBodies, _parsed
from policy_engine.errors import PolicyError, Problem, RecordingError
from policy_engine.recorder import Context
from policy_engine.service.committing import Committer
from policy_engine.service.evaluations import Evaluation, workload_of
from tests.serving import serving
from tests.unit.served.waiver_world import ANN, World, line_of, world

SUBJECT = {"type": "user", "id": "dora@acme.example"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authzen")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[World]:
    with world(folder) as found:
        yield found


@pytest.fixture
def one(served: World) -> World:
    return served.fresh()


def question(one: World, **properties: Any) -> dict[str, Any]:
    resource: dict[str, Any] = {"type": "workload", "id": f"claims/{one.name}"}
    resource |= {"properties": properties} if properties else {}
    return {"subject": SUBJECT, "action": {"name": "deploy"}, "resource": resource, "context": {"time": "now"}}


def ask(one: World, body: Any, who: str = "ci:decide", path: str = "evaluation") -> Any:
    answer = one.call(who, "POST", f"/access/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def codes(answer: dict[str, Any]) -> list[str]:
    return [each["code"] for each in answer["context"]["reasons"]]


def granted(one: World) -> dict[str, Any]:
    """The workload is allowed by a waiver, and decided for a deployment."""
    waiver = one.asked()
    assert one.approve(waiver, "ann", line_of(waiver, ANN)).status_code == 200
    assert one.decide()["verdict"] in ("allow", "allow_with_conditions")
    return waiver


def test_with_a_document_it_is_decided_now_and_the_answer_is_that_decision(one: World) -> None:
    document = yaml.safe_load(one.workload)
    answer = ask(one, question(one, workload=document))
    assert answer["decision"] is False
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        entry = ledger.entry(answer["context"]["entry"]).document
    assert (entry["view"]["decision_id"], entry["view"]["verdict"]) == (
        answer["context"]["id"],
        answer["context"]["verdict"],
    )
    assert entry["context"]["purpose"] == "deploy"
    assert codes(answer)
    # the decision's own entry says whom it was asked about, and its verdict what was told
    assert answer["context"]["evaluation_entry"] == answer["context"]["entry"]
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        told = ledger.entry(answer["context"]["entry"])
        assert ledger.personal(told.index)["subject"] == "dora@acme.example"
        assert b"dora" not in told.raw
    assert told.document["context"]["subject_type"] == "user"
    granted(one)
    allowed = ask(one, question(one, workload=document))
    assert allowed["decision"] is True
    assert allowed["context"]["reasons"] == []
    assert allowed["context"]["entry"] > answer["context"]["entry"]


def test_without_a_document_the_last_decision_counts_for_as_long_as_it_stands(one: World, folder: Path) -> None:
    nothing = ask(one, question(one))
    assert (nothing["decision"], codes(nothing)) == (False, ["no-decision"])
    waiver = granted(one)
    one_more = one.decide("draft")  # a draft is no decision for a deployment, and takes nothing back
    answer = ask(one, question(one))
    assert answer["decision"] is True, answer
    assert answer["context"]["entry"] < one_more["ledger"]["index"]
    entry = one.entries("access-evaluated")[-1]
    assert entry["body"]["allowed"] is True
    assert (entry["body"]["entry"], entry["body"]["decision"]) == (answer["context"]["entry"], answer["context"]["id"])
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        assert ledger.personal(answer["context"]["evaluation_entry"])["subject"] == "dora@acme.example"
        assert b"dora" not in ledger.entry(answer["context"]["evaluation_entry"]).raw
        digest = ledger.entry(answer["context"]["entry"]).document["view"]["workload_digest"]
    assert ask(one, question(one, digest=digest))["decision"] is True
    assert codes(ask(one, question(one, digest=f"sha256:{'0' * 64}"))) == ["workload"]
    with serving(one.server.ledger) as other:  # without the layer: another policy, under which nothing was decided
        beside = World(other)
        beside.name = one.name
        assert "policy" in codes(ask(beside, question(one)))
    assert one.revoke(waiver).status_code == 200
    after = ask(one, question(one))
    assert (after["decision"], codes(after)) == (False, ["waivers"])
    one.decide()
    assert codes(ask(one, question(one))) == ["verdict"]


def test_what_is_not_known_is_no_and_on_record_without_its_name(one: World) -> None:
    before = len(one_entries(one))
    other = {**question(one), "action": {"name": "delete"}}
    assert codes(ask(one, other)) == ["not-known"]
    person = {**question(one), "resource": {"type": "account", "id": "dora@acme.example"}}
    assert codes(ask(one, person)) == ["not-known"]
    one.decide()
    assert codes(ask(one, question(one), "foreign:decide@support")) == ["no-decision"]
    new = one_entries(one)[before:]
    assert [each["body"]["allowed"] for each in new] == [False] * 3
    assert all("dora" not in str(each) and one.name not in str(each) for each in new)


def latest(one: World) -> int:
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        return ledger.latest(("decision", "access-evaluated"))


def test_what_is_on_record_is_answered_whatever_becomes_of_the_rest(
    one: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load(one.workload)
    elsewhere = {**document, "metadata": {**document["metadata"], "namespace": "hr"}}
    parts = [question(one, workload=document), {**question(one, workload=elsewhere)}, question(one)]
    parts[1]["resource"] = {**parts[1]["resource"], "id": f"hr/{one.name}"}
    found = ask(one, {"evaluations": parts}, "ci:decide@claims", "evaluations")["evaluations"]
    assert [each["context"].get("error", {}).get("status") for each in found] == [None, 403, None]
    assert found[0]["context"]["id"]
    assert not any(each["decision"] for each in found)
    kept, left = Committer.append, iter(range(2))

    async def refusing(self: Committer, group: Any) -> Any:
        if next(left, None) is None:
            raise RecordingError(Problem("ledger-away", "it is away"))
        return await kept(self, group)

    monkeypatch.setattr(Committer, "append", refusing)
    found = ask(one, {"evaluations": [question(one)] * 4}, path="evaluations")["evaluations"]
    assert [each["context"].get("error", {}).get("code") for each in found] == [None, None, *["ledger-away"] * 2]
    body = {"evaluations": [question(one)] * 2}
    assert one.call("ci:decide", "POST", "/access/v1/evaluations", json=body).status_code == 503


def test_a_request_is_counted_once_however_much_it_asks(one: World) -> None:
    limit = one.server.service.admission  # type: ignore[union-attr]
    counted: list[object] = []
    ask(one, question(one), "counted:decide")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limit, "admit", counted.append)
        ask(one, {"evaluations": [question(one)] * 5}, "counted:decide", "evaluations")
    assert len(counted) == 1


def one_entries(one: World) -> list[dict[str, Any]]:
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        return [each.document for each in ledger.list_entries(type="access-evaluated", newest_first=False)]


def test_questions_that_are_none_are_refused(one: World) -> None:
    document = yaml.safe_load(one.workload)
    elsewhere = {**document, "metadata": {**document["metadata"], "name": "other"}}
    unnamed = {key: value for key, value in question(one).items() if key != "subject"}
    refused = {
        "400 other-resource": question(one, workload=elsewhere),
        "400 authzen-request": unnamed,
        "400 body": {"subject": "dora"},
        "422 workload-name": {**question(one), "resource": {"type": "workload", "id": "no-namespace"}},
    }
    got = {key: one.call("ci:decide", "POST", "/access/v1/evaluation", json=body) for key, body in refused.items()}
    assert {key: f"{each.status_code} {each.json()['code']}" for key, each in got.items()} == {k: k for k in refused}
    size = latest(one)
    named = {"subject": SUBJECT, "action": {"name": "deploy"}}
    foreign = {"type": "workload", "id": "payments/core-banking"}
    for properties in (
        {"workload": [document]},
        {"workload": [document, document]},
        {"workload": {**document, "metadata": {**document["metadata"], "namespace": None}}},
        {"workload": document},
        {"workload": "payments"},
        {"workload": None},
    ):
        asked = {**named, "resource": {**foreign, "properties": properties}}
        answer = one.call("ci:decide", "POST", "/access/v1/evaluation", json=asked)
        assert (answer.status_code, answer.json()["code"]) in ((400, "other-resource"), (422, "wrong-type")), (
            answer.text
        )
    for several in ([document], [document, document]):
        answer = one.call("ci:decide", "POST", "/access/v1/evaluation", json=question(one, workload=several))
        assert (answer.status_code, answer.json()["code"]) == (400, "other-resource"), answer.text
    assert latest(one) == size
    invalid = one.call("ci:decide", "POST", "/access/v1/evaluation", json=question(one, workload={"kind": "x"}))
    assert invalid.status_code == 422
    assert one.call("ci:read", "POST", "/access/v1/evaluation", json=question(one)).status_code == 403
    deep = f'{{"subject":{"[" * 100_000}'
    given = {"content": deep, "headers": {"Content-Type": "application/json"}}
    assert one.call("ci:decide", "POST", "/access/v1/evaluation", **given).status_code == 400


def test_several_questions_are_answered_in_their_order_and_stop_where_that_is_asked_for(one: World) -> None:
    granted(one)
    yes, no = {"resource": question(one)["resource"]}, {"resource": {"type": "workload", "id": "claims/never"}}
    broken = {"resource": {"type": "workload", "id": "broken"}}
    whole = {key: value for key, value in question(one).items() if key != "resource"}

    def decisions(semantic: str | None, *parts: Any) -> list[bool]:
        options = {"options": {"evaluations_semantic": semantic}} if semantic else {}
        found = ask(one, {**whole, "evaluations": list(parts), **options}, path="evaluations")
        return [each["decision"] for each in found["evaluations"]]

    assert decisions(None, yes, no, broken, yes) == [True, False, False, True]
    assert decisions("deny_on_first_deny", yes, broken, yes) == [True, False]
    assert decisions("permit_on_first_permit", no, yes, no) == [False, True]
    assert ask(one, question(one), path="evaluations")["decision"] is True
    found = ask(one, {**whole, "evaluations": [broken]}, path="evaluations")["evaluations"]
    assert found[0]["context"]["error"]["status"] == 422
    bad = {**whole, "evaluations": [yes], "options": {"evaluations_semantic": "any"}}
    assert one.call("ci:decide", "POST", "/access/v1/evaluations", json=bad).status_code == 400
    many = {**whole, "evaluations": [no] * 101}
    assert one.call("ci:decide", "POST", "/access/v1/evaluations", json=many).status_code == 400


def test_the_configuration_says_where_it_is_and_a_request_keeps_its_id(one: World) -> None:
    with one.server.client() as client:
        found = client.get("/.well-known/authzen-configuration").json()
        assert client.get("/.well-known/authzen-configuration", headers={"Host": "a/b?c=<d>"}).status_code == 400
    assert found["access_evaluation_endpoint"] == f"{one.server.url}/access/v1/evaluation"
    given = {"json": question(one), "headers": {"X-Request-ID": "bfe9eb29"}}
    assert one.call("ci:decide", "POST", "/access/v1/evaluation", **given).headers["x-request-id"] == "bfe9eb29"


def test_a_key_that_stands_twice_is_refused_wherever_it_stands(one: World) -> None:
    whole = json.dumps(question(one, workload=yaml.safe_load(one.workload)))
    document = json.dumps(yaml.safe_load(one.workload))
    twice = {
        "in the workload": whole.replace('"kind": "Workload"', '"kind": "Workload", "kind": "Workload"', 1),
        "the workload itself": whole.replace(document, f'{document}, "workload": {document}', 1),
        "beside it": whole.replace('"context": {', '"context": {"time": "then", ', 1),
        "the same object elsewhere": whole.replace('"context": {', f'"context": {{"a": {document}, "a": 1, ', 1),
    }
    before = latest(one)
    for where, body in [*twice.items(), *twice.items()]:  # what was refused is refused again
        answer = one.call(
            "ci:decide", "POST", "/access/v1/evaluation", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422), where
        assert "stands twice" in answer.text or "stands here again" in answer.text, where
    assert latest(one) == before


def test_who_was_revoked_is_told_so_and_nothing_of_what_is_wrong_with_the_question(one: World) -> None:
    wrong, right = question(one, workload={"kind": "Workload"}), question(one, workload=yaml.safe_load(one.workload))
    token = one.server.token("decide")
    assert one.send(token, "POST", "/access/v1/evaluation", json=wrong).status_code == 422
    with open_ledger(one.server.ledger) as ledger:
        ledger.append(revoked_draft(token.split("_")[1], "lost", Context("draft", None, "asserted", {})))
    for body in (wrong, right, question(one)):
        assert one.send(token, "POST", "/access/v1/evaluation", json=body).json()["code"] == "token-revoked"


def test_a_digest_beside_a_document_has_to_be_its_own(one: World) -> None:
    document = yaml.safe_load(one.workload)
    given = one.decide()["workload"]["digest"]
    assert ask(one, question(one, workload=document, digest=given))["context"]["verdict"]
    before = latest(one)
    answer = one.call(
        "ci:decide",
        "POST",
        "/access/v1/evaluation",
        json=question(one, workload=document, digest=f"sha256:{'0' * 64}"),
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "other-resource")
    assert given in answer.json()["detail"]
    assert latest(one) == before


def test_an_entry_has_no_text_of_a_question_but_plain_words(one: World) -> None:
    name = "zebulon.quux@acme.example"
    document = yaml.safe_load(one.workload)
    body = {**question(one, workload=document), "subject": {"type": name, "id": name}}
    other = {**body, "action": {"name": name}, "resource": {"type": name, "id": name}}
    known = {**question(one), "action": {"name": "delete"}, "subject": {"type": "service_account", "id": "ci"}}
    entries = [ask(one, each)["context"]["evaluation_entry"] for each in (body, other, known)]
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        found = [ledger.entry(each) for each in entries]
    assert not any(name.encode() in each.raw for each in found)
    assert found[0].document["context"]["subject_type"] == "other"
    assert found[1].document["body"]["action"] == found[1].document["body"]["resource"]["type"] == "other"
    assert [found[2].document["body"][key] for key in ("action", "subject_type")] == ["delete", "service_account"]


@pytest.mark.parametrize("name", ["ann\x01@acme.example", "\x07", " ann", "a" * 500 + " "])
def test_a_subject_is_on_record_as_it_was_asked_about_or_refused(one: World, name: str) -> None:
    before = latest(one)
    for properties in ({"workload": yaml.safe_load(one.workload)}, {}):
        body = {**question(one, **properties), "subject": {"type": "user", "id": name}}
        answer = one.call("ci:decide", "POST", "/access/v1/evaluation", json=body)
        assert (answer.status_code, answer.json()["code"]) in ((400, "authzen-request"), (400, "body"))
    assert latest(one) == before


def test_what_is_sent_again_in_the_same_bytes_is_read_once_and_what_is_long_each_time(
    one: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    def reading(body: bytes, *given: Any) -> Any:
        read.append(body)
        return _parsed(body, *given)

    monkeypatch.setattr(bodies, "_parsed", reading)

    def ask(context: str) -> int:
        body = {**question(one, workload=yaml.safe_load(one.workload)), "context": {"as": context}}
        read.clear()
        assert one.call("ci:decide", "POST", "/access/v1/evaluation", json=body).status_code == 200
        return len(read)

    name = secrets.token_hex(8)
    assert [ask(name) for _ in range(3)] == [1, 0, 0]
    assert [ask(name * 2000) for _ in range(2)] == [1, 1]


def test_what_was_read_is_remembered_for_a_minute_and_of_few() -> None:
    moment = [0.0]
    remembered = RecentBodies(lambda: moment[0])
    first = [remembered.read(b'{"context": {"a": 1}}', Evaluation, workload_of) for _ in range(2)]
    assert first[0] is first[1]
    moment[0] = 61.0
    assert remembered.read(b'{"context": {"a": 1}}', Evaluation, workload_of) is not first[0]
    for number in range(3000):
        remembered.read(b'{"context": {"a": %d}}' % number, Evaluation, workload_of)
        assert len(remembered) <= 256
    for wrong in (b'{"context": 1}', b'{"context": []}', b'{"context": {"a": 1, "a": 2}}'):
        for _ in range(2):
            with pytest.raises((ValueError, PolicyError)):
                remembered.read(wrong, Evaluation, workload_of)


@pytest.mark.parametrize("action", ["deploy", "read"])
@pytest.mark.parametrize("workload", [False, "text", 7, [], None])
def test_a_workload_that_is_no_object_is_refused_whatever_is_asked(one: World, action: str, workload: Any) -> None:
    body = {**question(one, workload=workload), "action": {"name": action}}
    answer = one.call("ci:decide", "POST", "/access/v1/evaluation", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "other-resource")
