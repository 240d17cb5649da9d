"""Patterns: they name what a shell's `**` names, hidden names among it, and what lies in a folder that they name."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from policy_engine.sources.globs import Glob, is_pattern
from policy_engine.sources.walking import files_below

TREE = (
    "a.yaml",
    "b.yml",
    "c.YAML",
    "d.json",
    ".h.yaml",
    "teams/a.yaml",
    "teams/x/w.yaml",
    "teams/x/.deep/w.yaml",
    "teams/y/prod/w.yaml",
    "teams/y/prod/z/w.yaml",
    "[odd]/w.yaml",
    "yaml.d/q.yaml",
)
PATTERNS = (
    "*.yaml",
    "*",
    "**",
    "**/*.yaml",
    "**/*",
    "teams/*/*.yaml",
    "teams/**/w.yaml",
    "teams/**/prod/**/*.yaml",
    "t?ams/[xy]/*",
    "teams/[!x]/**",
    "*/",
    "*/w.yaml",
    "**/**/w.yaml",
    "**/prod",
    "./teams/*",
    "[[]odd]/*",
    "nothing/*.yaml",
    "*.yml",
    "teams/**/.deep/*",
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(pattern: str) -> set[str]:
    """What Python's own glob names: files that are YAML, and all of that in folders."""
    found = set()
    for name in glob.glob(pattern, recursive=True, include_hidden=True):
        inside = (
            [name]
            if os.path.isfile(name)
            else glob.glob(f"{glob.escape(name)}/**", recursive=True, include_hidden=True)
        )
        found |= {os.path.normpath(each) for each in inside if os.path.isfile(each)}
    return {name for name in found if name.lower().endswith((".yaml", ".yml"))}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_names_what_pythons_own_names(tree: Path, pattern: str) -> None:
    parsed = Glob.parse(pattern)
    errors: list[OSError] = []
    folder = Path(parsed.folder or ".")
    found = [str(path) for path in files_below(folder, errors.append, glob=parsed)] if folder.is_dir() else []
    assert {os.path.normpath(each) for each in found} == expected(pattern)
    assert len(found) == len(set(found))
    assert not errors
    for name in TREE:
        parts = Path(name).parts
        within = parts[: len(folder.parts)] == folder.parts
        by_path = within and parsed.matches(parts[len(folder.parts) :]) and name.lower().endswith((".yaml", ".yml"))
        assert by_path == (name in expected(pattern)), name


def test_another_ending_is_taken_where_the_pattern_says_it(tree: Path) -> None:
    found = [path.name for path in files_below(Path(), lambda _: None, glob=Glob.parse("*.json"))]
    assert found == ["d.json"]
    assert Glob.parse("*.j*").ending is None
    assert Glob.parse("a/*").ending is None


def test_folders_that_cannot_match_are_not_looked_into(tree: Path) -> None:
    seen: list[Path] = []
    list(files_below(Path("teams"), lambda _: None, on_folder=seen.append, glob=Glob.parse("teams/*/prod/*.yaml")))
    assert [str(path) for path in seen] == ["teams", "teams/x", "teams/y", "teams/y/prod"]


def test_a_pattern_from_the_root() -> None:
    assert Glob.parse("/*/x.yaml") == Glob("/", ("*", "x.yaml"))
    assert Glob.parse("/srv/*/x.yaml").folder == "/srv"
    assert not is_pattern("a/b.yaml")
    assert is_pattern("a/b?.yaml")


def test_the_store_of_a_repository_holds_no_workloads(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text("", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "y.yaml").write_text("", encoding="utf-8")
    assert [path.name for path in files_below(tmp_path, lambda _: None)] == ["y.yaml"]
