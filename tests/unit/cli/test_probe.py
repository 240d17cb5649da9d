"""`policy probe`: what is refused before anything is measured, what is printed, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from policy_engine.probe import run
from policy_engine.probe.report import Device, Host, Memory, Rate, Report, Sustained
from tests.unit.cli.conftest import Outcome

Run = Callable[..., Outcome]
CLAIMS = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {{name: w, owner: o@acme.example}}
spec:
  stage: pilot
  tasks: [{{name: t, kind: summarisation}}]
{hardware}"""
RATES = (
    Rate(name="copy", rounds=(30.0, 31.0, 29.0), busy=(1.0, 1.0, 1.0)),
    Rate(name="bf16", rounds=(0.4, 0.39, 0.41), busy=(1.0, 0.9, 1.0), intensity=341.3),
    Rate(name="fp8", problem="this device has no hardware for it"),
    Rate(name="decode", rounds=(15.0, 14.0, 15.5), intensity=1.0),
)
REPORT = Report(
    measured_at="2026-11-28T22:00:00Z",
    seconds=12.5,
    seed=1,
    host=Host(name="host-1", machine="sha256:00", system="Linux", cpu="AMD EPYC", cpus=2, interposers=()),
    devices=(
        Device(
            index=0,
            type="cpu",
            backend="cpu",
            name="AMD EPYC",
            memory=Memory(total_bytes=24 << 30, touched_bytes=8 << 30, intact=True, stopped="the time for it was over"),
            rates=RATES,
            sustained=Sustained(seconds=2.0, first=0.4, last=0.39),
            threads=2,
            disturbed=("it was taken off a processor 7 times",),
            unread=("the moon",),
        ),
    ),
    versions={"python": "3.12.1", "torch": "2.13.0"},
    notes=("a note",),
)


def claims(folder: Path, figures: str = "memory_gib: 8, bandwidth_gb_s: 30, bf16_tflops: 40") -> Path:
    path = folder / "workload.yaml"
    hardware = f"  hardware: {{gpus: [{{name: cpu, count: 1, {figures}}}]}}\n" if figures else ""
    path.write_text(CLAIMS.format(hardware=hardware), encoding="utf-8")
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Let the probe find REPORT, and note how it was called."""
    calls: list[tuple[object, ...]] = []

    def probe(*arguments: object) -> Report:
        calls.append(arguments)
        return REPORT

    monkeypatch.setattr(run, "probe", probe)
    monkeypatch.setenv("POLICY_LEDGER", "sqlite:///:memory:")
    return calls


def test_the_document_has_the_keys_of_the_contract(
    policy: Run, tmp_path: Path, measured: list[tuple[object, ...]]
) -> None:
    done = policy("probe", "--claims", str(claims(tmp_path)), "--device", "cpu", "--budget", "20", "-o", "json")
    assert done.status == 0
    assert [call[:3] for call in measured] == [("cpu", 20.0, 1)]
    found = done.json
    assert found["device"] == found["devices"][0]
    assert (found["attestation"]["ledger"]["index"], found["attestation"]["ledger"]["kept"]) == (0, False)
    verdicts = {each["name"]: each for each in found["claims"]}
    assert {name: each["verdict"] for name, each in verdicts.items()} == {
        "count": "verified",
        "memory_gib": "verified",
        "bandwidth_gb_s": "verified",
        "bf16_tflops": "contradicted",
    }
    assert {"name", "claimed", "unit", "verdict", "why", "rounds"} <= verdicts["bf16_tflops"].keys()
    assert verdicts["bf16_tflops"]["rounds"] == [0.4, 0.39, 0.41]
    same = yaml.safe_load(policy("probe", "--claims", str(claims(tmp_path)), "-o", "yaml").out)
    assert {**same, "attestation": None} == {**found, "attestation": None}


def test_people_read_what_was_measured_what_disturbed_and_what_was_not_read(
    policy: Run, tmp_path: Path, measured: list[tuple[object, ...]]
) -> None:
    for form in ("text", "markdown"):
        out = policy("probe", "--claims", str(claims(tmp_path)), "-o", form).out
        for part in ("contradicted", "AMD EPYC", "30", "no hardware for it", "7 times", "the moon", "host-1", "a note"):
            assert part in out, (form, part)
    assert "Claims" not in policy("probe").out


@pytest.mark.parametrize(
    ("figures", "fail_on", "status"),
    [
        ("bf16_tflops: 40", "contradicted", 1),
        ("bf16_tflops: 40", "unverifiable", 1),
        ("memory_gib: 8, bf16_tflops: 0.6", "contradicted", 0),
        ("memory_gib: 8, bf16_tflops: 0.6", "unverifiable", 0),
        ("bandwidth_gb_s: 100", "contradicted", 0),
        ("bandwidth_gb_s: 100", "unverifiable", 1),
    ],
)
def test_verdicts_fail_only_where_that_was_asked_for(
    policy: Run, tmp_path: Path, measured: list[tuple[object, ...]], figures: str, fail_on: str, status: int
) -> None:
    path = str(claims(tmp_path, figures))
    assert policy("probe", "--claims", path, "--fail-on", fail_on).status == status
    assert policy("probe", "--claims", path).status == 0


def refused(policy: Run, measured: list[tuple[object, ...]], *arguments: str) -> Outcome:
    done = policy("probe", *arguments)
    assert done.status == 2, done.err
    assert measured == []
    assert done.out == ""
    assert "Traceback" not in done.err
    return done


def test_what_cannot_work_is_refused_before_anything_is_measured(
    policy: Run, tmp_path: Path, measured: list[tuple[object, ...]]
) -> None:
    path = str(claims(tmp_path))
    none = tmp_path / "none"
    none.mkdir()
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: [", encoding="utf-8")
    assert "no-claims" in refused(policy, measured, "--claims", str(claims(none, ""))).err
    refused(policy, measured, "--claims", str(broken))
    refused(policy, measured, "--claims", str(tmp_path / "missing.yaml"))
    refused(policy, measured, "--claims", path, "--workload", "another")
    refused(policy, measured, "--workload", "w")
    refused(policy, measured, "--fail-on", "contradicted")
    refused(policy, measured, "--plot", str(tmp_path / "roof.txt"))
    refused(policy, measured, "--plot", str(tmp_path / "workload.yaml"))
    refused(policy, measured, "-o", "pdf")
    assert "6s" in refused(policy, measured, "--budget", "5s").err
    refused(policy, measured, "--budget", "soon")


def test_the_roofline_is_drawn(policy: Run, tmp_path: Path, measured: list[tuple[object, ...]]) -> None:
    for name, begins in (("roof.svg", b"<?xml"), ("roof.png", b"\x89PNG")):
        done = policy("probe", "--claims", str(claims(tmp_path)), "--plot", str(tmp_path / name))
        assert done.status == 0, done.err
        assert (tmp_path / name).read_bytes().startswith(begins)
    assert policy("probe", "--plot", str(tmp_path / "roof.png")).status == 0


def test_without_torch_the_extra_is_named(policy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = policy("probe")
    assert done.status == 2
    assert "pip install 'policy-engine[probe]'" in done.err


def test_a_device_that_is_not_there_is_said(policy: Run) -> None:
    done = policy("probe", "--device", "tpu")
    assert done.status == 2
    assert "no-device" in done.err


@pytest.mark.parametrize(
    "arguments", [["probe", "--help"], ["--help"], ["probe", "--budget", "1s"], ["rules", "list", "-o", "json"]]
)
def test_torch_is_loaded_by_measuring_alone(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom policy_engine.cli.main import call\ncall(sys.argv[1:])\n"
        "heavy = {'torch', 'pynvml', 'matplotlib'} & {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1].replace("'", '"')) == []


# ---- the attestation


def test_the_attestation_is_on_record_before_anything_is_shown(
    policy: Run, tmp_path: Path, measured: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path / 'l.db'}")
    found = policy("probe", "--claims", str(claims(tmp_path)), "--to", str(tmp_path / "a.tlog-proof"), "-o", "json")
    assert found.status == 0, found.err
    attestation = found.json["attestation"]
    assert (attestation["workload"], attestation["ledger"]["index"]) == ("default/w", 0)
    assert (tmp_path / attestation["entry"]).read_bytes().startswith(b"{")
    listed = policy("audit", "list", "--type", "probe-attestation", "-o", "json").json["entries"]
    assert [each["leaf_hash"] for each in listed] == [attestation["ledger"]["leaf_hash"]]
    assert policy("audit", "verify").status == 0
    # without claims it is of the host, and people are told how it is named
    text = policy("probe").out
    assert "entry 1 of" in text
    assert "hardware.host: host-1" in text


def test_nothing_is_shown_that_the_ledger_refused(
    policy: Run, tmp_path: Path, measured: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from policy_audit.errors import LedgerError
    from policy_audit.ledger import Ledger

    def refuse(*_: object) -> None:
        raise LedgerError("the disk is full", code="ledger-unwritable")

    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path / 'l.db'}")
    monkeypatch.setattr(Ledger, "append", refuse)
    found = policy("probe", "-o", "json")
    assert (found.status, found.out) == (6, "")
    assert policy("probe", "--no-record", "-o", "json").json["attestation"] is None


REFUSED = {
    "a ledger that is none": (("--ledger", "sqlite:////proc/l.db"), 6),
    "a key that is none": (("--key", "workload.yaml"), 2),
    "a receipt over something else": (("--to", "workload.yaml"), 2),
    "a receipt of a ledger in memory": (("--to", "a.tlog-proof", "--ledger", "sqlite:///:memory:"), 2),
    "a receipt of nothing": (("--to", "a.tlog-proof", "--no-record"), 2),
    "a day that is none": (("--valid-until", "soon"), 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_keeps_it_from_being_recorded_is_said_before_anything_is_measured(
    name: str, policy: Run, tmp_path: Path, measured: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path / 'l.db'}")
    monkeypatch.chdir(tmp_path)
    claims(tmp_path)
    arguments, status = REFUSED[name]
    found = policy("probe", *arguments)
    assert (found.status, measured) == (status, []), found.err


APART = {
    "a report over the workload": ("-o", "json=workload.yaml"),
    "a report over the receipt": ("--to", "a.out", "-o", "json=a.out"),
    "a report over the entry": ("--to", "a.out", "-o", "json=a.entry.json"),
    "a report over the picture": ("--plot", "p.svg", "-o", "text=p.svg"),
    "a picture over the receipt": ("--to", "p.svg", "--plot", "p.svg"),
}


@pytest.mark.parametrize("name", APART)
def test_nothing_is_written_over_what_is_read_or_written_besides(
    name: str, policy: Run, tmp_path: Path, measured: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path / 'l.db'}")
    monkeypatch.chdir(tmp_path)
    before = claims(tmp_path).read_text(encoding="utf-8")
    found = policy("probe", "--claims", "workload.yaml", *APART[name])
    assert (found.status, measured) == (2, []), found.err
    assert (tmp_path / "workload.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    "body", ["raise AttributeError('x')", "raise SystemExit(3)", "raise ValueError('ABI')", "", "def f(:"]
)
def test_a_broken_torch_is_said(body: str, tmp_path: Path) -> None:
    import os

    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(body, encoding="utf-8")
    command = [sys.executable, "-m", "policy_engine", "probe", "--ledger", f"sqlite:///{tmp_path / 'l.db'}"]
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    found = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, "[extra-broken]" in found.stderr) == (2, True), found.stderr
    assert not (tmp_path / "l.db").exists()


def test_what_no_probe_measures_fails_nothing(policy: Run, tmp_path: Path, measured: list[tuple[object, ...]]) -> None:
    path = claims(tmp_path, "memory_gib: 8")
    path.write_text(path.read_text(encoding="utf-8").replace("hardware: {", "hardware: {region: eu, usd_per_hour: 3, "))
    assert policy("probe", "--claims", str(path), "--fail-on", "unverifiable").status == 0
