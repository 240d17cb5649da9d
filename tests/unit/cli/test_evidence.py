"""Evidence from its approval or its entry to the decision that rests on it, through the commands, on real ledgers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.loading.evidence import Vouched
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.evidence_scene import HARDWARE, WORKLOAD, EvidenceScene
from tests.unit.cli.waiver_scene import code
from tests.unit.waivers.making import ANN, BOB

PLAN = "operations_plan"


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> EvidenceScene:
    return EvidenceScene(tmp_path, policy, monkeypatch.setenv)


def test_a_receipt_of_the_hardware_turns_review_into_an_allowance(scene: EvidenceScene) -> None:
    index, key = scene.attest()
    before = scene.decide()
    assert before["verdict"] == "review"
    scene.prove(index)
    scene.approvers(origins=[key])
    after = scene.decide()
    assert after["verdict"].startswith("allow")
    assert after["evidence"][HARDWARE]["grade"] == "recorded"
    assert scene.decide(command="gate")["verdict"].startswith("allow")


def test_two_ledgers_are_pinned_each_by_its_key(scene: EvidenceScene) -> None:
    _, one = scene.attest("one")
    index, two = scene.attest("two")
    scene.prove(index, "two")
    scene.approvers(origins=[one])
    assert scene.decide()["verdict"] == "review"
    scene.approvers(origins=[one, two])
    assert scene.decide()["verdict"].startswith("allow")


def test_a_decision_is_replayed_without_any_file(scene: EvidenceScene) -> None:
    index, key = scene.attest()
    scene.prove(index)
    scene.approvers(ANN.entry(), origins=[key])
    scene.asks("approved")
    assert scene.approve().status == 0
    scene.add(PLAN, signature=f"{PLAN}.sig")
    decided = scene.decide()
    assert decided["verdict"].startswith("allow")
    scene.state("own_benchmark", reference="EVAL-42", ledger_index=index, signature="no.sig")
    assert scene.decide()["evidence"]["own_benchmark"]["grade"] == "asserted"
    for path in [*scene.folder.glob("*.sig"), *scene.folder.glob("*.pdf"), scene.workload, *scene.folder.glob("h.*")]:
        path.unlink()
    (scene.layer / "approvers.yaml").unlink()
    assert scene.replayed() == (2, [])
    assert scene.run("audit", "verify", "--recompute").status == 0


def test_a_decision_that_somebody_wrote_without_an_approval_is_seen(scene: EvidenceScene) -> None:
    """With the ledger's key and past all commands: the grade is claimed, and the proof is made up."""
    index, _ = scene.attest()
    scene.state(HARDWARE, ledger_index=index)
    scene.asks("approved")
    scene.add(PLAN, signature=f"{PLAN}.sig")
    from policy_engine.cli.main import call

    def forged(content: bytes, workload: Any, *rest: Any) -> Vouched:
        return Vouched(
            "approved", {"approver": "ann", "key": "00000000", "statement": "0" * 64}, None, {"approval": "x"}
        )

    (scene.folder / f"{PLAN}.sig").write_text("x", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policy_engine.vouching.approval.check_approval", forged)
        assert call(["evaluate", str(scene.workload), "--policy", str(scene.layer), "-q"]) == 0
    assert scene.replayed() == (0, ["differs"])
    assert scene.run("audit", "verify", "--recompute").status == 6


def test_a_bare_index_counts_in_the_ledger_of_the_decision(scene: EvidenceScene) -> None:
    index, _ = scene.attest()
    scene.state(HARDWARE, ledger_index=index)
    assert scene.decide()["verdict"].startswith("allow")
    assert scene.replayed() == (1, [])
    for url in ("sqlite:///:memory:", scene.urls["two"]):
        assert scene.decide("--ledger", url)["verdict"] == "review"


@pytest.mark.parametrize("own", [0, 2], ids=["the decision itself", "another entry"])
def test_a_bare_index_that_is_of_another_ledger_is_seen(scene: EvidenceScene, own: int) -> None:
    """With the ledger's key: receipt and entry are another ledger's, where the index is the same."""
    index, _ = scene.attest("two")
    with open_ledger(scene.urls["one"]) as ledger:
        ledger.append_many([Draft(EntryType.HEARTBEAT)] * own)
    scene.state(HARDWARE, ledger_index=index)
    from policy_engine.cli.main import call
    from policy_engine.vouching.receipts import check_index

    def elsewhere(_: Any, *rest: Any) -> Any:
        with open_ledger(scene.urls["two"]) as other:
            return check_index(other, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policy_engine.vouching.receipts.check_index", elsewhere)
        assert call(["evaluate", str(scene.workload), "--policy", str(scene.layer), "-q"]) == 0
    assert scene.replayed() == (0, ["differs"])
    assert scene.run("audit", "verify", "--recompute").status == 6
    assert scene.run("audit", "report", "replay-mismatches").status == 6


def test_an_approval_is_shown_recorded_and_counts(scene: EvidenceScene) -> None:
    index, _ = scene.attest()
    scene.state(HARDWARE, ledger_index=index)
    scene.approvers(ANN.entry())
    scene.asks("approved")
    before = scene.decide()
    assert before["verdict"] == "review"
    (duty,) = [row for row in before["tasks"][0]["obligations"] if row["evidence"] == PLAN]
    assert duty["why"] == "it is attached, and approved is asked for"
    found = scene.approve()
    assert found.status == 0, found.err
    assert "sha256" in found.out
    assert WORKLOAD in found.out
    scene.add(PLAN, signature=f"{PLAN}.sig")
    after = scene.decide()
    assert (after["verdict"][:5], after["evidence"][PLAN]["grade"]) == ("allow", "approved")
    (entry,) = scene.entries(EntryType.EVIDENCE_APPROVED)
    assert entry["body"]["statement"] == after["evidence"][PLAN]["proof"]["statement"]
    assert ANN.identity not in json.dumps(entry)
    scene.approvers(BOB.entry())
    assert scene.decide()["verdict"] == "review"


def test_the_end_of_an_approver_bounds_the_decision_where_the_grade_is_needed(scene: EvidenceScene) -> None:
    index, _ = scene.attest()
    scene.state(HARDWARE, ledger_index=index)
    scene.approvers(ANN.entry("valid_until: 2026-12-20"))
    assert scene.approve().status == 0
    scene.add(PLAN, signature=f"{PLAN}.sig")
    at = ("--at", "2026-11-23T09:00:00Z")
    free = scene.decide(*at)
    assert free["evidence"][PLAN]["ends"] == "2026-12-20"
    assert free["valid_until"] is None or free["valid_until"] > "2026-12-21"
    scene.asks("approved")
    assert scene.decide(*at)["valid_until"] == "2026-12-20T23:59:59Z"


def test_a_recorded_file_counts_where_its_ledger_is_pinned(scene: EvidenceScene) -> None:
    index, key = scene.attest()
    scene.state(HARDWARE, ledger_index=index)
    scene.asks("recorded")
    assert scene.decide()["verdict"] == "review"
    found = scene.evidence("record", PLAN, "--ledger", scene.urls["two"])
    assert found.status == 0, found.err
    assert "vkey: " in found.out
    scene.add(PLAN, receipt=f"{PLAN}.tlog-proof", entry=f"{PLAN}.entry.json")
    assert scene.decide()["verdict"] == "review"
    scene.approvers(origins=[key, found.out.partition("vkey: ")[2].partition("}")[0]])
    assert scene.decide()["verdict"].startswith("allow")
    (scene.folder / "plan.pdf").write_bytes(b"another plan")
    assert "another sha256" in scene.decide()["evidence"][PLAN]["problem"]


def _as(scene: EvidenceScene, entry: str, *arguments: str) -> Outcome:
    scene.approvers(entry)
    return scene.approve("ann", *arguments)


def _owned(scene: EvidenceScene) -> Outcome:
    scene.document["metadata"]["owner"] = "ANN@acme.example"
    scene.write()
    return _as(scene, ANN.entry())


def _changed(scene: EvidenceScene) -> Outcome:
    (scene.folder / "plan.pdf").write_bytes(b"another plan")
    return _as(scene, ANN.entry())


REFUSED: dict[str, tuple[Callable[[EvidenceScene], Outcome], str]] = {
    "another role": (lambda s: _as(s, ANN.entry(roles=["waiver-approver"])), "no-approvers"),
    "nobody's key": (lambda s: _as(s, BOB.entry()), "not-an-approver"),
    "another namespace": (lambda s: _as(s, ANN.entry("namespaces: [claims]")), "may-not-approve"),
    "the owner": (_owned, "may-not-approve"),
    "another's name": (lambda s: _as(s, ANN.entry(), "--by", "bob"), "other-approver"),
    "a file that changed": (_changed, "bad-evidence"),
    "no such evidence": (
        lambda s: s.evidence("approve", "dpa", "--key", str(s.folder / "ann.key")),
        "no-such-evidence",
    ),
    "no such workload": (lambda s: _as(s, ANN.entry(), "--workload", "other"), "which-workload"),
    "over the workload": (lambda s: _as(s, ANN.entry(), "-o", str(s.workload)), "file-exists"),
    "over a key": (lambda s: _as(s, ANN.entry(), "-o", str(s.folder / "bob.key")), "cannot-write"),
    "a file for the hardware": (lambda s: s.evidence("record", HARDWARE), "not-recordable"),
    "a reference": (lambda s: s.evidence("record", "own_benchmark"), "nothing-to-record"),
    "in memory": (lambda s: s.evidence("record", PLAN, "--ledger", "sqlite:///:memory:"), "scratch-ledger"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_not_be_approved_or_recorded_is_refused(name: str, scene: EvidenceScene) -> None:
    scene.state(HARDWARE, reference="somewhere")
    found = REFUSED[name][0](scene)
    assert (found.status, code(found)) == (2, REFUSED[name][1]), found.err
    assert not list(scene.folder.glob("*.sig"))
    assert not list(scene.folder.glob("*.tlog-proof"))
    assert scene.workload.read_text(encoding="utf-8").startswith("apiVersion")


def test_check_says_what_keeps_evidence_from_a_better_grade(scene: EvidenceScene) -> None:
    scene.approvers(ANN.entry())
    scene.add(PLAN, signature="no.sig")
    found = scene.run("evidence", "check", str(scene.workload), "--policy", str(scene.layer), "-o", "json")
    rows = {row["evidence"]: row for row in found.json["evidence"]}
    assert (rows[PLAN]["grade"], "no such file" in rows[PLAN]["short"]) == ("attached", True)
    text = scene.run("evidence", "check", str(scene.workload), "--policy", str(scene.layer))
    assert "no such file" in " ".join(text.out.split())


def test_what_to_do_next_names_the_command(scene: EvidenceScene) -> None:
    scene.asks("approved")
    found = scene.run("new", "--complete", str(scene.workload), "--policy", str(scene.layer), "-o", "json")
    owed = {row["evidence"]: row["grade"] for row in found.json["workloads"][0]["evidence"]}
    assert owed == {PLAN: "approved", HARDWARE: "recorded"}
    text = scene.run("new", "--complete", str(scene.workload), "--policy", str(scene.layer), "-o", "text")
    assert f"policy evidence approve {scene.workload} {PLAN} --key KEYFILE" in text.out
    assert "policy audit prove INDEX --to RECEIPT --entry ENTRY" in text.out
    shown = scene.run("evaluate", str(scene.workload), "--policy", str(scene.layer))
    assert "policy evidence approve" in " ".join(shown.out.split())
