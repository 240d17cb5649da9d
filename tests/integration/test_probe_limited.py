"""The probe under limits that the kernel holds it to: it reports within them, and is never killed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

MIB = 1 << 20


def probed(limit: Callable[[], object], budget: str = "8s") -> Any:
    """Run the command with what `limit` sets on its process."""
    command = [
        sys.executable,
        "-m",
        "policy_engine",
        "probe",
        "--device",
        "cpu",
        "-o",
        "json",
        "--budget",
        budget,
        "--no-record",
    ]
    return subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_one_core_and_little_address_space_give_a_report() -> None:
    space = 1000 * MIB

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    done = probed(limit)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    memory = found["device"]["memory"]
    assert (memory["limit_bytes"], memory["limited_by"]) == (space, "RLIMIT_AS")
    assert memory["touched_bytes"] < space - 500 * MIB, "torch alone takes more than the rest"
    assert memory["intact"] is not False
    assert found["device"]["threads"] == 1
    rates = {rate["name"]: rate for rate in found["device"]["rates"]}
    assert all(rate["rounds"] or rate["problem"] for rate in rates.values())
    # how large the buffers of a copy have to be hangs on the caches of this machine
    problem = rates["copy"]["problem"]
    assert problem is None or "caches of" in problem or "no time" in problem


def test_address_space_that_torch_does_not_fit_into_is_said() -> None:
    done = probed(lambda: resource.setrlimit(resource.RLIMIT_AS, (450 * MIB, 450 * MIB)))
    assert done.returncode == 2
    assert "extra-broken" in done.stderr
    assert "more memory" in done.stderr
    assert "Traceback" not in done.stderr
