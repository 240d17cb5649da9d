"""Ledgers with decisions on record, and the command line in this process."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from policy_engine.cli.main import call
from policy_engine.loading import cache as cache_module
from policy_engine.loading import policy as loading
from policy_engine.loading.layers import LayerFiles
from policy_engine.loading.policy import Policy
from tests.unit.cli.given import ALLOWED, AT, INVOICES

if TYPE_CHECKING:
    from tests.unit.cli.attest_scene import Attested

DENIED = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: support, name: triage, owner: olga.owner@acme.example}
spec:
  stage: production
  tasks:
    - {name: t, kind: classification, complexity: simple, batch: false,
       proposal: {deployment: proprietary_api, model: gpt-4o}}
  data: {sensitivity: public, may_leave_network: false}
  team: {mlops: mature, ml_engineers: 3, gpu_devops_engineers: 2, can_hire: true}
  migration: {from: {deployment: proprietary_api, model: gpt-4o}, champion: carl.champion@acme.example}
"""
OPEN = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: drafts, name: assistant, owner: otto.owner@acme.example}
spec:
  stage: pilot
  tasks: [{name: t, kind: summarisation}]
"""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of parsed rules that all tests here share."""
    return tmp_path_factory.mktemp("cache")


_PARSED: dict[Any, Policy] = {}


@pytest.fixture(autouse=True)
def parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse the shipped rules once in this process: policies are frozen, and tests are many.

    Files are read, digests and caches checked as ever. With a layer, which each test has in a folder of its own,
    nothing is kept: a thousand policies would fill the memory.
    """
    build, of_cache = loading._build, cache_module._policy

    def built(layers: Sequence[LayerFiles]) -> Policy:
        return _known(layers, loading._cache_key(layers), lambda: build(layers))

    def cached(data: bytes, layers: Sequence[LayerFiles]) -> Policy:
        return _known(layers, sha256(data).hexdigest(), lambda: of_cache(data, layers))

    monkeypatch.setattr(loading, "_build", built)
    monkeypatch.setattr(cache_module, "_policy", cached)


def _known(layers: Sequence[LayerFiles], of: str, make: Callable[[], Policy]) -> Policy:
    if len(layers) > 1:
        return make()
    key = (layers[0].root, of)
    if key not in _PARSED:
        _PARSED[key] = make()
    return _PARSED[key]


@pytest.fixture(scope="session")
def cases_run() -> dict[Any, Any]:
    return {}


@pytest.fixture
def shipped_cases_run_once(cases_run: dict[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the shipped cases on all engines once in this process.

    They run under the shipped rules alone, whatever lies above them, and one run takes as long as thirty tests.
    """
    from policy_engine import cases

    run = cases.CaseRunner.run_all

    def known(self: cases.CaseRunner, given: Sequence[Any]) -> list[Any]:
        if len(self.policy.rules.layers) > 1:
            return run(self, given)
        key = (self.policy.digest, cases.ENGINES, repr(given))
        if key not in cases_run:
            cases_run[key] = run(self, given)
        return list(cases_run[key])

    monkeypatch.setattr(cases.CaseRunner, "run_all", known)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings, ledgers and caches of the user out of the tests, and the tests out of them."""
    for name in [name for name in os.environ if name.startswith(("POLICY_", "OTEL_", "GITHUB_", "GITLAB_", "CI"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("POLICY_CACHE_DIR", str(cache))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("POLICY_ACTOR", "anna.actor@acme.example")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def policy(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Run `policy` with these arguments."""

    def run(*arguments: str) -> Outcome:
        capfdbinary.readouterr()
        status = call(list(arguments))
        captured = capfdbinary.readouterr()
        return Outcome(status, captured.out.decode(), captured.err.decode())

    return run


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of four decisions: triage, assistant, triage for deploy, assistant."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "denied.yaml").write_text(DENIED, encoding="utf-8")
    (folder / "open.yaml").write_text(OPEN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLICY_CACHE_DIR", str(folder / "cache"))
        patch.setenv("POLICY_ACTOR", "anna.actor@acme.example")
        for file, purpose in (("denied", "draft"), ("open", "draft"), ("denied", "deploy"), ("open", "pull_request")):
            url = f"sqlite:///{folder}/ledger.db"
            at = f"2026-11-0{1 + (folder / 'ledger.db').exists()}T00:00:00Z"
            given = ["evaluate", str(folder / f"{file}.yaml"), "--ledger", url, "--at", at, "--purpose", purpose, "-q"]
            assert call(given) == 0
    return folder


@pytest.fixture(scope="session")
def attested(tmp_path_factory: pytest.TempPathFactory) -> Attested:
    """What a gate left that attested an allow, a deny and a review; not to be written to."""
    from tests.unit.cli.attest_scene import gate_three

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLICY_ACTOR", "anna.actor@acme.example")
        return gate_three(tmp_path_factory.mktemp("attested"))


@pytest.fixture
def ledger(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that ledger, which the settings name."""
    for name in ("ledger.db", "ledger.db.key", "ledger.db.key.personal"):
        shutil.copy2(recorded / name, tmp_path / name)
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/ledger.db")
    return tmp_path / "ledger.db"


@pytest.fixture
def workload(tmp_path: Path) -> Callable[..., Path]:
    """Write a workload file: an example with text replaced."""

    def write(name: str = "w.yaml", source: Path = ALLOWED, **replaced: str) -> Path:
        text = source.read_text(encoding="utf-8")
        for old, new in replaced.items():
            text, count = re.subn(rf"^(\s*(?:- )?{old}): .*$", lambda m, new=new: f"{m[1]}: {new}", text, flags=re.M)
            assert count, old
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sits at a terminal, and nothing comes from elsewhere."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is to be completed."""
    path = tmp_path / "w.yaml"
    path.write_text(INVOICES, encoding="utf-8")
    return path


@pytest.fixture
def sweep(policy: Callable[..., Outcome], tmp_path: Path) -> Callable[..., Outcome]:
    """Sweep a source into a file of the test's folder, at the time of the examples."""

    def run(source: Path | str, *arguments: str, to: str = "out.jsonl") -> Outcome:
        return policy("sweep", str(source), "--to", str(tmp_path / to), *AT, *arguments)

    return run
