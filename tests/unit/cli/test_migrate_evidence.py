"""`policy migrate`: evidence that does not count is no evidence, and what nobody asks for here is told apart."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.decide import Decider
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
from policy_engine.migrating.case import Case
from policy_engine.migrating.obliged import evidence_item
from policy_engine.migrating.records import Records
from tests.unit.cli.given import AT, EXAMPLES
from tests.unit.cli.test_migrate import edited, items, playbook

TICKETS = EXAMPLES / "migration.yaml"
Run = Callable[..., Any]


def evidence(policy: Run, folder: Path, name: str, given: dict[str, Any]) -> Any:
    file = edited(folder, lambda spec: spec["evidence"].update({name: given}))
    return items(playbook(policy, file))[name, None]


def test_evidence_that_ended_is_overdue_and_that_begins_later_is_missing(policy: Run, tmp_path: Path) -> None:
    ended = evidence(policy, tmp_path, "golden_dataset", {"reference": "E-1", "valid_until": "2026-11-21"})
    assert (ended["state"], ended["asked_by"]["enforcement"]) == ("overdue", "mandatory")
    assert "it ended on 2026-11-21" in ended["shown_by"][0]["says"]
    later = evidence(policy, tmp_path, "golden_dataset", {"reference": "E-1", "issued": "2026-11-23"})
    assert later["state"] == "missing"
    assert "after the decision's day" in later["shown_by"][0]["says"]
    last = evidence(policy, tmp_path, "golden_dataset", {"reference": "E-1", "valid_until": "2026-11-22"})
    assert last["state"] == "done"


def test_a_file_counts_by_its_digest(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "plan.pdf").write_bytes(b"plan")
    good = {"file": "plan.pdf", "sha256": sha256(b"plan").hexdigest()}
    found = evidence(policy, tmp_path, "rollout_plan", good)
    assert (found["state"], found["shown_by"][0]["says"][:14]) == ("done", "grade attached")
    wrong = evidence(policy, tmp_path, "rollout_plan", {**good, "sha256": "0" * 64})
    assert (wrong["state"], "another sha256" in wrong["shown_by"][0]["says"]) == ("missing", True)


def test_in_a_pilot_nobody_asks_yet_and_it_is_open_all_the_same(policy: Run, tmp_path: Path) -> None:
    def pilot(spec: Any) -> None:
        spec.update(stage="pilot", evidence={"golden_dataset": {"reference": "E-1"}})

    found = items(playbook(policy, edited(tmp_path, pilot)))
    assert (found["golden_dataset", None]["state"], found["monitoring", None]["state"]) == ("done", "missing")
    asked = found["monitoring", None]["asked_by"]
    assert (asked["enforcement"], asked["rules"]) == ("none", ["migration-needs-monitoring"])
    assert "workload.stage is pilot" in asked["why"]


def test_what_an_option_does_not_ask_for_is_not_needed(policy: Run, tmp_path: Path) -> None:
    def closed(spec: Any) -> None:
        for task in spec["tasks"]:
            task["proposal"] = {"deployment": "proprietary_api", "model": "gpt-4o-mini", "provider": "openai"}

    found = items(playbook(policy, edited(tmp_path, closed)))
    for key in (("golden_dataset", None), ("parallel_test", None), ("outcome", "sorting")):
        assert found[key]["state"] == "not_needed", key
    assert found["fallback", "sorting"]["state"] == "missing"
    assert "VENDOR-02" in found["fallback", "sorting"]["asked_by"]["criteria"]


def test_a_grade_that_a_layer_asks_for_is_named_with_its_command(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "acme" / "migration").mkdir(parents=True)
    rule = (EXAMPLES.parent / "rules" / "migration" / "migration-needs-golden-dataset.yaml").read_text("utf-8")
    (tmp_path / "acme" / "migration" / "migration-needs-golden-dataset.yaml").write_text(
        f"{rule}grade: recorded\n", encoding="utf-8"
    )
    item = items(playbook(policy, TICKETS, "--policy", str(tmp_path / "acme")))["golden_dataset", None]
    assert (item["state"], "policy evidence record" in item["action"]) == ("missing", False)
    (tmp_path / "golden.jsonl").write_bytes(b"{}")
    given = {"file": "golden.jsonl", "sha256": sha256(b"{}").hexdigest()}
    file = edited(tmp_path, lambda spec: spec["evidence"].update(golden_dataset=given))
    attached = items(playbook(policy, file, "--policy", str(tmp_path / "acme")))["golden_dataset", None]
    assert attached["state"] == "missing"
    assert f"`policy evidence record {file} --policy {tmp_path}/acme golden_dataset`" in attached["action"]


@pytest.mark.parametrize(
    ("fallback", "state"),
    [
        (None, "missing"),
        (
            {"deployment": "open_api", "model": "qwen2.5-72b", "provider": "open-model-hosting", "region": "us"},
            "missing",
        ),
        ({"deployment": "open_api", "model": "qwen2.5-72b", "region": "us"}, "unknown"),
        ({"deployment": "proprietary_api", "model": "gpt-4o", "provider": "openai", "region": "us"}, "done"),
        ({"deployment": "open_batch", "model": "qwen2.5-72b", "provider": "sutro", "region": "us"}, "missing"),
    ],
    ids=["none", "the same provider", "no provider named", "another", "ruled out"],
)
def test_a_fallback_has_to_stand_when_the_proposal_fails(
    policy: Run, tmp_path: Path, fallback: dict[str, str] | None, state: str
) -> None:
    file = edited(tmp_path, lambda spec: spec["tasks"][0]["proposal"].update(fallback=fallback))
    assert items(playbook(policy, file))["fallback", "sorting"]["state"] == state


@pytest.mark.parametrize(
    ("migration", "days", "state"),
    [
        ({"weeks_planned": 6}, 50, "done"),
        ({"weeks_planned": 4}, 28, "done"),
        ({"weeks_planned": 3.9}, 50, "missing"),
        ({"weeks_planned": 6}, 41, "missing"),
        ({}, 50, "missing"),
        ({}, 27, "missing"),
        ({"weeks_planned": 9}, None, "done"),
    ],
)
def test_the_time_is_held_to_what_a_migration_takes(
    policy: Run, tmp_path: Path, migration: dict[str, float], days: int | None, state: str
) -> None:
    def plan(spec: Any) -> None:
        spec["migration"].pop("weeks_planned")
        spec["migration"].update(migration)
        spec["deploy_within_days"] = days

    document = playbook(policy, edited(tmp_path, plan))
    found = items(document)["weeks", None]
    assert found["state"] == state
    assert (found["asked_by"]["enforcement"] == "advice") is (migration.get("weeks_planned") == 3.9)
    phases = document["timeline"]["phases"]
    assert phases[-1]["to_week"] == pytest.approx(migration.get("weeks_planned", 8))
    assert [each["from_week"] for each in phases[1:]] == [each["to_week"] for each in phases[:-1]]


@pytest.mark.parametrize(
    ("percent", "state"), [(5, "done"), (10, "done"), (1, "done"), (11, "missing"), (None, "missing")]
)
def test_a_start_is_a_small_share(policy: Run, tmp_path: Path, percent: float | None, state: str) -> None:
    file = edited(tmp_path, lambda spec: spec["migration"].update(rollout_start_percent=percent))
    assert items(playbook(policy, file))["start", None]["state"] == state


def test_what_a_waiver_lifts_is_not_needed_and_what_another_task_still_owes_is() -> None:
    """The decision says what is waived: here by its document, as `waiver` would have it."""
    policy = load_policy()
    (loaded,) = load_workloads(TICKETS, None, policy.vocabulary)
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    case = Case(Decider(policy), loaded.workload, {}, at, Records(), "tickets.yaml")
    duties = [duty for task in case.tasks[:2] for duty in task.document["obligations"]]
    golden = [duty for duty in duties if duty["evidence"] == "golden_dataset"]
    assert [duty["status"] for duty in golden] == ["outstanding", "outstanding"]
    golden[0].update(waived=True, lifted=["migration-needs-golden-dataset"])
    assert evidence_item(case, "golden_dataset", "x").state == "missing"
    golden[1].update(waived=True, lifted=["migration-needs-golden-dataset"])
    item = evidence_item(case, "golden_dataset", "x")
    assert (item.state, item.action, [each.kind for each in item.shown_by]) == ("not_needed", None, ["waiver"] * 2)


def test_a_rule_that_a_layer_takes_away_asks_for_nothing(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "acme" / "migration").mkdir(parents=True)
    for name in ("migration-needs-monitoring", "migration-shortlist"):
        (tmp_path / "acme" / "migration" / f"{name}.yaml").write_text(f"id: {name}\ndisabled: true\n", encoding="utf-8")
    found = items(playbook(policy, TICKETS, "--policy", str(tmp_path / "acme")))
    assert found["monitoring", None]["asked_by"] == {
        "rules": [],
        "criteria": [],
        "enforcement": "none",
        "why": "no rule asks for it",
    }
    assert found["shortlist", "sorting"]["state"] == "done"
    assert policy("migrate", str(TICKETS), "--policy", str(tmp_path / "acme")).status == 0


def test_commands_name_what_this_one_was_given(policy: Run, tmp_path: Path) -> None:
    """As they are printed they can be run: the file, the workload, layers and ledger, and a file for each model."""
    layer = tmp_path / "our layer"
    layer.mkdir()
    (layer / "parameters.yaml").write_text("parameters: {}\n", encoding="utf-8")
    url = f"sqlite:///{tmp_path}/it's.db"
    with open_ledger(url):
        pass

    def two_models(spec: Any) -> None:
        spec["tasks"][1]["proposal"]["model"] = "llama-3.1-8b"

    file = edited(tmp_path, two_models)
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}---\n{text.replace('name: tickets', 'name: other')}", encoding="utf-8")
    given = ("--policy", str(layer), "--ledger", url)
    found = policy("migrate", str(file), *AT, *given, "-o", "json").json
    actions = [item["action"] for item in items(found[0]).values() if item["action"]]
    commands = [each.split("`")[1] for each in actions if "`policy rollout" in each or "`policy parity" in each]
    assert len(commands) > 2
    for words in map(shlex.split, commands):
        assert words[:4] == ["policy", words[1], str(file), "--workload"]
        assert words[4:9] == ["help-desk/tickets", *given]
    (parity,) = {each for each in commands if " parity " in each}
    assert shlex.split(parity)[9:] == [
        *("--golden", "golden.jsonl", "--current", "gpt-4o=current.jsonl"),
        *("--candidate", "qwen3-14b=candidate-1.jsonl", "--candidate", "llama-3.1-8b=candidate-2.jsonl", "--record"),
    ]
    out = policy("migrate", str(file), *AT, *given).out
    assert f"`policy cost {file} --workload help-desk/tickets --policy '{layer}'`" in " ".join(out.split())
