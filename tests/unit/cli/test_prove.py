"""`policy prove`: what it exits with, what it shows, and files that `policy evaluate` decides as it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Outcome

Run = Callable[..., Outcome]
AT = ("--at", "2026-11-22T09:00:00Z")
BROKEN = """\
properties:
  - id: ours
    title: Sensitive data never leaves
    when: "data.sensitivity == 'regulated'"
    holds: "!(judged in ['proprietary_api', 'open_api']) || verdict == 'deny'"
    reason: The board wants it.
"""


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "properties.yaml").write_text(BROKEN, encoding="utf-8")
    return folder


def test_the_shipped_rules_are_proved(policy: Run) -> None:
    found = policy("prove", *AT, "-o", "json")
    assert found.status == 0, found.out
    value = found.json
    assert (value["kind"], value["failed"]) == ("Proofs", 0)
    assert value["proved"] == len(value["properties"]) >= 18
    assert all(each["failures"] == [] for each in value["properties"])


def test_a_property_that_does_not_hold_is_4_with_a_file_that_evaluate_decides_so(
    policy: Run, layer: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "found"
    found = policy("prove", "ours", "--policy", str(layer), *AT, "--counterexamples", str(folder), "-o", "json")
    assert found.status == 4
    (failure,) = found.json["properties"][0]["failures"]
    shown = failure["counterexample"]
    assert shown["file"] == str(folder / "ours.yaml")
    assert yaml.safe_load(Path(shown["file"]).read_text(encoding="utf-8")) == shown["workload"]
    ledger = ("--ledger", "sqlite:///:memory:")
    decided = policy("evaluate", shown["file"], "--policy", str(layer), *AT, *ledger, "-o", "json")
    assert decided.status == 0
    assert decided.json["verdict"] == shown["verdict"] != "deny"


def test_text_and_markdown_show_the_workload_file(policy: Run, layer: Path) -> None:
    text = policy("prove", "ours", "--policy", str(layer), *AT)
    assert text.status == 4
    assert "ours: refuted" in text.out
    assert "    apiVersion: policy-engine/v1\n    kind: Workload\n" in text.out
    assert "`policy evaluate` says" in " ".join(text.out.split())
    assert "1 not proved" in text.out
    markdown = policy("prove", "ours", "--policy", str(layer), *AT, "-o", "markdown").out
    fenced = markdown.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(fenced)["kind"] == "Workload"


def test_time_outs_are_said_and_4(policy: Run) -> None:
    found = policy("prove", "less-knowledge-never-allows", "--timeout", "0.001s", *AT)
    assert found.status == 4
    assert "less-knowledge-never-allows: undecided" in found.out
    for wrong in ("0s", "soon", "-1s", "nan"):
        assert policy("prove", "--timeout", wrong).status == 2
    assert "1 not proved, 1 of them undecided" in " ".join(found.out.split())


def test_a_name_that_is_no_propertys_is_2(policy: Run) -> None:
    found = policy("prove", "the-recommendation-is-permited")
    assert found.status == 2
    assert "there is no property `the-recommendation-is-permited` [unknown-property]" in found.err
    assert "did you mean `the-recommendation-is-permitted`?" in found.err


def test_invalid_properties_are_3_with_their_place(policy: Run, layer: Path) -> None:
    (layer / "properties.yaml").write_text(BROKEN.replace("judged in", "jugded in"), encoding="utf-8")
    found = policy("prove", "--policy", str(layer))
    assert found.status == 3
    assert "ours/properties.yaml:5:15: error: no fact or function is called `jugded`" in found.err


def test_the_folder_of_counterexamples_is_checked_first(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    found = policy("prove", "--counterexamples", str(tmp_path / "file"))
    assert found.status == 2
    assert "cannot write to" in found.err


def test_a_property_of_a_rule_that_a_layer_takes_away_still_reads(policy: Run, layer: Path) -> None:
    name = "no-mlops-no-self-hosting"
    (layer / "properties.yaml").unlink()
    (layer / "mlops-capacity").mkdir()
    (layer / f"mlops-capacity/{name}.yaml").write_text(f"id: {name}\ndisabled: true\n", encoding="utf-8")
    found = policy("prove", "no-team-no-own-hosting-without-a-waiver", "--policy", str(layer), *AT, "-o", "json")
    assert found.status == 4
    assert found.json["properties"][0]["status"] == "refuted"


def test_without_the_extra_it_says_which(tmp_path: Path) -> None:
    (tmp_path / "z3.py").write_text("raise ModuleNotFoundError('no z3', name='z3')\n", encoding="utf-8")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        "from policy_engine.cli.main import call; sys.exit(call(['prove']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "install it with: pip install 'policy-engine[prove]'" in done.stderr


def test_nothing_else_loads_z3() -> None:
    code = (
        "import sys; from policy_engine.cli.main import call; call(['--help']); call(['prove', '--help']);"
        "assert not {'z3', 'polars', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
