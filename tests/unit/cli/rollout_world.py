"""A workload in a migration, its ledger, and a clock that the tests of `policy rollout` set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import EntryType, open_ledger

from policy_engine.cli import rollout_run
from tests.rollouts import BEGUN, WORKLOAD, lines
from tests.unit.cli.conftest import Outcome

Run = Callable[..., Outcome]
PLUS = timedelta(hours=25)


class World:
    """A workload's file, a ledger, and what is observed of the stages."""

    def __init__(self, folder: Path, policy: Run) -> None:
        self.folder, self._policy = folder, policy
        self.file, self.ledger = folder / "helpdesk.yaml", folder / "r.db"
        self.file.write_text(WORKLOAD, encoding="utf-8")
        self.at = self.clock = BEGUN

    def run(self, *arguments: str, at: datetime | None = None, late: timedelta = timedelta()) -> Outcome:
        """Run it with the clock so much after the time that is given."""
        self.clock = (at or self.at) + late
        given = ("--ledger", f"sqlite:///{self.ledger}", "--at", (at or self.at).isoformat())
        return self._policy("rollout", str(self.file), *given, *arguments)

    def begin(self, *arguments: str) -> Outcome:
        return self.run("--begin", *arguments)

    def seen(self, stage: str, task: str = "tagging", **candidate: Any) -> Path:
        path = self.folder / f"{task}-{stage}.jsonl"
        path.write_text("\n".join(lines(stage, task, self.at, **candidate)) + "\n", encoding="utf-8")
        return path

    def observe(self, stage: str, task: str = "tagging", *arguments: str, **candidate: Any) -> Outcome:
        """Observe a stage from the last decision on, and decide an hour after it."""
        path = self.seen(stage, task, **candidate)
        self.at += timedelta(hours=49 if float(stage.removesuffix("-percent")) >= 50 else 25)
        return self.run("--observations", str(path), *arguments)

    def two_stages(self) -> tuple[str, str]:
        """Make a layer by which the stages are of 5 and of 100 percent; return how it is named."""
        (self.folder / "short").mkdir()
        text = "stages:\n  - {percent: 5, hours_min: 24}\n  - {percent: 100, hours_min: 48}\n"
        (self.folder / "short" / "rollout.yaml").write_text(text, encoding="utf-8")
        return "--policy", str(self.folder / "short")

    def decided(self, *arguments: str, after: timedelta = timedelta()) -> list[tuple[str, str, Any]]:
        """Run it so much later, and return its steps."""
        self.at += after
        return steps(self.run("-o", "json", *arguments))

    def entries(self) -> list[dict[str, Any]]:
        with open_ledger(f"sqlite:///{self.ledger}", read_only=True) as ledger:
            return [each.document for each in ledger.list_entries(type=EntryType.ROLLOUT_DECIDED, newest_first=False)]


@pytest.fixture
def world(tmp_path: Path, policy: Run, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, policy)
    monkeypatch.setattr(rollout_run, "now", lambda: found.clock)
    monkeypatch.setattr("policy_audit.ledger._now", lambda: found.clock)
    return found


def start_line() -> int:
    return next(number for number, line in enumerate(WORKLOAD.splitlines(), 1) if "rollout_start_percent" in line)


def steps(found: Outcome) -> list[tuple[str, str, Any]]:
    assert found.err == "" or "new ledger" in found.err
    rows = found.json["decisions"]
    return [(row["task"], row["decision"], row["next"] and row["next"]["percent"]) for row in rows]
