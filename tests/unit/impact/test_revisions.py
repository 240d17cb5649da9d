"""Rules at a revision: found by branch, commit and path, read without a checkout, refused where that is not sure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policy_engine.errors import InputError, RulesError
from policy_engine.impact.revisions import Repository
from policy_engine.impact.sides import read_sides, whole
from policy_engine.loading.layers import shipped_rules
from policy_engine.loading.policy import load_policy
from tests.unit.impact.repositories import commit, git

RULE = "id: own\ntitle: Ours\norigin: x\nwhen: task.batch\nadvise: Do it.\nmessage: %s.\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two revisions of a layer in `rules/acme`, and today's, which is committed nowhere."""
    folder = tmp_path / "repository"
    commit(folder, rules__acme__latency__own=RULE % "First", other__note="a: 1")
    git(folder, "tag", "first")
    commit(folder, rules__acme__latency__own=RULE % "Second")
    (folder / "rules/acme/latency/own.yaml").write_text(RULE % "Third", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("POLICY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    return folder


def messages(*words: str) -> list[str]:
    def never() -> None:
        raise AssertionError("no ledger is asked for")

    sides = read_sides((words[0], words[1]), (), never)  # type: ignore[arg-type]
    found = [side.policy.rules.rule("own") for side in sides]
    return [rule.message if rule is not None else "" for rule in found]


def test_a_revision_is_read_from_a_path_or_from_where_the_other_side_is(repository: Path) -> None:
    assert messages("git:first:rules/acme", "git:main:rules/acme") == ["First.", "Second."]
    assert messages("git:first", "rules/acme") == ["First.", "Third."]
    assert messages("rules/acme", f"git:{git(repository, 'rev-parse', 'HEAD~1')}") == ["Third.", "First."]
    assert messages("shipped", "git:HEAD:rules/acme/") == ["", "Second."]


def test_nothing_in_the_checkout_is_touched(repository: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*") if path.is_file()}
    messages("git:first:rules/acme", "git:main:rules/acme")
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*") if path.is_file()} == before
    assert git(repository, "status", "--short") == "M rules/acme/latency/own.yaml"


def test_a_folder_of_all_rules_stands_alone(repository: Path, tmp_path: Path) -> None:
    assert whole(shipped_rules())
    assert not whole(repository / "rules/acme")
    (repository / "rules/acme/vocabulary.yaml").write_text(
        "facts:\n  custom.tier: {type: bool, meaning: A tier.}\n", encoding="utf-8"
    )
    assert not whole(repository / "rules/acme")
    sides = read_sides((str(shipped_rules()), "shipped"), (), None)  # type: ignore[arg-type]
    assert sides[0].policy.document == sides[1].policy.document == load_policy().document


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("git:nowhere:rules/acme", "there is no revision `nowhere`"),
        ("git:main:rules/acm", "the revision `main` has no folder `rules/acm`"),
        ("git:main:other/note.yaml", "has no folder `other/note.yaml`"),
        ("git:main:../..", "has no folder `../..`"),
        ("git:", "`git:` names no revision"),
        ("git:--output=x", "`git:--output=x` names no revision"),
        ("git::rules/acme", "`git:` names no revision"),
        ("sha256:12", "`sha256:12` is no digest"),
    ],
)
def test_what_is_not_there_is_refused(word: str, said: str, repository: Path) -> None:
    with pytest.raises(InputError) as caught:
        messages(word, "shipped")
    assert said in caught.value.problems[0].message
    assert caught.value.problems[0].help


def test_outside_of_a_repository(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="lies in no git repository"):
        messages("git:main:rules/acme", "shipped")


def test_without_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as caught:
        messages("git:main:rules/acme", "shipped")
    assert "git has to be installed" in (caught.value.problems[0].help or "")


def test_an_error_is_placed_at_the_revision(repository: Path) -> None:
    commit(repository, rules__acme__latency__own=RULE.replace("task.batch", "task.bach") % "Broken")
    with pytest.raises(RulesError) as caught:
        messages("git:HEAD:rules/acme", "shipped")
    assert str(caught.value.problems[0].span) == "git:HEAD:rules/acme/latency/own.yaml:4:7"


def test_links_are_no_rules(repository: Path) -> None:
    os.symlink("own.yaml", repository / "rules/acme/latency/linked.yaml")
    commit(repository)
    with pytest.raises(InputError, match=r"`latency/linked\.yaml` is no regular file"):
        messages("git:HEAD:rules/acme", "shipped")


def test_no_attribute_of_the_repository_hides_a_rule(repository: Path, tmp_path: Path) -> None:
    """`git archive` would leave out what `export-ignore` says, by which a rule would not be in force unseen."""
    (repository / ".gitattributes").write_text("*.yaml export-ignore\n", encoding="utf-8")
    commit(repository, rules__acme__latency__own=RULE % "Kept")
    assert messages("git:HEAD:rules/acme", "shipped")[0] == "Kept."


def test_a_replacement_of_objects_changes_no_revision(repository: Path) -> None:
    first, second = git(repository, "rev-parse", "first"), git(repository, "rev-parse", "main")
    git(repository, "replace", first, second)
    assert messages("git:first:rules/acme", "shipped")[0] == "First."


def test_cases_are_left_out(repository: Path, tmp_path: Path) -> None:
    commit(repository, rules__acme__latency__own_test="cases: []\n")
    found = Repository(repository)
    found.extract(found.revision("HEAD:rules/acme", None), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*.yaml")] == ["own.yaml"]
