"""What changed since a revision: in commits and in the work tree, by content, as git itself says."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from policy_engine.ci.selected import summary
from policy_engine.sources.changes import select_changed
from policy_engine.sources.selection import Held, Moved, Selection, Skipped, Was
from tests.unit.impact.repositories import git
from tests.unit.sources.scene import POD, committed, workload, write

LONGER = workload("a", "  labels: {}\n")


def why(found: Selection) -> dict[str, str | None]:
    return {each.file: each.why for each in found.files}


def test_nothing_changed(repository: Path) -> None:
    found = select_changed([], "main")
    assert not found.files
    assert found.nothing_due
    assert [held.file for held in found.unchanged] == ["top.yaml", "w/a.yaml", "w/b.yaml"]
    assert found.unchanged[0].workloads == ("default/top",)
    assert found.since is not None
    assert (found.since.revision, found.since.commit) == ("main", git(repository, "rev-parse", "main"))


def test_commits_the_index_the_work_tree_and_new_files_count(repository: Path) -> None:
    write(repository, w__a=LONGER)
    committed(repository)
    write(repository, w__b=workload("b") + "# staged\n")
    git(repository, "add", "--all")
    write(repository, top=workload("top") + "# neither\n", w__new=workload("new"))
    assert why(select_changed([], "main")) == {
        "top.yaml": "changed",
        "w/a.yaml": "changed",
        "w/b.yaml": "changed",
        "w/new.yaml": "new",
    }


def test_what_the_base_gained_meanwhile_is_no_change(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "main")
    write(repository, w__a=LONGER, w__later=workload("later"))
    committed(repository)
    git(repository, "checkout", "--quiet", "change")
    write(repository, w__b=workload("b") + "#\n")
    found = select_changed([], "main")
    assert why(found) == {"w/b.yaml": "changed"}
    assert not found.deleted
    git(repository, "commit", "--quiet", "--all", "--message=x")
    git(repository, "merge", "--quiet", "--no-edit", "main")
    assert why(select_changed([], "main")) == {"w/b.yaml": "changed"}


def test_paths_limit_what_is_looked_at(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repository, w__a=LONGER, top=workload("top") + "#\n")
    assert why(select_changed(["w"], "main")) == {"w/a.yaml": "changed"}
    assert why(select_changed(["*.yaml"], "main")) == {"top.yaml": "changed"}
    assert why(select_changed(["**/b.yaml"], "main")) == {}
    assert why(select_changed(["w/b.yaml", "top.yaml", "."], "main")) == {"top.yaml": "changed", "w/a.yaml": "changed"}
    monkeypatch.chdir(repository / "w")
    assert why(select_changed([], "main")) == {"../top.yaml": "changed", "a.yaml": "changed"}
    assert why(select_changed([str(repository)], "main")) == {
        str(repository / "top.yaml"): "changed",
        str(repository / "w/a.yaml"): "changed",
    }


def test_each_word_counts_whatever_the_others_name(repository: Path) -> None:
    """As without a revision: a file that is named is judged whole, and a workload is there for every word."""
    for names in (["w", "w/b.yaml"], ["w", "w/*.yaml"], ["w", "."], [".", "w", "w/b.yaml", "**/b.yaml"]):
        found = select_changed(names, "main")
        assert found.nothing_due, names
        assert not found.problems, names
    write(repository, w__a=POD)
    for names in (["w/a.yaml"], ["w", "w/a.yaml"], ["w/a.yaml", "**"]):
        found = select_changed(names, "main", if_any=True)
        assert why(found) == {"w/a.yaml": "changed"}, names
        assert found.due("w/a.yaml", ["pod"]) == ["pod"]
    git(repository, "rm", "--quiet", "--force", "w/a.yaml")
    assert not select_changed(["w/a.yaml", "w/a*", "w"], "main").problems
    assert [p.code for p in select_changed(["w", "pod.yaml"], "main").problems] == ["no-workload"]


def test_the_bytes_of_before(repository: Path) -> None:
    before = (repository / "w/a.yaml").read_bytes()
    moved = (repository / "w/b.yaml").read_bytes()
    write(repository, w__a=LONGER, w__new=workload("new"))
    git(repository, "mv", "w/b.yaml", "w/moved.yaml")
    write(repository, w__moved=workload("b") + "# moved and changed\n")
    found = {each.file: each.before for each in select_changed([], "main").files}
    assert found["w/a.yaml"] == (Was(before),)
    assert found["w/moved.yaml"] == (Was(moved, ("default/b",)),)
    assert found["w/new.yaml"] == ()
    (repository / "w/moved.yaml").unlink()
    write(repository, top=workload("top") + f"---\n{workload('b')}")
    found = {each.file: each.before for each in select_changed([], "main").files}
    assert found["top.yaml"] == (Was(workload("top").encode()), Was(moved, ("default/b",)))


def test_moved_and_deleted_workloads(repository: Path) -> None:
    git(repository, "mv", "w/a.yaml", "elsewhere.yaml")
    git(repository, "rm", "--quiet", "w/b.yaml")
    found = select_changed([], "main")
    assert why(found) == {"elsewhere.yaml": "new"}
    assert found.renamed == (Moved("w/a.yaml", "elsewhere.yaml", ("default/a",)),)
    assert found.deleted == (Held("w/b.yaml", ("default/b",)),)
    only = select_changed(["w"], "main")
    assert not only.files
    assert [held.workloads for held in only.deleted] == [("default/a",), ("default/b",)]
    assert only.nothing_due
    assert not select_changed(["w/b.yaml"], "main").problems


def test_a_workload_that_leaves_its_file_is_deleted(repository: Path) -> None:
    write(repository, w__a=workload("renamed"), w__b=POD, top=f"{workload('top')}---\n{workload('two')}")
    git(repository, "commit", "--quiet", "--all", "--message=x")
    found = select_changed([], "main")
    assert found.deleted == (Held("w/a.yaml", ("default/a",)), Held("w/b.yaml", ("default/b",)))
    assert found.skipped == (Skipped("w/b.yaml"),)
    git(repository, "branch", "--force", "main")
    write(repository, top=workload("top"))
    assert select_changed([], "main").deleted == (Held("top.yaml", ("default/two",)),)
    write(repository, w__b=workload("two"))
    found = select_changed([], "main")
    assert not found.deleted
    assert found.renamed == (Moved("top.yaml", "w/b.yaml", ("default/two",)),)


def test_a_workload_that_stands_in_another_file_too_is_gated_there(repository: Path) -> None:
    write(repository, copy=workload("a"))
    committed(repository)
    git(repository, "branch", "--force", "main")
    git(repository, "rm", "--quiet", "w/a.yaml")
    found = select_changed([], "main")
    assert (found.files, found.deleted, found.renamed) == ((), (), ())


def test_a_file_that_became_unreadable_deleted_nothing(repository: Path) -> None:
    write(repository, w__a="<<<<<<< HEAD\n" + LONGER)
    found = select_changed([], "main")
    assert why(found) == {"w/a.yaml": "changed"}
    assert not found.deleted


def test_a_file_that_nobody_could_read_and_that_is_gone_is_told(repository: Path) -> None:
    broken = workload("a").replace("[{", "[{{")
    write(repository, w__a=broken, w__b=f"{workload('b')}---\n{broken}")
    committed(repository)
    git(repository, "branch", "--force", "main")
    git(repository, "rm", "--quiet", "-r", "w")
    found = select_changed([], "main")
    assert found.deleted == (Held("w/a.yaml"), Held("w/b.yaml", ("default/b",)))
    assert summary(found, 0).endswith(", 2 deleted")
    write(repository, w__a=POD)
    assert [held.file for held in select_changed([], "main").deleted] == ["w/b.yaml"]


def test_none_at_all_is_an_error_and_the_last_that_was_deleted_is_not(repository: Path) -> None:
    assert [problem.code for problem in select_changed(["pod.yaml", "*.yml"], "main").problems] == ["no-workload"] * 2
    found = select_changed(["*.yml"], "main", if_any=True)
    assert (found.none, found.nothing_due) == (("*.yml",), True)
    git(repository, "rm", "--quiet", "-r", "w", "top.yaml")
    found = select_changed([], "main")
    assert len(found.deleted) == 3
    assert found.nothing_due
    assert select_changed(["w"], "main").nothing_due
    committed(repository)
    git(repository, "branch", "--force", "main")
    found = select_changed([], "main")
    assert "the repository holds no workload" in found.problems[0].message
    assert not found.nothing_due


def test_a_file_that_was_named_is_judged_though_it_is_ignored(repository: Path) -> None:
    write(repository, **{"build__x": workload("x")})
    (repository / ".gitignore").write_text("build/\n", encoding="utf-8")
    assert why(select_changed([], "main")) == {}
    assert why(select_changed(["build/x.yaml"], "main")) == {"build/x.yaml": "new"}
    assert why(select_changed(["build"], "main")) == {"build/x.yaml": "new"}
    git(repository, "add", "--force", "build/x.yaml")
    assert why(select_changed([], "main")) == {"build/x.yaml": "new"}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        *((field, "changed") for field in ("file", "signature", "receipt", "entry")),
        *(("file", change) for change in ("deleted", "linked", "new")),
    ],
)
def test_evidence_that_changed_makes_its_workload_due(repository: Path, field: str, change: str) -> None:
    write(repository, w__a=workload("a", f"  evidence: {{dpa: {{{field}: docs/x.pdf}}}}\n"))
    evidence = repository / "w" / "docs" / "x.pdf"
    evidence.parent.mkdir()
    other = evidence.with_name("other")
    other.write_bytes(b"one")
    if change != "new":
        evidence.write_bytes(b"one")
    committed(repository)
    git(repository, "branch", "--force", "main")
    assert why(select_changed([], "main")) == {}
    if change == "changed":
        evidence.write_bytes(b"two")
    elif change == "new":
        evidence.write_bytes(b"one")
    else:
        evidence.unlink()
        if change == "linked":
            evidence.symlink_to("other")
    assert why(select_changed([], "main")) == {"w/a.yaml": "its evidence changed"}
    assert select_changed([], "main").files[0].before == (Was((repository / "w/a.yaml").read_bytes()),)


def test_evidence_of_any_name(repository: Path) -> None:
    pieces = ", ".join(f"e{at}: {{file: {name}}}" for at, name in enumerate(("x" * 300, "/etc", "../..", ".")))
    write(repository, w__a=workload("a", f"  evidence: {{{pieces}}}\n"))
    committed(repository)
    git(repository, "branch", "--force", "main")
    assert why(select_changed([], "main")) == {"w/a.yaml": "its evidence changed"}  # a folder is never as it was


def test_rules_that_changed_make_every_workload_due(repository: Path, tmp_path: Path) -> None:
    write(repository, acme__cost__x="id: x\n")
    committed(repository)
    git(repository, "branch", "--force", "main")
    outside = tmp_path / "outside"
    write(outside, x="id: x\n")
    rules = [Path("acme"), outside]
    found = select_changed([], "main", rules)
    assert (found.all_because, found.files) == (None, ())
    write(outside, x="id: y\n")
    assert select_changed([], "main", rules).all_because is None
    write(repository, acme__cost__new="id: new\n")
    found = select_changed([], "main", rules)
    assert found.all_because == "`acme` changed"
    assert why(found) == dict.fromkeys(("top.yaml", "w/a.yaml", "w/b.yaml"), "the rules changed")
    assert why(select_changed(["w"], "main", [repository / "acme"])).keys() == {"w/a.yaml", "w/b.yaml"}
    shutil.rmtree(repository / "acme")
    assert select_changed([], "main", rules).all_because == "`acme` changed"


def test_rules_of_another_repository_are_not_compared(repository: Path) -> None:
    write(repository / "central", cost__x="id: x\n", w=workload("central"))
    committed(repository / "central")
    assert select_changed([], "main", [Path("central")]).all_because is None
    assert why(select_changed([], "main")) == {}
    assert why(select_changed(["central"], "main")) == {"central/w.yaml": "new"}


def test_rules_behind_a_link(repository: Path) -> None:
    write(repository, one__cost__x="id: x\n", two__cost__x="id: x\n")
    (repository / "acme").symlink_to("one")
    committed(repository)
    git(repository, "branch", "--force", "main")
    assert select_changed(["w"], "main", [Path("acme")]).all_because is None
    write(repository, one__cost__x="id: y\n")
    assert select_changed(["w"], "main", [Path("acme")]).all_because == "`acme` changed"
    git(repository, "checkout", "--quiet", ".")
    (repository / "acme").unlink()
    (repository / "acme").symlink_to("two")
    assert select_changed(["w"], "main", [Path("acme")]).all_because == "`acme` changed"


@pytest.mark.parametrize("seed", range(4))
def test_git_says_the_same(repository: Path, seed: int) -> None:
    """Random commits and edits: what is judged is what `git diff` and `git status` list, of files that are there."""
    rng = random.Random(seed)  # noqa: S311
    names = ["w/a.yaml", "w/b.yaml", "top.yaml", *(f"w/{letter}/{letter} {letter}.yml" for letter in "cdefg")]
    for _ in range(3):
        for name in rng.sample(names, 4):
            path = repository / name
            action = rng.choice(["write", "write", "delete", "move"])
            if action == "write" or not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(workload(f"n{rng.randrange(9)}") + f"# {rng.random()}\n", encoding="utf-8")
            elif action == "delete":
                path.unlink()
            else:
                path.rename(repository / f"moved-{rng.randrange(99)}.yaml")
        if rng.random() < 0.6:
            committed(repository)
    tracked = git(repository, "diff", "--name-only", "--no-renames", "-z", "main").split("\0")
    untracked = git(repository, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    expected = {name for name in (*tracked, *untracked) if name and os.path.exists(repository / name)}
    found = select_changed([], "main")
    assert set(found.names) == expected
    present = {os.path.relpath(path, repository) for path in repository.rglob("*.y*ml")} - {"pod.yaml"}
    assert {held.file for held in found.unchanged} == present - expected
    gone = {held.file for held in found.deleted} | {moved.old for moved in found.renamed}
    assert gone >= set(git(repository, "diff", "--name-only", "--no-renames", "--diff-filter=D", "main").splitlines())
