"""Exports of a ledger whose key rotated, or that was restored: what an auditor who pinned the old key alone is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from policy_audit.checkpoint import parse_checkpoint, sign_checkpoint
from policy_audit.folder_report import FolderReport
from policy_audit.keys import Ed25519Signer, generate_signer, read_key_file, write_key_file
from policy_audit.ledger import open_ledger
from policy_audit.proof import parse_proof
from policy_audit.restoring import restore_draft

from tests.integration.tampering import decision
from tests.stores import Store
from tests.unit.audit.folders import failed, verified


@dataclass
class Rotated:
    """Three decisions, a rotation at entry 3, and two decisions; exported before and after into one folder."""

    store: Store
    folder: Path
    old: Ed25519Signer
    new: Ed25519Signer
    kept: list[tuple[str, str]]

    def verify(self, *pinned: Ed25519Signer, **wanted: object) -> FolderReport:
        return verified(self.folder, verifier_keys=[key.verifier_key for key in pinned], **wanted)


@pytest.fixture
def rotated(store: Store, tmp_path: Path) -> Rotated:
    folder, kept = tmp_path / "export", []
    with store.open() as ledger:
        ledger.append_many([decision(number) for number in range(3)])
        kept.append(("before", ledger.export_log(folder).checkpoint))
        old, new = read_key_file(store.key), generate_signer(ledger.origin)
        write_key_file(tmp_path / "new.key", new)
        assert ledger.rotate_key(new).index == 3
        kept.append(("at", ledger.checkpoint()))
        ledger.append_many([decision(3), decision(4)])
        kept += [("old receipt", ledger.receipt(1)), ("new receipt", ledger.receipt(4))]
        exported = ledger.export_log(folder)
        assert (exported.size, exported.continued) == (6, 3)
        kept.append(("after", exported.checkpoint))
    return Rotated(store, folder, old, new, kept)


@pytest.mark.parametrize("pin", ["old", "new", "both"])
def test_it_verifies_by_any_key_of_the_chain(rotated: Rotated, pin: str) -> None:
    pinned = {"old": [rotated.old], "new": [rotated.new], "both": [rotated.old, rotated.new]}[pin]
    report = rotated.verify(*pinned, kept=rotated.kept)
    assert failed(report) == {}
    assert (report.step("rotations").checked, report.step("kept").checked) == (1, 5)
    ids = rotated.old.key_id.hex(), rotated.new.key_id.hex()
    assert f"rotated: at entry 3, from the key {ids[0]} to {ids[1]}" in report.remarks


def test_another_key_of_the_same_name_leads_nowhere(rotated: Rotated) -> None:
    problem = failed(rotated.verify(generate_signer(rotated.old.name)))["checkpoint"]
    assert problem == (
        f"the key {rotated.new.key_id.hex()} that signed it is not pinned, "
        "and no key rotation in this folder leads to it"
    )


def test_the_reader_with_the_old_key_extends_the_export_too(rotated: Rotated) -> None:
    with rotated.store.open(read_only=True) as reader:
        assert reader.verifier_key == rotated.old.verifier_key
        assert reader.export_log(rotated.folder).continued == 6
        assert failed(rotated.verify(rotated.old, kept=rotated.kept)) == {}
        reader.export_log(rotated.folder.with_name("fresh"))


@pytest.mark.parametrize("pin", ["old", "new"])
def test_what_only_the_old_key_signed_beyond_the_rotation_is_refused(rotated: Rotated, pin: str) -> None:
    """Whoever stole the old key: the tree is the true one, so that nothing but the key gives it away."""
    head = (rotated.folder / "checkpoint").read_text(encoding="utf-8")
    forged = sign_checkpoint(parse_checkpoint(head), rotated.old)
    pinned = rotated.old if pin == "old" else rotated.new
    problem = failed(rotated.verify(pinned, kept=[("late", forged)]))["kept"]
    assert "not in force at size 6" in problem
    (rotated.folder / "checkpoint").write_text(forged, encoding="utf-8")
    assert "not in force at size 6" in failed(rotated.verify(pinned))["checkpoint"]


def test_the_rotations_own_checkpoint_takes_both_signatures(rotated: Rotated) -> None:
    for signer in (rotated.old, rotated.new):
        alone = sign_checkpoint(parse_checkpoint(dict(rotated.kept)["at"]), signer)
        problem = failed(rotated.verify(rotated.old, kept=[("alone", alone)]))["kept"]
        assert "not signed by both keys" in problem


def test_a_receipt_alone_knows_no_rotation(rotated: Rotated) -> None:
    kept, keys = dict(rotated.kept), [rotated.old.verifier_key]
    with rotated.store.open(read_only=True) as ledger:
        entries = {name: ledger.entry(index).raw for name, index in (("old receipt", 1), ("new receipt", 4))}
    assert parse_proof(kept["old receipt"]).verify(entries["old receipt"], keys, rotated.old.name).size == 3
    with pytest.raises(ValueError, match="no signature is of a known key"):
        parse_proof(kept["new receipt"]).verify(entries["new receipt"], keys, rotated.old.name)
    keys = [rotated.new.verifier_key]
    assert parse_proof(kept["new receipt"]).verify(entries["new receipt"], keys, rotated.old.name).size == 6


def test_without_entries_the_pinned_key_alone_is_believed(rotated: Rotated) -> None:
    problem = failed(rotated.verify(rotated.old, hashes_only=True))["checkpoint"]
    assert problem.endswith("that signed it is not pinned, and no key rotations were read")
    report = rotated.verify(rotated.new, hashes_only=True)
    assert failed(report) == {}
    assert report.step("rotations").status == "skipped"
    assert any("no key rotation is seen" in remark for remark in report.remarks)


def test_a_ledger_rolled_back_to_before_its_rotation_is_found_by_whoever_pinned_the_new_key(
    store: Store, tmp_path: Path
) -> None:
    with store.open() as ledger:
        ledger.append(decision(0))
        old, new = read_key_file(store.key), generate_signer(ledger.origin)
        ledger.export_log(tmp_path / "export")
        ledger.rotate_key(new)
        later = ledger.checkpoint()
    for pinned in ([new], [old, new]):
        assert failed(verified(tmp_path / "export", verifier_keys=[key.verifier_key for key in pinned]))
    report = verified(tmp_path / "export", verifier_keys=[old.verifier_key], kept=[("later", later)])
    assert "the tail was dropped" in failed(report)["kept"], "the old key signed the rotation's checkpoint too"
    assert report.first_failing == (1, 1)


def test_a_kept_checkpoint_beyond_a_restore_is_told_by_its_name_and_fails(store: Store, tmp_path: Path) -> None:
    """The lost tail is written by a second ledger of the same key, as it was before the copy was put back."""
    with open_ledger("sqlite:///:memory:") as ledger:
        ledger.append_many([decision(number) for number in range(4)])
        lost = ledger.checkpoint()
        other = str(ledger.origin)
    with store.open() as ledger:
        signer = read_key_file(store.key)
        ledger.append_many([decision(number) for number in range(2)])
        agreed = ledger.checkpoint()
        note = sign_checkpoint(parse_checkpoint(lost.replace(other, signer.name)), signer)
        ledger.append(restore_draft(ledger, "backup of Sunday", "the disk failed", [agreed, note]))
        ledger.append_many([decision(number) for number in range(10, 15)])
        exported = ledger.export_log(tmp_path / "export")
    keys = [signer.verifier_key]
    report = verified(tmp_path / "export", verifier_keys=keys, kept=[("kept", note), ("agreed", agreed)])
    step = report.step("kept")
    assert (report.ok, step.status, exported.size) == (False, "restored", 8)
    assert step.first_problem == (
        "the ledger was restored at entry 2 (epoch 2): "
        "the kept checkpoint of size 4 covers entries lost with the old epoch"
    )
    assert report.first_failing == (2, 3)
    assert any(
        remark.startswith("restored: at entry 2 (epoch 2), from `backup of Sunday`") for remark in report.remarks
    )
    assert "restored" in "".join(report.lines())
    unnamed = sign_checkpoint(parse_checkpoint(note.replace("\n4\n", "\n5\n")), signer)
    report = verified(tmp_path / "export", verifier_keys=keys, kept=[("kept", unnamed)])
    assert report.step("kept").status == "failed"
    assert "does not name it as lost" in failed(report)["kept"]
