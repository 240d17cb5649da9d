"""A checkout with workloads, the wheelhouse, and what the action's own step installs of it, once for all processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.ci.action_runner import Action, Ran
from tests.wheelhouse import ROOT, fill, once

EXAMPLES = {
    "allow": "writing-assistant.yaml",
    "review": "hospital.yaml",
    "deny": "leaking-fallback.yaml",
}


@dataclass(frozen=True)
class Installed:
    """What the step `install` made of the wheelhouse."""

    wheelhouse: Path
    bin: Path
    python: Path

    @property
    def environment(self) -> Path:
        return self.python.parent.parent


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of the tests have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return folder.resolve()


@pytest.fixture(scope="session")
def wheelhouse(shared: Path) -> Path:
    return once(shared / "wheelhouse", fill)


@pytest.fixture(scope="session")
def installed(shared: Path, wheelhouse: Path) -> Installed:
    """`policy`, installed by the action's own first step where nothing compiles and nothing can be fetched."""

    def install(folder: Path) -> None:
        place = shared / "installing"
        workspace, temp = place / "workspace", place / "temp"
        workspace.mkdir(parents=True)
        temp.mkdir()
        ran = Action(ROOT).run(workspace, temp, {"wheelhouse": str(wheelhouse)}, cleared(place), most=1)
        assert not ran.failed, ran.log
        (folder / "steps.json").write_text(json.dumps({"path": ran.path, **ran.steps["install"]}))

    found = json.loads((once(shared / "installed", install) / "steps.json").read_text())
    return Installed(wheelhouse, Path(found["path"][0]), Path(found["python"]))


def cleared(home: Path, **more: str) -> dict[str, str]:
    """An environment without settings, compiler, index and network, in which Python is found."""
    return {
        "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "CC": "/bin/false",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "GIT_CONFIG_NOSYSTEM": "1",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        **more,
    }


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody without settings; return what it says."""
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@acme.example", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    """Commit everything in `folder`, and return the commit."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "change", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one workload, which is allowed."""
    folder = tmp_path / "checkout"
    (folder / "workloads").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    put(folder, "allow")
    commit(folder)
    return folder


def put(checkout: Path, verdict: str, name: str | None = None) -> Path:
    """Put a workload of this verdict into the checkout."""
    path = checkout / "workloads" / (name or f"{verdict}.yaml")
    shutil.copyfile(ROOT / "examples" / EXAMPLES[verdict], path)
    return path


@pytest.fixture
def action(installed: Installed, checkout: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Run the action in the checkout, with `policy` as its first step installed it; `-` in a name is `_`."""

    def run(environment: Mapping[str, str] | None = None, **given: str) -> Ran:
        temp = tmp_path / "runner"
        temp.mkdir(exist_ok=True)
        inputs = {"ledger": f"sqlite:///{tmp_path}/ledger.db", "paths": "workloads", "python": str(installed.python)}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        env = cleared(tmp_path, **(environment or {}))
        env["PATH"] = f"{installed.bin}:{env['PATH']}"
        return Action(ROOT).run(checkout, temp, inputs, env)

    return run
