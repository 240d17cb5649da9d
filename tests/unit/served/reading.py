"""A ledger for tests that read it over HTTP, and the command line on the same one."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx
import pytest

from policy_engine.cli.main import call
from tests.serving import WORKLOAD

#: Namespace and name of each decision, in their order; `support/triage` is decided twice.
DECIDED = (
    ("support", "triage"),
    ("hr", "screening"),
    ("support", "triage"),
    ("support", "letters"),
    ("hr", "mood-of-staff"),
    ("legal", "contracts"),
)


def workload(namespace: str, name: str, stage: str = "pilot") -> dict[str, Any]:
    found = copy.deepcopy(WORKLOAD)
    found["metadata"] |= {"namespace": namespace, "name": name, "owner": f"owner-of-{namespace}@acme.example"}
    found["spec"]["stage"] = stage
    return found


def decide_all(client: httpx.Client) -> list[dict[str, Any]]:
    """Decide what `DECIDED` names, each in an entry of its own commit."""
    found = []
    for number, (namespace, name) in enumerate(DECIDED):
        stage = ("pilot", "prototype")[number % 2]
        answer = client.post("/v1/decisions", params={"purpose": "deploy"}, json=workload(namespace, name, stage))
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
    return found


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command says with `-o json`."""
    capfd.readouterr()
    status = call([*arguments, "-o", "json"])
    captured = capfd.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out)
