"""`policy rollout`: the plan, and decisions that go on record before they are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.cli import rollout_run
from policy_engine.cli.rollout import STEPS
from policy_engine.rollout import deciding
from policy_engine.rollout.on_record import standings
from tests.rollouts import BEGUN, WORKLOAD, lines, shipped
from tests.unit.cli.conftest import Outcome

Run = Callable[..., Outcome]
PLUS = timedelta(hours=25)


class World:
    """A workload's file, a ledger, and what is observed of the stages."""

    def __init__(self, folder: Path, policy: Run) -> None:
        self.folder, self._policy = folder, policy
        self.file, self.ledger = folder / "helpdesk.yaml", folder / "r.db"
        self.file.write_text(WORKLOAD, encoding="utf-8")
        self.at = self.clock = BEGUN

    def run(self, *arguments: str, at: datetime | None = None, late: timedelta = timedelta()) -> Outcome:
        """Run it with the clock so much after the time that is given."""
        self.clock = (at or self.at) + late
        given = ("--ledger", f"sqlite:///{self.ledger}", "--at", (at or self.at).isoformat())
        return self._policy("rollout", str(self.file), *given, *arguments)

    def begin(self, *arguments: str) -> Outcome:
        return self.run("--begin", *arguments)

    def seen(self, stage: str, task: str = "tagging", **candidate: Any) -> Path:
        path = self.folder / f"{task}-{stage}.jsonl"
        path.write_text("\n".join(lines(stage, task, self.at, **candidate)) + "\n", encoding="utf-8")
        return path

    def observe(self, stage: str, task: str = "tagging", *arguments: str, **candidate: Any) -> Outcome:
        """Observe a stage from the last decision on, and decide an hour after it."""
        path = self.seen(stage, task, **candidate)
        self.at += timedelta(hours=49 if float(stage.removesuffix("-percent")) >= 50 else 25)
        return self.run("--observations", str(path), *arguments)

    def two_stages(self) -> tuple[str, str]:
        """Make a layer by which the stages are of 5 and of 100 percent; return how it is named."""
        (self.folder / "short").mkdir()
        text = "stages:\n  - {percent: 5, hours_min: 24}\n  - {percent: 100, hours_min: 48}\n"
        (self.folder / "short" / "rollout.yaml").write_text(text, encoding="utf-8")
        return "--policy", str(self.folder / "short")

    def decided(self, *arguments: str, after: timedelta = timedelta()) -> list[tuple[str, str, Any]]:
        """Run it so much later, and return its steps."""
        self.at += after
        return _steps(self.run("-o", "json", *arguments))

    def entries(self) -> list[dict[str, Any]]:
        with open_ledger(f"sqlite:///{self.ledger}", read_only=True) as ledger:
            return [each.document for each in ledger.list_entries(type=EntryType.ROLLOUT_DECIDED, newest_first=False)]


@pytest.fixture
def world(tmp_path: Path, policy: Run, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, policy)
    monkeypatch.setattr(rollout_run, "now", lambda: found.clock)
    monkeypatch.setattr("policy_audit.ledger._now", lambda: found.clock)
    return found


def _line() -> int:
    return next(number for number, line in enumerate(WORKLOAD.splitlines(), 1) if "rollout_start_percent" in line)


def _steps(found: Outcome) -> list[tuple[str, str, Any]]:
    assert found.err == "" or "new ledger" in found.err
    rows = found.json["decisions"]
    return [(row["task"], row["decision"], row["next"] and row["next"]["percent"]) for row in rows]


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
    assert (refused.status, f"helpdesk.yaml:{_line()}:5: error" in refused.err) == (2, True)


def test_a_task_goes_through_its_stages_and_then_the_next_one_begins(world: World) -> None:
    short = world.two_stages()
    assert _steps(world.begin("-o", "json", *short)) == [("tagging", "advance", 5), ("replies", "hold", None)]
    assert _steps(world.observe("5-percent", "tagging", "-o", "json", *short)) == [("tagging", "advance", 100)]
    found = world.observe("100-percent", "tagging", "-o", "json", "--fail-on", "complete", *short)
    assert (_steps(found), found.status) == ([("tagging", "complete", None)], 1)
    begun = world.begin("-o", "json", "--task", "replies", *short)
    assert _steps(begun) == [("replies", "advance", 5)]
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
    assert _steps(bad) == [("tagging", "roll_back", None)]


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
    assert _steps(again) == [("tagging", "advance", 5)]
    assert any("tagging was rolled back from 5 percent" in note for note in again.json["notes"])
    assert _steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "advance", 10)]


def test_another_model_does_not_inherit_the_stage(world: World) -> None:
    world.begin()
    world.file.write_text(WORKLOAD.replace("qwen3-14b", "llama-3-70b"), encoding="utf-8")
    found = world.observe("5-percent", "tagging", "-o", "json")
    assert _steps(found) == [("tagging", "roll_back", None)]
    assert "another-candidate" in {each["rule"] for each in found.json["decisions"][0]["reasons"]}
    models = [entry["body"]["candidate"]["model"] for entry in world.entries()]
    assert models == ["qwen3-14b", "qwen3-14b", "llama-3-70b"]


def test_a_start_that_is_large_holds_and_no_stage_is_skipped_by_a_later_start(world: World) -> None:
    for start in ("100.0", "12.0"):
        changed = WORKLOAD.replace("rollout_start_percent: 5.0", f"rollout_start_percent: {start}")
        world.file.write_text(changed, encoding="utf-8")
        found = world.begin("-o", "json", "--task", "tagging")
        assert _steps(found) == [("tagging", "hold", None)]
        assert "starts-too-large" in {each["rule"] for each in found.json["decisions"][0]["reasons"]}
    world.file.write_text(WORKLOAD, encoding="utf-8")
    assert world.decided("--begin", "--task", "tagging") == [("tagging", "advance", 5)]
    world.file.write_text(
        WORKLOAD.replace("rollout_start_percent: 5.0", "rollout_start_percent: 100.0"), encoding="utf-8"
    )
    assert _steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "advance", 10)]


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
    assert _steps(found) == [("replies", "advance", 5)]
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
    assert _steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "hold", None)]
    world.file.write_text(WORKLOAD, encoding="utf-8")
    held = world.run(*take, "-o", "json")
    assert _steps(held) == [("tagging", "hold", None)]
    assert [each["rule"] for each in held.json["decisions"][0]["reasons"]] == ["nothing-observed"]
    world.file.write_text(WORKLOAD.replace(old, new), encoding="utf-8")
    notes = world.run("-o", "json").json["notes"]
    assert any(each.startswith(says) and "--task tagging --observations /dev/null" in each for each in notes)
    found = world.run(*take, "-o", "json")
    assert _steps(found) == [("tagging", "roll_back", None)]
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
    assert _steps(found) == [("tagging", "roll_back" if step else "hold", None)]
    rules = {each["rule"]: each["missing"] for each in found.json["decisions"][0]["reasons"]}
    assert step in rules if step else rules["another-candidate"] == ["rollout.same_candidate"]
    if not step:
        assert _steps(world.observe("5-percent", "tagging", "-o", "json", errors=40)) == [
            ("tagging", "roll_back", None)
        ]
    # and nothing begins by such a workload
    refused = world.begin("--task", "replies")
    assert (refused.status, "starts" in refused.err or "[no-migration]" in refused.err) == (2, True)


def test_a_start_that_is_none_keeps_what_fails_from_nothing_and_what_goes_well_goes_on(world: World) -> None:
    world.begin("--task", "tagging")
    none = WORKLOAD.replace("rollout_start_percent: 5.0", "rollout_start_percent: 0.0")
    world.file.write_text(none, encoding="utf-8")
    notes = world.run("-o", "json").json["notes"]
    assert any("0 percent of traffic, which is no start" in note for note in notes)
    assert _steps(world.observe("5-percent", "tagging", "-o", "json")) == [("tagging", "advance", 10)]
    assert _steps(world.observe("10-percent", "tagging", "-o", "json", errors=40)) == [("tagging", "roll_back", None)]
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
    assert _steps(found) == [("tagging", "roll_back", None)]
    assert rule in {each["rule"] for each in found.json["decisions"][0]["reasons"]}


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
    assert _steps(world.run("--observations", str(path), "-o", "json")) == [("tagging", "hold", None)]
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace('"errors": 1', '"errors": 0'), encoding="utf-8")
    refused = world.run("--observations", str(path))
    assert (refused.status, "jsonl:2:1: error: another observation" in refused.err) == (2, True)
    path.write_text(whole.replace('"quality": null', '"quality": 0.9').splitlines()[1] + "\n", encoding="utf-8")
    found = world.run("--observations", str(path), "-o", "json")
    assert found.json["decisions"][0]["observations"]["count"] == 8
    path.write_text(whole.replace('"quality": null', '"quality": 0.9'), encoding="utf-8")
    assert _steps(world.run("--observations", str(path), "-o", "json")) == [("tagging", "advance", 10)]


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
    assert _steps(world.begin("-o", "json", "--task", "tagging")) == [("tagging", "advance", 5)]
    world.file.write_text(WORKLOAD.replace("sensitivity: internal", "sensitivity: null"), encoding="utf-8")
    review = world.observe("5-percent", "tagging", "-o", "json")
    assert (review.json["decision"]["verdict"], _steps(review)) == ("review", [("tagging", "hold", None)])
    world.file.write_text(denied, encoding="utf-8")
    path = str(world.folder / "tagging-5-percent.jsonl")
    assert _steps(world.run("--observations", path, "-o", "json")) == [("tagging", "roll_back", None)]


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
    assert _steps(world.run("--observations", str(bad), "-o", "json")) == [("tagging", "roll_back", None)]
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
    assert _steps(again) == [("tagging", "advance", 5)]
    assert any("cannot be read" in note for note in again.json["notes"])


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
