"""A workload whose costs are asked for, and how a line of the document is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_engine.model.ranges import ENDS
from tests.unit.cli.given import AT

Run = Callable[..., Any]
TRIAGE = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {name: NAME, owner: support@acme.example}
spec:
  stage: pilot
  organisation: enterprise
  tasks:
    - {name: triage, kind: classification, complexity: simple, quality: sufficient, batch: BATCH, context_tokens: 8000,
       latency_p95_ms: 60000}
  data: {sensitivity: internal, residency: [anywhere], may_leave_network: true, third_party_accepted: true}
  VOLUME
  team: {mlops: mature, ml_engineers: 2, gpu_devops_engineers: 1}
  needs: {}
  migration: none
"""
VOLUME = "volume: {input_tokens_per_month: 500000000, output_tokens_per_month: 100000000}"


def written(
    folder: Path, name: str = "triage", volume: str = VOLUME, batch: str = "true", migration: str = "none"
) -> str:
    text = TRIAGE.replace("NAME", name).replace("VOLUME", volume).replace("BATCH", batch)
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("migration: none", f"migration: {migration}"), encoding="utf-8")
    return str(path)


def cost(policy: Run, file: str, *arguments: str) -> Any:
    """Return the document of what it costs at the day of the prices."""
    found = policy("cost", file, *AT, *arguments, "-o", "json")
    assert (found.status, found.err) == (0, "")
    return found.json


def only(document: Any) -> Any:
    (workload,) = document["workloads"]
    (task,) = workload["tasks"]
    return task


def line(task: Any, option: str, model: str, owned: bool | None = None) -> Any:
    (lines,) = (each["lines"] for each in task["options"] if each["deployment"] == option)
    (found,) = (each for each in lines if (each["model"], each["owned"]) == (model, owned))
    return found


def exact(value: float) -> dict[str, Any]:
    return dict.fromkeys(ENDS, pytest.approx(value))
