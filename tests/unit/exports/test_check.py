"""Every file of an export is tampered with in turn, and found; so are exports made up from honest pieces."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType

from policy_engine.exports.check import Checked, Pinned, check_export
from tests.unit.exports.given import HOSTILE, SIGNER, decision, export, ledger

FORMATS = ("csv", "jsonl", "parquet", "html", "oscal")
KEY = SIGNER.verifier_key
TABLE = {name: f"decisions.{name}" for name in FORMATS} | {"oscal": "oscal/assessment-results.json"}


def check(folder: Path, **more: Any) -> Checked:
    return check_export(folder, Pinned(**{"verifier_keys": [KEY], "origin": SIGNER.name, **more}))


def failed(found: Checked) -> list[str]:
    names = [step.name for step in found.steps if step.status == "failed"]
    assert found.ok is not bool(names)
    assert all(step.problem for step in found.steps if step.status != "passed")
    return names


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    with ledger(folder / "ledger.db", *(decision(n, workload=text) for n, text in enumerate(HOSTILE[:6]))) as opened:
        for name in FORMATS:
            export(opened, folder / name, name)
        export(opened, folder / "unrecorded", recorded=False)
        export(opened, folder / "bare", proofs="none")
    return folder


@pytest.fixture
def out(originals: Path, tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: shutil.copytree(originals / name, tmp_path / name)


def rewrite(folder: Path, change: Callable[[Any], object]) -> None:
    """Change the manifest, after bringing it up to date with the files: what whoever holds the folder can do."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for each in manifest["files"]:
        data = (folder / each["name"]).read_bytes()
        each.update(bytes=len(data), sha256=sha256(data).hexdigest())
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_an_honest_export_passes(name: str, originals: Path) -> None:
    found = check(originals / name)
    assert failed(found) == []
    assert [(step.name, step.status) for step in found.steps] == [
        (name, "passed") for name in ("manifest", "checkpoint", "record", "proofs", "rows")
    ]
    assert [step.checked for step in found.steps[3:]] == [6, 6]


@pytest.mark.parametrize("name", ["csv", "oscal"])
def test_every_byte_of_every_file_counts(name: str, originals: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(originals / name, tmp_path / name)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) >= 17
    for path in files:
        data = path.read_bytes()
        for at in {0, len(data) // 2, len(data) - 1}:
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            assert failed(check(folder)), (path, at)
        path.unlink()
        assert failed(check(folder)), path
        path.write_bytes(data)
    assert failed(check(folder)) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_that_lies_is_found_though_the_hashes_agree(name: str, out: Callable[[str], Path]) -> None:
    folder = out(name)
    if name == "parquet":
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet

        path = folder / TABLE[name]
        read = pyarrow.parquet.read_table(path)
        said = pyarrow.array(["allow"] * read.num_rows)
        pyarrow.parquet.write_table(read.set_column(read.schema.get_field_index("verdict"), "verdict", said), path)
    else:
        path = folder / TABLE[name]
        path.write_bytes(path.read_bytes().replace(b"deny", b"allow"))
    rewrite(folder, lambda manifest: None)
    assert failed(check(folder)) == ["record", "rows"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("jsonl", b"{", b'{"verdict":"allow",'),
        ("html", b"</body>", b"<script>document.title = 1</script></body>"),
        ("html", b"</style>", b"td { display: none }</style>"),
        ("html", b"</head>", b"<style>td { display: none }</style></head>"),
        ("html", b"<tbody>\n<tr>", b'<tbody>\n<tr hidden="">'),
        ("html", b"<tbody>\n<tr>", b"<tbody>\n<tr><th>allow</th>"),
        ("html", b"<tbody>\n<tr>", b"<tbody>\nallowed<tr>"),
        ("html", b"<tbody>\n<tr>", b"<tbody>\n<!-- --><tr>"),
        ("html", b"<td", b"<td>allow<td"),
        ("html", b"</title>", b"<p></title>"),
        ("html", b"</body>", b'<table id="rows"></table></body>'),
    ],
)
def test_what_readers_take_otherwise_than_the_check_is_found(
    name: str, old: bytes, new: bytes, out: Callable[[str], Path]
) -> None:
    """The rows say what the entries say, and somebody who opens the file sees something else."""
    folder = out(name)
    path = folder / TABLE[name]
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    rewrite(folder, lambda manifest: None)
    assert failed(check(folder)) == ["record", "rows"]


@pytest.mark.parametrize("name", ["csv", "jsonl"])
@pytest.mark.parametrize("change", ["dropped", "twice", "swapped"])
def test_rows_that_are_missing_or_moved(name: str, change: str, out: Callable[[str], Path]) -> None:
    folder = out(name)
    path = folder / TABLE[name]
    lines = path.read_bytes().splitlines(keepends=True)
    changed = {"dropped": lines[:-1], "twice": [*lines, lines[-1]], "swapped": [*lines[:-2], lines[-1], lines[-2]]}
    path.write_bytes(b"".join(changed[change]))
    rewrite(folder, lambda manifest: None)
    assert failed(check(folder)) == ["record", "rows"]


def test_an_export_that_leaves_decisions_out_is_vouched_for_by_nobody(out: Callable[[str], Path]) -> None:
    """An honest folder with the last row, its entry and proof taken out of everything, and no record."""
    folder = out("jsonl")
    for name in ("entries/5.json", "proofs/5.tlog-proof", "export.json", "export.tlog-proof"):
        (folder / name).unlink()
    path = folder / "decisions.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    def change(manifest: Any) -> None:
        manifest["population"]["selected"] = manifest["proofs"]["count"] = 5
        manifest["recorded"] = False

    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = [each for each in manifest["files"] if "5" not in each["name"]]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    rewrite(folder, change)
    assert failed(check(folder)) == ["record"]
    lenient = check(folder, unrecorded=True)
    assert lenient.ok
    assert lenient.steps[2].status == "skipped"
    assert "nobody vouches" in str(lenient.steps[2].problem)


def test_unrecorded_and_without_proofs(originals: Path) -> None:
    assert failed(check(originals / "unrecorded")) == ["record"]
    assert failed(check(originals / "unrecorded", unrecorded=True)) == []
    bare = check(originals / "bare")
    assert bare.ok
    assert [step.status for step in bare.steps[3:]] == ["skipped", "passed"]
    assert bare.steps[4].checked == 0


def test_a_recorded_export_cannot_shed_its_record(out: Callable[[str], Path]) -> None:
    folder = out("csv")
    (folder / "export.json").unlink()
    (folder / "export.tlog-proof").unlink()
    assert failed(check(folder, unrecorded=True)) == ["record"]


def test_the_record_of_another_export_does_not_do(out: Callable[[str], Path]) -> None:
    folder, other = out("csv"), out("jsonl")
    for name in ("export.json", "export.tlog-proof"):
        shutil.copy(other / name, folder / name)
    assert failed(check(folder)) == ["record"]


def test_an_entry_of_another_type_is_no_record(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", decision(0)) as opened:
        export(opened, tmp_path / "out")
        digest = sha256((tmp_path / "out" / "manifest.json").read_bytes()).hexdigest()
        body = {**opened.entry(1).document["body"], "manifest": f"sha256:{digest}"}
        made = opened.append(Draft(EntryType.OFFICER_QUERY, body=body))
        (tmp_path / "out" / "export.json").write_bytes(opened.entry(made.index).raw)
        (tmp_path / "out" / "export.tlog-proof").write_text(opened.receipt(made.index), encoding="utf-8")
    assert failed(check(tmp_path / "out")) == ["record"]


@pytest.mark.parametrize("changed", [{"verifier_keys": []}, {"origin": "other"}])
def test_only_the_pinned_key_and_name_count(changed: dict[str, Any], originals: Path) -> None:
    assert {"checkpoint", "record", "proofs"} <= set(failed(check(originals / "csv", **changed)))


def test_proofs_drawn_by_the_exporter_are_found(out: Callable[[str], Path]) -> None:
    """Fewer entries than the mode says, with all numbers made to agree."""
    folder = out("csv")
    for name in ("entries/5.json", "proofs/5.tlog-proof"):
        (folder / name).unlink()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = [each for each in manifest["files"] if "5." not in each["name"]]
    manifest["proofs"]["count"] = 5
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert failed(check(folder)) == ["record", "rows"]


def test_a_proof_under_another_checkpoint(out: Callable[[str], Path]) -> None:
    folder, other = out("csv"), out("jsonl")
    shutil.copy(other / "proofs" / "0.tlog-proof", folder / "proofs" / "0.tlog-proof")
    rewrite(folder, lambda manifest: None)
    assert failed(check(folder)) == ["record", "proofs"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a/b/c", "..", "entries/../../x", "c:x", "A\\b", ""]
)
def test_names_that_lead_out_are_refused(name: str, out: Callable[[str], Path]) -> None:
    folder = out("csv")
    rewrite(folder, lambda manifest: manifest["files"].append({"name": name, "bytes": 1, "sha256": "0" * 64}))
    found = check(folder)
    assert failed(found) == ["manifest"]
    assert found.manifest is None


def test_links_pipes_and_unlisted_files_are_refused(out: Callable[[str], Path], tmp_path: Path) -> None:
    folder = out("csv")
    (folder / "more").write_text("x", encoding="utf-8")
    assert failed(check(folder)) == ["manifest"]
    (folder / "more").unlink()
    shutil.move(folder / "entries", tmp_path / "entries")
    (folder / "entries").symlink_to(tmp_path / "entries")
    assert "manifest" in failed(check(folder))
    (folder / "entries").unlink()
    shutil.move(tmp_path / "entries", folder / "entries")
    (folder / "checkpoint").unlink()
    os.mkfifo(folder / "checkpoint")
    assert {"manifest", "checkpoint"} <= set(failed(check(folder)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"{" * 100_000,
        b'{"manifest":"policy-audit-export/v2"}',
        b'{"manifest":"policy-audit-export/v1"}',
    ],
)
def test_what_is_no_manifest(data: bytes, out: Callable[[str], Path]) -> None:
    folder = out("csv")
    (folder / "manifest.json").write_bytes(data)
    assert failed(check(folder)) == ["manifest"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 5),
        (("format",), "exe"),
        (("checkpoint", "size"), "6"),
        (("checkpoint", "size"), True),
        (("checkpoint", "root"), "0" * 64),
        (("checkpoint", "root"), "x"),
        (("population", "selected"), 10**30),
        (("population", "selected"), -1),
        (("proofs", "mode"), "some"),
        (("proofs", "mode"), "none"),
        (("columns",), []),
        (("columns",), [{"name": 1, "kind": "text"}]),
        (("files",), None),
        (("personal",), True),
        (("recorded",), "no"),
        (("origin",), "elsewhere"),
    ],
)
def test_members_that_lie(path: tuple[str, ...], value: Any, out: Callable[[str], Path]) -> None:
    folder = out("csv")

    def change(manifest: Any) -> None:
        *to, last = path
        for name in to:
            manifest = manifest[name]
        manifest[last] = value

    rewrite(folder, change)
    assert failed(check(folder))


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_that_cannot_be_read(name: str, out: Callable[[str], Path]) -> None:
    folder = out(name)
    for data in (
        b"",
        b"\xff\xfe",
        b"0\r\n" * 5,
        b'{"assessment-results": {"results": [{"observations": [1]}]}}',
        base64.b64decode("UEFSMQ=="),
    ):
        (folder / TABLE[name]).write_bytes(data)
        rewrite(folder, lambda manifest: None)
        assert failed(check(folder)) == ["record", "rows"]
