"""What the commands about waivers print: the list, keys, what nobody may approve, and the command to ask with."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from policy_audit.ledger import EntryType

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.waiver_scene import Scene, code
from tests.unit.waivers.making import ANN, EVE


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


def test_the_list_says_what_it_did_not_verify(scene: Scene) -> None:
    scene.granted()
    assert "were not verified" in scene.run("waiver", "list").out
    layered = scene.run("waiver", "list", "--policy", str(scene.layer))
    assert "not verified" not in layered.out
    scene.approvers(EVE.entry())
    assert "do not count" in scene.run("waiver", "list", "--policy", str(scene.layer)).out
    for form in ("yaml", "markdown"):
        assert scene.run("waiver", "list", "-o", form).status == 0


def test_keygen_makes_a_key_and_an_entry_that_the_loader_takes(scene: Scene) -> None:
    found = scene.run("waiver", "keygen", str(scene.key("new")), "--identity", "zoe@acme.example")
    assert found.status == 0
    assert (scene.key("new").stat().st_mode & 0o777) == 0o600
    (scene.layer / "approvers.yaml").write_text(found.out, encoding="utf-8")
    assert scene.request(until=scene.soon()).status == 0
    assert scene.approve("new").status == 0
    assert code(scene.run("waiver", "keygen", str(scene.key("new")), "--identity", "z")) == "signing-key-exists"


def test_keygen_writes_the_roles_that_are_asked_for(scene: Scene) -> None:
    roles = ("--role", "evidence-approver", "--role", "policy-activator", "--role", "evidence-approver")
    found = scene.run("waiver", "keygen", str(scene.key("new")), "--identity", "zoe@acme.example", *roles)
    (person,) = yaml.safe_load(found.out)["approvers"].values()
    assert person["roles"] == ["evidence-approver", "policy-activator"]


@pytest.mark.parametrize(("most", "warned"), [(90, True), (201, False)])
def test_a_request_that_nobody_may_approve_says_so(scene: Scene, most: int, warned: bool) -> None:
    scene.approvers(ANN.entry(), head=f"waivers: {{max_days: {most}}}\n")
    asked = scene.request(until=(datetime.now(UTC).date() + timedelta(days=200)).isoformat())
    assert asked.status == 0
    assert ("lets a waiver run 90 days, and this one asks for 201" in asked.err) is warned


@pytest.mark.parametrize("output", ["text", "markdown"])
def test_the_command_that_asks_for_a_waiver_is_printed_as_it_can_be_run(scene: Scene, output: str) -> None:
    given = ("--policy", str(scene.layer), "-o", output)
    found = " ".join(scene.run("evaluate", str(scene.workload), *given).out.split())
    decision = scene.entries(EntryType.DECISION)[-1]["view"]["decision_id"]
    (command,) = re.findall(r"policy (waiver request [0-9a-f]{8} --rule [a-z-]+ --option [a-z_]+)", found)
    assert command.split()[2] == decision[:8]
    again = " ".join(scene.run("explain", decision[:8], "-o", output).out.split())
    assert command in again
    terms = ("--reason", "soon", "--ticket", "OPS-7", "--until", scene.soon(), "-o", str(scene.file))
    assert scene.run(*command.split(), *terms).status == 0
