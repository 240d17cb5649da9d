"""`policy rollout` takes back what fails, is denied or is another candidate, whatever else is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.cli import rollout_run
from policy_engine.rollout.on_record import standings
from tests.rollouts import WORKLOAD
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.rollout_world import World, steps, world

__all__ = ["world"]

PLUS = timedelta(hours=25)
Run = Callable[..., Outcome]


def test_another_model_does_not_inherit_the_stage(world: World) -> None:
    world.begin()
    world.file.write_text(WORKLOAD.replace("qwen3-14b", "llama-3-70b"), encoding="utf-8")
    found = world.observe("5-percent", "tagging", "-o", "json")
    assert steps(found) == [("tagging", "roll_back", None)]
    assert "another-candidate" in {each["rule"] for each in found.json["decisions"][0]["reasons"]}
    models = [entry["body"]["candidate"]["model"] for entry in world.entries()]
    assert models == ["qwen3-14b", "qwen3-14b", "llama-3-70b"]


def test_a_start_that_is_large_holds_and_no_stage_is_skipped_by_a_later_start(world: World) -> None:
    for start in ("100.0", "12.0"):
        changed = WORKLOAD.replace("rollout_start_percent: 5.0", f"rollout_start_percent: {start}")
        world.file.write_text(changed, encoding="utf-8")
        found = world.begin("-o", "json", "--task", "tagging")
        assert steps(found) == [("tagging", "hold", None)]
        assert "starts-too-large" in {each["rule"] for each in found.json["decisions"][0]["reasons"]}
    world.file.write_text(WORKLOAD, encoding="utf-8")
    assert world.decided("--begin", "--task", "tagging") == [("tagging", "advance", 5)]
    world.file.write_text(
        WORKLOAD.replace("rollout_start_percent: 5.0", "rollout_start_percent: 100.0"), encoding="utf-8"
    )
    assert steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "advance", 10)]


def test_a_task_that_stays_where_it_is_is_left_out_and_keeps_nobody_waiting(world: World) -> None:
    kept = "proposal: {deployment: proprietary_api, model: gpt-4o, provider: openai, region: us}"
    head, _, rest = WORKLOAD.rpartition("proposal: {deployment: open_api, model: qwen3-14b, provider: together, ")
    stays = f"{head}{kept}{rest.removeprefix('region: us}')}"
    world.file.write_text(
        stays.replace("open_api, model: qwen3-14b, provider: together", "proprietary_api, model: gpt-4o"),
        encoding="utf-8",
    )
    none = world.run()
    assert (none.status, "no task of `support/helpdesk` moves" in none.err) == (2, True)
    world.file.write_text(stays, encoding="utf-8")
    found = world.begin("-o", "json")
    assert steps(found) == [("replies", "advance", 5)]
    assert [row["task"] for row in found.json["order"]] == ["replies"]
    assert (
        "tagging stays where it is, with proprietary_api gpt-4o at openai in us, and is left out"
        in (found.json["notes"])
    )
    refused = world.begin("--task", "tagging")
    assert (refused.status, "[nothing-moves]" in refused.err) == (2, True)
    # one that has begun, and is to stay by now, is taken back
    world.file.write_text(WORKLOAD, encoding="utf-8")
    assert world.decided("--begin", "--task", "tagging") == [("tagging", "advance", 5)]
    world.file.write_text(stays, encoding="utf-8")
    empty = world.folder / "empty.jsonl"
    empty.write_text("", encoding="utf-8")
    assert world.decided("--task", "tagging", "--observations", str(empty)) == [("tagging", "roll_back", None)]


@pytest.mark.parametrize(
    ("old", "new", "rule", "says"),
    [
        (
            "may_leave_network: true",
            "may_leave_network: false",
            "denied",
            "the workload is denied, and tagging is at 5",
        ),
        (
            "region: us",
            "region: eu",
            "another-candidate",
            "tagging is at 5 percent with open_api qwen3-14b at together in us",
        ),
    ],
)
def test_what_is_denied_or_another_candidate_is_taken_back_without_observations(
    world: World, old: str, new: str, rule: str, says: str
) -> None:
    world.begin()
    take = ("--task", "tagging", "--observations", "/dev/null")
    assert world.decided(*take) == [("tagging", "hold", None)]
    # nor does it go on by what was observed before
    world.file.write_text(WORKLOAD.replace("sensitivity: internal", "sensitivity: null"), encoding="utf-8")
    assert steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "hold", None)]
    world.file.write_text(WORKLOAD, encoding="utf-8")
    held = world.run(*take, "-o", "json")
    assert steps(held) == [("tagging", "hold", None)]
    assert [each["rule"] for each in held.json["decisions"][0]["reasons"]] == ["nothing-observed"]
    world.file.write_text(WORKLOAD.replace(old, new), encoding="utf-8")
    notes = world.run("-o", "json").json["notes"]
    assert any(each.startswith(says) and "--task tagging --observations /dev/null" in each for each in notes)
    found = world.run(*take, "-o", "json")
    assert steps(found) == [("tagging", "roll_back", None)]
    assert {each["rule"] for each in found.json["decisions"][0]["reasons"]} >= {rule}
    again = world.run(*take)
    assert (again.status, "[rollout-not-begun]" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        # denied, and by now with a start that is none
        ({"may_leave_network: true": "may_leave_network: false", "start_percent: 5.0": "start_percent: 0.0"}, "denied"),
        ({"migration: {from": "migration: none #"}, "another-candidate"),
        # what it replaces is not known any more: it is held, and errors take it back
        ({"migration: {from": "migration: null #"}, None),
    ],
)
def test_what_has_begun_is_taken_back_whatever_the_workload_says_of_a_start(
    world: World, changes: dict[str, str], step: str | None
) -> None:
    world.begin("--task", "tagging")
    text = WORKLOAD.replace("weeks_planned: 6.0,\n    ", "weeks_planned: 6.0, ")
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    world.file.write_text(text, encoding="utf-8")
    plan = world.run("-o", "json").json
    assert any("takes it back" in note for note in plan["notes"]) == (step is not None)
    assert [each["percent"] for each in plan["stages"]] == [5, 10, 25, 50, 100]
    found = world.run("--task", "tagging", "--observations", "/dev/null", "-o", "json")
    assert steps(found) == [("tagging", "roll_back" if step else "hold", None)]
    rules = {each["rule"]: each["missing"] for each in found.json["decisions"][0]["reasons"]}
    assert step in rules if step else rules["another-candidate"] == ["rollout.same_candidate"]
    if not step:
        assert steps(world.observe("5-percent", "tagging", "-o", "json", errors=40)) == [("tagging", "roll_back", None)]
    # and nothing begins by such a workload
    refused = world.begin("--task", "replies")
    assert (refused.status, "starts" in refused.err or "[no-migration]" in refused.err) == (2, True)


def test_a_start_that_is_none_keeps_what_fails_from_nothing_and_what_goes_well_goes_on(world: World) -> None:
    world.begin("--task", "tagging")
    none = WORKLOAD.replace("rollout_start_percent: 5.0", "rollout_start_percent: 0.0")
    world.file.write_text(none, encoding="utf-8")
    notes = world.run("-o", "json").json["notes"]
    assert any("0 percent of traffic, which is no start" in note for note in notes)
    assert steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "advance", 10)]
    assert steps(world.observe("10-percent", "tagging", "-o", "json", errors=40)) == [("tagging", "roll_back", None)]
    refused = world.run()
    assert (refused.status, "never starts" in refused.err) == (2, True)


def _two(world: World, more: str) -> Path:
    """Let both tasks be at 5 percent, and write what was seen of both: of tagging what fails, of replies `more`."""
    world.begin()
    begun = world.at
    short = world.two_stages()
    for stage in ("5-percent", "100-percent"):
        assert world.observe(stage, "tagging", *short).status == 0
    assert world.decided("--begin", "--task", "replies") == [("replies", "advance", 5)]
    assert begun < world.at
    bad = world.seen("100-percent", "tagging", errors=150).read_text(encoding="utf-8")
    good = world.seen("5-percent", "replies").read_text(encoding="utf-8")
    path = world.folder / "both.jsonl"
    path.write_text(bad + (more or good), encoding="utf-8")
    world.at += timedelta(hours=49)
    return path


def test_a_wrong_line_of_one_task_keeps_no_other_from_being_taken_back(world: World) -> None:
    at = "2026-11-02T15:00:00Z"
    path = _two(world, json.dumps({"stage": "10-percent", "task": "replies", "model": "current", "at": at}) + "\n")
    found = world.run("--observations", str(path), "-o", "json=found.json")
    assert (found.status, "both.jsonl:9:1: error" in found.err) == (2, True)
    rows = json.loads((world.folder / "found.json").read_text())["decisions"]
    assert [(row["task"], row["decision"], row["counts"]) for row in rows] == [("tagging", "roll_back", True)]


def test_a_roll_back_is_shown_where_another_task_was_overtaken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _two(world, "")
    good = world.folder / "replies-5-percent.jsonl"
    record, depth = rollout_run.Call._record, []

    def late(self: Any, *given: Any) -> Any:
        if not depth:
            depth.append(1)
            assert world.run("--observations", str(good), "-o", "json=first.json").status == 0
        return record(self, *given)

    monkeypatch.setattr(rollout_run.Call, "_record", late)
    found = world.run("--observations", str(path))
    assert (found.status, "[overtaken]" in found.err) == (2, True)
    assert "ROLL BACK  tagging, from 100 percent to the current model alone\n" in found.out
    assert "(DOES NOT COUNT)" in found.out.partition("replies")[2]


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        ({"errors": 150}, "errors-too-many"),
        ({"quality": 0.1}, "quality-fell"),
        ({"latency_p95_ms": 4000}, "latency-over-the-limit"),
    ],
)
def test_a_line_that_says_nothing_hides_no_failure(world: World, candidate: dict[str, Any], rule: str) -> None:
    world.begin()
    path = world.seen("5-percent", **candidate)
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    mute = json.loads(rest[0])
    mute.update(errors=None, quality=None, latency_p95_ms=None)
    path.write_text("\n".join([first, json.dumps(mute), *rest[1:]]) + "\n", encoding="utf-8")
    world.at += PLUS
    found = world.run("--observations", str(path), "-o", "json")
    assert steps(found) == [("tagging", "roll_back", None)]
    assert rule in {each["rule"] for each in found.json["decisions"][0]["reasons"]}


def test_of_two_decisions_at_once_the_second_sees_the_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()
    path = world.seen("5-percent")
    world.at += PLUS
    record, depth = rollout_run.Call._record, []

    def late(self: Any, *given: Any) -> Any:
        if not depth:
            depth.append(1)
            assert world.run("--observations", str(path), "-o", "json=first.json").status == 0
        return record(self, *given)

    monkeypatch.setattr(rollout_run.Call, "_record", late)
    found = world.run("--observations", str(path), "-o", "json=second.json")
    assert (found.status, found.out) == (2, "")
    assert "[overtaken]" in found.err
    assert not (world.folder / "second.json").exists()
    assert json.loads((world.folder / "first.json").read_text())["decisions"][0]["next"]["percent"] == 10
    with open_ledger(f"sqlite:///{world.ledger}", read_only=True) as ledger:
        stands = standings(ledger, "support/helpdesk")["tagging"]
    assert (stands.stage.percent, len(stands.overtaken), len(world.entries())) == (10.0, 1, 4)
    assert any("do not count" in note for note in world.run("-o", "json").json["notes"])


def test_a_roll_back_counts_whatever_came_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin()
    good, bad = world.seen("5-percent"), world.folder / "bad.jsonl"
    bad.write_text(good.read_text(encoding="utf-8").replace('"errors": 1', '"errors": 150'), encoding="utf-8")
    world.at += PLUS
    record, depth = rollout_run.Call._record, []

    def late(self: Any, *given: Any) -> Any:
        if not depth:
            depth.append(1)
            assert world.run("--observations", str(good), "-o", "json=first.json").status == 0
        return record(self, *given)

    monkeypatch.setattr(rollout_run.Call, "_record", late)
    assert steps(world.run("--observations", str(bad), "-o", "json")) == [("tagging", "roll_back", None)]
    monkeypatch.setattr(rollout_run.Call, "_record", record)
    assert {row["task"]: row["stage"] for row in world.run("-o", "json").json["standings"]}["tagging"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"task": ["tagging"]},
        {
            "task": "tagging",
            "decision": "advance",
            "stage": {"percent": "1e9999999"},
            "decided_at": "x",
            "follows": None,
        },
    ],
)
def test_an_entry_that_cannot_be_read_counts_as_a_roll_back(world: World, body: dict[str, Any]) -> None:
    world.begin()
    with open_ledger(f"sqlite:///{world.ledger}") as ledger:
        ledger.append(Draft(EntryType.ROLLOUT_DECIDED, body={"workload": "support/helpdesk", **body}))
    found = world.observe("5-percent")
    assert (found.status, "[rollout-not-begun]" in found.err) == (2, True)
    again = world.begin("-o", "json", "--task", "tagging")
    assert steps(again) == [("tagging", "advance", 5)]
    assert any("cannot be read" in note for note in again.json["notes"])
