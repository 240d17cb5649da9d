"""Folders, patterns and revisions on the command line: the status, what is said, and what is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.given import ALLOWED, DENIED, MEMORY, REVIEWED
from tests.unit.cli.test_gate import steering
from tests.unit.impact.repositories import git
from tests.unit.sources.scene import POD, committed, write

Policy = Callable[..., Any]
EMPTY_REPORTS = {"json": "[]\n", "yaml": "[]\n"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`w` with an allowed, a denied and a reviewed workload, on `main`, and a pod in `k`."""
    folder = tmp_path / "repository"
    write(folder, w__allowed=ALLOWED.read_text("utf-8"), w__denied=DENIED.read_text("utf-8"), k__pod=POD)
    write(folder, w__deep__reviewed=REVIEWED.read_text("utf-8"))
    committed(folder)
    git(folder, "checkout", "--quiet", "-b", "change")
    monkeypatch.chdir(folder)
    return folder


def change(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")


# ---- folders and patterns


@pytest.mark.parametrize("names", [["."], ["w/**/*.yaml"], ["w/*.yaml", "w/deep", "w/denied.yaml", "w"]])
def test_every_workload_of_a_folder_is_judged_once(policy: Policy, repository: Path, names: list[str]) -> None:
    done = policy("gate", *names, *MEMORY, "-o", "json")
    assert done.status == 1
    assert sorted(each["verdict"] for each in done.json) == ["allow", "deny", "review"]
    assert done.err.startswith("3 workloads judged")
    assert policy("evaluate", *names, *MEMORY, "-q").status == 0


def test_a_single_workload_of_a_folder_is_a_list_too(policy: Policy, repository: Path) -> None:
    assert [each["verdict"] for each in policy("gate", "w/deep", *MEMORY, "-o", "json").json] == ["review"]
    assert policy("gate", "w/deep/reviewed.yaml", *MEMORY, "-o", "json").json["verdict"] == "review"
    assert policy("gate", "w/deep/reviewed.yaml", "./w/deep/reviewed.yaml", *MEMORY, "-q").out.count("\n") == 1


def test_what_is_no_workload_is_skipped_and_what_looks_like_one_is_an_error(policy: Policy, repository: Path) -> None:
    done = policy("gate", ".", *MEMORY, "-v")
    assert done.status == 1
    assert "\n3 workloads judged, skipped as no workload: 1\nskipped: k/pod.yaml\n" in done.out
    write(repository, w__mixed=f"{POD}---\n{ALLOWED.read_text('utf-8')}---\n# nothing\n")
    done = policy("evaluate", "w/mixed.yaml", *MEMORY, "-q")
    assert (done.status, done.out) == (2, "allow default/writing-assistant\n")
    done = policy("evaluate", "w/m*.yaml", *MEMORY, "-v")
    assert done.status == 0
    assert "skipped: w/mixed.yaml, document 1\n" in done.out
    for text, code in {
        "kind: Workload\n": "workload-missing-field",
        "a: 'b\n": "yaml-syntax",
        "apiVersion: policy-engine/v2\nkind: Workload\n": "workload-kind",
    }.items():
        write(repository, w__broken=text)
        done = policy("evaluate", "w/[ab]*.yaml", *MEMORY, "-q")
        assert done.status == 2
        assert f"[{code}]" in done.err
        assert done.out == "allow default/writing-assistant\n"


def test_what_is_wrong_with_a_folder_keeps_no_workload_from_being_judged(
    policy: Policy, repository: Path, tmp_path: Path
) -> None:
    (repository / "w" / "out").symlink_to(tmp_path)
    done = policy("gate", "w", *MEMORY, "-q")
    assert done.status == 2
    assert done.out.count("\n") == 3
    assert done.err.startswith("w/out:1:1: error: `w/out` is a link to a folder, which is not followed [linked-folder]")
    for name, place in {"github": "file=w/out,line=1", "gitlab": '"w/out"', "sarif": '"uri": "w/out"'}.items():
        assert place in policy("gate", "w", *MEMORY, "-o", name).out, name


# ---- none


@pytest.mark.parametrize("command", ["gate", "evaluate"])
def test_no_workload(policy: Policy, repository: Path, command: str) -> None:
    stale = repository / "report.json"
    stale.write_text('[{"verdict": "allow"}]', encoding="utf-8")
    done = policy(command, "k", *MEMORY, "-o", "json=report.json")
    assert done.status == 2
    assert done.err == (
        "error: `k` holds no workload; YAML that is none: 1 [no-workload]\n"
        "  help: check the path; --if-any exits with 0 where there may be none\n"
        "0 workloads judged, skipped as no workload: 1\n"
    )
    assert stale.read_text(encoding="utf-8") == "[]\n"


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("gate", ["k"]),
        ("gate", ["none/**/*.yaml"]),
        ("gate", ["--since", "HEAD", "*.yml"]),
        ("evaluate", ["--since", "main", "k"]),
    ],
)
def test_none_where_there_may_be_none(policy: Policy, repository: Path, command: str, given: list[str]) -> None:
    for name in ("json", "yaml", "markdown", "text"):
        (repository / f"report.{name}").write_text("stale", encoding="utf-8")
    reports = [part for name in ("json", "yaml", "markdown", "text") for part in ("-o", f"{name}=report.{name}")]
    done = policy(command, *given, "--if-any", *MEMORY, *reports)
    assert done.status == 0
    for name, expected in EMPTY_REPORTS.items():
        assert (repository / f"report.{name}").read_text(encoding="utf-8") == expected
    for name in ("markdown", "text"):
        assert "no workload matched" in (repository / f"report.{name}").read_text(encoding="utf-8")
    done = policy(command, *given, "--if-any", *MEMORY, "-q")
    assert (done.status, done.out.startswith("0 workloads judged")) == (0, True)
    assert policy(command, *given, *MEMORY, "-q").status == 2


@pytest.mark.parametrize("name", ["nowhere", "nowhere/w.yaml", "k/pod.yaml"])
def test_a_path_that_is_wrong_is_an_error_also_where_there_may_be_none(
    policy: Policy, repository: Path, name: str
) -> None:
    assert policy("gate", name, "--if-any", *MEMORY).status == 2
    assert policy("gate", "w/allowed.yaml", name, "--if-any", *MEMORY).status == 2


def test_the_rules_are_loaded_though_nothing_is_judged(policy: Policy, repository: Path) -> None:
    (repository / "acme").mkdir()
    assert policy("gate", "--since", "main", *MEMORY).status == 0
    assert policy("gate", "--since", "main", *MEMORY, "--policy", "acme").status == 3
    assert policy("gate", "k", "--if-any", *MEMORY, "--policy", "acme").status == 3


# ---- since a revision


def test_nothing_changed(policy: Policy, repository: Path) -> None:
    base = git(repository, "rev-parse", "main")[:12]
    for more in ([], ["-q"]):
        done = policy("gate", "--since", "main", *MEMORY, *more)
        assert (done.status, done.out) == (0, f"0 workloads judged, 3 unchanged since main ({base})\n")
    done = policy("gate", "--since", "main", *MEMORY, "-o", "json")
    assert (done.status, done.out) == (0, "[]\n")
    assert done.err == f"0 workloads judged, 3 unchanged since main ({base})\n"


def test_what_changed_is_judged_and_the_rest_is_told(policy: Policy, repository: Path) -> None:
    change(repository / "w" / "allowed.yaml")
    git(repository, "rm", "--quiet", "w/denied.yaml")
    git(repository, "mv", "w/deep/reviewed.yaml", "w/reviewed.yaml")
    base = git(repository, "rev-parse", "main")[:12]
    told = (
        f"2 workloads judged, 0 unchanged since main ({base}), 1 deleted, 1 moved\n"
        "deleted, and not gated any more: w/denied.yaml (claims/claims-notes)\n"
        "moved: w/deep/reviewed.yaml -> w/reviewed.yaml (clinic/discharge-letters)\n"
    )
    done = policy("gate", "--since", "main", *MEMORY)
    assert done.status == 5
    assert done.out.endswith(f"\n\n{told}")
    assert policy("gate", "--since", "main", *MEMORY, "-o", "json").err == told
    assert policy("gate", "--since", "main", *MEMORY, "-q").out.count("\n") == 2
    markdown = policy("gate", "--since", "main", *MEMORY, "-o", "markdown").out
    assert "\n- deleted, and not gated any more: w/denied.yaml (claims/claims-notes)\n" in markdown
    assert "judged: w/reviewed.yaml: new\n" in policy("gate", "--since", "main", *MEMORY, "-v").out


def test_deletions_alone_are_no_error_and_are_told(policy: Policy, repository: Path) -> None:
    git(repository, "rm", "--quiet", "-r", "w")
    done = policy("gate", "--since", "main", *MEMORY)
    assert done.status == 0
    assert done.out.count("deleted, and not gated any more: ") == 3


def test_a_layer_that_changed_makes_everything_due(policy: Policy, repository: Path) -> None:
    write(repository, acme__parameters="parameters:\n  self_hosting_spend_usd_per_month: {value: 9000.0}\n")
    done = policy("gate", "--since", "main", "--policy", "acme", *MEMORY)
    assert done.status == 1
    assert "\nall workloads were judged: what they are judged by changed (`acme` changed)\n" in done.out
    committed(repository)
    assert policy("gate", "--since", "HEAD", "--policy", "acme", *MEMORY, "-q").out.startswith("0 workloads judged")


def test_a_baseline_that_changed_makes_everything_due(policy: Policy, repository: Path) -> None:
    """An entry that was taken out accepts a finding no more, in a workload that nobody touched."""
    policy("gate", "w", *MEMORY, "-q", "--write-baseline", "known.yaml", "--reason", "adopting the gate")
    committed(repository)
    since = ("gate", "--since", "HEAD", "--baseline", "known.yaml", *MEMORY, "-q")
    assert "\n0 workloads judged" in policy(*since).out
    known = repository / "known.yaml"
    known.write_text(known.read_text(encoding="utf-8").replace("adopting the gate", "adopting it"), encoding="utf-8")
    assert policy(*since).out.count("\n") >= 3


@pytest.mark.parametrize(
    ("revision", "message", "help_"),
    [
        ("nowhere", "there is no revision `nowhere`", "`git branch -a` shows the branches"),
        ("--output=x", "`--output=x` names no revision", "write --since REV, with a branch, a tag or a commit"),
        ("", "`` names no revision", "write --since REV"),
    ],
)
def test_no_revision(policy: Policy, repository: Path, revision: str, message: str, help_: str) -> None:
    done = policy("gate", f"--since={revision}", "--if-any", *MEMORY)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: {message} [no-revision]\n  help: {help_}")


def test_no_repository_and_no_git(
    policy: Policy, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    done = policy("gate", "--since", "main", "--if-any", *MEMORY)
    assert (done.status, "[no-repository]" in done.err) == (2, True)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = policy("gate", "--since", "main", "--if-any", *MEMORY)
    assert (done.status, "[no-git]" in done.err) == (2, True)


def test_a_name_with_a_line_break_begins_no_line(policy: Policy, repository: Path) -> None:
    """A CI system takes a line that begins with two colons for a command."""
    shutil.copy(ALLOWED, repository / "w" / "x\n::stop-commands::\r::t.yaml")
    (repository / "w" / "y\n::add-mask::.yaml").write_text("kind: Workload\n", encoding="utf-8")
    for given in (["w"], ["--since", "main"]):
        done = policy("gate", *given, *MEMORY, "-v")
        assert done.status == 2
        assert "\n::" not in done.out + done.err
        assert "\r" not in done.out + done.err


def test_a_report_takes_the_place_of_no_workload(policy: Policy, repository: Path) -> None:
    before = (repository / "w" / "denied.yaml").read_bytes()
    for given in (["w"], ["w/*"], ["--since", "main"]):
        done = policy("gate", *given, *MEMORY, "-o", "yaml=w/denied.yaml")
        assert (done.status, "[cannot-write]" in done.err) == (2, True)
    assert (repository / "w" / "denied.yaml").read_bytes() == before


def test_a_report_in_the_folder_is_not_judged_by_the_next_run(policy: Policy, repository: Path) -> None:
    for _ in range(2):
        assert policy("evaluate", "w/deep", *MEMORY, "-o", "yaml=w/deep/report.yaml").status == 0
        assert policy("evaluate", "w/deep/reviewed.yaml", *MEMORY, "-o", "yaml=w/deep/one.yaml").status == 0


# ---- what its subject could steer


@pytest.mark.parametrize(
    "names",
    [
        ["."],
        [".."],
        ["deep"],
        ["*/*.yaml"],
        ["../**/w.yaml"],
        ["../rep*/deep/w.yaml"],
        ["--since", "HEAD~1"],
        ["ALLOWED", ".."],
    ],
)
def test_a_policy_toml_among_what_is_judged_steers_no_gate(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    repository = tmp_path / "judged" / "repository"
    repository.mkdir(parents=True)
    committed(repository)
    steering(repository)
    committed(repository)
    monkeypatch.chdir(repository)
    given = [str(ALLOWED) if name == "ALLOWED" else name for name in names]
    done = policy("gate", *given, "-q")
    assert done.status == 1, done.err
    assert not (repository / "hidden.db").exists()
