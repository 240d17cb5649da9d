"""Spooled decisions on evidence that a ledger has: what the runner could not read, and what it could not hear of."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.merkle import leaf_hash

from policy_engine.vouching.revoked import revocation_body
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.evidence_scene import HARDWARE, WORKLOAD, EvidenceScene


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> EvidenceScene:
    (tmp_path / "spool").mkdir()
    return EvidenceScene(tmp_path, policy, monkeypatch.setenv)


def spool(scene: EvidenceScene) -> str:
    return str(scene.decide("--ledger", f"spool:{scene.folder}/spool")["verdict"])


def collected(scene: EvidenceScene) -> Outcome:
    return scene.run("audit", "collect", str(scene.folder / "spool"), "-o", "json")


def revoke(scene: EvidenceScene, entry: bytes, ago: timedelta) -> None:
    with open_ledger(scene.urls["one"], clock=lambda: datetime.now(UTC) - ago) as opened:
        body = revocation_body(leaf_hash(entry).hex(), None, HARDWARE, WORKLOAD, "a mistake")
        opened.append(Draft(EntryType.EVIDENCE_REVOKED, body=body))


def test_a_bare_index_does_not_count_and_is_replayed_so(scene: EvidenceScene) -> None:
    index, _ = scene.attest("one")
    scene.state(HARDWARE, ledger_index=index)
    assert spool(scene) == "review"
    assert scene.decide()["verdict"].startswith("allow"), "with the ledger it counts"
    assert collected(scene).status == 0
    assert scene.replayed() == (2, [])
    assert scene.run("audit", "verify", "--recompute").status == 0


def test_a_receipt_counts_and_is_replayed_so(scene: EvidenceScene) -> None:
    index, key = scene.attest("one")
    scene.prove(index, "one")
    scene.approvers(origins=[key])
    assert spool(scene).startswith("allow")
    revoke(scene, (scene.folder / "h.json").read_bytes(), timedelta(0))
    assert scene.decide()["verdict"] == "review"
    found = collected(scene)
    assert found.status == 0, "what was revoked afterwards could not be known to it"
    assert found.json["revoked"] == []
    assert scene.replayed() == (2, [])


@pytest.mark.parametrize(("ago", "again"), [(timedelta(hours=2), (0, ["differs"])), (timedelta(minutes=1), (1, []))])
def test_one_that_was_revoked_before_is_told(
    scene: EvidenceScene, ago: timedelta, again: tuple[int, list[str]]
) -> None:
    """The runner could not hear of it, and the decision does not come out again, but for the hour before it."""
    index, key = scene.attest("two")
    scene.prove(index, "two")
    scene.approvers(origins=[key])
    revoke(scene, (scene.folder / "h.json").read_bytes(), ago)
    assert spool(scene).startswith("allow")
    found = collected(scene)
    assert found.status == 6
    (told,) = found.json["revoked"]
    (row,) = found.json["decisions"]
    assert told == {
        "decision_id": row["id"],
        "index": row["index"],
        "revoked_index": 0,
        "evidence": HARDWARE,
        "waiver": None,
    }
    assert found.json["added"] == 1, "it was handed out, and is on record"
    assert scene.replayed() == again
    later = collected(scene)
    assert (later.status, later.json["added"], later.json["revoked"]) == (6, 0, [told])
    for number in (*found.json["entries"], *later.json["entries"]):
        on_record = scene.run("audit", "show", str(number), "-o", "json").json
        assert on_record["body"]["revoked"] == 1
        with open_ledger(scene.urls["one"], read_only=True) as opened:
            document = json.loads(opened.blob(opened.entry(number).document["blobs"]["collection"]))
        assert document["revoked"] == [told]
    assert scene.run("audit", "verify").status == 0
