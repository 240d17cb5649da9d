"""Reasons and tickets of waivers stand in the ledger for good: they name nobody who is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.waiver_scene import Scene, code


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


@pytest.mark.parametrize(
    ("given", "role"),
    [
        (("--reason", "Rita wants it"), "requester"),
        (("--ticket", "rita@acme.example"), "requester"),
        (("--reason", "O@ACME.example owns it"), "owner"),
        (("--reason", "deploy bot said so"), "actor"),
    ],
)
def test_a_request_names_neither_who_asks_nor_whose_workload_it_is(
    scene: Scene, given: tuple[str, str], role: str
) -> None:
    scene.actor("deploy bot")
    decision = scene.decide()["id"]
    scene.actor("rita@acme.example")
    before = len(scene.entries())
    found = scene.request(*given, until=scene.soon(), decision=decision)
    assert (found.status, code(found)) == (2, "reason-names-subject")
    assert f"names the {role}" in found.err
    assert len(scene.entries()) == before
    assert not scene.file.exists()


@pytest.mark.parametrize("reason", ["Rita has left", "ann@acme.example was wrong", "otto says so"])
def test_a_revocation_names_nobody_of_the_waivers(scene: Scene, reason: str) -> None:
    identifier = scene.granted()
    scene.actor("otto@acme.example")
    found = scene.run("waiver", "revoke", identifier, "--reason", reason)
    assert (found.status, code(found)) == (2, "reason-names-subject")
    assert scene.entries("waiver-revoked") == []
    assert scene.run("waiver", "revoke", identifier, "--reason", "the team has left").status == 0
