"""What stands in the place of a report: a report of an earlier run is taken away, and nothing of anybody else's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_engine.cli.earlier import is_report
from policy_engine.cli.run_options import FORMATS
from tests.unit.cli.conftest import DENIED, OPEN
from tests.unit.cli.given import ALLOWED, MEMORY

Policy = Callable[..., Any]
ALL = [argument for name in FORMATS for argument in ("-o", f"{name}=r.{name}")]
#: What keeps a gate from deciding anything, after its options were read.
STOPS: dict[str, tuple[str, ...]] = {
    "no baseline": ("w.yaml", *MEMORY, "--baseline", "none.yaml"),
    "no layer": ("w.yaml", *MEMORY, "--policy", "none"),
    "no revision": ("*.workload", *MEMORY, "--since", "nosuchrev"),
}
#: Files that are no report of this program, however much some look like one.
STRANGERS = {
    "notes": "buy milk\n",
    "an object": "{}\n",
    "an array": '[\n  {\n    "description": "x",\n    "check_name": "y"\n  }\n]\n',
    "a workload": DENIED,
    "another's sarif": '{\n  "$schema": "x",\n  "version": "2.1.0",\n  "runs": [\n    {\n      "tool": {\n'
    '        "driver": {\n          "name": "semgrep"\n',
    "another's junit": '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="pytest">\n',
    "another's annotations": "::error file=x::deny\n::notice title=another gate::x\n",
    "another's comment": "<!-- coverage:gate -->\n",
    "a sentence": "deny all the rest\n",
    "a decision that is quoted": '{"seen": {\n  "apiVersion": "policy-engine/v1",\n  "kind": "Decision",\n',
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "w.yaml").write_text(DENIED, encoding="utf-8")
    (tmp_path / "open.yaml").write_text(OPEN, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


RUNS: dict[str, tuple[str, ...]] = {
    "one": ("w.yaml",),
    "allowed": (str(ALLOWED),),
    "several": ("open.yaml", "w.yaml"),
    "quiet": ("open.yaml", "w.yaml", "-q"),
    "nothing": ("empty", "--if-any"),
}


@pytest.mark.parametrize("run", RUNS)
def test_every_report_is_known_again_and_taken_away(run: str, policy: Policy, files: Path) -> None:
    assert policy("gate", *RUNS[run], *MEMORY, *ALL).status in (0, 1)
    written = sorted(path.name for path in files.glob("r.*"))
    assert written == sorted(f"r.{name}" for name in FORMATS)
    unknown = [name for name in written if not is_report(files / name)]
    assert not unknown
    policy("gate", *STOPS["no baseline"], "-o", "json=r.text", "-o", "text=r.json", "-o", "yaml=r.yaml")
    assert not (files / "r.json").exists()
    assert not (files / "r.yaml").exists()


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("command", ["gate", "evaluate"])
def test_nothing_else_is_taken_away(command: str, stop: str, policy: Policy, files: Path) -> None:
    arguments = STOPS[stop]
    if command == "evaluate" and "--baseline" in arguments:
        arguments = (*STOPS["no layer"],)
    (files / "x.workload").write_text(DENIED, encoding="utf-8")
    (files / "notes.txt").write_text("precious\n", encoding="utf-8")
    given = ("-o", "json=x.workload", "-o", "text=notes.txt")
    assert policy(command, *arguments, *given).status in (2, 3)
    assert (files / "x.workload").read_text(encoding="utf-8") == DENIED
    assert (files / "notes.txt").read_text(encoding="utf-8") == "precious\n"


@pytest.mark.parametrize("name", STRANGERS)
def test_what_only_looks_like_one_is_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(STRANGERS[name], encoding="utf-8")
    assert not is_report(path)


def test_where_nobody_knows_what_is_judged_no_report_goes_over_what_may_be(policy: Policy, files: Path) -> None:
    (files / "x.workload").write_text(DENIED, encoding="utf-8")
    (files / "made.sarif").touch()
    found = policy("gate", *STOPS["no revision"], "-o", "sarif=x.workload", "-o", "junit=r.xml", "-o", "text")
    assert found.status == 2
    assert (files / "x.workload").read_text(encoding="utf-8") == DENIED
    assert "x.workload is left as it is: it may be what was to be judged" in found.err
    assert "nosuchrev" in (files / "r.xml").read_text(encoding="utf-8")
    assert policy("gate", *STOPS["no revision"], "-o", "sarif=made.sarif").status == 2
    assert "nosuchrev" in (files / "made.sarif").read_text(encoding="utf-8")


def test_a_file_that_was_named_is_written_over_once_there_is_a_report(policy: Policy, files: Path) -> None:
    (files / "existing.txt").write_text("of somebody\n", encoding="utf-8")
    assert policy("gate", "w.yaml", *MEMORY, "-o", "json=existing.txt").status == 1
    assert is_report(files / "existing.txt")


def test_a_report_of_before_that_failed_is_no_report_of_now(policy: Policy, files: Path) -> None:
    assert policy("gate", str(ALLOWED), *MEMORY, "-o", "json=r.json", "-o", "junit=r.xml").status == 0
    found = policy("gate", *STOPS["no revision"], "-o", "json=r.json", "-o", "junit=r.xml")
    assert (found.status, (files / "r.json").exists()) == (2, False)
    assert "nosuchrev" in (files / "r.xml").read_text(encoding="utf-8")
