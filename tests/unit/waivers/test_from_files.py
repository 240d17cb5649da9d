"""Files of waivers: which are read, and what a run without a ledger takes of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from policy_engine.cli.waiver_common import write_waiver
from policy_engine.waivers import from_files
from policy_engine.waivers.checking import active_waivers
from policy_engine.waivers.from_files import GivenFile, WaiversInFiles, read_given
from tests.unit.waivers.making import ANN, AT, ORIGIN, WORKLOAD, approvers, statement, waiver_file


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def put(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_waiver(path, waiver_file(statement(), ANN))
        return path

    return put


def names(*paths: Path) -> tuple[list[str], list[str]]:
    found, problems = read_given(paths)
    return [Path(each.name).name for each in found], [each.code for each in problems]


def test_a_folder_gives_its_yaml_and_that_below_it_in_order(write: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "team/c.yaml", ".hidden.yaml", ".git/d.yaml", "e.yaml.bak"):
        write(name)
    (tmp_path / "README.md").write_text("no waiver", encoding="utf-8")
    assert names(tmp_path) == (["a.yml", "b.yaml", "c.yaml"], [])
    assert names(tmp_path / "e.yaml.bak") == (["e.yaml.bak"], []), "what is named is read, whatever it is called"
    assert names(tmp_path / "b.yaml", tmp_path / "b.yaml")[0] == ["b.yaml", "b.yaml"]


def test_an_empty_folder_holds_none_and_a_missing_one_is_a_problem(tmp_path: Path) -> None:
    assert names(tmp_path) == ([], [])
    assert names(tmp_path / "none") == ([], ["file-unreadable"])


def test_links_lead_to_files_and_never_round_in_circles(write: Callable[[str], Path], tmp_path: Path) -> None:
    write("real.yaml")
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers" / "link.yaml").symlink_to(tmp_path / "real.yaml")
    (tmp_path / "waivers" / "again").symlink_to(tmp_path / "waivers")
    assert names(tmp_path / "waivers") == (["link.yaml"], [])
    (tmp_path / "waivers" / "dead.yaml").symlink_to(tmp_path / "gone.yaml")
    assert names(tmp_path / "waivers") == (["link.yaml"], ["file-unreadable"])


def test_every_file_that_is_none_is_told_and_the_others_are_read(write: Callable[[str], Path], tmp_path: Path) -> None:
    write("good.yaml")
    (tmp_path / "bad.yaml").write_text("kind: Waiver\n", encoding="utf-8")
    (tmp_path / "worse.yaml").write_bytes(b"\x00\xff")
    assert names(tmp_path) == (["good.yaml"], ["bad-waiver", "yaml-encoding"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everywhere")
def test_a_folder_that_cannot_be_read_is_a_problem(write: Callable[[str], Path], tmp_path: Path) -> None:
    write("closed/a.yaml")
    (tmp_path / "closed").chmod(0)
    try:
        assert names(tmp_path)[1] == ["file-unreadable"]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_more_than_are_read_are_refused(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_files, "MOST_FILES", 2)
    for name in ("a.yaml", "b.yaml"):
        write(name)
    assert names(tmp_path) == (["a.yaml", "b.yaml"], [])
    write("c.yaml")
    assert names(tmp_path) == ([], ["too-many-waivers"])


def test_without_a_ledger_a_file_counts_where_the_policy_names_its_ledger() -> None:
    given = WaiversInFiles([GivenFile("w.yaml", waiver_file(statement(), ANN))], None, lambda: AT)
    (candidate,) = given.candidates(WORKLOAD)
    assert (candidate.source, candidate.revoked, candidate.origin) == ("file-unasked", False, None)
    (refused,) = active_waivers([candidate], WORKLOAD, AT, approvers(ANN.approver()), AT)
    assert "cannot be asked here whether it was revoked" in str(refused.problem)
    (found,) = active_waivers([candidate], WORKLOAD, AT, approvers(ANN.approver(), files_of=(ORIGIN,)), AT)
    assert found.problem is None
    assert found.document()["source"] == "file-unasked"
    assert given.candidates(("claims", "other")) == []
    revoked = approvers(ANN.approver(), files_of=(ORIGIN,), revoked_entries=frozenset({found.id}))
    assert active_waivers([candidate], WORKLOAD, AT, revoked, AT)[0].problem == "it was revoked"
