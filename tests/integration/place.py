"""A place where the command line works on a real ledger, in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.warm import warm
from tests.stores import SQLITE, Store, sqlite_store

OWNER, CHAMPION, ACTOR = "olga.owner@acme.example", "carl.champion@acme.example", "anna.actor@acme.example"
WORKLOAD = f"""\
apiVersion: policy-engine/v1
kind: Workload
metadata: {{namespace: support, name: NAME, owner: {OWNER}}}
spec:
  stage: production
  tasks:
    - {{name: t, kind: classification, complexity: simple, batch: false,
       proposal: {{deployment: proprietary_api, model: gpt-4o}}}}
  data: {{sensitivity: public, may_leave_network: false}}
  migration: {{from: {{deployment: proprietary_api, model: gpt-4o}}, champion: {CHAMPION}}}
"""


class Place:
    """A folder with a workload, a ledger to be, and the environment in which commands run."""

    def __init__(self, folder: Path, parsed_rules: Path | None = None, store: Store | None = None) -> None:
        self.folder, self.path = folder, folder / "ledger.db"
        self.store = store or sqlite_store(folder)
        self.url = self.store.url
        self.home = folder / "home"
        self.home.mkdir()
        if parsed_rules is not None:
            shutil.copytree(parsed_rules, self.home / "cache")
        self.workload = self.write("triage")

    def write(self, *names: str) -> Path:
        file = self.home / f"{names[0]}.yaml"
        file.write_text("---\n".join(WORKLOAD.replace("NAME", name) for name in names), encoding="utf-8")
        return file

    @property
    def environment(self) -> dict[str, str]:
        names = ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
        own = {**dict.fromkeys(names, str(self.home)), "POLICY_CACHE_DIR": str(self.home / "cache")}
        key = {} if self.store.kind == SQLITE else {"POLICY_LEDGER_KEY": str(self.store.key)}
        return {**kept, **own, **key, "POLICY_ACTOR": ACTOR, "POLICY_LEDGER": self.url}

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        environment = {**self.environment, **more.pop("env", {})}
        command = [sys.executable, "-m", "policy_engine", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.home, env=environment, **{**streams, **more})

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end, in a process that has the program loaded where nothing is asked of the process."""
        if not more:
            return warm().run(arguments, self.environment, self.home)
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def evaluate(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return self.run("evaluate", str(self.workload), *arguments, **more)

    def decided(self, *arguments: str, **more: Any) -> dict[str, Any]:
        found = self.evaluate("-o", "json", *arguments, **more)
        assert found.returncode == 0, found.stderr
        value: dict[str, Any] = json.loads(found.stdout)
        return value

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return self.run("audit", "verify", "-o", "json", *arguments)

    def verified(self, *arguments: str) -> int:
        """Return the number of entries of the ledger, which verifies."""
        found = self.verify(*arguments)
        assert found.returncode == 0, (found.stdout, found.stderr)
        entries: int = json.loads(found.stdout)["entries"]
        return entries


def refused(found: subprocess.CompletedProcess[bytes], *codes: str) -> None:
    assert found.returncode == 6, found.stderr
    assert found.stdout == b"", "a decision that is not on record was handed out"
    error = found.stderr.decode()
    assert any(f"[{code}]" in error for code in codes), error
    assert "Traceback" not in error
