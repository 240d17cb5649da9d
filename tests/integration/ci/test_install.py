"""integrations/install.sh: what it refuses, and that what it installs was neither fetched nor compiled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.ci.conftest import Installed, cleared
from tests.wheelhouse import ROOT

SCRIPTS = sorted((ROOT / "integrations").rglob("*.sh"))


def install(wheelhouse: Path, folder: Path, *digest: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "integrations" / "install.sh"), str(wheelhouse), str(folder), *digest]
    environment = cleared(folder.parent, **more)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder.parent)


@pytest.fixture
def few(wheelhouse: Path, tmp_path: Path) -> Path:
    """A wheelhouse with the engine's wheel alone, which needs nothing."""
    folder = tmp_path / "few"
    folder.mkdir()
    (engine,) = wheelhouse.glob("durable_rules-*.whl")
    shutil.copyfile(engine, folder / engine.name)
    return folder


def test_the_digest_is_that_of_sha256sum(wheelhouse: Path) -> None:
    script = "LC_ALL=C sha256sum *.whl | sha256sum"
    wanted = subprocess.run(["bash", "-c", script], cwd=wheelhouse, capture_output=True, text=True, check=True)
    command = [sys.executable, str(ROOT / "integrations" / "install.py"), "--digest", str(wheelhouse)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"sha256:{wanted.stdout.split()[0]}"


def test_what_is_installed_is_what_the_wheelhouse_holds(installed: Installed) -> None:
    (site,) = installed.environment.glob("lib/python3*/site-packages")
    found = {path.name for path in site.glob("*.dist-info")}
    assert found == {"-".join(path.name.split("-")[:2]) + ".dist-info" for path in installed.wheelhouse.iterdir()}
    assert (installed.bin / "policy").resolve() == installed.environment / "bin" / "policy"


def test_a_second_time_nothing_is_done(installed: Installed) -> None:
    before = installed.environment.stat().st_ctime_ns
    done = install(installed.wheelhouse, installed.environment)
    assert done.returncode == 0, done.stderr
    assert installed.environment.stat().st_ctime_ns == before


@pytest.mark.parametrize("name", ["index.html", "evil-1.tar.gz", "notes.txt"])
def test_a_folder_with_anything_but_wheels_is_refused(few: Path, tmp_path: Path, name: str) -> None:
    (few / name).write_text('<a href="http://127.0.0.1:9/evil-1-py3-none-any.whl">evil-1-py3-none-any.whl</a>')
    done = install(few, tmp_path / "environment")
    assert done.returncode == 3
    assert f"the wheelhouse holds `{name}`, which is no wheel" in done.stderr
    assert not (tmp_path / "environment").exists()


def test_a_wheel_that_is_a_link_is_refused(few: Path, tmp_path: Path) -> None:
    (few / "evil-1-py3-none-any.whl").symlink_to(next(few.iterdir()))
    assert install(few, tmp_path / "environment").returncode == 3


def test_wheels_that_need_something_that_is_not_there_leave_nothing_ready(few: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(few / "lone-1-py3-none-any.whl", "w") as wheel:
        metadata = "Metadata-Version: 2.1\nName: lone\nVersion: 1\nRequires-Dist: msgspec\n"
        wheel.writestr("lone-1.dist-info/METADATA", metadata)
        wheel.writestr("lone-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("lone-1.dist-info/RECORD", "")
    done = install(few, tmp_path / "environment")
    assert done.returncode == 3, done.stderr
    assert "pip could not install" in done.stderr
    assert not (tmp_path / "environment" / ".ready").exists()


def test_another_digest_a_foreign_folder_and_no_wheelhouse_are_refused(few: Path, tmp_path: Path) -> None:
    assert install(few, tmp_path / "environment", "sha256:" + "0" * 64).returncode == 6
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").write_text("")
    assert install(few, tmp_path / "mine").returncode == 2
    assert (tmp_path / "mine" / "kept").is_file()
    assert install(tmp_path / "nowhere", tmp_path / "environment").returncode == 2
    assert install(tmp_path / "mine", tmp_path / "environment").returncode == 3


def test_a_python_that_the_wheelhouse_is_not_for_is_refused_with_what_to_do(few: Path, tmp_path: Path) -> None:
    (engine,) = few.iterdir()
    engine.rename(few / engine.name.replace(f"-cp3{sys.version_info[1]}-", "-cp399-", 1))
    done = install(few, tmp_path / "environment", RUNNER_TOOL_CACHE=str(tmp_path))
    assert done.returncode == 3
    assert "the wheelhouse is for Python 3.99" in done.stderr
    assert "POLICY_PYTHON" in done.stderr


@pytest.mark.parametrize(("extras", "asked"), [("", ""), ("postgres,otlp", "[postgres,otlp]")])
def test_a_wheelhouse_is_made_with_the_extras_that_are_named(tmp_path: Path, extras: str, asked: str) -> None:
    command = ["make", "-n", "wheelhouse", f"EXTRAS={extras}"]
    said = subprocess.run(command, cwd=ROOT, env=cleared(tmp_path), capture_output=True, text=True, check=True).stdout
    (wheel,) = re.findall(r'"\$\(ls (wheelhouse/policy_engine-.*)"$', said, re.MULTILINE)
    assert wheel == f"wheelhouse/policy_engine-*.whl){asked}"
    assert re.findall(r"--find-links wheelhouse (policy-engine.*)\"$", said, re.MULTILINE) == [f"policy-engine{asked}"]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean() -> None:
    subprocess.run(["shellcheck", *SCRIPTS], check=True)


def test_the_scripts_can_be_run_and_stop_at_the_first_failure() -> None:
    assert SCRIPTS
    for script in SCRIPTS:
        assert script.stat().st_mode & 0o111
        assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
