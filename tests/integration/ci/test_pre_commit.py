"""The hooks, through pre-commit itself: they come from one repository, and the workloads stand in another."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.ci.conftest import Installed, cleared, commit, git, put
from tests.wheelhouse import ROOT

PRE_COMMIT = Path(sys.executable).parent / "pre-commit"
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def hooks(tmp_path: Path) -> tuple[Path, str]:
    """A repository with the hooks as they stand here, and its commit."""
    folder = tmp_path / "hooks"
    folder.mkdir()
    shutil.copy2(ROOT / ".pre-commit-hooks.yaml", folder)
    shutil.copytree(ROOT / "integrations", folder / "integrations", ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "-q")
    return folder, commit(folder)


@pytest.fixture
def pre_commit(hooks: tuple[Path, str], checkout: Path, tmp_path: Path, installed: Installed) -> Callable[..., Done]:
    """Run pre-commit in the checkout, with `policy` in the user's PATH unless the environment says otherwise."""
    folder, commit_id = hooks

    def run(hooks: str, which: str = "--all-files", **more: str) -> Done:
        config = f"repos:\n- {{repo: {folder}, rev: {commit_id}, hooks: [{hooks}]}}\n"
        (checkout / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
        env = cleared(tmp_path, PRE_COMMIT_HOME=str(tmp_path / "cache"))
        env["PATH"] = f"{installed.bin}:{env['PATH']}"
        command = [str(PRE_COMMIT), "run", which, "--color=never", "--verbose"]
        git(checkout, "add", "-A")
        return subprocess.run(command, cwd=checkout, env=env | more, capture_output=True, text=True, check=False)

    return run


def test_the_manifest_is_valid() -> None:
    subprocess.run([str(PRE_COMMIT), "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], check=True)


@pytest.mark.slow
def test_an_allowed_workload_passes_by_the_users_ledger_and_other_files_are_not_judged(
    pre_commit: Callable[..., Done], checkout: Path, tmp_path: Path
) -> None:
    (checkout / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    done = pre_commit("{id: policy-gate}, {id: policy-gate, files: ^elsewhere/}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 1
    assert "(no files to check)Skipped" in done.stdout
    assert "ALLOW  default/writing-assistant" in done.stdout
    assert (tmp_path / ".local/share/policy-engine/ledger.db").is_file()


@pytest.mark.slow
def test_a_denied_workload_and_a_broken_layer_fail_with_their_statuses(
    pre_commit: Callable[..., Done], checkout: Path
) -> None:
    put(checkout, "deny", "../chat.workload.yml")
    (checkout / "acme").mkdir()
    (checkout / "acme" / "parameters.yaml").write_text("parameters: {no_such_number: {value: 1}}\n", encoding="utf-8")
    layer = "args: [acme], files: ^acme/"
    done = pre_commit(f"{{id: policy-gate}}, {{id: policy-rules-lint, {layer}}}, {{id: policy-rules-test, {layer}}}")
    assert done.returncode == 1
    gate, lint, test = done.stdout.split("- hook id: ")[1:]
    assert "- exit code: 1\n" in gate
    assert "DENY  claims/claims-notes" in gate
    for each in (lint, test):
        assert "- exit code: 3\n" in each
        assert "acme/parameters.yaml" in each


@pytest.mark.slow
def test_the_wheelhouse_is_installed_into_the_users_cache_and_an_invalid_file_fails(
    pre_commit: Callable[..., Done], checkout: Path, installed: Installed, tmp_path: Path
) -> None:
    """What stands in the cache is what the action installed there, so that only the finding of it is tried."""
    cache = tmp_path / "xdg" / "policy-engine"
    cache.mkdir(parents=True)
    (cache / "hooks").symlink_to(installed.environment)
    put(checkout, "allow").write_text("kind: Workload\n", encoding="utf-8")
    given = {"POLICY_WHEELHOUSE": str(installed.wheelhouse), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    done = pre_commit("{id: policy-gate}", **given, PATH=cleared(tmp_path)["PATH"])
    assert done.returncode == 1
    assert "- exit code: 2\n" in done.stdout
    assert "workloads/allow.yaml:" in done.stdout


@pytest.mark.parametrize("name", ["--baseline=b/workloads/base.yaml", "--ledger=spool:x/workloads/base.yaml"])
def test_a_file_whose_name_is_an_option_is_refused(pre_commit: Callable[..., Done], checkout: Path, name: str) -> None:
    (checkout / name).parent.mkdir(parents=True)
    put(checkout, "deny", f"../{name}")
    done = pre_commit("{id: policy-gate}")
    assert done.returncode == 1
    assert "- exit code: 2\n" in done.stdout
    assert f"`{name}` is a file, and would be taken for an option" in done.stdout


def script(folder: Path, *words: str) -> Done:
    """Run what the hooks run, in `folder`, with a `policy` that says what it is given, a word a line."""
    there = folder / "bin"
    there.mkdir(exist_ok=True)
    (there / "policy").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    (there / "policy").chmod(0o755)
    command = [str(ROOT / "integrations" / "pre-commit" / "policy.sh"), *words]
    env = cleared(folder) | {"PATH": f"{there}:/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_an_option_with_a_file_of_its_name_is_refused_and_never_dropped(tmp_path: Path) -> None:
    words = ["gate", "--purpose=draft", "--policy=acme", "a.yaml"]
    assert script(tmp_path, *words).stdout.split() == words
    (tmp_path / "--policy=acme").symlink_to("nowhere")
    done = script(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    behind = ["gate", "--", "--policy=acme"]  # nothing there is an option
    assert script(tmp_path, *behind).stdout.split() == behind


@pytest.mark.parametrize("verb", ["lint", "test"])
def test_a_hook_of_rules_without_a_layer_is_refused(tmp_path: Path, verb: str) -> None:
    (tmp_path / "acme").mkdir()
    for given in ([], ["--strict"], ["elsewhere"], ["--policy=elsewhere"]):
        done = script(tmp_path, "rules", verb, *given)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"the hook policy-rules-{verb} is given no folder" in done.stderr
    for given in (["acme"], ["--strict", "acme"], ["--policy=acme"], ["--policy", "acme"]):
        assert script(tmp_path, "rules", verb, *given).stdout.split() == ["rules", verb, *given]


def test_a_layer_that_a_commit_deletes_is_missed(pre_commit: Callable[..., Done], checkout: Path) -> None:
    (checkout / "acme").mkdir()
    (checkout / "acme" / "parameters.yaml").write_text("parameters: {}\n", encoding="utf-8")
    commit(checkout)
    shutil.rmtree(checkout / "acme")
    layer = "args: [acme], files: ^acme/"
    done = pre_commit(f"{{id: policy-rules-lint, {layer}}}, {{id: policy-rules-test, {layer}}}", "-v")
    assert done.returncode == 1
    assert done.stdout.count("is given no folder") == 2


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [({}, 3, "name a wheelhouse"), ({"POLICY_WHEELHOUSE_DIGEST": "sha256:" + "0" * 64}, 6, "has the digest")],
)
def test_without_policy_or_with_another_wheelhouse_the_hook_fails(
    pre_commit: Callable[..., Done], installed: Installed, tmp_path: Path, given: dict[str, str], status: int, said: str
) -> None:
    more = given and {**given, "POLICY_WHEELHOUSE": str(installed.wheelhouse)}
    done = pre_commit("{id: policy-gate}", **more, PATH=cleared(tmp_path)["PATH"])
    assert done.returncode == 1
    assert f"- exit code: {status}\n" in done.stdout
    assert said in done.stdout
