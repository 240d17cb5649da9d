"""Anchors in a folder: never overwritten, whatever a crash or an attacker left there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from policy_audit.anchors.file import FileAnchor, read_folder
from policy_audit.anchors.place import file_name, parse_place
from policy_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from policy_audit.errors import AnchorError
from policy_audit.keys import generate_signer, read_key_file, write_key_file

from tests.integration.anchoring import HELD, Anchored, results
from tests.integration.tampering import in_file_alone, verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "anchors"
    made.mkdir()
    return made


def files(folder: Path, anchored: Anchored) -> dict[str, str]:
    own = folder / file_name(anchored.origin)
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(own.iterdir())}


def test_each_checkpoint_is_a_file_that_is_never_written_again(anchored: Anchored, folder: Path) -> None:
    assert results(anchored.anchor(f"file:{folder}")) == HELD
    first = files(folder, anchored)
    assert list(first) == ["11"]
    assert parse_checkpoint(first["11"]).size == 11
    inode = (folder / file_name(anchored.origin) / "11").stat().st_ino
    assert results(anchored.anchor(f"file:{folder}")) == HELD
    anchored.grow(20, 21)
    assert results(anchored.anchor(f"file:{folder}")) == HELD
    assert list(files(folder, anchored)) == ["11", "14"], "eleven, the anchoring's own entry, and two more"
    assert (folder / file_name(anchored.origin) / "11").stat().st_ino == inode
    assert files(folder, anchored)["11"] == first["11"]


def test_an_idle_ledger_is_quiet(anchored: Anchored, folder: Path) -> None:
    for _ in range(3):
        assert results(anchored.anchor(f"file:{folder}")) == HELD
    assert len(anchored.entries()) == 1
    (body,) = anchored.entries()
    assert (body["result"], body["size"], body["place"]) == ("held", 11, f"file:{folder}")


def test_an_older_copy_of_the_ledger_is_found(anchored: Anchored, folder: Path) -> None:
    restore = anchored.backup()
    anchored.grow(20)
    anchored.anchor(f"file:{folder}")
    restore()
    (outcome,) = anchored.anchor(f"file:{folder}")
    assert (outcome.result, outcome.code) == ("alarm", "ledger-rolled-back")
    assert "tail was dropped" in str(outcome.message)
    assert list(files(folder, anchored)) == ["12"], "what contradicts the anchor is not put beside it"
    assert [body["result"] for body in anchored.entries()] == ["alarm"]
    for _ in range(3):
        # the alarm's own entry made the ledger as long again as what the place holds
        assert results(anchored.anchor(f"file:{folder}")) == [("alarm", "split-view")]
    assert len(anchored.entries()) == 2, "an alarm that lasts is recorded once"


@pytest.mark.parametrize("grown", [[30], [30, 31, 32]], ids=["as long", "longer"])
def test_an_older_copy_that_went_on_is_found(anchored: Anchored, folder: Path, grown: list[int]) -> None:
    restore = anchored.backup()
    anchored.grow(20)
    anchored.anchor(f"file:{folder}")
    restore()
    anchored.grow(*grown)
    assert results(anchored.anchor(f"file:{folder}")) == [("alarm", "split-view")]


def test_another_signed_checkpoint_of_the_same_size_is_an_alarm(anchored: Anchored, folder: Path) -> None:
    signer = read_key_file(anchored.store.key)
    own = folder / file_name(anchored.origin)
    own.mkdir()
    other = sign_checkpoint(Checkpoint(anchored.origin, 11, bytes(32)), signer)
    (own / "11").write_text(other, encoding="utf-8")
    assert results(anchored.anchor(f"file:{folder}")) == [("alarm", "split-view")]
    assert (own / "11").read_text(encoding="utf-8") == other


@in_file_alone
@pytest.mark.parametrize("name", ["11", "5", "99"])
def test_what_another_key_signed_is_no_alarm_and_no_success(anchored: Anchored, folder: Path, name: str) -> None:
    own = folder / file_name(anchored.origin)
    own.mkdir()
    forged = sign_checkpoint(Checkpoint(anchored.origin, int(name), bytes(32)), generate_signer(anchored.origin))
    (own / name).write_text(forged, encoding="utf-8")
    assert results(anchored.anchor(f"file:{folder}")) == [("alarm", "anchor-damaged")]


@pytest.mark.parametrize("torn", [0, 1, 30, 60, -1])
def test_what_a_crash_cut_off_is_kept_and_written_anew(anchored: Anchored, folder: Path, torn: int) -> None:
    note = anchored.checkpoint()
    own = folder / file_name(anchored.origin)
    own.mkdir()
    (own / "11").write_bytes(note.encode()[:torn])
    assert results(anchored.anchor(f"file:{folder}")) == HELD
    assert list(files(folder, anchored)) == ["11", "11.1"]
    assert files(folder, anchored)["11.1"] == note
    anchored.grow(20)
    assert results(anchored.anchor(f"file:{folder}")) == HELD
    notes = FileAnchor(parse_place(f"file:{folder}")).held(anchored.origin)
    assert [parse_checkpoint(note).size for note in notes] == [11, 13]


def test_what_a_crash_cut_off_is_mended_when_the_ledger_has_grown(anchored: Anchored, folder: Path) -> None:
    own = folder / file_name(anchored.origin)
    own.mkdir()
    (own / "11").write_bytes(anchored.checkpoint().encode()[:40])
    anchored.grow(20)
    assert results(anchored.anchor(f"file:{folder}")) == HELD
    assert list(files(folder, anchored)) == ["11", "11.1", "12"]


def test_a_file_that_somebody_changed_is_no_torn_one(anchored: Anchored, folder: Path) -> None:
    anchored.anchor(f"file:{folder}")
    path = folder / file_name(anchored.origin) / "11"
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8").replace("\n11\n", "\n12\n"), encoding="utf-8")
    anchored.grow(20)
    assert results(anchored.anchor(f"file:{folder}")) == [("alarm", "anchor-damaged")]


def test_what_contradicts_is_on_record_to_be_compared(anchored: Anchored, folder: Path) -> None:
    restore = anchored.backup()
    anchored.grow(20)
    anchored.anchor(f"file:{folder}")
    restore()
    anchored.grow(30)
    anchored.anchor(f"file:{folder}")
    with anchored.open() as ledger:
        (entry,) = ledger.list_entries(type="anchor")
        held = ledger.blob(entry.document["blobs"]["held"]).decode()
        own = open_checkpoint(ledger.receipt(11).partition("\n\n")[2], [anchored.vkey], anchored.origin)
    assert held == files(folder, anchored)["12"]
    other = open_checkpoint(held, [anchored.vkey], anchored.origin)
    assert (own.size, own.root == other.root) == (12, False), "two signed checkpoints of one size: that is the proof"


def test_what_the_old_key_anchored_is_held_against_the_ledger_after_a_rotation(
    anchored: Anchored, folder: Path
) -> None:
    place, key = f"file:{folder}", anchored.store.key
    anchored.anchor(place)
    restore = anchored.backup()
    new = generate_signer(anchored.origin)
    with anchored.open() as ledger:
        ledger.rotate_key(new)
    old = key.read_bytes()
    key.unlink()
    write_key_file(key, new)
    anchored.grow(20)
    assert results(anchored.anchor(place)) == HELD
    assert list(files(folder, anchored)) == ["11", "14"]
    restore()
    key.write_bytes(old)
    assert results(anchored.anchor(place)) == [("alarm", "anchor-damaged")], "rolled back to before the rotation"


def test_many_checkpoints_are_read_back(anchored: Anchored, folder: Path) -> None:
    for number in range(12):
        anchored.grow(number + 20)
        anchored.anchor(f"file:{folder}")
    notes = FileAnchor(parse_place(f"file:{folder}")).held(anchored.origin)
    assert [parse_checkpoint(note).size for note in notes] == list(range(12, 12 + 24, 2))
    assert verify(anchored.store, *notes).ok


@in_file_alone
def test_a_mount_that_is_not_there_is_not_made(anchored: Anchored, tmp_path: Path) -> None:
    assert results(anchored.anchor(f"file:{tmp_path}/mount")) == [("failed", "anchor-failed")]
    assert not (tmp_path / "mount").exists()


@in_file_alone
@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "large"])
def test_what_is_no_file_there_is_not_waited_for(anchored: Anchored, folder: Path, kind: str, tmp_path: Path) -> None:
    own = folder / file_name(anchored.origin)
    own.mkdir()
    if kind == "folder":
        (own / "11").mkdir()
    elif kind == "pipe":
        os.mkfifo(own / "11")
    elif kind == "link":
        (own / "11").symlink_to(tmp_path / "elsewhere")
    else:
        with (own / "11").open("wb") as file:
            file.truncate(10_000_000)
    assert results(anchored.anchor(f"file:{folder}"))[0][0] == "failed"
    assert not (tmp_path / "elsewhere").exists()


def test_a_failure_keeps_no_other_place_from_being_tried(anchored: Anchored, folder: Path, tmp_path: Path) -> None:
    found = anchored.anchor(f"file:{tmp_path}/none", f"file:{folder}")
    assert [outcome.result for outcome in found] == ["failed", "held"]
    assert [body["result"] for body in anchored.entries()] == ["failed", "held"]
    (tmp_path / "none").mkdir()
    assert [outcome.result for outcome in anchored.anchor(f"file:{tmp_path}/none", f"file:{folder}")] == ["held"] * 2
    assert [body["result"] for body in anchored.entries()] == ["failed", "held", "held"]


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("policy-ledger.local/60ca5227", "policy-ledger.local%2F60ca5227"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("a/../../b", "a%2F..%2F..%2Fb"),
        ("~root", "%7Eroot"),
    ],
)
def test_a_logs_name_is_one_folders_name(origin: str, name: str) -> None:
    assert file_name(origin) == name
    assert len(file_name("ü" * 120)) < 255
    assert file_name("ü" * 120) != file_name("ü" * 119 + "a")


def test_what_verify_reads_of_a_folder(anchored: Anchored, folder: Path, tmp_path: Path) -> None:
    anchored.anchor(f"file:{folder}")
    assert read_folder(folder, anchored.origin) == [files(folder, anchored)["11"]]
    loose = tmp_path / "loose"
    loose.mkdir()
    with pytest.raises(AnchorError):
        read_folder(loose, anchored.origin)
    (loose / "a").write_text(anchored.checkpoint(), encoding="utf-8")
    (loose / "b").write_text("nothing of the kind", encoding="utf-8")
    assert len(read_folder(loose, anchored.origin)) == 2, "what is no checkpoint is for `verify` to find"
    with pytest.raises(AnchorError):
        FileAnchor(parse_place(f"file:{folder}")).held("example.com/other")
