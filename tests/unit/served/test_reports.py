"""`/v1/reports`: the same document as the command's, on record before it is shown, and nobody waits for a slow one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.cli.main import call
from policy_engine.reports.registry import REPORTS
from policy_engine.service.settings import Limits
from tests.serving import WORKLOAD
from tests.unit.served.waiver_world import World, world


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("reports"), limits=Limits(request_seconds=3)) as found:
        found.decide()
        found.decide("draft")
        yield found


def get(one: World, path: str, who: str = "olga:read", **more: Any) -> Any:
    answer = one.call(who, "GET", path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def code(answer: Any) -> str:
    return f"{answer.status_code} {answer.json()['code']}"


def test_every_report_is_the_document_of_the_command_and_on_record(
    one: World, capsys: pytest.CaptureFixture[str]
) -> None:
    more: dict[str, dict[str, str]] = {"access": {"subject": "o@acme.example"}, "rule-impact": {}}
    # those that answer only where a policy was activated or changed are refused with words, as by the command
    for name in REPORTS:
        given = more.get(name, {})
        options = [word for key, value in given.items() for word in (f"--{key}", value)]
        status = call(["audit", "report", name, *options, "--ledger", one.server.ledger, "-o", "json"])
        told = capsys.readouterr().out
        answer = one.call("olga:read", "GET", f"/v1/reports/{name}", params=given)
        if status not in (0, 6):
            assert answer.status_code in (400, 422), (name, answer.text)
            continue
        assert answer.status_code == 200, (name, answer.text)
        found = answer.json()
        assert found["name"] == name
        if name in ("waivers", "retention", "hipaa-access", "incident", "access", "gaps", "integrity"):
            continue  # these tell of the server's layers, of the reading itself, or of the clock
        moving = ("generated_at", "query", "checkpoint", "remarks")
        same = {key: value for key, value in found.items() if key not in moving}
        assert same == {key: value for key, value in json.loads(told).items() if key not in moving}, name
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        entries = [each.document for each in ledger.list_entries(type="officer-query")]
    asked = {each["body"]["query"] for each in entries}
    assert {f"audit report {name}" for name in ("decisions", "waivers", "access")} <= asked
    assert "o@acme.example" not in json.dumps(entries)
    assert all(each["context"]["actor_known_by"] == "token" for each in entries)


def test_filters_select_and_what_is_not_taken_is_refused(one: World) -> None:
    assert get(one, "/v1/reports/decisions")["population"] == 2
    assert get(one, "/v1/reports/decisions", params={"purpose": "draft"})["population"] == 1
    assert get(one, "/v1/reports/decisions", params={"verdict": ["allow", "review"]})["population"] == 0
    listed = {each["name"]: each["takes"] for each in get(one, "/v1/reports")["reports"]}
    assert listed.keys() == REPORTS.keys()
    assert "verdict" in listed["decisions"]
    assert not {"kept", "layers", "policy"} & {each for takes in listed.values() for each in takes}
    refused = {
        "404 unknown-report": "/v1/reports/decision",
        "400 unknown-parameter": "/v1/reports/integrity?kept=/etc/passwd",
        "400 usage": "/v1/reports/soc2-population?sample=3",
        "400 verifier-key": "/v1/reports/integrity?vkey=bad",
        "400 policy-digest": "/v1/reports/decisions?policy_digest=11111111",
        "403 role": "/v1/reports",
    }
    assert {
        key: code(one.call("x:decide" if "403" in key else "olga:read", "GET", path)) for key, path in refused.items()
    } == {key: key for key in refused}


def test_a_token_of_some_namespaces_reads_reports_of_these_alone(one: World) -> None:
    assert get(one, "/v1/reports/decisions", "in:read@claims")["population"] == 2
    assert get(one, "/v1/reports/decisions", "out:read@support")["population"] == 0
    foreign = one.call("out:read@support", "GET", "/v1/reports/decisions", params={"workload": f"claims/{one.name}"})
    assert code(foreign) == "404 namespace-missing"
    assert code(one.call("two:read@support,sales", "GET", "/v1/reports/decisions")) == "400 namespace"
    # what is near, or is not there, is no secret of whoever sees all, and nothing that others are told
    for asked in ({"owner": "o@acme.example"}, {"run": "no-such"}, {"model": "no-such"}):
        remarks = get(one, "/v1/reports/decisions", "out:read@support", params=asked)["remarks"]
        assert not any("No decision fits" in each for each in remarks), asked
    assert any(
        "run `no-such`" in each for each in get(one, "/v1/reports/decisions", params={"run": "no-such"})["remarks"]
    )
    for name in ("integrity", "incident", "waivers", "separation-of-duties", "access"):
        given = {"subject": "x@y.example"} if name == "access" else {}
        assert code(one.call("out:read@support", "GET", f"/v1/reports/{name}", params=given)) == "403 namespace", name


def test_a_slow_report_ends_in_time_and_keeps_nobody_waiting(one: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr("policy_engine.service.reports.make_report", lambda *_: release.wait(20))
    found: list[Any] = []
    callers = [
        threading.Thread(target=lambda: found.append(one.call("olga:read", "GET", "/v1/reports/decisions")))
        for _ in range(4)
    ]
    try:
        for each in callers:
            each.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert one.call("olga:read", "GET", "/v1/waivers").status_code == 200
        assert time.monotonic() - began < 2.5  # less than the reports are given
        for each in callers:
            each.join(10)
    finally:
        release.set()
    assert [code(each) for each in found] == ["503 report-timeout"] * 4
    assert found[0].headers["retry-after"].isdigit()
    assert "/v1/exports" in found[0].json()["help"]


def test_what_cannot_be_recorded_is_not_shown(one: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from policy_engine.errors import Problem, RecordingError
    from policy_engine.service.service import Service

    async def refuse(*_: Any, **__: Any) -> None:
        raise RecordingError(Problem("ledger-busy", "no"))

    monkeypatch.setattr(Service, "record_read", refuse)
    assert code(one.call("olga:read", "GET", "/v1/reports/decisions")) == "503 ledger-busy"


def test_a_verdict_selects_its_part_everywhere(one: World) -> None:
    assert one.call("ci", "POST", "/v1/decisions", json=WORKLOAD).status_code == 200
    everything = one.call("olga:read", "GET", "/v1/decisions?limit=500").json()["decisions"]
    part = one.call("olga:read", "GET", "/v1/decisions?limit=500&verdict=deny").json()["decisions"]
    assert part == [each for each in everything if each["verdict"] == "deny"]
    assert 0 < len(part) < len(everything)
    assert get(one, "/v1/reports/decisions", params={"verdict": "deny"})["population"] == len(part)
