"""A repository of workload files, and a branch of it on which a test changes something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.impact.repositories import git
from tests.unit.sources.scene import POD, committed, workload, write


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`w/a`, `w/b`, `top` and a pod on `main`, which the branch `change` is at; it is the working directory."""
    folder = tmp_path / "repository"
    write(folder, w__a=workload("a"), w__b=workload("b"), top=workload("top"), pod=POD)
    committed(folder)
    git(folder, "checkout", "--quiet", "-b", "change")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(folder)
    return folder
