"""Repositories that are none, that lack the revision, that hold others: status 2 with what to do, or judged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from policy_audit.bounded import Done

from policy_engine.errors import InputError, Problem, Span, UsageError
from policy_engine.sources.changes import select_changed
from policy_engine.sources.git import reason_of
from tests.unit.impact.repositories import git
from tests.unit.sources.scene import committed, program, workload, write


def refused(*names: str, revision: str = "main") -> Problem:
    with pytest.raises(InputError) as caught:
        select_changed(names, revision)
    assert caught.value.help
    return caught.value.problems[0]


@pytest.mark.parametrize(
    "revision", ["", "-", "--", "--output=x", "nowhere", "main..change", "main:w", "0" * 40, "main\0", "ma in"]
)
def test_no_revision(repository: Path, revision: str) -> None:
    assert refused(revision=revision).code == "no-revision"
    assert not (repository / "x").exists()


@pytest.mark.parametrize("revision", ["HEAD", "change~0", "@", "main^{commit}", "main@{0}"])
def test_ways_of_naming_a_revision(repository: Path, revision: str) -> None:
    assert select_changed([], revision).nothing_due


def test_a_shallow_clone_says_what_to_do(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = git(repository, "rev-parse", "main")
    write(repository, w__a=workload("a") + "#\n")
    committed(repository)
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    shallow = tmp_path / "shallow"
    monkeypatch.chdir(shallow)
    for revision in ("origin/main", main):
        problem = refused(revision=revision)
        assert problem.code == "no-revision"
        assert "fetch-depth: 0" in (problem.help or "")
        assert "git fetch --deepen" in (problem.help or "")
    git(shallow, "fetch", "--quiet", "--depth=1", "origin", "main:refs/remotes/origin/main")
    problem = refused(revision="origin/main")
    assert problem.code == "no-merge-base"
    assert problem.message == "`origin/main` and HEAD have no commit in common"
    assert "fetch-depth: 0" in (problem.help or "")
    git(shallow, "fetch", "--quiet", "--unshallow")
    assert select_changed([], "origin/main").names == ("w/a.yaml",)


def test_histories_that_have_nothing_in_common(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--orphan", "other")
    write(repository, w__a=workload("a") + "#\n")
    committed(repository)
    problem = refused()
    assert problem.code == "no-merge-base"
    assert problem.message == "`main` and HEAD have no commit in common"
    assert "shallow" not in (problem.help or "")


def test_only_an_error_is_a_reason() -> None:
    assert (
        reason_of(Done(128, b"", "hint: turn this off\nwarning: x: y\nfatal: no \x1b[1mway\nhint: a\n")) == "no ?[1mway"
    )
    assert reason_of(Done(1, b"", 'hint: "git config advice.graftFileDeprecated false"\n')) == "no reason given"


def test_no_commit_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    monkeypatch.chdir(tmp_path)
    assert refused(revision="HEAD").code == "no-revision"


def test_no_repository(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused().message == f"`{tmp_path}` lies in no git repository"
    git(repository, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "bare"))
    monkeypatch.chdir(tmp_path / "bare")
    assert refused().code == "no-repository"


def test_no_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused().code == "no-git"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_repository_of_another_owner_is_refused_with_gits_own_reason(repository: Path) -> None:
    os.chown(repository, 12345, 12345)
    problem = refused()
    assert problem.code == "no-repository"
    assert f"detected dubious ownership in repository at '{repository}'" in problem.message
    assert "safe.directory" in (problem.help or "")
    home = Path(os.environ["HOME"])
    (home / ".gitconfig").write_text(f"[safe]\n\tdirectory = {repository}\n", encoding="utf-8")
    assert select_changed([], "main").nothing_due


def test_names_outside_of_the_repository(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, outside=workload("x"))
    for name in ("../outside.yaml", "..", "/", "../*.yaml"):
        assert refused(name).code == "no-repository", name
    assert refused("nowhere.yaml").code == "file-unreadable"
    assert refused("w/nowhere").code == "file-unreadable"
    with pytest.raises(UsageError):
        select_changed(["-"], "main")
    with pytest.raises(UsageError):
        select_changed([""], "main")


def test_a_submodule_is_judged_where_it_is_checked_out(repository: Path, tmp_path: Path) -> None:
    module = tmp_path / "module"
    write(module, s=workload("s"))
    committed(module)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(module), "sub")
    committed(repository)
    assert select_changed([], "main").names == ("sub/s.yaml",)
    shutil.rmtree(repository / "sub")
    (repository / "sub").mkdir()
    found = select_changed([], "main")
    assert [(problem.code, problem.span) for problem in found.problems] == [("submodule-absent", Span("sub", 1, 1))]
    assert not select_changed(["w"], "main").problems
    git(repository, "branch", "--force", "main")
    assert not select_changed([], "main").problems


def test_a_submodules_rules_are_those_of_its_commit(repository: Path, tmp_path: Path) -> None:
    module = tmp_path / "module"
    write(module, cost__x="id: x\n")
    committed(module)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(module), "rules")
    committed(repository)
    git(repository, "branch", "--force", "main")
    assert select_changed(["w"], "main", [Path("rules")]).all_because is None
    write(repository / "rules", cost__x="id: y\n")
    committed(repository / "rules")
    committed(repository)
    assert select_changed(["w"], "main", [Path("rules")]).all_because == "`rules` changed"


def test_a_work_tree_beside_and_objects_of_sha256(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "beside"), "main")
    monkeypatch.chdir(tmp_path / "beside")
    assert select_changed([], "change").nothing_due
    folder = tmp_path / "sha256"
    folder.mkdir()
    git(folder, "init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    write(folder, a=workload("a"), b=workload("b"))
    committed(folder)
    write(folder, b=workload("b") + "#\n")
    monkeypatch.chdir(folder)
    found = select_changed([], "main")
    assert (found.names, [held.file for held in found.unchanged]) == (("b.yaml",), ["a.yaml"])


def test_nothing_is_fetched_of_what_a_partial_clone_lacks(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may set what the clone is of, or how it is fetched, would have a program run."""
    write(repository, w__a=workload("a") + "#\n")
    committed(repository)
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{repository}", "partial")
    partial = tmp_path / "partial"
    path, mark = program(tmp_path, 'exec git-upload-pack "$@"')
    git(partial, "config", "remote.origin.uploadpack", str(path))
    git(partial, "config", "protocol.file.allow", "always")
    monkeypatch.chdir(partial)
    problem = refused(revision="origin/main")
    assert problem.code == "no-revision"
    assert "clone without --filter" in (problem.help or "")
    assert not mark.exists()
    git(partial, "cat-file", "blob", "origin/main:w/a.yaml")
    assert mark.exists()
    assert select_changed([], "origin/main").names == ("w/a.yaml",)
