"""Whoever makes the change can set attributes, links, flags of the index and names: none of them hides a workload."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policy_engine.errors import InputError
from policy_engine.sources.changes import select_changed
from policy_engine.sources.selection import Selection, Was
from tests.unit.impact.repositories import git
from tests.unit.sources.scene import POD, committed, program, workload, write

OTHER = workload("a") + "# changed\n"


def judged(*names: str) -> set[str]:
    return set(select_changed(names, "main").names)


def codes(found: Selection) -> list[str]:
    """The codes of the problems, each of which says which file it is about."""
    for problem in found.problems:
        assert problem.code == "no-workload" or f"`{problem.span.file if problem.span else None}`" in problem.message
    return [problem.code for problem in found.problems]


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_no_flag_of_the_index_hides_a_change(repository: Path, flag: str) -> None:
    git(repository, "update-index", flag, "w/a.yaml")
    write(repository, w__a=OTHER)
    assert git(repository, "status", "--short") == ""
    assert judged() == {"w/a.yaml"}


def test_no_time_of_a_file_hides_a_change(repository: Path) -> None:
    git(repository, "config", "core.trustctime", "false")
    git(repository, "config", "core.checkStat", "minimal")
    path = repository / "w" / "a.yaml"
    os.utime(path, (1_600_000_000, 1_600_000_000))
    git(repository, "status")
    path.write_text(path.read_text(encoding="utf-8").replace("summarisation", "summarisatioN"), encoding="utf-8")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert git(repository, "status", "--short") == ""
    assert judged() == {"w/a.yaml"}


def test_no_filter_is_run_and_none_hides_a_change(repository: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes((repository / "w" / "a.yaml").read_bytes())
    path, mark = program(tmp_path, f"cat '{old}'")
    git(repository, "config", "filter.same.clean", str(path))
    write(repository, w__a=OTHER)
    (repository / ".git" / "info" / "attributes").write_text("w/a.yaml filter=same -diff\n", encoding="utf-8")
    assert git(repository, "diff", "--name-only") == ""
    mark.unlink()
    assert judged() == {"w/a.yaml"}
    assert not mark.exists()


@pytest.mark.parametrize(
    "setting", ["core.fsmonitor", "diff.external", "core.hooksPath", "core.sshCommand", "pager.diff"]
)
def test_no_program_of_the_repositorys_settings_is_run(repository: Path, tmp_path: Path, setting: str) -> None:
    path, mark = program(tmp_path)
    git(repository, "config", setting, str(path))
    write(repository, w__a=OTHER)
    assert judged() == {"w/a.yaml"}
    assert not mark.exists()


def test_no_variable_names_another_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    write(other, w__a=workload("a"))
    committed(other)
    path, mark = program(tmp_path)
    write(repository, w__a=OTHER)
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
        "GIT_COMMON_DIR": str(other / ".git"),
        "GIT_EXTERNAL_DIFF": str(path),
        "GIT_NAMESPACE": "x",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.worktree",
        "GIT_CONFIG_VALUE_0": str(other),
        "GIT_CONFIG_PARAMETERS": f"'core.worktree={other}'",
        "GIT_LITERAL_PATHSPECS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert judged() == {"w/a.yaml"}
    assert not mark.exists()


def test_no_setting_puts_the_work_tree_elsewhere(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git(repository, "config", "core.worktree", str(tmp_path / "empty"))
    with pytest.raises(InputError) as caught:
        judged()
    assert caught.value.code == "no-repository"


def test_a_repository_in_the_repository_is_no_checkout(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of a commit can look like a bare repository, whose settings run programs."""
    path, mark = program(tmp_path)
    bare = repository / "bare"
    git(repository, "clone", "--quiet", "--bare", str(repository), str(bare))
    with (bare / "config").open("a", encoding="utf-8") as stream:
        stream.write(f'[core]\n\tbare = false\n\tworktree = "{repository}"\n\tfsmonitor = "{path}"\n')
    monkeypatch.chdir(bare)
    with pytest.raises(InputError):
        judged()
    assert not mark.exists()


def test_a_tag_of_a_branchs_name_is_not_taken_for_it(repository: Path) -> None:
    write(repository, w__a=OTHER)
    committed(repository)
    git(repository, "update-ref", "refs/remotes/origin/main", "main")
    git(repository, "tag", "origin/main", "change")
    git(repository, "config", "core.warnAmbiguousRefs", "false")
    assert git(repository, "rev-parse", "origin/main") == git(repository, "rev-parse", "change")
    with pytest.raises(InputError, match="ambiguous"):
        select_changed([], "origin/main")
    assert select_changed([], "refs/remotes/origin/main").names == ("w/a.yaml",)


def test_no_replacement_and_no_graft_changes_the_history(repository: Path) -> None:
    base = git(repository, "rev-parse", "main")
    write(repository, w__a=OTHER)
    head = committed(repository)
    git(repository, "replace", base, head)
    assert judged() == {"w/a.yaml"}
    git(repository, "replace", "--delete", base)
    git(repository, "checkout", "--quiet", "main")
    write(repository, top=workload("top") + "#\n")
    main = committed(repository)
    git(repository, "checkout", "--quiet", "change")
    (repository / ".git" / "info" / "grafts").write_text(f"{main} {head}\n", encoding="utf-8")
    assert git(repository, "merge-base", "main", "HEAD") == head
    assert judged() == {"w/a.yaml"}


def test_what_is_ignored_and_committed_is_judged(repository: Path) -> None:
    (repository / ".gitignore").write_text("*\n", encoding="utf-8")
    write(repository, w__a=OTHER, w__new=workload("new"))
    git(repository, "add", "--force", "w/new.yaml")
    git(repository, "commit", "--quiet", "--message=x")
    git(repository, "rm", "--quiet", "--cached", "w/new.yaml", "w/a.yaml")
    assert judged() == {"w/a.yaml", "w/new.yaml"}


def test_a_change_that_only_the_commit_has_is_judged(repository: Path) -> None:
    before = (repository / "w/a.yaml").read_text(encoding="utf-8")
    write(repository, w__a=OTHER, w__b=workload("b") + "#\n", w__new=workload("new"))
    committed(repository)
    write(repository, w__a=before)
    (repository / "w/new.yaml").unlink()
    (repository / "w/b.yaml").unlink()
    found = select_changed([], "main")
    assert set(found.names) == {"w/a.yaml"}
    assert codes(found) == ["file-unreadable"] * 2
    assert "`w/b.yaml` changed, and is not in the work tree" in found.problems[0].message
    git(repository, "rm", "--quiet", "--cached", "w/new.yaml", "w/b.yaml")
    assert not select_changed([], "main").problems


def test_what_a_sparse_checkout_leaves_out(repository: Path) -> None:
    git(repository, "sparse-checkout", "set", "--no-cone", "/top.yaml")
    assert not (repository / "w").exists()
    found = select_changed([], "main")
    assert (found.names, found.deleted, found.problems) == ((), (), ())
    assert codes(select_changed(["w"], "main")) == ["no-workload"]
    git(repository, "sparse-checkout", "disable")
    write(repository, w__a=OTHER)
    committed(repository)
    git(repository, "sparse-checkout", "set", "--no-cone", "/top.yaml")
    assert codes(select_changed([], "main")) == ["file-unreadable"]


ODD = (
    b"a b.yaml",
    b"new\nline.yaml",
    b"-dash.yaml",
    b"--output=x.yaml",
    b"\xff\xfe.yaml",
    b":(glob)*.yaml",
    b"\"q'.yaml",
)


def test_odd_names(repository: Path) -> None:
    for name in ODD:
        (repository / os.fsdecode(name)).write_text(workload("odd"), encoding="utf-8")
    assert judged() == {os.fsdecode(name) for name in ODD}
    committed(repository)
    git(repository, "branch", "--force", "main")
    assert judged() == set()
    for name in ODD:
        (repository / os.fsdecode(name)).write_text(workload("odd") + "#\n", encoding="utf-8")
    assert judged() == {os.fsdecode(name) for name in ODD}
    assert judged("./-dash.yaml") == {"-dash.yaml"}
    assert judged(":(glob)*.yaml") == {":(glob)*.yaml"}


def test_no_file_and_no_folder_of_a_patterns_name_is_judged_alone(repository: Path) -> None:
    write(repository, w__a=OTHER, **{"w__*": workload("safe"), "**__x": workload("x"), "w__[q]": workload("q")})
    assert judged("w/*.yaml") == {"w/*.yaml", "w/[q].yaml", "w/a.yaml"}
    assert judged("**") == {"w/*.yaml", "w/[q].yaml", "w/a.yaml", "**/x.yaml"}
    found = select_changed(["w/[q].yaml"], "main")
    assert (found.names, found.problems) == (("w/[q].yaml",), ())
    committed(repository)
    git(repository, "branch", "--force", "main")
    git(repository, "rm", "--quiet", "w/[[]q].yaml")
    found = select_changed(["w/[q].yaml"], "main")
    assert [held.file for held in found.deleted] == ["w/[q].yaml"]
    assert not found.problems
    assert codes(select_changed(["w/[z].yaml"], "main")) == ["no-workload"]


def test_links(repository: Path, tmp_path: Path) -> None:
    write(repository, shared__s=workload("s"))
    (repository / "w" / "inside.yaml").symlink_to("a.yaml")
    (repository / "w" / "shared.yaml").symlink_to("../shared/s.yaml")
    committed(repository)
    git(repository, "branch", "--force", "main")
    assert judged() == set()
    write(repository, shared__s=workload("s") + "#\n")
    assert judged() == {"shared/s.yaml"}
    assert codes(select_changed(["w"], "main")) == ["linked-file"]
    write(tmp_path, outside=workload("out"))
    (repository / "w" / "shared.yaml").unlink()
    (repository / "w" / "shared.yaml").symlink_to(tmp_path / "outside.yaml")
    assert codes(select_changed([], "main")) == ["linked-file"]
    assert judged("w/shared.yaml") == {"w/shared.yaml"}


def test_a_link_in_the_place_of_a_folder(repository: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", a=workload("a"), b=workload("b"))
    (repository / "w").rename(tmp_path / "w")
    (repository / "w").symlink_to(tmp_path / "elsewhere")
    found = select_changed([], "main")
    assert "linked-folder" in codes(found)
    (repository / "w").unlink()
    (repository / "w").symlink_to(".")
    assert not select_changed(["top.yaml"], "main").problems


def test_what_a_word_named_before_it_became_a_link_is_missed(repository: Path) -> None:
    write(repository, safe__s=workload("s"), old__deep__o=workload("o"))
    (repository / "l").symlink_to("old")
    committed(repository)
    git(repository, "branch", "--force", "main")
    git(repository, "rm", "--quiet", "-r", "w", "l", "old")
    (repository / "w").symlink_to("safe")
    (repository / "l").symlink_to("safe")
    committed(repository)
    for names in (["w/"], ["w"], ["w/*.yaml"], ["w/a.yaml", "w/b.yaml"], [str(repository / "w")], ["w/../w"]):
        found = select_changed(names, "main")
        assert [held.workloads for held in found.deleted] == [("default/a",), ("default/b",)], names
        assert not found.problems
    for names in (["l"], ["l/deep"], ["l/**/o.yaml"], ["l/deep/o.yaml"]):
        assert [held.workloads for held in select_changed(names, "main").deleted] == [("default/o",)], names
    assert select_changed(["safe"], "main").deleted == ()


def test_what_a_word_named_before_it_became_a_file_or_a_folder_is_missed(repository: Path) -> None:
    (repository / "one").write_text(workload("one"), encoding="utf-8")
    committed(repository)
    git(repository, "branch", "--force", "main")
    git(repository, "rm", "--quiet", "-r", "w", "one")
    (repository / "w").write_text(workload("safe"), encoding="utf-8")
    write(repository, one__x=workload("x"))
    committed(repository)
    for names, gone in ((["w"], ["default/a", "default/b"]), (["one/"], ["default/one"]), (["one"], ["default/one"])):
        found = select_changed(names, "main")
        assert [workload for held in found.deleted for workload in held.workloads] == gone
        assert len(found.names) == 1
        assert not found.problems
    (repository / "w").unlink()
    (repository / "w").symlink_to("nowhere")
    found = select_changed(["w"], "main")
    assert (len(found.deleted), found.names) == (2, ("w",))


@pytest.mark.parametrize("commits", [True, False])
def test_a_workload_behind_a_link_in_the_place_of_its_folder_is_judged_once(repository: Path, commits: bool) -> None:
    git(repository, "mv", "w", "v")
    write(repository, v__a=OTHER)
    (repository / "w").symlink_to("v")
    if commits:
        committed(repository)
    for names in ([], ["w"], ["w", "v"], ["w/a.yaml", "w/b.yaml"]):
        found = select_changed(names, "main")
        assert found.names == ("v/a.yaml", "v/b.yaml"), names
        assert not found.problems


def test_a_link_that_is_ignored_hides_no_folder(repository: Path, tmp_path: Path) -> None:
    (repository / "w").rename(tmp_path / "w")
    (repository / "w").symlink_to(tmp_path / "w")
    (repository / ".gitignore").write_text("w\n", encoding="utf-8")
    assert git(repository, "ls-files", "--others", "--exclude-standard") == ".gitignore"
    found = select_changed([], "main")
    assert (found.names, codes(found)) == ((), ["linked-folder"])


def test_a_workload_behind_a_link_to_its_file_is_judged_once(repository: Path) -> None:
    (repository / "0.yaml").symlink_to("w/a.yaml")
    committed(repository)
    git(repository, "branch", "--force", "main")
    assert [held.file for held in select_changed([], "main").unchanged] == ["top.yaml", "w/a.yaml", "w/b.yaml"]
    write(repository, w__a=OTHER)
    for names in ([], [".", "w"], ["w/a.yaml", "0.yaml"], ["0.yaml", "w"], ["0.yaml"]):
        found = select_changed(names, "main")
        assert found.names == ("0.yaml" if names and names[0] == "0.yaml" else "w/a.yaml",), names
        assert (found.deleted, found.renamed, found.problems) == ((), (), ())
        assert found.files[0].before == (Was(workload("a").encode()),)


def test_a_mode_that_hides_content(repository: Path) -> None:
    """A link's blob is its text: a regular file of that text is another thing, and the other way round."""
    (repository / "w" / "l.yaml").symlink_to("a.yaml")
    (repository / "w" / "f.yaml").write_text("a.yaml", encoding="utf-8")
    committed(repository)
    git(repository, "branch", "--force", "main")
    (repository / "w" / "f.yaml").unlink()
    (repository / "w" / "f.yaml").symlink_to("a.yaml")
    assert judged() == {"w/f.yaml"}
    (repository / "w" / "f.yaml").unlink()
    (repository / "w" / "l.yaml").unlink()
    (repository / "w" / "l.yaml").write_text("a.yaml", encoding="utf-8")
    assert judged("w/l.yaml") == {"w/l.yaml"}
    (repository / "w" / "l.yaml").unlink()
    os.mkfifo(repository / "w" / "l.yaml")
    assert codes(select_changed([], "main")) == ["file-unreadable"]


def test_line_breaks_of_a_checkout_are_no_change(repository: Path) -> None:
    path = repository / "w" / "a.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert judged() == set()
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\r\n\r\n", 1))
    assert judged() == {"w/a.yaml"}


def test_another_kind_is_no_way_out(repository: Path) -> None:
    write(repository, w__a=POD, w__b=workload("b").replace("policy-engine/v1", "policy-engine/v0"))
    found = select_changed([], "main")
    assert found.names == ("w/b.yaml",)
    assert found.deleted[0].workloads == ("default/a",)


@pytest.mark.parametrize("link", [False, True])
def test_the_working_directory_may_be_reached_through_a_link(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    if link:
        (tmp_path / "link").symlink_to(repository)
        monkeypatch.chdir(tmp_path / "link" / "w")
        monkeypatch.setenv("PWD", str(tmp_path / "link" / "w"))
    else:
        monkeypatch.chdir(repository / "w")
    write(repository, w__a=OTHER)
    assert judged() == judged(".") == {"a.yaml"}
