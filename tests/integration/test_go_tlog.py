"""Another program's logs are accepted, and ours by another program: Go's `golang.org/x/mod/sumdb`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.ledger import Ledger
from policy_audit.served_tiles import tiles_of

from tests.stores import Store
from tests.unit.audit.folders import failed

DATA = Path(__file__).parents[1] / "data" / "go_tlog"
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
KEPT = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(DATA.glob("checkpoint.*"))]
#: Where Debian's packages, and `go mod download` into a GOPATH, put the sources.
GOPATHS = [Path("/usr/share/gocode"), Path(os.environ.get("GOPATH", "/nowhere"))]


def test_a_log_that_go_wrote_verifies() -> None:
    assert len(KEPT) == 4
    report = verify_folder(DATA / "log", Wanted([PETER], kept=KEPT, strict=True))
    assert failed(report) == {}
    assert (report.origin, report.size, report.own, report.uncovered) == ("PeterNeumann", 300, 0, 0)
    assert report.step("kept").checked == 4


def test_a_change_of_a_log_that_go_wrote_is_found(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(DATA / "log", tmp_path / "log"))
    bundle = copy / "tile/entries/001.p/44"
    bundle.write_bytes(bundle.read_bytes().replace(b"record 299", b"record 298"))
    report = verify_folder(copy, Wanted([PETER]))
    assert report.first_failing == (299, 299)


@pytest.fixture(scope="module")
def go_tlog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    gopath = next((path for path in GOPATHS if (path / "src/golang.org/x/mod/sumdb/tlog").is_dir()), None)
    if shutil.which("go") is None or gopath is None:
        pytest.skip("Go with the sources of golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)")
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(gopath), "GOCACHE": str(folder / "cache")}
    build = ["go", "build", "-o", str(folder / "go_tlog"), str(DATA / "main.go")]
    subprocess.run(build, env=environment, check=True, timeout=300)
    return folder / "go_tlog"


def serve(ledger: Ledger, like: Path, folder: Path) -> None:
    """Write what is served out of the database, file by file, as another folder has it."""
    served = tiles_of(ledger)
    for path in like.rglob("*"):
        name = path.relative_to(like)
        if path.is_file() and name.parts[0] != "blob":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(served.tile(name.as_posix()) if name.parts[0] == "tile" else served.checkpoint)


def test_go_accepts_our_folder_our_receipts_and_no_change(go_tlog: Path, in_file: Store, tmp_path: Path) -> None:
    with in_file.open() as ledger:
        key = str(ledger.verifier_key)
        ledger.append_many([])
        ledger.export_log(tmp_path / "out", documents=True)
        serve(ledger, tmp_path / "out", tmp_path / "served")
        (tmp_path / "proof").write_text(ledger.receipt(7), encoding="utf-8")
        (tmp_path / "entry").write_bytes(ledger.entry(7).raw)
        (tmp_path / "other").write_bytes(ledger.entry(6).raw)

    def run(*arguments: object) -> int:
        return subprocess.run([go_tlog, *map(str, arguments)], capture_output=True, check=False, timeout=60).returncode

    assert run("verify", tmp_path / "out", key) == 0
    assert run("verify", tmp_path / "served", key) == 0
    assert run("receipt", tmp_path / "proof", tmp_path / "entry", key) == 0
    assert run("receipt", tmp_path / "proof", tmp_path / "other", key) != 0
    assert run("verify", tmp_path / "out", PETER) != 0
    bundle = tmp_path / "out/tile/entries/000.p/11"
    bundle.write_bytes(bundle.read_bytes().replace(b"deny", b"dent", 1))
    assert run("verify", tmp_path / "out", key) != 0


def test_logs_of_many_sizes_that_go_writes_now_verify(go_tlog: Path, tmp_path: Path) -> None:
    signer = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    sizes = [1, 2, 255, 256, 257, 513, 65_535, 65_536, 65_537]
    (tmp_path / "log").mkdir()
    for count in range(1, len(sizes) + 1):
        command = [go_tlog, "write", tmp_path / "log", "go.sum database tree", signer, *map(str, sizes[:count])]
        subprocess.run(command, check=True, timeout=120)
        kept = [(str(size), (tmp_path / f"checkpoint.{size}").read_text(encoding="utf-8")) for size in sizes[:count]]
        wanted = Wanted([PETER], origin="go.sum database tree", kept=kept, strict=True)
        report = verify_folder(tmp_path / "log", wanted)
        assert failed(report) == {}, sizes[:count]
        assert report.size == sizes[count - 1]
