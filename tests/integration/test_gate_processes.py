"""`policy gate` as a process: interrupted, killed, cut off. It is never green, and leaves no report that looks so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.place import Place

pytestmark = pytest.mark.slow
MANY = 400


def started(place: Place, report: Path) -> subprocess.Popen[bytes]:
    """Start a gate on many workloads, and wait until it is past its options: it has taken the old report away."""
    many = place.write(*(f"w{number}" for number in range(MANY)))
    green = {"apiVersion": "policy-engine/v1", "kind": "Decision", "verdict": "allow"}
    report.write_text(json.dumps(green, indent=2), encoding="utf-8")
    process = place.start("gate", str(many), "-o", f"json={report}", "-q")
    deadline = time.monotonic() + 60
    while report.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "it should be at work"
    return process


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 7), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_what_is_interrupted_fails_and_leaves_no_green_report(
    place: Place, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    report = tmp_path / "decision.json"
    process = started(place, report)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, b""), err
    assert b"Traceback" not in err
    assert not report.exists()
    assert place.run("gate", str(place.workload), "-q").returncode == 1, "the ledger goes on"
    assert place.verified() in (1, MANY + 1), "all of a run is on record, or none of it"


def test_a_reader_that_leaves_early_is_no_success(place: Place) -> None:
    read, write = os.pipe()
    os.close(read)
    process = place.start("gate", str(place.workload), stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    assert b"[broken-output]" in err


def test_standard_output_that_is_closed_is_no_success(place: Place, tmp_path: Path) -> None:
    report = tmp_path / "d.json"
    command = f"exec \"$0\" -m policy_engine gate '{place.workload}' -o text -o json='{report}' >&-"
    done = subprocess.run(
        ["bash", "-c", command, sys.executable],
        env=place.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert json.loads(report.read_text(encoding="utf-8"))["verdict"] == "deny"
