"""Read tables and folders in tests: the canonical rows that come of them, and the rejects."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.fleet.columns import index_of
from policy_engine.fleet.reading import job_for, read_rows
from policy_engine.fleet.rejects import Rejects
from policy_engine.fleet.source import source_columns
from policy_engine.fleet.workspace import Workspace
from policy_engine.loading.policy import Policy

AT = datetime.fromisoformat("2026-11-24T12:00:00+00:00")


class Read(NamedTuple):
    """What a source came to: how many rows, the canonical ones, and the rejects."""

    count: int
    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]

    @property
    def why(self) -> list[str]:
        """All reasons of all rejects."""
        return [reason["message"] for each in self.rejects for reason in each["reasons"]]


def read(
    source: Path, policy: Policy, *, keep: tuple[str, ...] = (), at: datetime = AT, recorded: bool = False
) -> Read:
    """Read a source whole."""
    kind = None if source.is_dir() else source.suffix.removeprefix(".")
    columns, index = source_columns(policy.vocabulary), index_of(policy, list(policy.catalog.benchmarks))
    job = replace(job_for(source, policy, at, columns, index, keep), recorded=recorded)
    with Workspace(source.parent / "out") as space:
        rejects = Rejects(space.folder / "rejects.jsonl")
        found = read_rows(source, kind, job, space, rejects, Decider(policy), None)
        rows = found.frame.collect().to_dicts()
        found.check_unchanged()
        rejects.close()
        lines = [json.loads(line) for line in rejects.path.read_text(encoding="utf-8").splitlines()]
    assert list(source.parent.glob(".out*")) == []
    assert found.count == len(rows) + len(lines)
    return Read(found.count, rows, lines)
