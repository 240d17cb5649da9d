"""`policy evaluate`: every valid workload decided, recorded and shown.

The golden files are made anew with UPDATE_GOLDEN=1.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.given import ALLOWED, AT, DENIED, EXAMPLES, MEMORY, REVIEWED, ROOT

GOLDEN = ROOT / "tests" / "golden" / "evaluate"

Policy = Callable[..., Any]

# ---- what is shown


@pytest.mark.parametrize("example", [ALLOWED, DENIED], ids=lambda path: path.stem)
@pytest.mark.parametrize("format_", ["text", "markdown", "json"])
def test_golden(policy: Policy, example: Path, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = policy("evaluate", str(example.relative_to(ROOT)), *MEMORY, *AT, "-o", format_)
    assert (done.status, done.err) == (0, "")
    shown = json.dumps(shape(done.json), indent=1) + "\n" if format_ == "json" else masked(done.out)
    ending = {"text": "txt", "markdown": "md", "json": "shape.json"}[format_]
    golden = GOLDEN / f"{example.stem}.{ending}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


def masked(text: str) -> str:
    """Return a report without the digests that any change of any rule changes."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", text)
    return re.sub(r"(Decision |sha256:)[0-9a-f]{12,16}\b", r"\1<digest>", text)


def shape(value: Any) -> Any:
    """Return the keys of a document, with the kinds of its values; a list has the shape of its items together."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        shapes = {json.dumps(shape(each)) for each in value}
        return [json.loads(each) for each in sorted(shapes)]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_json_has_the_keys_that_outside_tools_read(policy: Policy) -> None:
    document = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-o", "json").json
    assert document["apiVersion"] == "policy-engine/v1"
    assert document["kind"] == "Decision"
    assert document["decided_at"] == "2026-11-22T09:00:00Z"
    assert document["verdict"] == "allow"
    assert {"id", "valid_until", "workload", "policy", "catalog", "plan", "tasks", "ledger"} <= set(document)
    assert document["workload"]["name"] == "writing-assistant"
    assert document["workload"]["owner"] == "product@quill.example"
    assert document["ledger"]["index"] == 0
    (task,) = document["tasks"]
    keys = "name verdict judged recommendation options rules obligations missing_facts disputes advice counterfactuals"
    assert set(keys.split()) <= set(task)
    assert {row["outcome"] for row in task["rules"]} <= {"fired", "indeterminate"}
    assert {"deployment", "model", "provider", "monthly_usd", "firm"} <= set(task["recommendation"])
    assert [row["deployment"] for row in task["options"]] == [
        "proprietary_api",
        "open_api",
        "open_batch",
        "self_hosted",
        "edge",
    ]


def test_the_text_goes_from_the_verdict_to_what_to_do(policy: Policy) -> None:
    text = policy("evaluate", str(EXAMPLES / "research-lab.yaml"), *MEMORY, *AT).out
    places = [text.index(part) for part in ("REVIEW", "Recommended", "  Option ", "Not known", "Do next", "Decision ")]
    assert places == sorted(places)
    assert text.startswith("REVIEW")
    assert "USD/month" in text.split("  Option ")[0]


def test_the_cheapest_is_named_where_there_is_a_choice(policy: Policy) -> None:
    def line(path: Path) -> str:
        text: str = policy("evaluate", str(path), *MEMORY, *AT).out
        return "\n".join(each for each in text.splitlines() if "cheapest" in each)

    assert re.search(r"\* proprietary_api +permitted .*, cheapest", line(ALLOWED))
    assert line(REVIEWED) == ""  # nothing is permitted
    document = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-o", "json").json
    assert sum(row["status"] == "permitted" for row in document["tasks"][0]["options"]) > 1


def test_disputes_that_change_nothing_share_a_line(policy: Policy) -> None:
    disputes = (
        policy("evaluate", str(ALLOWED), *MEMORY, *AT).out.partition("Disputed figures\n")[2].partition("\n\n")[0]
    )
    assert " ".join(disputes.split()).count("would not change the recommendation") == 1
    assert disputes.count("\n") < 6


def test_all_rules_lists_those_that_did_not_fire(policy: Policy) -> None:
    def outcomes(*more: str) -> set[str]:
        document = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-o", "json", *more).json
        return {row["outcome"] for row in document["tasks"][0]["rules"]}

    assert "not_fired" not in outcomes()
    assert "not_fired" in outcomes("--all-rules")


def test_quiet_is_a_line_for_each_workload(policy: Policy) -> None:
    done = policy("evaluate", str(ALLOWED), str(DENIED), *MEMORY, *AT, "-q")
    lines = done.out.splitlines()
    assert lines[0] == "allow default/writing-assistant"
    assert lines[1].startswith("deny ")
    assert len(lines) == 2
    assert done.err == ""


def test_verbose_shows_rules_and_models(policy: Policy) -> None:
    plain = policy("evaluate", str(ALLOWED), *MEMORY, *AT).out
    verbose = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-v").out
    assert "Models on proprietary_api" in verbose
    assert "fired real-time-work-excludes-batch (LAT-05): " in verbose
    assert "Models on" not in plain


def test_several_formats_at_once(policy: Policy, tmp_path: Path) -> None:
    outputs = ("-o", f"json={tmp_path}/d.json", "-o", f"yaml={tmp_path}/d.yaml", "-o", "text")
    done = policy("evaluate", str(ALLOWED), *MEMORY, *AT, *outputs, "-o", f"markdown={tmp_path}/d.md")
    assert done.status == 0
    assert done.out.startswith("ALLOW")
    written = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    from policy_engine.loading.yaml_source import read_yaml

    assert read_yaml(tmp_path / "d.yaml")[0].value["id"] == written["id"]
    assert (tmp_path / "d.md").read_text(encoding="utf-8").startswith("## ALLOW: default/writing-assistant\n")


def test_a_leaking_fallback_is_to_be_replaced_and_not_the_model(policy: Policy) -> None:
    steps = policy("evaluate", str(DENIED), *MEMORY, *AT).out.partition("Do next\n")[2].partition("\n\n")[0]
    assert "propose another fallback than proprietary_api gpt-4o at openai in us" in steps
    assert "propose the model" not in steps


def test_a_denied_fallback_is_explained_by_rules_that_spare_the_proposal(policy: Policy, tmp_path: Path) -> None:
    layer = tmp_path / "layer" / "data-residency"
    layer.mkdir(parents=True)
    rule = "id: data-stays-in-network\ndisabled: true\n"
    (layer / "data-stays-in-network.yaml").write_text(rule, encoding="utf-8")
    text = policy("evaluate", str(DENIED), *MEMORY, *AT, "--policy", str(tmp_path / "layer")).out
    assert text.startswith("DENY")
    assert "is ruled out by proposed-region-outside-residency" in " ".join(text.split())


# ---- several workloads


def test_one_workload_is_an_object_and_several_are_an_array_in_order(policy: Policy) -> None:
    assert isinstance(policy("evaluate", str(ALLOWED), *MEMORY, "-o", "json").json, dict)
    several = policy("evaluate", str(DENIED), str(ALLOWED), *MEMORY, "-o", "json").json
    assert [each["verdict"] for each in several] == ["deny", "allow"]
    assert [each["ledger"]["index"] for each in several] == [0, 1]


def test_a_file_may_hold_several_documents(policy: Policy, workload: Callable[..., Path], tmp_path: Path) -> None:
    text = ALLOWED.read_text(encoding="utf-8")
    both = tmp_path / "both.yaml"
    both.write_text(f"{text}---\n{text.replace('name: writing-assistant', 'name: second')}", encoding="utf-8")
    found = policy("evaluate", str(both), *MEMORY, "-o", "json").json
    assert [each["workload"]["name"] for each in found] == ["writing-assistant", "second"]


def test_an_invalid_file_keeps_no_other_from_being_decided(policy: Policy, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("apiVersion: policy-engine/v1\nkind: Workload\nspce: {}\n", encoding="utf-8")
    ledger = ("--ledger", f"sqlite:///{tmp_path}/l.db")
    done = policy("evaluate", str(ALLOWED), str(bad), str(DENIED), *ledger, "-o", "json")
    assert done.status == 2
    assert [each["verdict"] for each in done.json] == ["allow", "deny"]
    assert f"{bad}:3:1: error: unknown key `spce`" in done.err
    assert [each["ledger"]["index"] for each in done.json] == [0, 1]
    assert policy("audit", "verify", *ledger).status == 0
    alone = policy("evaluate", str(bad), *ledger, "-o", "json")
    assert (alone.status, alone.out) == (2, "")


def test_one_of_two_documents_is_still_an_array(policy: Policy, tmp_path: Path) -> None:
    both = tmp_path / "both.yaml"
    both.write_text(f"{ALLOWED.read_text(encoding='utf-8')}---\nkind: Pod\n", encoding="utf-8")
    done = policy("evaluate", str(both), *MEMORY, "-o", "json")
    assert done.status == 2
    assert [each["verdict"] for each in done.json] == ["allow"]


def test_problems_are_named_even_where_the_ledger_refuses(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "l.db").write_text("no database", encoding="utf-8")
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [\n", encoding="utf-8")
    done = policy("evaluate", str(bad), str(ALLOWED), "--ledger", f"sqlite:///{tmp_path}/l.db")
    assert (done.status, done.out) == (6, "")
    assert f"{bad}:2:1: error:" in done.err
    assert "[not-a-ledger]" in done.err
