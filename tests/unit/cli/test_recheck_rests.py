"""`policy recheck` where it is waivers and evidence that are not what they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.errors import LedgerError
from policy_audit.ledger import EntryType, Ledger, open_ledger

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.evidence_scene import HARDWARE, EvidenceScene
from tests.unit.cli.waiver_scene import Scene
from tests.unit.waivers.making import ANN, BOB

PLAN = "operations_plan"
JSON = ("-o", "json")


@pytest.fixture
def waived(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


@pytest.fixture
def proved(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> EvidenceScene:
    return EvidenceScene(tmp_path, policy, monkeypatch.setenv)


def recheck(scene: Scene | EvidenceScene, *more: str, status: int = 0) -> dict[str, Any]:
    found = scene.run("recheck", "--policy", str(scene.layer), *more, *JSON)
    assert found.status == status, found.err
    value: dict[str, Any] = found.json
    return value


def the_row(shown: dict[str, Any]) -> dict[str, Any]:
    (row,) = shown["decisions"]
    return row  # type: ignore[no-any-return]


def grade(scene: EvidenceScene, row: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the evidence of the new decision, as `policy explain` reads it."""
    found = scene.run("explain", row["new"]["decision_id"], *JSON)
    evidence: dict[str, Any] = found.json["evidence"][name]
    return evidence


def test_a_waiver_that_is_granted_and_one_that_is_revoked_are_reasons(waived: Scene) -> None:
    assert waived.decide()["verdict"] == "deny"
    assert recheck(waived)["not_due"] == 1
    identifier = waived.granted()
    row = the_row(recheck(waived))
    assert [reason["kind"] for reason in row["reasons"]] == ["waivers"]
    assert row["reasons"][0]["names"] == [identifier]
    assert "counts now" in row["reasons"][0]["why"]
    assert (row["verdict"]["before"], row["worse"]) == ("deny", False)
    allowed = row["verdict"]["after"]
    assert allowed != "deny"
    assert len(waived.entries(EntryType.WAIVER_USED)) == 1
    assert recheck(waived)["not_due"] == 1

    assert waived.run("waiver", "revoke", identifier, "--reason", "enough").status == 0
    row = the_row(recheck(waived, "--fail-on", "worse", status=1))
    assert "counts no more: it was revoked" in row["reasons"][0]["why"]
    assert row["verdict"] == {"before": allowed, "after": "deny"}
    assert recheck(waived)["not_due"] == 1
    assert waived.run("audit", "verify", "--recompute").status == 0


def test_a_waiver_whose_approver_is_gone_counts_no_more(waived: Scene) -> None:
    waived.granted()
    assert waived.decide()["verdict"] != "deny"
    waived.approvers(BOB.entry())
    row = the_row(recheck(waived, "--fail-on", "deny", status=1))
    kinds = {reason["kind"]: reason for reason in row["reasons"]}
    assert kinds.keys() == {"rules", "waivers"}
    assert kinds["rules"]["names"] == ["policy approvers"]
    assert "no signature is by a key that the policy names" in kinds["waivers"]["why"]
    assert row["worse"]


def test_a_waiver_ends_and_the_decision_with_it(waived: Scene) -> None:
    waived.granted()
    made = waived.decide()
    after = f"{waived.soon(40)}T00:00:00Z"
    assert made["valid_until"] < after
    row = the_row(recheck(waived, "--at", after))
    assert [reason["kind"] for reason in row["reasons"]] == ["expired", "waivers"]
    assert row["verdict"]["after"] == "deny"
    assert waived.run("audit", "replay", "--all").status == 0


def test_an_approval_counts_as_long_as_its_key_does(proved: EvidenceScene, monkeypatch: pytest.MonkeyPatch) -> None:
    proved.asks("approved")
    assert proved.approve().status == 0
    proved.add(PLAN, signature="operations_plan.sig")
    made = proved.decide()
    assert made["evidence"][PLAN]["grade"] == "approved"
    (proved.folder / "plan.pdf").unlink()  # a recheck reads no file
    shown = recheck(proved, "--all")
    assert (the_row(shown)["changed"], the_row(shown)["evidence_as_recorded"]) == (False, [PLAN])
    assert shown["evidence_as_recorded"] == 1
    assert grade(proved, the_row(shown), PLAN) == made["evidence"][PLAN]

    proved.approvers(BOB.entry())
    row = the_row(recheck(proved))
    reasons = {reason["kind"]: reason["why"] for reason in row["reasons"]}
    assert reasons["evidence"] == f"{PLAN}: no signature is by a key that the policy names"
    found = grade(proved, row, PLAN)
    assert (found["grade"], found["short"]) == ("attached", "no signature is by a key that the policy names")
    assert [each["name"] for task in row["tasks"] for each in task["obligations"]] == [PLAN]
    assert recheck(proved)["not_due"] == 1
    # the first decision was made with the file at hand; once that was disposed of, the last one has to do
    blob = Ledger.blob

    def disposed(self: Ledger, digest: str) -> bytes:
        if digest == f"sha256:{made['id']}":
            raise LedgerError("it was disposed of", code="blob-disposed")
        return blob(self, digest)

    proved.approvers(ANN.entry())
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "blob", disposed)
        assert recheck(proved, "--list")["because"] == {"rules": 1}
    # the key is named again: the approval is still on record, with the decision that was made with the file at hand
    row = the_row(recheck(proved))
    reasons = {reason["kind"]: reason["why"] for reason in row["reasons"]}
    assert reasons["evidence"] == f"{PLAN}: it counts as approved now, and did as attached"
    assert grade(proved, row, PLAN) == made["evidence"][PLAN]
    assert recheck(proved)["not_due"] == 1
    assert proved.run("audit", "verify", "--recompute").status == 0


def test_who_owns_a_workload_approves_none_of_its_evidence(proved: EvidenceScene) -> None:
    proved.asks("approved")
    assert proved.approve().status == 0
    proved.add(PLAN, signature="operations_plan.sig")
    owner = proved.document["metadata"]["owner"]
    assert proved.decide()["evidence"][PLAN]["grade"] == "approved"
    # the approver turns out to be the owner under another name, which only the ledger has
    proved.approvers(ANN.entry().replace("ann@acme.example", owner))
    row = the_row(recheck(proved))
    reasons = {reason["kind"]: reason["why"] for reason in row["reasons"]}
    assert "nobody approves evidence of what they own" in reasons["evidence"]
    assert grade(proved, row, PLAN)["grade"] == "attached"


def test_a_revoked_entry_is_evidence_no_more(proved: EvidenceScene) -> None:
    index, key = proved.attest()
    proved.approvers(ANN.entry(), origins=[key])
    proved.state(HARDWARE, ledger_index=index)
    made = proved.decide()
    assert made["evidence"][HARDWARE]["grade"] == "recorded"
    assert recheck(proved)["not_due"] == 1
    assert proved.run("evidence", "revoke", str(index), "--reason", "the cards were exchanged").status == 0
    row = the_row(recheck(proved, "--fail-on", "worse", status=1))
    (reason,) = row["reasons"]
    assert (reason["kind"], reason["names"]) == ("evidence", [HARDWARE])
    assert "its entry had been revoked" in reason["why"]
    assert row["worse"]
    assert grade(proved, row, HARDWARE)["grade"] == "asserted"
    assert recheck(proved)["not_due"] == 1
    assert proved.run("audit", "verify", "--recompute").status == 0


def test_an_entry_of_the_ledger_counts_after_its_key_was_rotated(proved: EvidenceScene) -> None:
    index, key = proved.attest()
    proved.state(HARDWARE, ledger_index=index)
    assert proved.decide()["evidence"][HARDWARE]["grade"] == "recorded"
    new = str(proved.folder / "new.key")
    assert proved.run("audit", "rotate-key", "--new-key", new).status == 0
    row = the_row(recheck(proved, "--all", "--ledger-key", new))
    assert (row["reasons"], row["changed"]) == ([], False)
    assert grade(proved, row, HARDWARE)["grade"] == "recorded"
    assert proved.run("audit", "verify", "--recompute", "--vkey", key).status == 0


def test_an_attestation_grows_old(proved: EvidenceScene) -> None:
    index, key = proved.attest()
    proved.prove(index)
    proved.approvers(ANN.entry(), origins=[key])
    assert proved.decide()["evidence"][HARDWARE]["grade"] == "recorded"
    with open_ledger(proved.urls["one"], read_only=True) as ledger:
        year = int(ledger.entry(index).recorded_at[:4]) + 1
    row = the_row(recheck(proved, "--at", f"{year}-12-31T00:00:00Z"))
    reasons = {reason["kind"]: reason["why"] for reason in row["reasons"]}
    assert reasons.keys() >= {"expired", "evidence"}
    assert f"{HARDWARE}: what makes it recorded ended on" in reasons["evidence"]
    assert row["worse"]


def test_evidence_begins_to_count_on_its_day(proved: EvidenceScene) -> None:
    proved.state("licence_review", reference="LEGAL-7", issued="2998-01-01")
    made = proved.decide()
    assert made["evidence"]["licence_review"]["problem"] is not None
    assert recheck(proved)["not_due"] == 1
    row = the_row(recheck(proved, "--at", "2998-01-01T00:00:00Z"))
    assert "licence_review: it counts now, as asserted" in [reason["why"] for reason in row["reasons"]]
    assert grade(proved, row, "licence_review")["problem"] is None
    # a file that nobody has looked at proves nothing on the day on which it would begin
    proved.state("licence_review", file="plan.pdf", sha256="0" * 64, issued="2998-01-01")
    proved.decide()
    row = the_row(recheck(proved, "--at", "2998-01-02T00:00:00Z", "--all"))
    assert "was not looked at" in grade(proved, row, "licence_review")["problem"]
