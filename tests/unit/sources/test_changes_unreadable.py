"""What cannot be read, or has another mode, in what changed: it is told, and nothing is taken for unchanged."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from policy_engine.sources.changes import select_changed
from policy_engine.sources.selection import Selection
from tests.unit.sources.scene import committed, workload, write

OTHER = workload("a") + "# changed\n"


def judged(*names: str) -> set[str]:
    return set(select_changed(names, "main").names)


def codes(found: Selection) -> list[str]:
    """The codes of the problems, each of which says which file it is about."""
    for problem in found.problems:
        assert problem.code == "no-workload" or f"`{problem.span.file if problem.span else None}`" in problem.message
    return [problem.code for problem in found.problems]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_an_error(repository: Path) -> None:
    write(repository, secret__x=workload("x"))
    (repository / "secret").chmod(0)
    try:
        assert codes(select_changed([], "main")) == ["file-unreadable"]
        assert not select_changed(["w"], "main").problems
        (repository / "w").chmod(0)
        found = select_changed(["w"], "main")
        assert found.names == ("w/a.yaml", "w/b.yaml")  # nobody can tell whether they are as they were
        assert not found.deleted
    finally:
        (repository / "secret").chmod(0o700)
        (repository / "w").chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_is_judged_which_says_so(repository: Path) -> None:
    (repository / "w/a.yaml").chmod(0)
    assert judged() == {"w/a.yaml"}


def test_the_mode_of_a_file_counts_where_it_is_committed(repository: Path) -> None:
    path = repository / "w" / "a.yaml"
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    assert judged() == set()
    committed(repository)
    assert judged() == {"w/a.yaml"}
