"""Spooled decisions lifted by files of waivers: what the runner could not hear of, and what the register says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from tests.spools import files, forge_entry
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.waiver_scene import Scene
from tests.unit.waivers.making import ANN, BOB


class Spooling(Scene):
    """A waiver granted in one ledger, whose file counts on a runner that spools; another ledger collects, too."""

    @property
    def other(self) -> str:
        return f"sqlite:///{self.folder}/other.db"

    def prepare(self) -> str:
        identifier = self.granted()
        origin = self.file.read_text(encoding="utf-8").partition("origin: ")[2].split()[0]
        self.approvers(ANN.entry(), BOB.entry(), head=f"waivers: {{files_of: [{origin}]}}\n")
        (self.folder / "spool").mkdir()
        return identifier

    def spool(self) -> None:
        given = ("--ledger", f"spool:{self.folder}/spool", "--waivers", str(self.file))
        assert self.decide(*given, command="gate")["verdict"] == "allow_with_conditions"

    def revoke(self, identifier: str, *arguments: str) -> None:
        assert self.run("waiver", "revoke", identifier[:16], "--reason", "over", *arguments).status == 0

    def collect(self, *arguments: str) -> Outcome:
        return self.run("audit", "collect", str(self.folder / "spool"), "-o", "json", *arguments)

    def shown(self, identifier: str, *arguments: str) -> dict[str, Any]:
        value: dict[str, Any] = self.run("waiver", "show", identifier[:16], "-o", "json", *arguments).json
        return value


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Spooling:
    return Spooling(tmp_path, policy, monkeypatch.setenv)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_waiver_that_was_revoked_before_is_told_and_on_record(scene: Spooling) -> None:
    """By each collection, so that a job that is run again does not turn green."""
    identifier = scene.prepare()
    scene.revoke(identifier)
    scene.spool()
    found, again = scene.collect(), scene.collect()
    assert (found.status, again.status) == (6, 6)
    (row,) = found.json["decisions"]
    revoked = scene.entries("waiver-revoked")
    assert len(revoked) == 1
    (told,) = found.json["revoked"]
    assert (told["decision_id"], told["index"]) == (row["id"], row["index"])
    assert (told["waiver"], told["evidence"]) == (identifier, None)
    assert (again.json["added"], again.json["already"], again.json["revoked"]) == (0, 1, [told])
    with open_ledger(f"sqlite:///{scene.ledger}", read_only=True) as ledger:
        for index in (*found.json["entries"], *again.json["entries"]):
            entry = ledger.entry(index).document
            assert entry["body"]["revoked"] == 1
            assert json.loads(ledger.blob(entry["blobs"]["collection"]))["revoked"] == [told]
        assert ledger.entry(told["revoked_index"]).type == "waiver-revoked"
    assert "INCOMPLETE" in scene.run("audit", "collect", str(scene.folder / "spool")).out
    listed = scene.run("waiver", "list")
    assert f"{identifier[:12]} (revoked): it was used out of its time: entries {row['index'] + 1}" in flat(listed.out)
    shown = scene.run("waiver", "show", identifier[:16]).out
    assert "by its runner's clock: OUT OF ITS TIME" in flat(shown)
    assert scene.verified()


def test_every_batch_says_what_of_it_was_revoked(scene: Spooling, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a decision whose clock was ahead is not told of what was revoked after it stood there."""
    monkeypatch.setattr("policy_audit.collecting.BATCH_FILES", 1)
    identifier = scene.prepare()
    scene.spool()
    (ahead,) = files(scene.folder / "spool")
    later = (datetime.now(UTC) + timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for number in (0, 1):
        forge_entry(ahead, lambda it: it.update(recorded_at=later), number)
    assert scene.collect().status == 0
    scene.revoke(identifier)
    for _ in range(2):
        scene.spool()
    for _ in range(2):
        found = scene.collect().json
        told = [each["index"] for each in found["revoked"]]
        assert told == [row["index"] for row in found["decisions"] if row["file"] != str(ahead)]
        assert len(found["entries"]) == 3, "the last batch, of what was ahead, says what is wrong"
    assert len(scene.shown(identifier)["used_out_of_time"]) == 2


def test_a_waiver_that_was_revoked_after_the_decision_was_used_in_its_time(scene: Spooling) -> None:
    """It stands behind the revocation, because it was collected later."""
    identifier = scene.prepare()
    scene.spool()
    scene.revoke(identifier)
    found = scene.collect()
    assert (found.status, found.json["revoked"]) == (0, [])
    row = scene.shown(identifier)
    assert (row["status"], row["used_out_of_time"]) == ("revoked", [])
    assert [use["collected"] for use in row["uses"]] == [True]
    assert row["uses"][0]["index"] > row["revoked_index"]
    shown = flat(scene.run("waiver", "show", identifier[:16]).out)
    assert "by its runner's clock" in shown
    assert "OUT OF ITS TIME" not in shown
    assert "out of its time" not in scene.run("waiver", "list").out
    report = scene.run("audit", "report", "waivers", "-o", "json").json
    assert [each["used_out_of_time"] for each in report["rows"]] == [0]


def test_a_waiver_of_another_ledger_is_listed_and_can_be_revoked(scene: Spooling) -> None:
    """Nobody granted it in the ledger that collects: what is known of it lies beside the decision that used it."""
    identifier = scene.prepare()
    one = scene.shown(identifier)
    ledger = ("--ledger", scene.other)
    scene.decide(*ledger)
    scene.spool()
    assert scene.collect(*ledger).status == 0
    for layers, signatures in (((), None), (("--policy", str(scene.layer)), "verified")):
        listed = scene.run("waiver", "list", "-o", "json", *ledger, *layers)
        (row,) = listed.json["waivers"]
        assert (row["id"], row["status"], row["signatures"]) == (identifier, "file", signatures)
        assert listed.err == ""
    same = ("rule", "namespace", "workload", "option", "reason", "ticket", "valid_until", "facts", "origin")
    assert [row[name] for name in same] == [one[name] for name in same]
    assert (row["granted_index"], row["approvers"], row["self_approved"], row["used_out_of_time"]) == (
        None,
        [],
        None,
        [],
    )
    text = flat(scene.run("waiver", "list", *ledger).out)
    assert f"nobody granted it here: it is read from the decision in entry {row['by_file_index']}" in text
    report = scene.run("audit", "report", "waivers", "-o", "json", *ledger).json
    assert [(each["waiver"], each["status"], each["uses"]) for each in report["rows"]] == [(identifier, "file", 1)]
    scene.revoke(identifier, *ledger)
    assert scene.shown(identifier, *ledger)["status"] == "revoked"
    scene.spool()
    found = scene.collect(*ledger)
    assert found.status == 6
    assert [each["waiver"] for each in found.json["revoked"]] == [identifier]
    assert len(scene.shown(identifier, *ledger)["used_out_of_time"]) == 1
    assert scene.run("audit", "verify", *ledger).status == 0
    assert scene.run("audit", "replay", "--all", *ledger).status == 0


def test_who_signed_the_file_of_a_waiver_is_told_by_the_policy(scene: Spooling) -> None:
    """No names stand in a file: its keys do, and the layers say whose these are."""
    identifier = scene.prepare()
    ledger = ("--ledger", scene.other)
    scene.decide(*ledger)
    scene.spool()
    assert scene.collect(*ledger).status == 0
    key = ANN.signer.key_id.hex()
    for layers, by, approved, keys in (
        ((), None, "not told here", key),
        (("--policy", str(scene.layer)), "ann", "ann", f"ann {key}"),
    ):
        assert scene.shown(identifier, *ledger, *layers)["approvals"] == [{"by": by, "key": key}]
        text = flat(scene.run("waiver", "show", identifier[:16], *ledger, *layers).out)
        assert f"approved by {approved} keys {keys} signatures" in text
    scene.approvers(BOB.entry())
    row = scene.shown(identifier, *ledger, "--policy", str(scene.layer))
    assert (row["approvals"], "no signature is by a key" in row["signatures"]) == ([{"by": None, "key": key}], True)
    assert scene.shown(identifier)["approvals"] == [{"by": "ann", "key": key}], "where it was granted the grant says it"


def test_a_decision_by_file_that_is_decided_again_used_its_waiver_in_its_time(scene: Spooling) -> None:
    """Each night, until it is revoked; also where somebody grants it here afterwards."""
    identifier = scene.prepare()
    ledger = ("--ledger", scene.other)
    scene.decide(*ledger)
    scene.spool()
    assert scene.collect(*ledger).status == 0
    policy = ("--policy", str(scene.layer))
    for _ in range(2):
        found = scene.run("recheck", "--all", "-o", "json", *policy, *ledger).json
        assert "allow_with_conditions" in {row["verdict"]["after"] for row in found["decisions"]}
    row = scene.shown(identifier, *ledger)
    assert ([use["collected"] for use in row["uses"]], row["used_out_of_time"]) == ([True, False, False], [])
    scene.decide("--waivers", str(scene.file), *ledger, command="gate")
    row = scene.shown(identifier, *ledger)
    assert (row["granted_index"] is not None, len(row["uses"]), row["used_out_of_time"]) == (True, 4, [])
    assert "out of its time" not in scene.run("waiver", "list", *ledger).out
