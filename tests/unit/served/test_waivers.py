"""`/v1/waivers`: asked for by whoever is authenticated, signed by others, counted at once, taken back at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from policy_audit.keys import write_key_file
from policy_audit.ledger import open_ledger
from policy_audit.note import open_note

from policy_engine.cli.main import call
from tests.serving import make_token, serving
from tests.unit.served.waiver_world import ANN, BOB, RULE, World, layer_in, line_of, soon, status_of, world
from tests.unit.waivers.making import EVE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("waivers")


@pytest.fixture(scope="module")
def one_needed(folder: Path) -> Iterator[World]:
    with world(folder) as found:
        yield found


@pytest.fixture
def one(one_needed: World) -> World:
    """One approval is enough."""
    return one_needed.fresh()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[World]:
    """Two people have to approve."""
    with world(tmp_path, approvals=2) as found:
        yield found


def code(answer: object) -> str:
    return f"{answer.status_code} {answer.json()['code']}"  # type: ignore[attr-defined]


def test_a_waiver_is_asked_for_granted_used_and_taken_back(one: World, folder: Path) -> None:
    denied = one.decide()
    assert status_of(denied) == "forbidden"
    asked = one.ask()
    assert asked.status_code == 201, asked.text
    waiver = asked.json()
    assert asked.headers["location"] == f"/v1/waivers/{waiver['id']}"
    assert (waiver["status"], waiver["requester"], waiver["requester_known_by"]) == (
        "requested",
        "rita@acme.example",
        "token",
    )
    assert waiver["decision"] == denied["id"]
    (entry,) = one.entries("waiver-requested")
    assert entry["context"]["actor_known_by"] == "token"
    assert len(entry["context"]["token"]) == 12
    assert "rita" not in str(entry)

    granted = one.approve(waiver, "ann", line_of(waiver, ANN))
    assert granted.status_code == 200, granted.text
    assert (granted.json()["status"], granted.json()["approvers"]) == ("active", ["ann@acme.example"])
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        (grant,) = ledger.list_entries(type="waiver-granted")
        text, keys = open_note(ledger.blob(grant.document["blobs"]["waiver"]).decode(), [ANN.signer.verifier_key])
    assert (text, len(keys)) == (waiver["text"], 1)

    # a second worker of another process would read the same ledger: one that is told nothing of it
    with serving(one.server.ledger, layers=(folder / "acme",)) as other:
        beside = World(other)
        beside.name = one.name
        allowed = [one.decide(), beside.decide()]
        assert {status_of(each) for each in allowed} != {"forbidden"}
        assert all(each["tasks"][0]["waivers"][0]["id"] == waiver["id"] for each in allowed)
        taken = one.revoke(waiver)
        assert (taken.status_code, taken.json()["status"]) == (200, "revoked")
        assert [status_of(each) for each in (one.decide(), beside.decide())] == ["forbidden"] * 2
        again = beside.revoke(waiver)
        assert (again.status_code, again.json()["revoked_index"]) == (200, taken.json()["revoked_index"])
    assert len(one.entries("waiver-revoked")) == 1


def test_what_the_command_signs_is_what_the_server_takes(
    one: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiver = one.asked()
    file, key = tmp_path / "waiver.json", tmp_path / "ann.key"
    file.write_bytes(one.call("ann:approve", "GET", f"/v1/waivers/{waiver['id']}/file").content)
    write_key_file(key, ANN.signer)
    assert call(["waiver", "sign", str(file), "--key", str(key)]) == 0
    told = capsys.readouterr()
    assert "no-mlops-no-self-hosting" in told.err
    body = {"content": told.out, "headers": {"Content-Type": "application/json"}}
    answer = one.call("ann:approve", "POST", f"/v1/waivers/{waiver['id']}/approval", **body)
    assert (answer.status_code, answer.json()["status"]) == (200, "active")


def test_two_people_sign_one_after_the_other_and_each_is_on_record(two: World, tmp_path: Path) -> None:
    waiver = two.asked()
    first = two.approve(waiver, "ann", line_of(waiver, ANN))
    assert (first.status_code, first.json()["status"]) == (202, "requested")
    assert [each["by"] for each in first.json()["signed"]] == ["ann"]
    assert status_of(two.decide()) == "forbidden"
    assert code(two.approve(waiver, "ann", line_of(waiver, ANN))) == "409 approved-already"
    with serving(two.server.ledger, layers=(tmp_path / "acme",)) as other:
        beside = World(other)
        # the file that travels has the line of the one before; whoever signs sends all of it
        file = beside.call("bob", "GET", f"/v1/waivers/{waiver['id']}/file").json()
        assert file["signatures"] == [line_of(waiver, ANN)]
        last = beside.approve(waiver, "bob", *file["signatures"], line_of(waiver, BOB))
    assert (last.status_code, last.json()["status"]) == (200, "active")
    (grant,) = two.entries("waiver-granted")
    assert [each["by"] for each in grant["body"]["approvals"]] == ["ann", "bob"]
    assert status_of(two.decide()) != "forbidden"


def test_an_approval_that_counts_no_more_keeps_nobody_out_and_does_not_count(two: World, tmp_path: Path) -> None:
    waiver = two.asked()
    assert two.approve(waiver, "ann", line_of(waiver, ANN)).status_code == 202
    layer_in(tmp_path, 2, BOB, EVE)  # ann approves nothing any more
    with serving(two.server.ledger, layers=(tmp_path / "acme",)) as other:
        beside = World(other)
        assert beside.approve(waiver, "bob", line_of(waiver, BOB)).status_code == 202
        assert beside.approve(waiver, "eve", line_of(waiver, EVE)).status_code == 200
    (grant,) = two.entries("waiver-granted")
    assert [each["by"] for each in grant["body"]["approvals"]] == ["bob", "eve"]


def test_nobody_approves_what_they_asked_for_in_whatever_spelling(one: World) -> None:
    waiver = one.asked()
    for name in ("rita@acme.example", "RITA@acme.example", "ｒita@acme.example", "rita+x@acme.example", "Rita"):
        token = make_token(one.server.ledger, subject=name)
        body = {"signatures": [line_of(waiver, ANN)]}  # that the requester holds ann's key makes them nobody else
        answer = one.send(token, "POST", f"/v1/waivers/{waiver['id']}/approval", json=body)
        assert code(answer) == "409 own-waiver", name
    assert one.entries("waiver-granted") == []


def test_nobody_approves_with_the_key_of_another_person(one: World) -> None:
    one.decide()
    own = one.ask("ann").json()
    assert code(one.approve(own, "ann", line_of(own, ANN))) == "409 own-waiver"
    assert code(one.approve(own, "ann", line_of(own, BOB))) == "409 own-waiver"
    assert code(one.approve(own, "bob", line_of(own, ANN))) == "409 own-waiver"
    assert code(one.approve(own, "mallory", line_of(own, BOB))) == "403 other-approver"
    assert code(one.approve(own, "bob", line_of(own, EVE))) == "403 not-an-approver"
    other = one.ask("rita", ticket="OPS-8").json()
    assert code(one.approve(own, "bob", line_of(other, BOB))) == "422 bad-signature"
    assert code(one.approve(own, "bob", "no line")) == "422 bad-signature"
    assert code(one.approve(own, "bob", line_of(own, BOB), line_of(own, ANN))) == "422 signatures"
    assert code(one.call("bob:read", "POST", f"/v1/waivers/{own['id']}/approval", json={})) == "403 role"
    assert one.entries("waiver-granted") == []
    assert one.approve(own, "bob", line_of(own, BOB)).status_code == 200
    assert code(one.approve(own, "bob", line_of(own, BOB))) == "409 granted-already"


def test_a_waiver_that_was_taken_back_is_granted_to_nobody(two: World) -> None:
    waiver = two.asked()
    assert two.approve(waiver, "ann", line_of(waiver, ANN)).status_code == 202
    assert code(two.revoke(waiver, "bob:read")) == "403 role"
    assert code(two.revoke(waiver, "bob", "bob@acme.example wants it")) == "400 reason-names-subject"
    assert code(two.revoke(waiver, "bob", " ")) == "400 bad-text"
    assert two.revoke(waiver).status_code == 200
    assert code(two.approve(waiver, "bob", line_of(waiver, BOB))) == "409 revoked"


def test_who_reaches_other_namespaces_neither_sees_nor_changes_it(one: World) -> None:
    waiver = one.asked()
    foreign = "ann:read,approve,decide@support"
    assert one.call(foreign, "GET", "/v1/waivers?status=all").json()["waivers"] == []
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        for path, query in (("", "list"), (f"/{waiver['id']}", "show"), (f"/{waiver['id']}/file", "show")):
            before = ledger.latest(("officer-query",))
            assert one.call("ann:approve", "GET", f"/v1/waivers{path}").status_code == 200
            assert ledger.latest(("officer-query",)) > before
            (entry,) = ledger.list_entries(type="officer-query", limit=1)
            assert entry.document["body"]["query"] == f"waiver {query}"
            assert ledger.personal(entry.index)["actor"] == "ann@acme.example"
    assert code(one.call("ann:decide", "GET", f"/v1/waivers/{waiver['id']}")) == "403 role"
    for method, path in (("GET", ""), ("GET", "/file"), ("DELETE", "?reason=x")):
        assert code(one.call(foreign, method, f"/v1/waivers/{waiver['id']}{path}")) == "404 waiver-missing"
    assert code(one.approve(waiver, foreign, line_of(waiver, ANN))) == "404 waiver-missing"
    assert code(one.ask(foreign)) == "404 workload-missing"
    assert code(one.ask(foreign, workload=None, decision=waiver["decision"])) == "404 decision-missing"
    seen = one.call("ann:read@claims", "GET", "/v1/waivers?status=all").json()["waivers"]
    assert waiver["id"] in [each["id"] for each in seen]


def test_what_cannot_be_asked_for_is_refused_with_words_and_leaves_no_entry(one: World) -> None:
    one.decide()
    refused = {
        "422 unknown-rule": {"rule": "no-such-rule"},
        "422 bad-period": {"valid_until": "2020-01-01"},
        "400 bad-period": {"valid_from": soon(40)},
        "400 bad-text": {"reason": "a\nb"},
        "400 reason-names-subject": {"reason": "rita@acme.example wants it"},
        "404 workload-missing": {"workload": "claims/never-decided"},
        "422 workload-name": {"workload": "claims/tri\x00age"},
        "422 waiver-request": {"decision": "ab" * 32},
        "422 body": {"valid_until": "soon"},
        "404 decision-missing": {"workload": None, "decision": "' OR 1=1 --"},
    }
    found = {key: code(one.ask(**changed)) for key, changed in refused.items()}
    assert found == {key: key for key in refused}
    # in the words of the body, not of the command's options
    assert one.ask(reason="").json()["detail"].startswith("`reason` takes 1 to")
    assert one.ask(valid_from=soon(40)).json()["help"] == "valid_until is the last day on which it holds"
    assert (
        code(one.call("rita", "POST", "/v1/waivers", content="{", headers={"Content-Type": "application/json"}))
        == "400 json"
    )
    assert code(one.call("rita", "POST", "/v1/waivers", content="a: 1")) == "415 media-type"
    assert code(one.call("rita:read", "POST", "/v1/waivers", json={})) == "403 role"
    assert code(one.call("rita", "GET", "/v1/waivers?statsu=all")) == "400 unknown-parameter"
    assert one.entries("waiver-requested") == []
    long = one.ask(valid_until=soon(80)).json()
    assert "60 days" in long["warning"]
    assert code(one.approve(long, "ann", line_of(long, ANN))) == "422 bad-period"


def test_whoever_is_not_known_asks_for_nothing(tmp_path: Path) -> None:
    with (
        serving(f"sqlite:///{tmp_path / 'ledger.db'}", layers=(layer_in(tmp_path, 1),)) as server,
        server.client() as client,
    ):
        answer = client.post(
            "/v1/waivers",
            json={"workload": "a/b", "rule": RULE, "reason": "x", "ticket": "T", "valid_until": soon()},
        )
    assert code(answer) == "403 nobody-known"
