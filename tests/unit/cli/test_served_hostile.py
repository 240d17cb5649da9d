"""A gate whose server lies: whatever is answered, it is not green, and says why."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import ALLOWED
from tests.unit.client.faking import Reply, answer_on, faking, reply
from tests.unit.client.test_hostile import resealed

Policy = Callable[..., Outcome]


@cache
def decider() -> Decider:
    return Decider(load_policy())


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_TOKEN", "pe_0123456789ab_secret")
    monkeypatch.setattr("policy_engine.client.client.WAITS", ())


def allowed(**metadata: str) -> dict[str, Any]:
    """Return an honest answer on the allowed example, or on one of another name."""
    document = yaml.safe_load(ALLOWED.read_text())
    return answer_on(decider(), {**document, "metadata": {**document["metadata"], **metadata}})


def gate(policy: Policy, *replies: Reply, files: tuple[Path, ...] = (ALLOWED,), more: tuple[str, ...] = ()) -> Outcome:
    with faking(*replies) as fake:
        found = policy("--server", fake.url, "gate", *map(str, files), "-q", *more)
    assert "pe_0123456789ab_secret" not in found.err + found.out
    return found


def test_an_honest_answer_is_green(policy: Policy) -> None:
    assert gate(policy, reply([allowed()])).status == 0


def _of_another_time(answer: dict[str, Any]) -> dict[str, Any]:
    return resealed({**answer, "decided_at": "2026-01-01T00:00:00Z"})


def _of_no_time(answer: dict[str, Any]) -> dict[str, Any]:
    return resealed({**answer, "decided_at": "today"})


def _of_another_stage(answer: dict[str, Any]) -> dict[str, Any]:
    return resealed({**answer, "workload": {**answer["workload"], "stage": "prototype"}})


def _of_another_owner(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "workload": {**answer["workload"], "owner": "mallory"}}


def _of_another_digest(answer: dict[str, Any]) -> dict[str, Any]:
    return resealed({**answer, "workload": {**answer["workload"], "digest": "sha256:" + "0" * 64}})


def _of_another_task(answer: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(answer)
    found["tasks"][0]["name"] = "another"
    return resealed(found)


def _as_it_is(answer: dict[str, Any]) -> dict[str, Any]:
    return answer


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("another", _as_it_is),
        (None, _of_another_time),
        (None, _of_no_time),
        (None, _of_another_stage),
        (None, _of_another_owner),
        (None, _of_another_digest),
        (None, _of_another_task),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_decision_of_something_else_is_none(
    policy: Policy, tmp_path: Path, name: str | None, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    answer = change(allowed(name=name) if name else allowed())
    outcome = gate(policy, reply([answer]), more=("-o", f"junit={tmp_path}/gate.xml"))
    assert (outcome.status, outcome.out) == (6, "")
    assert "[server-answer]" in outcome.err or "[server-clock]" in outcome.err
    assert "<error" in (tmp_path / "gate.xml").read_text()


def _rows(*places: str) -> Callable[[dict[str, Any]], None]:
    def spoil(answer: dict[str, Any]) -> None:
        for place in places:
            answer["tasks"][0][place] = [{}]

    return spoil


def _without_disputes(answer: dict[str, Any]) -> None:
    del answer["tasks"][0]["disputes"]


def _strange_model(answer: dict[str, Any]) -> None:
    for option in answer["tasks"][0]["options"]:
        option["models"] = [{"name": "m", "qualifies": True, "reasons": []}]
        del option["score"]


@pytest.mark.parametrize("spoil", [_rows("disputes"), _rows("hardware_claims"), _without_disputes, _strange_model])
@pytest.mark.parametrize("shown", ["text", "markdown"])
def test_what_cannot_be_shown_is_the_servers_mistake(
    policy: Policy, spoil: Callable[[dict[str, Any]], None], shown: str
) -> None:
    answer = copy.deepcopy(allowed())
    spoil(answer)
    with faking(reply([resealed(answer)])) as fake:
        for command in ("evaluate", "gate"):
            outcome = policy("--server", fake.url, command, str(ALLOWED), "-o", shown)
            assert outcome.status in ((6,) if shown == "text" else (0, 6)), outcome.err
            assert outcome.status == 0 or "[server-answer]" in outcome.err


def test_one_entry_is_not_two_decisions(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(ALLOWED.read_text().replace("name: writing-assistant", "name: other"))
    both = [allowed(), allowed(name="other")]
    outcome = gate(policy, reply(both), files=(ALLOWED, tmp_path / "other.yaml"))
    assert (outcome.status, "one entry of the ledger" in outcome.err) == (6, True)
    both[1]["ledger"]["index"] = 2
    assert gate(policy, reply(both), files=(ALLOWED, tmp_path / "other.yaml")).status == 0


def test_a_record_that_is_claimed_alone_is_not_proved(policy: Policy) -> None:
    from policy_audit.ledger import open_ledger

    assert policy("evaluate", str(ALLOWED), "-q", "--ledger", "sqlite:///own.db").status == 0
    with open_ledger("sqlite:///own.db", read_only=True) as ledger:
        key, entry, receipt = ledger.verifier_key, ledger.entry(0).raw, ledger.receipt(0)
    own = Reply(200, entry, {"Content-Type": "application/json"})
    told = Reply(200, receipt.encode(), {"Content-Type": "text/plain"})
    answer = allowed()
    answer["ledger"] |= {"index": 0}
    for replies in ((own, told), (reply({}), told), (own, Reply(200, b"", {"Content-Type": "text/plain"}))):
        outcome = gate(policy, reply([answer]), *replies, more=("--ledger-vkey", key))
        assert (outcome.status, outcome.out) == (6, "")
        assert "[server-unproved]" in outcome.err


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (reply([]), 6),
        (reply([[]]), 6),
        (Reply(200, b"{}", {"Content-Type": "text/html"}), 6),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), 6),
        (reply({"code": "busy", "detail": "busy"}, 429), 6),
        (reply({"code": "ledger-full", "detail": "full"}, 503), 6),
        (reply({"code": "role", "detail": "no"}, 403), 6),
        (Reply(502, b"<html>", {"Content-Type": "text/html"}), 6),
        (Reply(404, b"<html>", {"Content-Type": "text/html"}), 2),
        (reply({"code": "workload-field", "detail": "wrong"}, 422), 2),
        (reply({"code": "body-too-large", "detail": "too large"}, 413), 2),
    ],
)
def test_no_answer_but_a_decision_is_green(policy: Policy, given: Reply, status: int) -> None:
    outcome = gate(policy, given)
    assert (outcome.status, outcome.out) == (status, "")
    assert "error: " in outcome.err
    assert "Traceback" not in outcome.err


def test_what_a_server_says_reaches_a_terminal_as_text_alone(policy: Policy) -> None:
    said = {"code": "x\x1b[31m", "detail": "\x1b]0;owned\x07::error::x\r\nsecond", "help": "\u202eevil"}
    outcome = gate(policy, reply(said, 422))
    assert outcome.status == 2
    assert not set(outcome.err) & set("\x1b\x07\r\u202e")
    assert all(line.startswith((str(ALLOWED), "  help: ")) for line in outcome.err.splitlines())


def test_invalid_ones_are_told_apart_without_a_place(policy: Policy, tmp_path: Path) -> None:
    files = [ALLOWED]
    for name in ("a", "b", "c"):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(ALLOWED.read_text().replace("name: writing-assistant", f"name: {name}"))

    def write(handler: Any) -> None:
        sent = json.loads(handler.server.asked[-1].body)
        names = [each["metadata"]["name"] for each in sent]
        answers = [answer_on(decider(), each, index) for index, each in enumerate(sent, 10 * len(handler.server.asked))]
        found = reply({"code": "odd", "detail": "odd"}, 422) if "b" in names else reply(answers)
        head = f"HTTP/1.1 {found.status} X\r\nConnection: close\r\nContent-Type: application/json\r\n"
        handler.wfile.write(f"{head}Content-Length: {len(found.body)}\r\n\r\n".encode() + found.body)

    outcome = gate(policy, Reply(write=write), files=tuple(files))
    assert outcome.status == 2
    names = [line.split("/")[1] for line in outcome.out.splitlines() if line.startswith("allow ")]
    assert names == ["writing-assistant", "a", "c"]
    assert f"{tmp_path}/b.yaml:" in outcome.err
    assert outcome.err.count("error: ") == 1


def test_what_is_on_record_and_not_handed_out_is_counted(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policy_engine.cli.served.MOST_WORKLOADS", 1)
    (tmp_path / "other.yaml").write_text(ALLOWED.read_text().replace("name: writing-assistant", "name: other"))
    busy = reply({"code": "busy", "detail": "busy"}, 503)
    outcome = gate(policy, reply([allowed()]), busy, files=(ALLOWED, tmp_path / "other.yaml"))
    assert (outcome.status, outcome.out) == (6, "")
    assert "1 decisions of this run are on the server's record, and are not handed out" in outcome.err


@pytest.mark.parametrize("part", ["plan", "catalog", "engine"])
def test_a_document_with_holes_is_not_green(policy: Policy, part: str) -> None:
    answer = allowed()
    outcome = gate(policy, reply([resealed({**answer, part: {}})]), more=("-v",))
    assert (outcome.status, outcome.out) == (6, "")
    for holed in ({"reasons": 1}, {"rules": None}, {"deployment": "elsewhere"}):
        broken = copy.deepcopy(answer)
        broken["tasks"][0]["options"][0] |= holed
        assert gate(policy, reply([resealed(broken)])).status == 6
