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

    def run(hook: str, settings: str = "", **more: str) -> Done:
        config = f"repos:\n- repo: {folder}\n  rev: {commit_id}\n  hooks:\n  - id: {hook}\n{settings}"
        (checkout / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
        env = cleared(tmp_path, PRE_COMMIT_HOME=str(tmp_path / "cache"))
        env["PATH"] = f"{installed.bin}:{env['PATH']}"
        command = [str(PRE_COMMIT), "run", "--all-files", "--color=never", "--verbose"]
        git(checkout, "add", "-A")
        return subprocess.run(command, cwd=checkout, env=env | more, capture_output=True, text=True, check=False)

    return run


def test_the_manifest_is_valid() -> None:
    subprocess.run([str(PRE_COMMIT), "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], check=True)


@pytest.mark.slow
def test_an_allowed_workload_passes_and_a_denied_one_does_not(
    pre_commit: Callable[..., Done], checkout: Path, tmp_path: Path
) -> None:
    done = pre_commit("policy-gate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    assert "ALLOW  default/writing-assistant" in done.stdout
    assert (tmp_path / ".local/share/policy-engine/ledger.db").is_file()

    put(checkout, "deny")
    done = pre_commit("policy-gate")
    assert done.returncode == 1
    assert "- exit code: 1\n" in done.stdout
    assert "DENY  claims/claims-notes" in done.stdout


@pytest.mark.slow
def test_other_yaml_files_are_not_judged_and_a_broken_workload_fails(
    pre_commit: Callable[..., Done], checkout: Path
) -> None:
    (checkout / "workloads" / "allow.yaml").unlink()
    (checkout / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    done = pre_commit("policy-gate")
    assert done.returncode == 0
    assert "(no files to check)Skipped" in done.stdout
    (checkout / "chat.workload.yaml").write_text("kind: Workload\n", encoding="utf-8")
    done = pre_commit("policy-gate")
    assert "- exit code: 2\n" in done.stdout
    assert done.returncode == 1


@pytest.mark.slow
def test_the_wheelhouse_is_installed_into_the_users_cache_and_its_digest_is_held_to(
    pre_commit: Callable[..., Done], installed: Installed, tmp_path: Path
) -> None:
    """What stands in the cache is what the action installed there, so that only the finding of it is tried."""
    cache = tmp_path / "xdg" / "policy-engine"
    cache.mkdir(parents=True)
    (cache / "hooks").symlink_to(installed.environment)
    given = {"POLICY_WHEELHOUSE": str(installed.wheelhouse), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    without = {**given, "PATH": cleared(tmp_path)["PATH"]}
    done = pre_commit("policy-gate", **without)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ALLOW" in done.stdout
    done = pre_commit("policy-gate", **without, POLICY_WHEELHOUSE_DIGEST="sha256:" + "0" * 64)
    assert "- exit code: 6\n" in done.stdout


def test_without_policy_the_hook_fails_and_says_what_to_do(pre_commit: Callable[..., Done], tmp_path: Path) -> None:
    done = pre_commit("policy-gate", PATH=cleared(tmp_path)["PATH"])
    assert done.returncode == 1
    assert "- exit code: 3\n" in done.stdout
    assert "name a wheelhouse" in done.stdout


@pytest.mark.slow
def test_layers_are_checked_by_their_folders(pre_commit: Callable[..., Done], checkout: Path) -> None:
    (checkout / "acme").mkdir()
    (checkout / "acme" / "parameters.yaml").write_text("parameters: {no_such_number: {value: 1}}\n", encoding="utf-8")
    done = pre_commit("policy-rules-lint", "    args: [acme]\n    files: ^acme/\n")
    assert done.returncode == 1
    assert "- exit code: 3\n" in done.stdout
    assert "acme/parameters.yaml" in done.stdout
