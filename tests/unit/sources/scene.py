"""Workload files and repositories for the tests of which files are judged."""

from __future__ import annotations

from pathlib import Path

from tests.unit.impact.repositories import git

WORKLOAD = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {{name: {name}, owner: o@acme.example}}
spec:
  stage: pilot
  tasks: [{{name: t, kind: summarisation}}]
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"


def workload(name: str, more: str = "") -> str:
    return WORKLOAD.format(name=name) + more


def write(folder: Path, **files: str) -> None:
    """Write YAML files: `__` stands for `/`."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def committed(folder: Path) -> str:
    """Commit all there is, in a repository that is made where there is none, and return the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=x")
    return git(folder, "rev-parse", "HEAD")


def program(folder: Path, text: str = "") -> tuple[Path, Path]:
    """A program that leaves a mark where it is run."""
    mark, path = folder / "was-run", folder / "program"
    path.write_text(f"#!/bin/sh\ntouch '{mark}'\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return path, mark
