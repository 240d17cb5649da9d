"""The wheel: what is in it, and that it works where there is no checkout."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from policy_engine.inference import MENDING

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "support-tickets.yaml"
SCRATCH = "sqlite:///:memory:"
BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name == "durable_rules_engine":
            raise ImportError("undefined symbol: PyEval_CallObject")

sys.meta_path.insert(0, Block())
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout, without network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment that holds the wheel, and the dependencies of this one behind it."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # a path in a .pth file is searched, but its own .pth files are not read: the checkout stays out of reach
    (site / "dependencies.pth").write_text(sysconfig.get_path("platlib") + "\n")
    return folder / "bin"


def run(command: list[str | Path], home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run in `home`, away from the checkout and from the settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("POLICY_", "OTEL_", "XDG_", "PYTHON"))}
    environment = {**kept, "HOME": str(home), **more}
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def files_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_the_wheel_holds_rules_migrations_and_types_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    rules = {name.removeprefix("policy_engine/_rules/") for name in names if name.startswith("policy_engine/_rules/")}
    assert rules == files_below(ROOT / "rules")
    assert {"policy-set.yaml", "schemas/workload.schema.json"} <= rules
    migrations = {f"policy_audit/_migrations/{name}" for name in files_below(ROOT / "migrations")}
    assert migrations <= names
    assert {"policy_engine/py.typed", "policy_audit/py.typed"} <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"policy_engine", "policy_audit", f"{wheel.name.split('-py3')[0]}.dist-info"}
    assert not [name for name in names if "/tests/" in name or name.endswith((".db", ".key", ".pyc"))]


def required(names: list[str]) -> set[str]:
    """The distributions that `names` bring in, with all that these need."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += map(Requirement, metadata.requires(name) or [])
    return found


def imported(folder: Path) -> set[str]:
    """The top-level modules that the code below `folder` imports, wherever it does."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"policy_engine", "policy_audit"}


def test_whatever_is_imported_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    declared = required(project["dependencies"] + extras)
    owners = metadata.packages_distributions()
    for folder in ("policy_engine", "audit", "migrations"):
        for module in imported(ROOT / folder):
            names = {canonicalize_name(name) for name in owners.get(module, [])}
            assert names & declared, f"{folder} imports {module}, which nothing in pyproject.toml brings in"


@pytest.mark.slow
def test_the_installed_wheel_decides_records_and_verifies(installed: Path, tmp_path: Path) -> None:
    code = "import policy_engine, policy_audit; print(policy_engine.__file__, policy_audit.__file__)"
    places = run([installed / "python", "-c", code], tmp_path).stdout.split()
    assert len(places) == 2
    assert all(place.startswith(str(installed.parent)) for place in places)

    ledger = f"sqlite:///{tmp_path}/ledger.db"
    done = run([installed / "policy", "evaluate", EXAMPLE, "--ledger", ledger, "-o", "json"], tmp_path)
    assert done.returncode == 0, done.stderr
    decision = json.loads(done.stdout)
    assert decision["ledger"]["index"] == 0
    (layer,) = decision["policy"]["layers"]
    assert layer["name"] == "shipped"

    done = run([installed / "policy", "audit", "verify", "--ledger", ledger], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_wheel_without_rules_refuses_to_decide(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site, [n for n in archive.namelist() if not n.startswith("policy_engine/_rules/")])
    command: list[str | Path] = [sys.executable, "-m", "policy_engine", "evaluate", EXAMPLE, "--ledger", SCRATCH]
    done = run(command, tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "this installation holds no rules [no-rules]" in done.stderr
    assert done.stdout == ""


def test_an_engine_that_does_not_import_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    command: list[str | Path] = [sys.executable, "-m", "policy_engine", "evaluate", EXAMPLE, "--ledger", SCRATCH]
    done = run(command, tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "undefined symbol: PyEval_CallObject" in done.stderr
    assert f"help: run: {MENDING}\n" in done.stderr
    assert done.stdout == ""
