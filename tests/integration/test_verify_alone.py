"""The verifier as an auditor runs it: a few files, Python and `cryptography`, in a process where nothing else is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.audit.folders import KEY, opaque, own, put, receipt, write
from tests.unit.audit.test_folder_keys import KEYS, chain

ROOT = Path(__file__).parents[2]
#: What is neither of Python nor of `cryptography` (which needs cffi) cannot be imported.
ALONE = """\
import sys
allowed = sys.stdlib_module_names | {"cryptography", "_cffi_backend", "cffi", "policy_audit"}
class Door:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"not here: {name}", name=name)
sys.meta_path.insert(0, Door())
import runpy
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("policy_audit.verify", run_name="__main__", alter_sys=True)
"""


def documented() -> list[str]:
    """Return the modules that the documentation says an auditor needs."""
    text = (ROOT / "audit/README.md").read_text(encoding="utf-8")
    listed = re.search(r"the modules (.*?) of the folder `audit/policy_audit`", text, re.DOTALL)
    assert listed
    return re.findall(r"`(\w+)`", listed[1])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that an auditor gets, and nothing beside them."""
    folder = tmp_path_factory.mktemp("auditor")
    (folder / "policy_audit").mkdir()
    for name in documented():
        shutil.copy(ROOT / f"audit/policy_audit/{name}.py", folder / "policy_audit")
    return folder


def run(alone: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ALONE, str(alone), *map(str, arguments)]
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=alone, check=False)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    write(folder, [*opaque(290), *(own(number) for number in range(290, 300))])
    return folder


def test_the_documented_files_are_all_that_it_takes(alone: Path, log: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(receipt(opaque(200), 3), encoding="utf-8")
    found = run(alone, log, "--vkey", KEY, "--kept", tmp_path / "kept")
    assert (found.returncode, found.stderr) == (0, "")
    steps = ["checkpoint", "tree", "entries", "canonical", "documents", "rotations", "kept", "files"]
    lines = found.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:8]] == [f"{n}. {name}" for n, name in enumerate(steps, start=1)]
    assert lines[-1].startswith("VERIFIED: 300 entries of `log.example`, root ")


def test_the_old_key_leads_to_the_new_one(alone: Path, tmp_path: Path) -> None:
    write(tmp_path, chain(2), KEYS[2])
    found = run(alone, tmp_path, "--vkey", KEY)
    assert (found.returncode, found.stderr) == (0, "")
    assert "6. rotations: ok, 2 checked" in found.stdout
    assert found.stdout.count("remark: rotated: at entry ") == 2
    found = run(alone, tmp_path, "--vkey", KEYS[3].verifier_key)
    assert found.returncode == 6
    assert "is not pinned, and no key rotation in this folder leads to it" in found.stdout


def test_no_file_is_listed_that_it_does_not_take(alone: Path) -> None:
    code = ALONE.replace(
        "runpy.run_module(", "print(*sorted(m for m in sys.modules if m.startswith('policy_audit.'))) #"
    )
    code = code.replace("import runpy", "import runpy, importlib").replace(
        "print(", "importlib.import_module('policy_audit.verify'); print("
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(alone)], capture_output=True, text=True, check=True, cwd=alone
    )
    assert {f"policy_audit.{name}" for name in documented() if name != "__init__"} == set(done.stdout.split())


def test_json_and_the_exit_status_of_what_fails(alone: Path, log: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(log, tmp_path / "copy"))
    data = (copy / "tile/entries/001.p/44").read_bytes()
    put(copy, "tile/entries/001.p/44", data[:-1] + b"!")
    found = run(alone, copy, "--vkey", KEY, "--json")
    assert found.returncode == 6
    report = json.loads(found.stdout)
    assert (report["ok"], report["size"], report["first_failing_index"]) == (False, 300, 299)
    assert [step["status"] for step in report["steps"]][:4] == ["ok", "ok", "failed", "failed"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("{log}",),
        ("{log}", "--vkey", "nonsense"),
        ("{log}", "--vkey", "name+00000000+ZZZZ"),
        ("{log}/none", "--vkey", KEY),
        ("{log}/checkpoint", "--vkey", KEY),
        ("{log}", "--vkey", KEY, "--kept", "{log}/none"),
        ("{log}", "--vkey", KEY, "--kept", "{log}"),
        ("{log}", "--vkey", KEY, "--kept", "/dev/zero"),
        ("{log}", "--vkey", KEY, "--hashes"),
    ],
)
def test_wrong_usage_is_2_without_a_traceback(alone: Path, log: Path, arguments: tuple[str, ...]) -> None:
    found = run(alone, *(argument.format(log=log) for argument in arguments))
    assert (found.returncode, found.stdout) == (2, "")
    assert "Traceback" not in found.stderr


def test_the_help_has_an_example(alone: Path) -> None:
    found = run(alone, "--help")
    assert found.returncode == 0
    assert "python -m policy_audit.verify export/ --vkey" in found.stdout


def test_what_the_folder_says_never_reaches_the_terminal_as_it_is(alone: Path, tmp_path: Path) -> None:
    write(tmp_path, opaque(3), origin="evil\u009b31m\u202e")
    put(tmp_path, "x\x1b[2J\udcff", b"")
    found = run(alone, tmp_path, "--vkey", KEY, "--origin", "evil\u009b31m\u202e")
    assert found.returncode == 0
    assert all(char.isprintable() or char == "\n" for char in found.stdout)
    assert "x\\x1b[2J\\udcff" in found.stdout


def test_a_report_that_nobody_reads_to_its_end_is_no_verification(alone: Path, log: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(alone), str(log), "--vkey", KEY]
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 6
    assert b"Traceback" not in error
