"""The Containerfile, as far as it can be tried without a builder and a base image, which cannot be had offline.

Tried are: its form, that what it copies is there and is enough to build the wheel, that what it installs needs neither
compiler nor index, and the health check. Not tried are what needs root in an image of its own: the packages of apt,
owner and mode of its folders, and that its file system may be read-only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.ci.conftest import Installed, cleared, git
from tests.integration.ci.containerfile import Ignored, Stage, read
from tests.wheelhouse import ROOT

STAGES = read(ROOT / "Containerfile")
BUILD, INSTALL, FINAL = STAGES
BROKEN = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name == "durable_rules_engine":
            raise ImportError("undefined symbol: PyEval_CallObject")

sys.meta_path.insert(0, Block())
"""


def sources(stage: Stage) -> list[str]:
    """What a stage copies out of the context."""
    return [source for origin, names, _ in stage.copies() if origin is None for source in names]


def test_the_stages_stand_on_one_image_and_only_the_first_has_a_compiler() -> None:
    assert [stage.name for stage in STAGES] == ["build", "install", ""]
    assert len({stage.base for stage in STAGES}) == 1
    for stage in (INSTALL, FINAL):
        text = " ".join(each.text for each in stage.of("RUN"))
        assert not {"gcc", "make", "libc6-dev", "build-essential"} & set(text.split())
    assert [(origin, names) for origin, names, _ in INSTALL.copies() if origin] == [("build", ["/source/wheelhouse"])]
    assert [(origin, names) for origin, names, _ in FINAL.copies() if origin] == [("install", ["/opt/policy"])]


def test_who_runs_is_nobody_by_number_and_what_runs_is_policy() -> None:
    user, group = FINAL.one("USER").text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert FINAL.one("ENTRYPOINT").words == ["policy"]
    names = [each.name for each in FINAL.instructions]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY"))
    assert "/opt/policy/bin:$PATH" in FINAL.one("ENV").text


def test_labels_say_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert FINAL.one("ARG").text == f"VERSION={project['version']}"
    for name in ("title", "description", "version", "licenses"):
        assert f"org.opencontainers.image.{name}=" in FINAL.one("LABEL").text


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    ignored = Ignored(ROOT / ".containerignore")
    for stage in STAGES:
        for source in sources(stage):
            assert (ROOT / source).exists(), source
            assert source not in ignored
    tracked = git(ROOT, "-c", f"safe.directory={ROOT}", "ls-files", "-z").split("\0")
    copied = tuple(f"{source}/" for stage in STAGES for source in sources(stage))
    for path in tracked:
        assert (path in ignored) or path.startswith(copied) or path in sources(BUILD), f"{path} is sent for nothing"


@pytest.mark.parametrize(
    "path",
    [".git/config", ".venv/bin/python", "tests/conftest.py", "ledger.db", "rules/ledger.db", "rules/ledger.db-wal",
     "examples/ledger.db.key", "examples/ledger.db.key.personal",
     "wheelhouse/x.whl", "policy_engine/__pycache__/x.pyc"],
)  # fmt: skip
def test_neither_secrets_nor_ledgers_nor_history_reach_the_builder(path: str) -> None:
    assert path in Ignored(ROOT / ".containerignore")


def test_docker_ignores_the_same() -> None:
    assert (ROOT / ".dockerignore").resolve() == ROOT / ".containerignore"


def test_what_is_copied_is_enough_for_the_wheel(installed: Installed, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in sources(BUILD):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, target)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = tmp_path.glob("policy_engine-*.whl")
    (wanted,) = installed.wheelhouse.glob("policy_engine-*.whl")
    assert set(zipfile.ZipFile(built).namelist()) == set(zipfile.ZipFile(wanted).namelist())
    done = subprocess.run(["make", "-n", *make_words()], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make_words() -> list[str]:
    (words,) = [each.text.split()[1:] for each in BUILD.of("RUN") if each.text.startswith("make ")]
    assert words[0] == "wheelhouse"
    return words


def test_what_the_second_stage_runs_installs_without_compiler_and_index(installed: Installed, tmp_path: Path) -> None:
    """In a folder instead of an image; the installer finds the environment that it made for the action, and holds the
    wheelhouse to it.
    """
    for each in INSTALL.of("RUN"):
        text = each.text
        for theirs, ours in (
            ("/integrations/", f"{ROOT}/integrations/"),
            ("/wheelhouse", str(installed.wheelhouse)),
            ("/opt/policy", str(installed.environment)),
            ("POLICY_PYTHON=python3 ", f"POLICY_PYTHON={installed.python} "),
        ):
            text = text.replace(theirs, ours)
        if "compileall" in text:  # it takes ten seconds, and compiles Python alone
            text = text.replace("compileall", "compileall -r 0")
        subprocess.run(["sh", "-e", "-c", text], env=cleared(tmp_path), check=True)


def test_what_the_last_stage_runs_is_a_script_that_a_shell_reads() -> None:
    for stage in STAGES:
        for each in stage.of("RUN"):
            subprocess.run(["sh", "-n", "-c", each.text], check=True)


@pytest.mark.parametrize("name", ["README.md", "Containerfile"])
def test_what_is_said_to_build_it_keeps_the_health_check(name: str) -> None:
    """Podman's own format, that of the OCI, has none, and `podman build` drops it with a warning."""
    text = (ROOT / name).read_text(encoding="utf-8")
    builds = re.findall(r"(?:podman|buildah) (?:build|bud)\b.*", text)
    assert builds
    for each in builds:
        assert each.split()[2:4] == ["--format", "docker"]


def shared(folder: Path) -> list[str]:
    """What the last stage copies beside the engine, in a folder; return the words of the health check there."""
    for origin, (name,), target in [copy for copy in FINAL.copies() if copy[0] is None]:
        assert origin is None
        shutil.copyfile(ROOT / name, folder / Path(target).name)
    words = FINAL.one("HEALTHCHECK").words
    assert (folder / Path(words[-1]).name).exists()
    return [*words[:-1], str(folder / Path(words[-1]).name)]


@pytest.mark.slow
def test_the_health_check_decides_and_fails_where_the_engine_is_broken(installed: Installed, tmp_path: Path) -> None:
    """It writes nowhere: its home cannot be made, as on a file system that is read-only."""
    share, work = tmp_path / "share", tmp_path / "work"
    share.mkdir()
    work.mkdir()
    words = shared(share)
    (work / "sitecustomize.py").write_text(BROKEN, encoding="utf-8")
    env = cleared(Path("/proc/none"), XDG_DATA_HOME="/proc/none", PYTHONDONTWRITEBYTECODE="1")
    env["PATH"] = f"{installed.bin}:{env['PATH']}"
    for more, status in (({}, 0), ({"PYTHONPATH": str(work)}, 3)):
        assert subprocess.run(words, cwd=work, env=env | more, check=False).returncode == status
    assert [path.name for path in work.iterdir()] == ["sitecustomize.py"]


class _Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_health_check_of_a_server_asks_it(tmp_path: Path) -> None:
    words = shared(tmp_path)
    (tmp_path / "cmdline").write_bytes(b"/opt/policy/bin/python\0/opt/policy/bin/policy\0serve\0--workers\0002\0")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        more = {"POLICY_HEALTH_OF": str(tmp_path), "POLICY_HEALTH_PORT": str(server.server_address[1])}
        # a proxy of the environment is for others
        env = cleared(tmp_path, http_proxy="http://127.0.0.1:1", **more)
        statuses = []
        for _Health.status in (200, 503):
            statuses.append(subprocess.run(words, env=env, check=False).returncode)
        server.shutdown()
    statuses.append(subprocess.run(words, env=env, check=False).returncode)
    assert statuses == [0, 1, 1]


def test_the_image_has_the_server_and_says_its_port() -> None:
    assert make_words()[-1] == "EXTRAS=postgres,otlp,server,client"
    assert FINAL.one("EXPOSE").text == "8181"
