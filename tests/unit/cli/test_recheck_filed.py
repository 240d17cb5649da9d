"""`policy recheck` of decisions that were made with waivers from files: the files are not there, their notes are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import EntryType, open_ledger

from policy_engine.cli.waiver_common import write_waiver
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.test_waiver_files import HEAD, TODAY, by, digest
from tests.unit.cli.waiver_scene import Scene
from tests.unit.waivers.making import ANN, BOB, REQUESTER, Person

__all__ = ["digest"]
LIFTED = "allow_with_conditions"
CAL = Person("cal")


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


def recheck(scene: Scene, *more: str) -> dict[str, Any]:
    found = scene.run("recheck", "--policy", str(scene.layer), *more, "-o", "json")
    assert found.status == 0, found.err
    value: dict[str, Any] = found.json
    return value


def why(shown: dict[str, Any]) -> str:
    """Return what the one row says of its waiver."""
    (row,) = shown["decisions"]
    (found,) = [reason["why"] for reason in row["reasons"] if reason["kind"] == "waivers"]
    return str(found)


def spool(scene: Scene, *more: str) -> None:
    """Spool a decision with the file, and collect it; nothing but that tells the ledger of the waiver."""
    (scene.folder / "spool").mkdir()
    spooled = f"spool:{scene.folder}/spool"
    assert scene.decide("--waivers", str(scene.file), "--ledger", spooled, *more)["verdict"] == LIFTED
    open_ledger(f"sqlite:///{scene.ledger}").close()
    assert scene.run("audit", "collect", str(scene.folder / "spool")).status == 0


def test_a_decision_with_a_file_of_another_ledger_stands(scene: Scene, digest: str) -> None:
    scene.approvers(ANN.entry(), head=HEAD)
    write_waiver(scene.file, by(ANN)("triage", digest))
    assert scene.decide("--waivers", str(scene.file))["verdict"] == LIFTED
    scene.file.unlink()
    shown = recheck(scene)
    assert (shown["not_due"], shown["rechecked"]) == (1, 0)
    (row,) = recheck(scene, "--all")["decisions"]
    assert (row["verdict"]["after"], row["changed"]) == (LIFTED, False)
    assert len(scene.entries(EntryType.WAIVER_USED)) == 2
    assert scene.verified()
    # the policy names that ledger no more, for a night
    scene.approvers(ANN.entry())
    shown = recheck(scene)
    assert "`waivers.files_of` of approvers.yaml does not name that ledger" in why(shown)
    assert shown["verdicts"] == {"deny": 1}
    scene.approvers(ANN.entry(), head=HEAD)
    shown = recheck(scene)
    assert (shown["verdicts"], "counts now" in why(shown)) == ({LIFTED: 1}, True)
    (row,) = scene.listed()
    assert scene.run("waiver", "revoke", row["id"], "--reason", "over").status == 0
    shown = recheck(scene)
    assert (shown["verdicts"], "it was revoked" in why(shown)) == ({"deny": 1}, True)
    assert scene.run("audit", "replay", "--all").status == 0
    assert scene.verified()


def test_a_collected_decision_with_a_file_stands(scene: Scene, digest: str) -> None:
    scene.approvers(ANN.entry(), head=HEAD)
    file = by(ANN, CAL)("triage", digest)
    write_waiver(scene.file, file)
    spool(scene)
    assert recheck(scene)["not_due"] == 1
    (row,) = recheck(scene, "--all")["decisions"]
    assert (row["verdict"]["after"], row["changed"]) == (LIFTED, False)
    # a second approver is as good as none for what the first one approved
    scene.approvers(ANN.entry(), CAL.entry(), head=HEAD)
    assert recheck(scene)["verdicts"] == {LIFTED: 1}
    # whether it was this one who asked, only the file says
    scene.approvers(CAL.entry(), head=HEAD)
    assert "who asked for it cannot be told" in why(recheck(scene))
    scene.approvers(BOB.entry(), head=HEAD)
    assert recheck(scene)["verdicts"] == {"deny": 1}
    scene.approvers(ANN.entry(), head=HEAD)
    assert recheck(scene)["verdicts"] == {LIFTED: 1}
    assert scene.run("audit", "replay", "--all").status == 0
    scene.approvers(ANN.entry(), head=f"{HEAD}revoked_entries: [{file.statement.id}]\n")
    shown = recheck(scene)
    assert (shown["verdicts"], "it was revoked" in why(shown)) == ({"deny": 1}, True)


def test_the_ledger_that_a_file_was_asked_for_in_is_asked(scene: Scene) -> None:
    """One approval was too few when it was signed, so that no grant of it is on record."""
    scene.approvers(ANN.entry(), BOB.entry(), head="waivers: {approvals: 2}\n")
    assert scene.request(until=scene.soon()).status == 0
    assert "not granted yet" in scene.approve().out
    origin = scene.file.read_text(encoding="utf-8").partition("origin: ")[2].split()[0]
    scene.approvers(ANN.entry(), head=f"waivers: {{files_of: [{origin}]}}\n")
    spool(scene)
    assert recheck(scene)["not_due"] == 1
    (row,) = recheck(scene, "--all")["decisions"]
    assert (row["verdict"]["after"], row["changed"]) == (LIFTED, False)
    (row,) = scene.listed()
    assert scene.run("waiver", "revoke", row["id"], "--reason", "over").status == 0
    shown = recheck(scene)
    assert (shown["verdicts"], "it was revoked" in why(shown)) == ({"deny": 1}, True)


def test_whoever_asked_approves_nothing_under_another_name(scene: Scene, digest: str) -> None:
    """A grant by a file tells who asked; of the approvers of then, it was none."""
    scene.approvers(ANN.entry(), head=HEAD)
    write_waiver(scene.file, by(ANN)("triage", digest))
    scene.decide("--waivers", str(scene.file))
    scene.approvers(ANN.entry().replace(ANN.identity, f"{ANN.identity}, {REQUESTER}"), head=HEAD)
    assert "`ann` asked for it, and nobody approves what they asked for" in why(recheck(scene))


def test_a_waiver_that_has_ended_is_a_reason(scene: Scene, digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.approvers(ANN.entry(), head=HEAD)
    write_waiver(scene.file, by(ANN, valid_until=TODAY)("triage", digest))
    scene.decide("--waivers", str(scene.file))
    assert recheck(scene)["not_due"] == 1
    later = f"{scene.soon(1)}T00:00:00Z"
    assert f"it ended on {TODAY}" in why(recheck(scene, "--at", later, "--list"))
