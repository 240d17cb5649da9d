"""A baseline in the reports for CI: what it accepts, and which of its entries accept nothing any more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from policy_engine.cli.run_options import CI_FORMATS
from tests.unit.cli.baseline_bench import Bench, Policy

FORMATS = (*CI_FORMATS, "markdown")


@pytest.fixture
def bench(tmp_path: Path, policy: Policy) -> Bench:
    found = Bench(tmp_path, policy)
    assert found.write().status == 1
    return found


def reports(bench: Bench, status: int) -> dict[str, str]:
    outputs = [argument for name in FORMATS for argument in ("-o", f"{name}={bench.folder}/r.{name}")]
    done = bench.with_baseline(*outputs)
    assert done.status == status, done.err
    return {name: (bench.folder / f"r.{name}").read_text(encoding="utf-8").replace("\\", "") for name in FORMATS}


def test_what_is_accepted_is_in_every_report_and_fails_none(bench: Bench) -> None:
    found = reports(bench, 0)
    for name, text in found.items():
        assert "accepted by a baseline: 4 findings, by which 2 workloads pass" in text.replace(
            "Accepted", "accepted"
        ), name
        assert "adopting the gate" in text, name
    (run,) = json.loads((bench.folder / "r.sarif").read_text(encoding="utf-8"))["runs"]
    assert sum(len(each["suppressions"]) for each in run["results"]) == 4
    assert not [each for each in run["results"] if each["level"] != "note" and not each["suppressions"]]
    assert "<failure" not in found["junit"]
    assert found["junit"].count("<skipped") == 2
    assert not re.search(r"^::(error|warning)", found["github"], re.MULTILINE)
    assert "## Policy gate: passes" in found["markdown"]


def test_stale_entries_are_in_every_report(bench: Bench) -> None:
    bench.change("mlops: none", "mlops: building")
    for name, text in reports(bench, 0).items():
        assert "of its entries 1 stale" in text, name
        assert "a stale entry of the baseline: claims/triage, t: no-mlops-no-self-hosting" in text, name
