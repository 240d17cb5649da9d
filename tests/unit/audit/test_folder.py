"""The verifier of exported folders: what passes, and each thing that does not, with the first failing index."""

from __future__ import annotations

import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from policy_audit.checkpoint import Checkpoint, sign_checkpoint
from policy_audit.folder_check import document_path
from policy_audit.folder_log import MAX_PROBLEMS
from policy_audit.keys import Ed25519Signer, generate_signer
from policy_audit.merkle import EMPTY_ROOT
from policy_audit.note import sign_note
from policy_audit.tiles import MAX_BUNDLE_BYTES

from tests.unit.audit.folders import KEY, SIGNER, failed, opaque, own, put, receipt, verified, write

ENTRIES = opaque(600)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    write(folder, ENTRIES)
    return folder


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    """A folder of 600 opaque entries: two full bundles and one of 88."""
    return Path(shutil.copytree(made, tmp_path / "log"))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600])
def test_any_log_of_the_layout_verifies(tmp_path: Path, size: int) -> None:
    write(tmp_path, opaque(size))
    report = verified(tmp_path, strict=True)
    assert failed(report) == {}
    assert (report.size, report.step("entries").checked, report.uncovered) == (size, size, 0)
    assert report.first_failing is None
    assert "VERIFIED" in list(report.lines())[-1]


def change(log: Path, path: str, place: int, data: bytes | None = None) -> None:
    old = (log / path).read_bytes()
    new = bytes([old[place] ^ 1]) if data is None else data
    (log / path).write_bytes(old[:place] + new + old[place + len(new) :])


@pytest.mark.parametrize(
    ("path", "place", "steps", "index"),
    [
        ("tile/entries/000", 5, {"entries"}, 0),
        ("tile/entries/001", -1, {"entries"}, 511),
        ("tile/entries/002.p/88", -1, {"entries"}, 599),
        ("tile/0/001", 32 * 44, {"tree", "entries"}, 300),
        ("tile/0/002.p/88", 32 * 88 - 1, {"tree", "entries"}, 599),
    ],
)
def test_the_first_failing_index_is_named(log: Path, path: str, place: int, steps: set[str], index: int) -> None:
    change(log, path, place)
    report = verified(log)
    assert failed(report).keys() == steps
    assert report.first_failing == (index, index)


def test_a_changed_length_is_found_where_it_is(log: Path) -> None:
    change(log, "tile/entries/000", 9 * 7 + 1)  # entries 0 to 9 have seven bytes, and two before each
    report = verified(log)
    assert report.first_failing == (7, 7)
    assert failed(report).keys() == {"entries"}


def test_a_changed_node_is_found_between_its_levels(log: Path) -> None:
    change(log, "tile/1/000.p/2", 32)
    report = verified(log)
    assert failed(report) == {"tree": "the hash 1 of `tile/1/000.p/2` is not the root of `tile/0/001`"}
    assert report.first_failing == (256, 511)


def test_a_change_all_the_way_up_is_found_at_the_root(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, [*ENTRIES[:300], b"forged", *ENTRIES[301:]])
    shutil.copy(log / "checkpoint", other / "checkpoint")
    report = verified(other)
    assert failed(report) == {"tree": "the hash tiles do not give the signed root"}
    assert report.first_failing == (0, 599)


@pytest.mark.parametrize(
    ("path", "step", "index"),
    [
        ("tile/entries/001", "entries", (256, 256)),
        ("tile/0/001", "tree", (256, 511)),
        ("tile/1/000.p/2", "tree", (0, 511)),
        ("tile/entries/002.p/88", "entries", (512, 512)),
    ],
)
def test_what_is_missing_is_named(log: Path, path: str, step: str, index: tuple[int, int]) -> None:
    (log / path).unlink()
    report = verified(log)
    assert failed(report)[step] == f"`{path}` is missing"
    assert report.first_failing == index


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/001", "tile/entries/001", "tile", "tile/entries"])
@pytest.mark.parametrize("how", ["link", "folder", "pipe", "file"])
def test_what_is_no_file_or_no_folder_is_a_stated_failure(log: Path, tmp_path: Path, path: str, how: str) -> None:
    target = log / path
    aside = tmp_path / "aside"
    target.rename(aside)
    if how == "link":
        target.symlink_to(aside)
    elif how == "folder":
        target.mkdir()
    elif how == "pipe":
        os.mkfifo(target)
    else:
        target.write_bytes(b"x" * 10)
    report = verified(log)
    assert failed(report)
    assert all(problem for problem in failed(report).values())


@pytest.mark.parametrize(("path", "size"), [("tile/0/001", 8193), ("tile/entries/001", MAX_BUNDLE_BYTES + 1)])
def test_huge_files_are_refused_unread(log: Path, path: str, size: int) -> None:
    for length in (size, 2**40):
        os.truncate(log / path, length)
        assert "more than" in "".join(failed(verified(log)).values())


def test_a_signed_size_without_tiles_ends_soon(tmp_path: Path) -> None:
    write(tmp_path, opaque(3))
    put(tmp_path, "checkpoint", sign_checkpoint(Checkpoint(SIGNER.name, 2**63 - 1, bytes(32)), SIGNER).encode())
    report = verified(tmp_path)
    assert failed(report).keys() == {"tree", "entries"}
    assert report.step("tree").problems <= MAX_PROBLEMS
    assert any(f"stopped after {MAX_PROBLEMS}" in remark for remark in report.remarks)


def test_nothing_is_held_against_a_checkpoint_that_is_not_signed(log: Path) -> None:
    other = generate_signer("log.example")
    for note in (
        b"",
        b"\xff\xfe",
        b"x" * 1_000_001,
        sign_checkpoint(Checkpoint("log.example", 600, bytes(32)), other).encode(),
        sign_checkpoint(Checkpoint("elsewhere.example", 600, bytes(32)), SIGNER).encode(),
        sign_note("log.example\n0\n" + "A" * 43 + "=\n", SIGNER).encode(),
    ):
        put(log, "checkpoint", note)
        report = verified(log)
        assert failed(report).keys() == {"checkpoint"}
        assert {step.status for step in report.steps[1:]} == {"skipped"}


def test_the_origin_is_pinned_and_a_key_of_another_name_is_remarked(tmp_path: Path) -> None:
    write(tmp_path, opaque(3), origin="go.sum database tree")
    assert failed(verified(tmp_path)).keys() == {"checkpoint"}
    report = verified(tmp_path, origin="go.sum database tree")
    assert report.ok
    assert "no key has the origin's name" in report.remarks[0]


def test_a_witness_does_not_speak_for_the_log(tmp_path: Path) -> None:
    witness = Ed25519Signer("witness.example", b"\1" * 32)
    write(tmp_path, opaque(3), witness, origin=SIGNER.name)
    keys = [witness.verifier_key, KEY]
    assert "has not signed" in failed(verified(tmp_path, verifier_keys=keys, origin=SIGNER.name))["checkpoint"]


def test_kept_checkpoints_and_receipts_are_continued(log: Path, tmp_path: Path) -> None:
    kept = [(f"kept {size}", write(tmp_path / str(size), ENTRIES[:size])) for size in (1, 255, 256, 300, 600)]
    kept += [(f"receipt {index}", receipt(ENTRIES[:400], index)) for index in (0, 256, 399)]
    report = verified(log, kept=kept)
    assert failed(report) == {}
    assert report.step("kept").checked == 8


def test_a_kept_checkpoint_of_an_empty_log_proves_nothing(log: Path) -> None:
    note = sign_checkpoint(Checkpoint(SIGNER.name, 0, EMPTY_ROOT), SIGNER)
    report = verified(log, kept=[("empty", note)])
    assert report.ok
    assert report.remarks == ["`empty` covers no entries, and proves nothing"]
    wrong = sign_checkpoint(Checkpoint(SIGNER.name, 0, bytes(32)), SIGNER)
    assert failed(verified(log, kept=[("wrong", wrong)])).keys() == {"kept"}


def test_what_was_kept_and_is_not_continued_is_found(log: Path, tmp_path: Path) -> None:
    forged = [*ENTRIES[:100], b"was here", *ENTRIES[101:300]]
    longer = write(tmp_path / "longer", opaque(700))
    found = verified(log, kept=[("longer", longer)])
    assert "tail was dropped" in failed(found)["kept"]
    assert found.first_failing == (600, 600)
    for text in (write(tmp_path / "fork", forged), receipt(forged, 100)):
        assert "does not continue" in failed(verified(log, kept=[("fork", text)]))["kept"]
    same_size = write(tmp_path / "same", [*ENTRIES[:-1], b"other"])
    assert "does not continue" in failed(verified(log, kept=[("same", same_size)]))["kept"]


def test_a_receipt_of_another_entry_is_found(log: Path) -> None:
    text = receipt(ENTRIES[:400], 7).replace("index 7\n", "index 6\n")
    assert failed(verified(log, kept=[("receipt", text)])).keys() == {"kept"}


@pytest.mark.parametrize("text", ["", "c2sp.org/tlog-proof@v1\n", "\udcff", "log.example\n1\n"])
def test_a_kept_file_that_is_none_fails_its_step(log: Path, text: str) -> None:
    assert failed(verified(log, kept=[("kept", text)])).keys() == {"kept"}


def test_a_kept_file_of_another_key_fails_its_step(log: Path, tmp_path: Path) -> None:
    note = write(tmp_path / "x", ENTRIES[:5], generate_signer(SIGNER.name))
    assert failed(verified(log, kept=[("kept", note)])).keys() == {"kept"}


def test_partial_tiles_of_older_checkpoints_are_covered_where_they_agree(log: Path, tmp_path: Path) -> None:
    write(tmp_path / "older", ENTRIES[:300])
    shutil.copytree(tmp_path / "older/tile", log / "tile", dirs_exist_ok=True)
    report = verified(log, strict=True)
    assert failed(report) == {}
    assert (report.uncovered, report.step("files").checked) == (0, 11)
    for path in ("tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"):
        kept = (log / path).read_bytes()
        for forged in (kept[:-1] + b"!", kept[:-1], kept + b"x", b""):
            put(log, path, forged)
            assert failed(verified(log)).keys() == {"files"}, (path, forged[-5:])
        put(log, path, kept)


def test_a_full_tile_serves_for_a_partial_one_and_what_it_has_more_is_not_covered(tmp_path: Path) -> None:
    write(tmp_path / "log", ENTRIES[:600])
    note = write(tmp_path / "older", ENTRIES[:300])
    put(tmp_path / "log", "checkpoint", note.encode())
    # only a full tile may stand in for a partial one
    assert failed(verified(tmp_path / "log")) == {"tree": "`tile/1/000.p/1` is missing"}
    shutil.copy(tmp_path / "older/tile/1/000.p/1", tmp_path / "log/tile/1/000.p/1")
    report = verified(tmp_path / "log")
    assert failed(report) == {}
    assert report.uncovered == 5
    assert sorted(report.uncovered_files) == [
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ]
    assert failed(verified(tmp_path / "log", strict=True)).keys() == {"files"}
    for path in ("tile/0/001", "tile/entries/001", "tile/1/000.p/2"):
        change(tmp_path / "log", path, 3)
        assert failed(verified(tmp_path / "log")), path
        change(tmp_path / "log", path, 3)


def test_superfluous_files_are_reported_and_not_verified(log: Path) -> None:
    for path in ("manifest.json", "tile/0/x001/000", "tile/0/0000", "tile/9/000", "tile/entries/000.p/0", "a/b/c"):
        put(log, path, b"x")
    (log / "link").symlink_to("/etc/passwd")
    report = verified(log)
    assert report.ok
    assert report.uncovered == 7
    assert any("7 files are not covered" in line for line in report.lines())
    assert "not covered" in failed(verified(log, strict=True))["files"]


def test_entries_that_are_not_there_are_a_failure_unless_hashes_alone_are_asked_for(log: Path) -> None:
    shutil.rmtree(log / "tile/entries")
    assert failed(verified(log)).keys() == {"entries"}
    report = verified(log, hashes_only=True)
    assert report.ok
    assert "not checked: entries, canonical, documents, rotations, kept" in list(report.lines())[-1]


def test_entries_of_ours_are_canonical_and_others_opaque(tmp_path: Path) -> None:
    spaced = own(2).replace(b'":', b'": ')
    write(tmp_path, [own(0), own(1), spaced, b"{}", b'{"entry": 1}', b"\xff", b""])
    report = verified(tmp_path)
    assert failed(report) == {"canonical": "the entry 2: the bytes are JSON, but not in canonical form"}
    assert report.first_failing == (2, 2)
    assert report.own == 2


def test_a_time_that_goes_back_is_a_remark(tmp_path: Path) -> None:
    write(tmp_path, [own(0), own(1, recorded_at="2025-01-01T00:00:00.000000Z"), own(2)])
    report = verified(tmp_path)
    assert report.ok
    assert report.remarks == ["the time of recording went back at the entry 1: a clock was set"]


def test_documents_have_their_digests(tmp_path: Path) -> None:
    write(tmp_path, [own(0), own(1, [b"a", b"b"]), own(2, [b"b"])])
    without = verified(tmp_path)
    assert without.ok
    assert without.step("documents").status == "skipped"
    assert without.remarks == ["3 times an entry names a document, and this folder holds none"]
    assert failed(verified(tmp_path, documents=True)).keys() == {"documents"}
    paths = {content: document_path(f"sha256:{sha256(content).hexdigest()}") for content in (b"a", b"b", b"c")}
    for content in (b"a", b"b"):
        put(tmp_path, paths[content], content)
    assert failed(verified(tmp_path, documents=True, strict=True)) == {}
    put(tmp_path, paths[b"c"], b"c")
    assert verified(tmp_path).uncovered_files == [paths[b"c"]]
    put(tmp_path, paths[b"b"], b"forged")
    report = verified(tmp_path)
    assert failed(report) == {"documents": f"the document `{paths[b'b']}` of the entry 1 was changed"}
    assert report.first_failing == (1, 1)
    (tmp_path / paths[b"b"]).unlink()
    assert "is missing" in failed(verified(tmp_path))["documents"]
    os.truncate(tmp_path / paths[b"a"], 2**40)
    assert "more than" in failed(verified(tmp_path))["documents"]
