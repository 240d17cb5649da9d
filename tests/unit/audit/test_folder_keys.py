"""Key rotations in exported folders, made by hand: what hides one, forges one, or has too many."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from policy_audit import rotation as rotation_module
from policy_audit.canonical import canonical_bytes
from policy_audit.checkpoint import Checkpoint, sign_checkpoint
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.keys import Ed25519Signer
from policy_audit.merkle import leaf_hash, root_hash
from policy_audit.rotation import Rotation, sign_statement

from tests.unit.audit.folders import KEY, SIGNER, failed, opaque, own, put, verified, write

KEYS = [SIGNER, *(Ed25519Signer(SIGNER.name, bytes([number]) * 32) for number in range(1, 4))]


def rotate(entries: list[bytes], old: Ed25519Signer, new: Ed25519Signer, root: bytes | None = None) -> list[bytes]:
    """Return the entries with a rotation after them; `root` is what it is signed for, by default the true one."""
    made = Rotation(
        old.name, len(entries), root or root_hash(list(map(leaf_hash, entries))), old.verifier_key, new.verifier_key
    )
    body = {"old": made.old, "new": made.new, "statement": sign_statement(made, old, new)}
    members = {"blobs": {}, "commitments": {}, "context": {}, "entry": "policy-audit/v1", "type": "key-rotation"}
    return [*entries, canonical_bytes({**members, "body": body, "recorded_at": "2026-01-31T12:00:00.000000Z"})]


def chain(count: int) -> list[bytes]:
    entries = [own(0)]
    for number in range(count):
        entries = [*rotate(entries, KEYS[number], KEYS[number + 1]), own(number)]
    return entries


@pytest.mark.parametrize("pinned", range(4))
def test_a_chain_of_rotations_is_followed_from_any_of_its_keys(tmp_path: Path, pinned: int) -> None:
    write(tmp_path, chain(3), KEYS[3])
    report = verified(tmp_path, verifier_keys=[KEYS[pinned].verifier_key])
    assert failed(report) == {}
    assert report.step("rotations").checked == 3
    write(tmp_path, chain(3), KEYS[2])
    assert (
        "not in force at size 7" in failed(verified(tmp_path, verifier_keys=[KEYS[pinned].verifier_key]))["checkpoint"]
    )


def test_rotations_in_any_bundle_are_found(tmp_path: Path) -> None:
    entries = [*rotate(rotate(opaque(255), KEYS[0], KEYS[1]), KEYS[1], KEYS[2]), *opaque(300)]
    write(tmp_path, entries, KEYS[2])
    report = verified(tmp_path)
    assert failed(report) == {}
    assert report.step("rotations").checked == 2


def test_a_rotation_signed_for_another_tree_is_found(tmp_path: Path) -> None:
    write(tmp_path, [*rotate([own(0), own(1)], KEYS[0], KEYS[1], bytes(32)), own(2)], KEYS[1])
    report = verified(tmp_path)
    assert failed(report) == {
        "rotations": "the key rotation at entry 2 was signed for another tree than the one before it"
    }
    assert report.first_failing == (2, 2)


def test_a_rotation_that_the_old_key_did_not_sign_leads_nowhere(tmp_path: Path) -> None:
    thief = KEYS[3]
    entries = rotate([own(0)], KEYS[0], KEYS[1])
    entries[1] = entries[1].replace(KEYS[1].verifier_key.encode(), thief.verifier_key.encode())
    write(tmp_path, entries, thief)
    report = verified(tmp_path)
    assert failed(report).keys() == {"checkpoint", "rotations"}
    assert report.first_failing == (1, 1)


def test_a_rotation_that_is_taken_out_or_put_in_afterwards_fails_with_the_entries(tmp_path: Path) -> None:
    write(tmp_path / "true", [*rotate([own(0)], KEYS[0], KEYS[1]), own(1)], KEYS[1])
    write(tmp_path / "other", [own(0), own(5), own(1)])
    for name, other in (("true", "other"), ("other", "true")):
        mixed = Path(shutil.copytree(tmp_path / name, tmp_path / f"mixed {name}"))
        shutil.copytree(tmp_path / other / "tile/entries", mixed / "tile/entries", dirs_exist_ok=True)
        assert not verified(mixed).ok
        assert not verified(mixed, verifier_keys=[KEYS[1].verifier_key]).ok


def test_a_rotation_that_is_hidden_only_while_keys_are_read_is_noticed(tmp_path: Path) -> None:
    """The thief of the old key signs the true tree, and takes the rotation out of the way for as long as it takes."""
    honest = [*rotate(opaque(300), KEYS[0], KEYS[1]), own(1)]
    write(tmp_path, honest, KEYS[0])
    bundle = "tile/entries/001.p/46"
    true = (tmp_path / bundle).read_bytes()
    put(tmp_path, bundle, true.replace(b'"key-rotation"', b'"key-rotatiom"'))

    def put_back(done: int, total: int) -> None:
        put(tmp_path, bundle, true)

    report = verify_folder(tmp_path, Wanted([KEY]), put_back)
    assert failed(report) == {
        "rotations": "the folder was changed while it was read: its key rotations are others than before"
    }


def test_a_folder_beyond_the_bound_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, chain(3), KEYS[3])
    monkeypatch.setattr(rotation_module, "MAX_ROTATIONS", 2)
    report = verified(tmp_path)
    assert "more than 2 key rotations" in failed(report)["rotations"]
    assert "checkpoint" in failed(report)


def test_several_keys_of_a_log_without_entries_of_ours_are_no_contradiction(tmp_path: Path) -> None:
    keys = [SIGNER.verifier_key, KEYS[1].verifier_key]
    write(tmp_path, opaque(3))
    report = verified(tmp_path, verifier_keys=keys)
    assert report.ok
    assert any("no key rotation leads to or from the pinned key" in remark for remark in report.remarks)
    write(tmp_path / "ours", [own(0)])
    assert "was the ledger's tail dropped" in failed(verified(tmp_path / "ours", verifier_keys=keys))["rotations"]


def test_a_log_that_mentions_rotations_has_none(tmp_path: Path) -> None:
    query = canonical_bytes({"entry": "other/v1", "type": "key-rotation"})
    write(tmp_path, [own(0), query, b'{"filter":"key-rotation"}', b'"key-rotation"'])
    report = verified(tmp_path)
    assert report.ok
    assert report.step("rotations").checked == 0


def test_an_unsigned_checkpoint_of_any_size_ends_soon(tmp_path: Path) -> None:
    write(tmp_path, chain(1))
    forged = sign_checkpoint(Checkpoint(SIGNER.name, 2**63 - 1, bytes(32)), KEYS[3])
    put(tmp_path, "checkpoint", forged.encode())
    assert failed(verified(tmp_path)).keys() == {"checkpoint"}
