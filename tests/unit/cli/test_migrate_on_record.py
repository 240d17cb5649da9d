"""`policy migrate` with a ledger: which entries show something, which do not, and that none is believed too early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace as changed
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.vouching.evaluation import Task, evaluation_body
from tests.evaluating import evaluation
from tests.unit.cli.given import AT, EXAMPLES
from tests.unit.cli.migrate_scene import CANDIDATE, RECORDED, compared, completed, ledger_with, report, rollout
from tests.unit.cli.test_migrate import edited, items, playbook

TICKETS = EXAMPLES / "migration.yaml"
Run = Callable[..., Any]
PASSED = (compared(), compared("summaries", "summarisation", verdict="better"))


def on_record(policy: Run, folder: Path, drafts: Sequence[Draft], file: Path = TICKETS) -> dict[Any, Any]:
    return items(playbook(policy, file, "--ledger", ledger_with(folder, drafts)))


def test_a_report_on_the_judged_model_shows_how_it_came_out(policy: Run, tmp_path: Path) -> None:
    found = on_record(policy, tmp_path, [report(*PASSED)])
    for task in ("sorting", "summaries"):
        assert found["outcome", task]["state"] == "done"
        assert {each["entry"] for each in found["outcome", task]["shown_by"]} == {None, 0}
    assert found["outcome", "escalations"]["state"] == "not_needed"
    assert (found["rollout", "sorting"]["state"], found["scale", None]["state"]) == ("missing", "not_needed")


@pytest.mark.parametrize(
    ("task", "more", "state", "says"),
    [
        (compared(verdict="worse"), {}, "missing", "found `qwen3-14b` worse than `gpt-4o`"),
        (compared(verdict="inconclusive"), {}, "missing", "did not find whether `qwen3-14b` is worse"),
        (compared(verdict="too_few"), {}, "missing", "has too few examples"),
        (compared(current="gpt-4o-mini"), {}, "missing", "it compares with `gpt-4o-mini`"),
        (compared(kind="extraction"), {}, "missing", "as extraction, and the workload says classification"),
        (compared(metric="macro_recall"), {}, "missing", "by macro_recall, which does not count"),
        (compared(), {"valid_until": "2026-11-21"}, "overdue", "it ended on 2026-11-21"),
        (compared(), {"workload": "help-desk/other"}, "unknown", "policy parity"),
        (compared(model="llama-3.1-8b"), {}, "unknown", "policy parity"),
        (compared(task="escalations"), {}, "unknown", "policy parity"),
    ],
)
def test_what_a_report_does_not_show(
    policy: Run, tmp_path: Path, task: Task, more: dict[str, Any], state: str, says: str
) -> None:
    """Without evidence that counts, what is not on record is missing; with it, how it came out is unknown."""
    item = on_record(policy, tmp_path, [report(task, **more)])["outcome", "sorting"]
    assert (item["state"], says in item["action"]) == (state, True)
    bare = edited(tmp_path, lambda spec: spec["evidence"].pop("parallel_test"))
    again = items(playbook(policy, bare, "--ledger", f"sqlite:///{tmp_path}/ledger.db"))["outcome", "sorting"]
    assert again["state"] == ("overdue" if state == "overdue" else "missing")


def test_the_newest_report_counts(policy: Run, tmp_path: Path) -> None:
    bad, good = report(compared(verdict="worse")), report(compared())
    for name, drafts, state in (("a.db", [bad, good], "done"), ("b.db", [good, bad], "missing")):
        document = playbook(policy, TICKETS, "--ledger", ledger_with(tmp_path, drafts, name))
        assert items(document)["outcome", "sorting"]["state"] == state


def test_a_model_is_known_by_its_alias(policy: Run, tmp_path: Path) -> None:
    """A layer's model is judged by its alias, and compared under its name."""
    layer = tmp_path / "ours" / "catalog"
    layer.mkdir(parents=True)
    model = {"weights": "open", "licence": "mit", "modalities": ["text"], "params_b": 9, "context_tokens": 32000}
    model |= {"aliases": ["nine"], "source": "register", "as_of": "2026-11-22"}
    (layer / "models.yaml").write_text(yaml.safe_dump({"models": {"ours-9b": model}}), encoding="utf-8")
    file = edited(tmp_path, lambda spec: spec["tasks"][0]["proposal"].update(model="nine"))
    url = ledger_with(tmp_path, [report(compared(model="ours-9b"))])
    document = playbook(policy, file, "--ledger", url, "--policy", str(tmp_path / "ours"))
    assert items(document)["outcome", "sorting"]["state"] == "done"


def test_a_revoked_report_shows_nothing(policy: Run, tmp_path: Path) -> None:
    url = ledger_with(tmp_path, [report(*PASSED)])
    with open_ledger(url, clock=lambda: RECORDED) as ledger:
        leaf = ledger.entry(0).leaf_hash
        body = {"leaf": leaf, "index": 0, "evidence": "parallel_test", "workload": None, "reason": "wrong data"}
        ledger.append(Draft(EntryType.EVIDENCE_REVOKED, body=body))
    found = items(playbook(policy, TICKETS, "--ledger", url))
    assert found["outcome", "sorting"]["state"] == "missing"
    assert "it was revoked in the entry 1" in found["outcome", "sorting"]["action"]


def test_as_of_a_time_before_it_was_revoked_a_report_shows_what_it_did(policy: Run, tmp_path: Path) -> None:
    url = ledger_with(tmp_path, [report(*PASSED)])
    with open_ledger(url, clock=lambda: RECORDED + timedelta(days=1)) as ledger:
        leaf = ledger.entry(0).leaf_hash
        body = {"leaf": leaf, "index": 0, "evidence": "parallel_test", "workload": None, "reason": "wrong data"}
        ledger.append(Draft(EntryType.EVIDENCE_REVOKED, body=body))
    for at, state in (("2026-11-21T11:00:00Z", "done"), ("2026-11-22T09:00:00Z", "missing")):
        document = policy("migrate", str(TICKETS), "--at", at, "--ledger", url, "-o", "json").json
        assert items(document)["outcome", "sorting"]["state"] == state


def test_a_malformed_entry_is_told_and_leaves_nothing_later_than_itself_done(policy: Run, tmp_path: Path) -> None:
    broken, strange = report(compared(), report={"tasks": []}), rollout("sorting", "frobnicate")
    drafts = [report(*PASSED), *completed("sorting"), broken, strange]
    url = ledger_with(tmp_path, drafts)
    document = playbook(policy, TICKETS, "--ledger", url)
    assert [each["entry"] for each in document["ledger"]["malformed"]] == [3, 4]
    found = items(document)
    assert (found["outcome", "sorting"]["state"], found["rollout", "sorting"]["state"]) == ("unknown", "unknown")
    assert found["scale", None]["state"] == "not_needed"
    earlier = ledger_with(tmp_path, [broken, strange, *drafts[:3]], "earlier.db")
    later = items(playbook(policy, TICKETS, "--ledger", earlier))
    assert (later["outcome", "sorting"]["state"], later["rollout", "sorting"]["state"]) == ("done", "done")
    assert "entry 3 (evaluation-report) shows nothing" in " ".join(
        policy("migrate", str(TICKETS), *AT, "--ledger", url).out.split()
    )


@pytest.mark.parametrize(
    ("drafts", "sorting", "summaries", "scale"),
    [
        ([], "missing", "missing", "not_needed"),
        ([rollout("sorting", "advance", 0)], "missing", "missing", "not_needed"),
        (completed("sorting"), "done", "missing", "missing"),
        ([*completed("sorting"), rollout("sorting", "roll_back", 100)], "missing", "missing", "not_needed"),
        ([*completed("sorting"), rollout("sorting", "hold", 100)], "done", "missing", "missing"),
        (
            [rollout("sorting", "advance", 0, 100), rollout("sorting", "complete", 100, follows={"index": 7})],
            *("missing", "missing", "not_needed"),
        ),
        (
            [*completed("sorting"), rollout("sorting", "roll_back", 100, follows=None)],
            *("missing", "missing", "not_needed"),
        ),
        (
            [
                *completed("sorting"),
                rollout("sorting", "roll_back", 100),
                rollout("sorting", "roll_back", 100, follows={"index": 1}),
                *completed("sorting"),
            ],
            *("done", "missing", "missing"),
        ),
        (completed("sorting", "summaries"), "done", "done", "done"),
        # entries that no program of this project wrote: nothing went before them
        ([rollout("sorting", "complete", 100)], "unknown", "unknown", "not_needed"),
        ([rollout("sorting", "complete", 100, follows=None)], "unknown", "unknown", "not_needed"),
        ([rollout(None, "complete", 100)], "unknown", "unknown", "not_needed"),  # type: ignore[arg-type]
        # what was completed was another thing
        (completed("sorting", candidate={**CANDIDATE, "model": "llama-3.1-8b"}), *("missing", "missing", "not_needed")),
        (completed("sorting", candidate={**CANDIDATE, "provider": "together"}), *("missing", "missing", "not_needed")),
        (completed("sorting", candidate={**CANDIDATE, "region": "eu"}), *("missing", "missing", "not_needed")),
    ],
    ids=[
        *("none", "under way", "one of two", "rolled back since", "held since", "overtaken", "taken back"),
        *("taken back twice", "whole", "stray", "forged", "of no task", "another model", "provider", "region"),
    ],
)
def test_rollouts_on_record_say_how_far_each_task_is(
    policy: Run, tmp_path: Path, drafts: list[Draft], sorting: str, summaries: str, scale: str
) -> None:
    found = on_record(policy, tmp_path, drafts or [report(*PASSED)])
    states = [found[key]["state"] for key in (("rollout", "sorting"), ("rollout", "summaries"), ("scale", None))]
    assert states == [sorting, summaries, scale]
    assert found["rollout", "escalations"]["state"] == "not_needed"
    if drafts and drafts[0].body["candidate"] != CANDIDATE:
        action = found["rollout", "sorting"]["action"]
        assert action.startswith("it was completed with open_api ")
        assert action.endswith("--task sorting --observations /dev/null` takes it back")
    if scale == "missing":
        assert found["scale", None]["action"] == "migrate next: summaries"


def test_a_report_that_the_workload_does_not_name_is_named_as_the_next_field(policy: Run, tmp_path: Path) -> None:
    bare = edited(tmp_path, lambda spec: spec.update(evidence={}))
    found = on_record(policy, tmp_path, [report(*PASSED)], bare)
    for name in ("golden_dataset", "parallel_test"):
        assert found[name, None]["state"] == "missing"
        assert f"write `evidence.{name}: {{ledger_index: 0}}`" in found[name, None]["action"]


def test_a_report_that_speaks_against_the_workload_is_not_said_to_count(policy: Run, tmp_path: Path) -> None:
    """The judge of one half of F1, and a task that was left out: a decision takes neither, and nor does a hint."""
    bare = edited(tmp_path, lambda spec: spec.update(evidence={}))
    easy = report(compared(metric="macro_recall"), compared("summaries", "summarisation"))
    for name, newest, says in (
        ("easy.db", easy, "by macro_recall, which does not count for classification"),
        ("part.db", report(compared()), "its report has no task `summaries`"),
        ("worse.db", report(compared(verdict="worse"), PASSED[1]), "found `qwen3-14b` worse than `gpt-4o`"),
    ):
        document = playbook(policy, bare, "--ledger", ledger_with(tmp_path, [report(*PASSED), newest], name))
        for evidence in ("golden_dataset", "parallel_test"):
            item = items(document)[evidence, None]
            assert "ledger_index" not in item["action"]
            assert says in item["shown_by"][-1]["says"]


def test_a_forged_report_is_malformed(policy: Run, tmp_path: Path) -> None:
    """Three examples and a verdict that does not follow from them; the digest is right."""
    found = evaluation(compared())
    (task,) = found.tasks
    forged = changed(found, tasks=(changed(task, examples=3),))
    draft = Draft(EntryType.EVALUATION_REPORT, body=evaluation_body(forged, "help-desk/tickets", None))
    document = playbook(policy, TICKETS, "--ledger", ledger_with(tmp_path, [draft]))
    assert [each["entry"] for each in document["ledger"]["malformed"]] == [0]
    assert items(document)["outcome", "sorting"]["state"] == "unknown"


def test_other_workloads_of_the_namespace_are_where_it_is_applied_next(policy: Run, tmp_path: Path) -> None:
    """One whose decision on record keeps a workhorse task on a closed model; one of another namespace is not."""

    def closed(spec: Any) -> None:
        spec["tasks"] = [{**spec["tasks"][0], "share": 1.0}]
        spec["tasks"][0]["proposal"] = {"deployment": "proprietary_api", "model": "gpt-4o-mini", "provider": "openai"}

    url = ledger_with(tmp_path, completed("sorting", "summaries"))
    text = edited(tmp_path, closed).read_text(encoding="utf-8")
    for namespace in ("help-desk", "elsewhere"):
        file = tmp_path / f"{namespace}.yaml"
        file.write_text(text.replace("namespace: help-desk", f"namespace: {namespace}").replace("tickets", "mails"))
        assert policy("evaluate", str(file), *AT, "--ledger", url, "-q").status == 0
    # the decisions are recorded by the clock of today
    item = items(policy("migrate", str(TICKETS), "--ledger", url, "-o", "json").json)["scale", None]
    assert (item["state"], item["action"]) == ("missing", "migrate next: help-desk/mails")


def test_as_of_a_time_the_ledger_is_what_it_was(policy: Run, tmp_path: Path) -> None:
    url = ledger_with(tmp_path, [report(*PASSED)])
    before = policy("migrate", str(TICKETS), "--at", "2026-11-20T11:00:00Z", "--ledger", url, "-o", "json").json
    assert (before["ledger"]["entries"], before["ledger"]["evaluation_reports"]) == (0, [])
    after = policy("migrate", str(TICKETS), "--at", "2026-11-20", "--ledger", url, "-o", "json").json
    assert (after["ledger"]["entries"], after["ledger"]["evaluation_reports"]) == (1, [0])
