"""Files, folders and patterns: each file once, in order; what is in doubt is judged, or an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policy_engine.errors import UsageError
from policy_engine.sources.selecting import select
from policy_engine.sources.selection import Selection, Skipped
from tests.unit.sources.scene import POD, workload, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`w` has workloads in three places, and a pod; `k` has a pod alone."""
    root = tmp_path / "root"
    write(root, w__b=workload("b"), w__deep__a=workload("a"), w__pod=POD, k__pod=POD)
    (root / "w" / ".hidden").mkdir()
    (root / "w" / ".hidden" / "h.YML").write_text(workload("h"), encoding="utf-8")
    (root / "w" / "notes.md").write_text(workload("n"), encoding="utf-8")
    monkeypatch.chdir(root)
    return root


def codes(found: Selection) -> list[str]:
    """The codes of the problems, each of which says which file it is about."""
    for problem in found.problems:
        assert problem.code == "no-workload" or f"`{problem.span.file if problem.span else None}`" in problem.message
    return [problem.code for problem in found.problems]


def test_a_folder(folder: Path) -> None:
    found = select(["w"])
    assert found.names == ("w/b.yaml", "w/.hidden/h.YML", "w/deep/a.yaml")
    assert found.skipped == (Skipped("w/pod.yaml"),)
    assert found.listed
    assert not found.problems
    assert select(["."]).names == found.names
    assert select([str(folder / "w")]).names == tuple(str(folder / name) for name in found.names)


def test_a_pattern(folder: Path) -> None:
    assert select(["w/*.yaml"]).names == ("w/b.yaml",)
    assert select(["**/a.yaml"]).names == ("w/deep/a.yaml",)
    assert select(["w/*.md"]).names == ("w/notes.md",)
    assert select(["w/deep*"]).names == ("w/deep/a.yaml",)


def test_a_file_of_a_patterns_name_is_taken_beside_what_the_pattern_matches(folder: Path) -> None:
    """Whoever may add a file could name it like the pattern that a gate is given, and be judged alone."""
    write(folder, **{"w__[b]": workload("odd"), "w__*": workload("star"), "k__[q]": workload("quiet")})
    assert select(["w/[b].yaml"]).names == ("w/b.yaml", "w/[b].yaml")
    assert set(select(["w/*.yaml"]).names) == {"w/*.yaml", "w/[b].yaml", "w/b.yaml"}
    found = select(["k/[q].yaml"])
    assert (found.names, found.problems, found.listed) == (("k/[q].yaml",), (), True)


def test_a_folder_of_a_patterns_name_is_taken_beside_what_the_pattern_matches(folder: Path) -> None:
    write(folder, **{"**__safe": workload("safe"), "[w]__x": workload("x"), "[k]__pod": POD})
    assert set(select(["**"]).names) == {
        "**/safe.yaml",
        "[w]/x.yaml",
        "w/.hidden/h.YML",
        "w/b.yaml",
        "w/deep/a.yaml",
    }
    assert select(["[w]"]).names == ("w/b.yaml", "w/.hidden/h.YML", "w/deep/a.yaml", "[w]/x.yaml")
    assert codes(select(["[k]"])) == ["no-workload"]
    assert "none: 2" in select(["[k]"]).problems[0].message


def test_each_file_is_judged_once_and_whole_where_it_was_named(folder: Path) -> None:
    os.symlink("b.yaml", folder / "w" / "c.yaml")
    found = select(["w", "w/b.yaml", "./w/../w/deep", "w/**/*.yaml", "-", "-"])
    assert found.names == ("w/.hidden/h.YML", "w/deep/a.yaml", "w/b.yaml", "-")
    assert select(["w/pod.yaml", "w"]).names[0] == "w/pod.yaml"


def test_a_document_that_is_none_is_passed_over_unless_its_file_was_named(folder: Path) -> None:
    write(folder, m__mixed=f"{POD}---\n{workload('m')}---\n")
    found = select(["m"])
    assert found.skipped == (Skipped("m/mixed.yaml", 1),)
    assert found.due("m/mixed.yaml", ["pod", "m", "empty"]) == ["m"]
    assert found.due("m/mixed.yaml", ["another", "file"]) == ["another", "file"]
    assert select(["m/mixed.yaml"]).due("m/mixed.yaml", ["pod", "m", "empty"]) == ["pod", "m", "empty"]


@pytest.mark.parametrize("name", ["k", "k/*.yaml", "none/*.yaml", "w/*.toml"])
def test_a_word_that_names_no_workload_is_an_error_unless_that_may_be(folder: Path, name: str) -> None:
    for names in ([name], ["w", name]):
        assert codes(select(names)) == ["no-workload"]
        found = select(names, if_any=True)
        assert not found.problems
        assert found.none == (name,)
        assert found.nothing_due == (len(names) == 1)
    assert name in select([name]).problems[0].message


def test_what_is_named_and_not_there_is_judged_which_says_so(folder: Path) -> None:
    for name in ("nowhere", "nowhere.yaml", "a\0b", "a\0*"):
        assert select([name], if_any=True).names == (name,)
    with pytest.raises(UsageError):
        select([""])


def test_what_cannot_be_read_is_judged_which_says_so(folder: Path) -> None:
    write(folder, k__broken="a: 'b\n")
    os.symlink("gone.yaml", folder / "k" / "dangling.yaml")
    assert select(["k"]).names == ("k/broken.yaml", "k/dangling.yaml")


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "w" / "pipe.yaml")
    assert codes(select(["w"])) == ["file-unreadable"]


def test_links_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, outside=workload("outside"))
    os.symlink(tmp_path / "outside.yaml", folder / "w" / "link.yaml")
    found = select(["w"])
    assert codes(found) == ["linked-file"]
    assert "w/link.yaml" in found.problems[0].message
    assert "w/link.yaml" not in found.names
    assert select(["w/link.yaml"]).names == ("w/link.yaml",)


def test_a_link_to_a_folder_is_refused_unless_what_it_leads_to_is_looked_into(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, elsewhere__x=workload("x"))
    os.symlink("deep", folder / "w" / "inside")
    assert not select(["w"]).problems
    assert codes(select(["w/in*/*.yaml"])) == ["linked-folder", "no-workload"]
    os.symlink(tmp_path / "elsewhere", folder / "w" / "outside")
    assert codes(select(["w"])) == ["linked-folder"]
    assert not select(["w", str(tmp_path / "elsewhere")]).problems
    assert not select(["w/b*"]).problems


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "w" / "deep").chmod(0)
    try:
        assert codes(select(["w"])) == ["file-unreadable"]
    finally:
        (folder / "w" / "deep").chmod(0o700)
