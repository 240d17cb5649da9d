"""`policy rollout`: the plan, and decisions that go on record before they are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.cli.rollout import STEPS
from policy_engine.rollout import deciding
from tests.rollouts import BEGUN, WORKLOAD, shipped
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.rollout_world import World, start_line, steps, world

__all__ = ["world"]

PLUS = timedelta(hours=25)
Run = Callable[..., Outcome]


def test_the_steps_of_the_help_are_those_of_the_rules() -> None:
    assert STEPS == deciding.STEPS


def test_the_plan_tells_stages_order_and_weeks_and_records_nothing(world: World, tmp_path: Path) -> None:
    found = world.run("-o", "json", "--start", "2026-12-07").json
    assert [each["percent"] for each in found["stages"]] == [5, 10, 25, 50, 100]
    assert [(each["task"], each["risk"], each["points"]) for each in found["order"]] == [
        ("tagging", "low", 1),
        ("replies", "medium", 3),
    ]
    phases = found["timeline"]["phases"]
    assert [(each["begins"], each["ends"]) for each in phases][::3] == [
        ("2026-12-07", "2026-12-17"),
        ("2027-01-07", "2027-01-18"),
    ]
    assert [[task["task"] for task in each["tasks"]] for each in phases] == [[], [], ["tagging"], ["replies"]]
    assert (found["standings"], found["decision"], found["decisions"]) == (None, None, [])
    assert not world.ledger.exists()
    text = world.run().out
    assert "5 -> 10 -> 25 -> 50 -> 100 percent of the traffic" in text
    # a path is one word, and may be wider than the terminal
    assert max(len(line) for line in text.splitlines() if str(world.ledger) not in line) <= 80
    for form in ("yaml", "markdown"):
        assert "latency-over-the-limit" in world.run("-o", form).out


def test_a_start_outside_of_the_range_and_few_weeks_are_told_as_the_rules_do(world: World) -> None:
    text = WORKLOAD.replace("weeks_planned: 6.0", "weeks_planned: 3.0")
    world.file.write_text(text.replace("rollout_start_percent: 5.0", "rollout_start_percent: 12.0"), encoding="utf-8")
    found = world.run("-o", "json").json
    assert {row["rule"] for row in found["told"]} == {"rollout-starts-small", "migration-planned-too-short"}
    assert any("12 percent of traffic, more than 10 percent" in row["says"] for row in found["told"])
    assert found["timeline"]["too_short_for"] == ["tagging", "replies"]
    world.file.write_text(text.replace("rollout_start_percent: 5.0", "rollout_start_percent: 1.0"), encoding="utf-8")
    assert any("below the 5 percent" in note for note in world.run("-o", "json").json["notes"])
    world.file.write_text(text.replace("rollout_start_percent: 5.0", "rollout_start_percent: 0"), encoding="utf-8")
    refused = world.run()
    assert (refused.status, f"helpdesk.yaml:{start_line()}:5: error" in refused.err) == (2, True)


def test_a_task_goes_through_its_stages_and_then_the_next_one_begins(world: World) -> None:
    short = world.two_stages()
    assert steps(world.begin("-o", "json", *short)) == [("tagging", "advance", 5), ("replies", "hold", None)]
    assert steps(world.observe("5-percent", "tagging", "-o", "json", *short)) == [("tagging", "advance", 100)]
    found = world.observe("100-percent", "tagging", "-o", "json", "--fail-on", "complete", *short)
    assert (steps(found), found.status) == ([("tagging", "complete", None)], 1)
    begun = world.begin("-o", "json", "--task", "replies", *short)
    assert steps(begun) == [("replies", "advance", 5)]
    on = {row["task"]: (row["complete"], row["stage"]) for row in begun.json["standings"]}
    whole, part = {"name": "100-percent", "percent": 100}, {"name": "5-percent", "percent": 5}
    assert on == {"tagging": (True, whole), "replies": (False, part)}
    # what was completed with another model is not complete for this one
    world.file.write_text(WORKLOAD.replace("qwen3-14b", "llama-3.1-8b"), encoding="utf-8")
    plan = world.run("-o", "json", *short).json
    assert [row["same_candidate"] for row in plan["standings"]] == [False, False]
    assert any(
        "tagging is complete with open_api qwen3-14b at together in us, and open_api llama-3.1-8b" in each
        for each in plan["notes"]
    )
    world.file.write_text(WORKLOAD, encoding="utf-8")
    # what has completed is watched all the same, and taken back where it fails
    bad = world.observe("100-percent", "tagging", "-o", "json", *short, errors=90)
    assert steps(bad) == [("tagging", "roll_back", None)]


def test_the_entry_holds_what_it_was_decided_by(world: World) -> None:
    world.begin()
    shown = world.observe("5-percent", "tagging", "-o", "json").json
    entry = world.entries()[-1]
    told = ("entry", "leaf_hash", "counts")
    body = {name: value for name, value in shown["decisions"][0].items() if name not in told}
    assert entry["body"] == body
    assert body["workload"] == "support/helpdesk"
    assert body["observations"] == {**body["observations"], "count": 8, "first": "2026-11-02T15:00:00Z"}
    assert entry["blobs"]["observations"] == f"sha256:{body['observations']['sha256']}"
    assert entry["blobs"]["rollout_rules"] == body["rules"] == shown["rules"]
    assert body["workload_decision"]["verdict"] == "allow_with_conditions"
    with open_ledger(f"sqlite:///{world.ledger}", read_only=True) as ledger:
        decided = ledger.entry(body["workload_decision"]["entry"]).document
        assert json.loads(ledger.blob(body["rules"]))["kind"] == "RolloutRules"
    assert decided["view"]["decision_id"] == body["workload_decision"]["decision"]
    assert (entry["context"]["namespace"], entry["context"]["workload"]) == ("support", "helpdesk")
    assert "anna" not in json.dumps(entry)


def test_a_roll_back_begins_again_and_is_told(world: World) -> None:
    world.begin()
    found = world.observe("5-percent", "tagging", "--fail-on", "roll_back", "--fail-on", "hold", latency_p95_ms=1400)
    assert (found.status, "ROLL BACK  tagging, from 5 percent" in found.out) == (1, True)
    assert "latency-over-the-limit" in found.out
    refused = world.observe("5-percent", "tagging")
    assert (refused.status, "was rolled back by the entry" in refused.err) == (2, True)
    again = world.begin("-o", "json", "--task", "tagging")
    assert steps(again) == [("tagging", "advance", 5)]
    assert any("tagging was rolled back from 5 percent" in note for note in again.json["notes"])
    assert steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "advance", 10)]


@pytest.mark.parametrize(
    ("candidate", "rules", "missing"),
    [
        ({"quality": None}, {"quality-fell", "quality-lower"}, {"observed.quality_drop"}),
        ({"errors": None}, {"errors-too-many", "errors-rose", "errors-not-ruled-out"}, None),
        ({"requests": 74, "errors": 0}, {"too-few-requests", "another-share-of-traffic"}, set()),
        ({"quality": 0.87}, {"quality-lower"}, set()),
        ({"latency_p95_ms": 800}, {"latency-spike"}, set()),
    ],
)
def test_a_hold_says_what_holds_it(world: World, candidate: dict[str, Any], rules: set[str], missing: Any) -> None:
    world.begin()
    found = world.observe("5-percent", "tagging", "-o", "json", "--fail-on", "hold", **candidate)
    (row,) = found.json["decisions"]
    assert (found.status, row["decision"], row["next"]) == (1, "hold", None)
    assert {each["rule"] for each in row["reasons"]} == rules
    assert missing is None or {name for each in row["reasons"] for name in each["missing"]} == missing


def test_what_a_hold_left_open_may_be_added_and_what_it_saw_stays(world: World) -> None:
    world.begin()
    path = world.seen("5-percent", quality=None)
    world.at += PLUS
    assert steps(world.run("--observations", str(path), "-o", "json")) == [("tagging", "hold", None)]
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace('"errors": 1', '"errors": 0'), encoding="utf-8")
    refused = world.run("--observations", str(path))
    assert (refused.status, "jsonl:2:1: error: another observation" in refused.err) == (2, True)
    path.write_text(whole.replace('"quality": null', '"quality": 0.9').splitlines()[1] + "\n", encoding="utf-8")
    found = world.run("--observations", str(path), "-o", "json")
    assert found.json["decisions"][0]["observations"]["count"] == 8
    path.write_text(whole.replace('"quality": null', '"quality": 0.9'), encoding="utf-8")
    assert steps(world.run("--observations", str(path), "-o", "json")) == [("tagging", "advance", 10)]


def test_observations_of_another_stage_or_time_are_refused_and_nothing_is_recorded(world: World) -> None:
    world.begin()
    before, path = len(world.entries()), world.seen("5-percent")
    text, day = path.read_text(encoding="utf-8"), world.at + PLUS
    for changed, at, code in (
        (text.replace("5-percent", "10-percent"), day, "another-stage"),
        (text.replace("5-percent", "50-percent"), day, "another-stage"),
        (text.replace("tagging", "replies"), day, "rollout-not-begun"),
        (text, day - timedelta(hours=12), "observation-to-come"),
        (text.replace("2026-11-02T15", "2026-11-02T09"), day, "observation-too-early"),
        (text, BEGUN - timedelta(seconds=1), "out-of-order"),
        (text + text, day, "observation-out-of-order"),
        ("", day, "no-observations"),
    ):
        path.write_text(changed, encoding="utf-8")
        found = world.run("--observations", str(path), at=at)
        assert (found.status, found.out) == (2, ""), code
        assert f"[{code}]" in found.err, found.err
    assert len(world.entries()) == before


def test_a_decision_is_of_now_and_no_hour_before_its_entry_counts(world: World) -> None:
    for arguments, late in (
        (("--begin",), timedelta(minutes=6)),
        (("--begin",), timedelta(days=30)),
        (("--begin",), -timedelta(minutes=6)),
    ):
        refused = world.run(*arguments, late=late)
        assert (refused.status, refused.out, "[clock]" in refused.err) == (2, "", True)
    assert not world.ledger.exists()
    begun = world.run("--begin", "-o", "json", late=timedelta(minutes=4)).json
    assert (begun["at"], begun["standings"][0]["since"]) == ("2026-11-02T09:00:00Z", "2026-11-02T09:04:00Z")
    path = world.seen("5-percent")
    refused = world.run("--observations", str(path), at=world.at + PLUS, late=timedelta(days=1))
    assert (refused.status, "[clock]" in refused.err) == (2, True)


def test_what_is_not_allowed_does_not_begin_and_is_taken_back(world: World) -> None:
    denied = WORKLOAD.replace("may_leave_network: true", "may_leave_network: false")
    world.file.write_text(denied, encoding="utf-8")
    found = world.begin("-o", "json", "--fail-on", "hold")
    assert (found.status, found.json["decision"]["verdict"]) == (1, "deny")
    assert {each["rule"] for row in found.json["decisions"] for each in row["reasons"]} >= {"not-allowed"}
    world.file.write_text(WORKLOAD, encoding="utf-8")
    assert steps(world.begin("-o", "json", "--task", "tagging")) == [("tagging", "advance", 5)]
    world.file.write_text(WORKLOAD.replace("sensitivity: internal", "sensitivity: null"), encoding="utf-8")
    review = world.observe("5-percent", "tagging", "-o", "json")
    assert (review.json["decision"]["verdict"], steps(review)) == ("review", [("tagging", "hold", None)])
    world.file.write_text(denied, encoding="utf-8")
    path = str(world.folder / "tagging-5-percent.jsonl")
    assert steps(world.run("--observations", path, "-o", "json")) == [("tagging", "roll_back", None)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--begin", "--observations", "x.jsonl"), "`--begin` is for what has not begun"),
        (("--fail-on", "hold"), "nothing is decided"),
        (("--begin", "--task", "taging"), "did you mean `tagging`?"),
        (("--observations", "none.jsonl"), "cannot read the file"),
        (("--begin", "--ledger", "sqlite:///:memory:"), "a ledger in memory ends"),
        (("--begin", "--ledger", "spool:x"), "a spool is no ledger"),
        (("--plot", "x.gif"), "does not end in"),
        (("-o", "json=helpdesk.yaml"), "no place for its report"),
        (("--workload", "helpdsk"), "did you mean"),
    ],
)
def test_what_cannot_be_asked_is_refused(world: World, arguments: tuple[str, ...], words: str) -> None:
    found = world.run(*arguments)
    assert (found.status, found.out) == (2, "")
    assert words in " ".join(found.err.split())
    assert not world.ledger.exists()


@pytest.mark.parametrize("migration", ["none", None])
def test_without_a_migration_there_is_nothing_to_roll_out(world: World, migration: str | None) -> None:
    head = WORKLOAD.partition("  migration:")[0]
    world.file.write_text(head + (f"  migration: {migration}\n" if migration else ""), encoding="utf-8")
    found = world.begin()
    assert (found.status, "[no-migration]" in found.err, world.ledger.exists()) == (2, True, False)


def test_a_layer_that_is_wrong_is_refused_before_anything_is_recorded(world: World, policy: Run) -> None:
    layer = world.folder / "ours"
    layer.mkdir()
    (layer / "rollout.yaml").write_text("rules:\n  - {id: denied, disabled: true}\n", encoding="utf-8")
    found = world.begin("--policy", str(layer))
    assert (found.status, "rollout.yaml:2:10: error" in found.err, world.ledger.exists()) == (3, True, False)
    linted = policy("rules", "lint", str(layer))
    assert (linted.status, "rollout.yaml:2:10" in linted.out) == (3, True)
    (layer / "rollout.yaml").write_text("parameters: {requests_min: {value: 801}}\n", encoding="utf-8")
    assert world.begin("--policy", str(layer)).status == 0
    found = world.observe("5-percent", "tagging", "--policy", str(layer), "-o", "json")
    assert [each["rule"] for each in found.json["decisions"][0]["reasons"]] == ["too-few-requests"]
    assert any("others than tagging was decided by" in note for note in world.run("-o", "json").json["notes"])
    again = world.run("--observations", str(world.folder / "tagging-5-percent.jsonl"), "-o", "json")
    assert "the rules of rollouts are others than tagging was decided by last" in again.json["notes"]
    assert shipped().digest in world.run().out
    pinned = ("--rollout-digest", found.json["rules"])
    assert [world.run("--policy", str(layer), *pinned).status, world.run(*pinned).status] == [0, 3]


def test_the_timeline_is_drawn(world: World) -> None:
    path = world.folder / "weeks.svg"
    assert world.run("--plot", str(path)).status == 0
    picture = path.read_bytes()
    assert picture.startswith(b"<?xml")
    assert [b"-- %d %% --" % percent in picture for percent in (5, 10, 25, 50, 100)] == [True] * 5
    world.file.write_text(WORKLOAD.replace("weeks_planned: 6.0", "weeks_planned: 0"), encoding="utf-8")
    found = world.run("--plot", str(path))
    assert (found.status, "planned in 0 weeks" in found.err, path.read_bytes()) == (2, True, picture)
