"""A probe's attestation from the measurement to the gate, in processes of its own, and what takes its force away."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.keys import generate_signer, write_key_file

from tests.integration.place import Place

pytestmark = pytest.mark.slow
ABOUT, BUDGET = ("--budget", "8s"), "hardware_attestation"
#: Small enough to be verified within seconds on whatever runs this.
CPU = {"gpus": [{"name": "cpu", "memory_mib": 64, "bandwidth_gb_s": 0.05, "fp32_tflops": 0.0005}]}


def write(place: Place, hardware: dict[str, Any], evidence: dict[str, Any] | None = None) -> Path:
    document = yaml.safe_load(place.workload.read_text(encoding="utf-8"))
    document["spec"]["hardware"] = hardware
    document["spec"]["evidence"] = {BUDGET: evidence} if evidence is not None else {}
    path = place.home / "w.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def probe(place: Place, *arguments: str, **env: str) -> dict[str, Any]:
    found = place.run("probe", *ABOUT, "-o", "json", *arguments, env=env)
    assert found.returncode == 0, found.stderr
    value: dict[str, Any] = json.loads(found.stdout)
    return value


def evidence(place: Place, path: Path, *arguments: str) -> tuple[str, str | None]:
    """Return grade and shortcoming of the attestation in a decision."""
    found = place.run("evaluate", str(path), "-o", "json", *arguments)
    assert found.returncode == 0, found.stderr
    status = json.loads(found.stdout)["evidence"][BUDGET]
    return status["grade"], status.get("short")


def test_from_the_measurement_to_the_decision_and_back(place: Place) -> None:
    key = place.home / "probe.key"
    signer = generate_signer("probe")
    write_key_file(key, signer)
    path = write(place, CPU)
    to = place.home / "a.tlog-proof"
    found = probe(place, "--claims", str(path), "--to", str(to), "--key", str(key), CI="")
    assert {each["name"]: each["verdict"] for each in found["claims"]} == {
        "memory_mib": "verified",
        "bandwidth_gb_s": "verified",
        "fp32_tflops": "verified",
    }
    attestation = found["attestation"]
    assert (attestation["workload"], attestation["host"]) == ("support/triage", platform.node())

    # by its index, in the ledger that it stands in
    index = {"ledger_index": attestation["ledger"]["index"]}
    assert evidence(place, write(place, CPU, index)) == ("recorded", None)
    grade, short = evidence(place, write(place, {**CPU, "host": "gpu-99"}, index))
    assert (grade, "and the workload names `gpu-99`" in str(short)) == ("asserted", True)
    a100 = {"gpus": [{"name": "A100 80GB", "count": 1}]}
    grade, short = evidence(place, write(place, a100, index))
    assert (grade, "this host has no `A100 80GB`" in str(short)) == ("asserted", True)

    # by its receipt, in another ledger, signed by the host's key
    layer = place.home / "acme"
    layer.mkdir()
    pins = f"origins: [{{vkey: {attestation['ledger']['vkey']}}}]\n"
    receipt = {"receipt": attestation["receipt"], "entry": attestation["entry"]}
    elsewhere = ("--policy", str(layer), "--ledger", "sqlite:///:memory:")
    for host, wanted in ((platform.node(), "recorded"), ("gpu-99", "asserted")):
        probes = f"probes: [{{host: {host}, vkey: {signer.verifier_key}}}]\n"
        (layer / "approvers.yaml").write_text(pins + probes, encoding="utf-8")
        assert evidence(place, write(place, CPU, receipt), *elsewhere)[0] == wanted

    # one byte of the readings
    entry = place.home / "a.entry.json"
    (layer / "approvers.yaml").write_text(pins, encoding="utf-8")
    entry.write_bytes(entry.read_bytes().replace(b'"touched_bytes":', b'"touched_bytes":9', 1))
    assert evidence(place, write(place, CPU, receipt), *elsewhere) == (
        "asserted",
        "its receipt does not prove its entry",
    )
    replayed = place.run("audit", "replay", "--all", "-o", "json")
    assert (replayed.returncode, json.loads(replayed.stdout)["equal"]) == (0, 3)
    place.verified("--recompute")


def test_a_runner_attests_for_nobody_who_does_not_name_it(place: Place) -> None:
    path = write(place, CPU)
    found = probe(place, "--claims", str(path), CI="true", GITHUB_ACTIONS="true")
    index = {"ledger_index": found["attestation"]["ledger"]["index"]}
    grade, short = evidence(place, write(place, CPU, index))
    assert (grade, "made on a CI runner (GitHub Actions)" in str(short)) == ("asserted", True)
    named = {**CPU, "host": found["attestation"]["host"]}
    assert evidence(place, write(place, named, index)) == ("recorded", None)
