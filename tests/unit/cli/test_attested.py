"""Attestations from their entry to the decision that rests on them, and their end, through the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.merkle import leaf_hash

from tests import attesting
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.evidence_scene import HARDWARE, WORKLOAD, EvidenceScene
from tests.unit.cli.waiver_scene import code


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> EvidenceScene:
    monkeypatch.setenv("POLICY_ACTOR", "ops@acme.example")
    return EvidenceScene(tmp_path, policy, monkeypatch.setenv)


def attested(scene: EvidenceScene, report: Any, ledger: str = "one") -> int:
    body = attesting.body(report, WORKLOAD)
    with open_ledger(scene.urls[ledger]) as opened:
        return opened.append(Draft(EntryType.PROBE_ATTESTATION, body=body)).index


def facts(scene: EvidenceScene) -> dict[str, tuple[Any, str]]:
    """Return value and grade of every fact that a rule read in the latest decision on record."""
    with open_ledger(scene.urls["one"], read_only=True) as opened:
        entry = next(iter(opened.list_entries(type=EntryType.DECISION)))
        decision = json.loads(opened.blob(entry.document["blobs"]["decision"]))
    rows = decision["tasks"][0]["rules"]
    return {name: (fact["value"], fact["grade"]) for row in rows for name, fact in row["facts"].items()}


def test_what_is_measured_is_of_that_grade(scene: EvidenceScene) -> None:
    scene.decide()
    assert facts(scene)["hardware.measured"] == ("none", "derived")
    scene.state(HARDWARE, ledger_index=attested(scene, attesting.report()))
    rows = {row["name"]: row for row in scene.decide()["tasks"][0]["hardware_claims"]}
    measured = {name for name, row in rows.items() if (row["verdict"], row["grade"]) == ("verified", "measured")}
    assert measured == {"name", "count", "memory_gb", "bandwidth_gb_s", "bf16_tflops"}
    assert {row["name"] for row in rows["memory_gb"]["numbers"]} >= {"memory claimed", "measured"}
    assert facts(scene)["hardware.measured"] == ("verified", "measured")
    text = scene.run("evaluate", str(scene.workload), "--policy", str(scene.layer)).out
    assert "verified" in text
    assert scene.replayed() == (3, [])


def test_a_claim_that_was_measured_otherwise_is_denied_and_replayed(scene: EvidenceScene) -> None:
    small = attesting.memory(touched_gib=38.0, total_gib=39.4)
    report = attesting.report(*(attesting.device(i, memory=small) for i in (0, 1)))
    scene.state(HARDWARE, ledger_index=attested(scene, report))
    for command in ("evaluate", "gate"):
        found = scene.decide(command=command)
        assert found["verdict"] == "deny"
        assert facts(scene)["hardware.measured"] == ("contradicted", "measured")
        fired = {row["id"] for row in found["tasks"][0]["rules"] if row["outcome"] == "fired"}
        assert {"measured-hardware-contradicted", "claimed-hardware-contradicted"} <= fired
        assert any("reports 39.4 GiB" in line for line in found["tasks"][0]["hardware"])
    assert scene.replayed() == (2, [])
    assert scene.run("audit", "verify", "--recompute").status == 0
    # under other rules the measurement is the same
    assert scene.run("audit", "replay", "--all", "--policy", str(scene.layer)).status == 0


def test_a_revoked_attestation_counts_no_more_and_earlier_decisions_stand(scene: EvidenceScene) -> None:
    index = attested(scene, attesting.report())
    scene.state(HARDWARE, ledger_index=index)
    assert scene.decide()["verdict"].startswith("allow")
    done = scene.run("evidence", "revoke", str(index), "--reason", "the cards were exchanged")
    assert done.status == 0, done.err
    assert f"the entry {index} is evidence no more" in done.out
    found = scene.decide()
    assert found["verdict"] == "review"
    assert found["evidence"][HARDWARE]["short"].startswith("its entry was revoked in the entry")
    assert scene.replayed() == (2, [])
    # the same attestation on record again is revoked, too
    body = scene.entries(EntryType.PROBE_ATTESTATION)[0]["body"]
    with open_ledger(scene.urls["one"]) as opened:
        once_more = opened.append(Draft(EntryType.PROBE_ATTESTATION, body=body)).index
    scene.state(HARDWARE, ledger_index=once_more)
    assert scene.decide()["verdict"] == "review"
    again = scene.run("evidence", "revoke", str(index), "--reason", "once more")
    assert (again.status, code(again)) == (2, "revoked")
    assert [e["body"]["reason"] for e in scene.entries(EntryType.EVIDENCE_REVOKED)] == ["the cards were exchanged"]


def test_a_decision_whose_evidence_was_revoked_is_found_among_those_that_count(scene: EvidenceScene) -> None:
    from policy_audit.snapshot import open_snapshot

    from policy_engine.loading.policy import load_policy
    from policy_engine.reports.workloads import standing
    from policy_engine.service.fallen import Fallen, fallen
    from policy_engine.service.still import Stillness

    def found() -> Fallen:
        with open_ledger(scene.urls["one"]) as ledger, open_snapshot(ledger) as snapshot:
            counting = [counts for counts, _ in standing(snapshot)]
            return fallen(ledger, load_policy([scene.layer]), Stillness(), counting, [])

    index = attested(scene, attesting.report())
    scene.state(HARDWARE, ledger_index=index)
    assert scene.decide()["verdict"].startswith("allow")
    assert (found().rows, found().allowing, found().older) == ([], 1, 0)
    assert scene.run("evidence", "revoke", str(index), "--reason", "the cards were exchanged").status == 0
    ((_, still),) = found().rows
    assert [kind for kind, _ in still.reasons] == ["evidence"]
    assert "revoked" in still.reasons[0][1]


def test_a_receipt_of_another_ledger_is_revoked_here_or_by_the_policy(scene: EvidenceScene) -> None:
    index, key = scene.attest("two")
    scene.prove(index, "two")
    scene.approvers(origins=[key])
    assert scene.decide()["verdict"].startswith("allow")
    entry = scene.folder / "h.json"
    leaf = leaf_hash(entry.read_bytes()).hex()
    done = scene.run("evidence", "revoke", str(entry), "--reason", "a mistake", "--ledger", scene.urls["one"])
    assert leaf in done.out.rpartition("revoked_entries: [")[2]
    assert scene.decide()["verdict"] == "review"
    # a gate with another ledger has not heard of it
    elsewhere = ("--ledger", "sqlite:///:memory:")
    assert scene.decide(*elsewhere)["verdict"].startswith("allow")
    with (scene.layer / "approvers.yaml").open("a", encoding="utf-8") as stream:
        stream.write(f"revoked_entries: [{leaf}]\n")
    found = scene.decide(*elsewhere)
    assert (found["verdict"], found["evidence"][HARDWARE]["short"]) == (
        "review",
        "the policy says that its entry is evidence no more",
    )


def test_a_decision_that_somebody_wrote_on_revoked_evidence_is_seen(scene: EvidenceScene) -> None:
    """With the ledger's key and past all commands: the revocation is two hours old, and not looked at."""
    from datetime import UTC, datetime, timedelta

    from policy_engine.cli.main import call
    from policy_engine.vouching.revoked import revocation_body

    index = attested(scene, attesting.report())
    scene.state(HARDWARE, ledger_index=index)
    with open_ledger(scene.urls["one"], clock=lambda: datetime.now(UTC) - timedelta(hours=2)) as opened:
        leaf = leaf_hash(opened.entry(index).raw).hex()
        body = revocation_body(leaf, index, HARDWARE, WORKLOAD, "a mistake")
        opened.append(Draft(EntryType.EVIDENCE_REVOKED, body=body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policy_engine.vouching.revoked.revoked_names", lambda _: {})
        assert call(["evaluate", str(scene.workload), "--policy", str(scene.layer), "-q"]) == 0
    assert scene.replayed() == (0, ["differs"])
    assert scene.run("audit", "verify", "--recompute").status == 6


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("99", "entry-missing"),
        ("9" * 30, "entry-missing"),
        ("9" * 5000, "entry-missing"),
        ("0", "not-evidence"),
        ("w.yaml", "not-an-entry"),
        ("none.json", "file-unreadable"),
    ],
)
def test_what_is_no_evidence_cannot_be_revoked(entry: str, wanted: str, scene: EvidenceScene) -> None:
    scene.decide()
    target = entry if entry.isdecimal() else str(scene.folder / entry)
    done = scene.run("evidence", "revoke", target, "--reason", "a mistake")
    assert (done.status, code(done)) == (2, wanted)


def test_a_revocation_names_who_asked_and_nobody_else(scene: EvidenceScene, monkeypatch: pytest.MonkeyPatch) -> None:
    index = attested(scene, attesting.report())
    named = scene.run("evidence", "revoke", str(index), "--reason", "ops@acme.example said so")
    assert named.status == 2
    monkeypatch.delenv("POLICY_ACTOR")
    nobody = scene.run("evidence", "revoke", str(index), "--reason", "a mistake")
    assert (nobody.status, code(nobody)) == (2, "no-actor")
    assert scene.entries(EntryType.EVIDENCE_REVOKED) == []


def production(scene: EvidenceScene, **hardware: Any) -> None:
    """Claim other hardware, and nothing of what it serves."""
    scene.document["spec"]["hardware"] = hardware
    scene.document["spec"]["tasks"][0]["proposal"] = {
        "deployment": "self_hosted", "model": "llama-3.1-405b", "quantization": "bf16", "region": "eu",
    }  # fmt: skip
    scene.write()


def test_two_cards_are_not_sixteen_in_whatever_rows(scene: EvidenceScene) -> None:
    scene.state(HARDWARE, ledger_index=attested(scene, attesting.report()))
    card = {"name": attesting.A100, "memory_gb": 80}
    for rows in ([{**card, "count": 16}], [{**card, "count": 2}] * 8, [{**card, "count": 2}, {**card, "count": 14}]):
        production(scene, gpus=rows)
        found = scene.decide()
        assert found["verdict"] == "deny", rows
        assert facts(scene)["hardware.measured"][0] == "contradicted"
    assert scene.replayed() == (3, [])


def test_a_lock_on_the_obligation_holds_without_the_other_rule(scene: EvidenceScene) -> None:
    """A later layer takes the rule away that forbids what is contradicted: nothing is satisfied by that."""
    scene.state(HARDWARE, ledger_index=attested(scene, attesting.report()))
    rows = scene.document["spec"]["hardware"]["gpus"]
    scene.document["spec"]["hardware"] = {"gpus": [{**rows[0], "count": 16}]}
    scene.write()
    (scene.layer / "hardware").mkdir(exist_ok=True)
    path = scene.layer / "hardware" / "measured-hardware-contradicted.yaml"
    path.write_text("id: measured-hardware-contradicted\ndisabled: true\n", encoding="utf-8")
    found = scene.decide()
    assert found["verdict"] != "allow"
    asked = [each for each in found["tasks"][0]["obligations"] if each["evidence"] == HARDWARE]
    assert [each["status"] for each in asked] == ["outstanding"]
    assert scene.replayed() == (1, [])


def test_what_is_measured_is_what_a_model_has_to_fit(scene: EvidenceScene) -> None:
    """A card of a name that nobody knows: 82 GB are claimed, 79.25 GiB are there, and 4 percent are nothing."""
    own = "ACME Frobnicator 9"
    report = attesting.report(*(attesting.device(i, own, memory=attesting.memory(78.4)) for i in (0, 1)))
    index = attested(scene, report)
    gpus = [{"name": own, "count": 2, "memory_gb": 82}]
    production(scene, gpus=gpus)
    scene.document["spec"]["tasks"][0]["proposal"] |= {"model": "qwen2.5-72b"}
    for evidence in ({"reference": "X"}, {"ledger_index": index}):
        scene.state(HARDWARE, **evidence)
        rows = {row["name"]: row for row in scene.decide()["tasks"][0]["hardware_claims"]}
        wanted = {"X": "holds"}.get(str(evidence.get("reference")), "contradicted")
        assert rows["proposal.model"]["verdict"] == wanted
    assert rows["memory_gb"]["verdict"] == "verified"
    gpus[0]["memory_gb"] = 88
    production(scene, gpus=gpus)
    assert scene.decide()["verdict"] == "deny"


def test_a_locked_rule_locks_for_how_long_its_evidence_counts(scene: EvidenceScene, tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "rules" / "hardware" / "self-hosting-needs-measured-hardware.yaml"
    (scene.layer / "hardware").mkdir(exist_ok=True)
    rule = source.read_text(encoding="utf-8") + "locked: true\n"
    (scene.layer / "hardware" / source.name).write_text(rule, encoding="utf-8")
    later = tmp_path / "later"
    later.mkdir()
    (later / "parameters.yaml").write_text("parameters: {attestation_days: {value: 36500}}\n", encoding="utf-8")
    found = scene.run("evaluate", str(scene.workload), "--policy", str(scene.layer), "--policy", str(later))
    assert (found.status, code(found)) == (3, "locked")


def test_an_approval_hides_no_measurement_that_contradicts(
    scene: EvidenceScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    from policy_audit.canonical import canonical_bytes

    small = attesting.memory(touched_gib=38.0, total_gib=39.4)
    report = attesting.report(*(attesting.device(i, memory=small) for i in (0, 1)))
    body = attesting.body(report, WORKLOAD)
    content = canonical_bytes(body["attestation"])
    (scene.folder / "att.json").write_bytes(content)
    assert hashlib.sha256(content).hexdigest() == body["sha256"]
    with open_ledger(scene.urls["one"]) as opened:
        index = opened.append(Draft(EntryType.PROBE_ATTESTATION, body=body)).index
    scene.state(HARDWARE, file="att.json", sha256=body["sha256"], ledger_index=index)
    assert scene.decide()["verdict"] == "deny"
    monkeypatch.setenv("POLICY_ACTOR", "ann@acme.example")
    key = str(scene.folder / "ann.key")
    assert scene.evidence("approve", HARDWARE, "--key", key).status == 0
    scene.add(HARDWARE, signature=f"{HARDWARE}.sig")
    found = scene.decide()
    assert (found["verdict"], found["evidence"][HARDWARE]["grade"]) == ("deny", "attached")
    assert scene.replayed() == (2, [])
