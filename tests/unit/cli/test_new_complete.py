"""`policy new --complete FILE` without a terminal: lists what it would ask, and writes answers into the file."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.given import EXAMPLES
from tests.unit.cli.given import INVOICES as OPEN

TWO_TASKS = OPEN.replace(
    "    - name: extraction # the only one\n      kind: extraction\n",
    "    - {name: other, kind: coding, share: 0.5}\n"
    "    - name: extraction # the only one\n      kind: extraction\n      share: 0.5\n",
)
Policy = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("nobody_there")


def changed(before: str, after: str) -> list[tuple[str, str]]:
    """Return the lines that differ; both texts have as many."""
    one, two = before.splitlines(), after.splitlines()
    assert len(one) == len(two)
    return [(old, new) for old, new in zip(one, two, strict=True) if old != new]


def test_without_answers_it_lists_what_it_would_ask_and_writes_nothing(policy: Policy, file: Path) -> None:
    done = policy("new", "--complete", str(file))
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("REVIEW  default/invoices\n  1. data.")
    assert "(alone: " in done.out.splitlines()[1]
    assert f"policy new --complete {file} --set data." in done.out
    assert file.read_text(encoding="utf-8") == OPEN


def test_the_list_as_json(policy: Policy, file: Path) -> None:
    document = policy("new", "--complete", str(file), "-o", "json").json
    (workload,) = document["workloads"]
    assert workload["verdict"] == "review"
    by_name = {question["fact"]: question for question in workload["questions"]}
    leave = by_name["data.may_leave_network"]
    assert (leave["type"], leave["alone"], leave["task"]) == ("bool", True, None)
    assert {"value": False, "verdict": "deny"} in leave["outcomes"]
    alone = [question["alone"] for question in workload["questions"]]
    assert alone == sorted(alone, reverse=True)


def test_set_edits_in_place(policy: Policy, file: Path) -> None:
    file.chmod(0o640)
    done = policy("new", "--complete", str(file), "--set", "data.residency=us, eu", "--set", "task.batch=no")
    assert done.status == 0, done.err
    assert done.err == f"wrote 2 facts into {file}; `policy evaluate {file}` decides it\n"
    assert changed(OPEN, file.read_text(encoding="utf-8")) == [
        ("      batch: null # ask Ann", "      batch: false # ask Ann"),
        ("    residency:   # nobody knows", "    residency: [us, eu]   # nobody knows"),
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert policy("evaluate", str(file), "--ledger", "sqlite:///:memory:", "-q").status == 0


def test_set_inserts_what_is_not_there(policy: Policy, file: Path) -> None:
    answers = ("--set", "data.may_leave_network=true", "--set", "volume.input_tokens_per_month=1,500,000")
    assert policy("new", "--complete", str(file), *answers, "--set", "needs.edge=false").status == 0
    text = file.read_text(encoding="utf-8")
    expected = OPEN.replace("  # nobody knows\n", "  # nobody knows\n    may_leave_network: true\n")
    assert text == f"{expected}  volume:\n    input_tokens_per_month: 1500000\n  needs:\n    edge: false\n"


def test_answers_change_what_is_asked(policy: Policy, file: Path) -> None:
    policy("new", "--complete", str(file), "--set", "data.may_leave_network=false")
    done = policy("new", "--complete", str(file))
    assert done.out == "DENY  default/invoices\n  no unknown fact can change the verdict\n"


def test_unknown_stays_unknown_and_is_not_asked_again(policy: Policy, file: Path) -> None:
    done = policy(
        "new", "--complete", str(file), "--set", "data.may_leave_network=?", "--set", "data.residency=unknown"
    )
    assert done.status == 0
    assert file.read_text(encoding="utf-8") == OPEN
    assert "data.may_leave_network" not in done.out
    assert "data.residency" not in done.out


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("data.residancy=eu", "did you mean `data.residency`?"),
        ("data.residency", "write --set FACT=VALUE"),
        ("cost.open_api_usd_per_month=1", "no fact that a workload states"),
        ("task.class=frontier", "no fact that a workload states"),
        ("workload.owner_present=true", "no fact that a workload states"),
        ("nonsense=1", "no fact that a workload states"),
        ("evidence.dpa=x", "no fact that a workload states"),
        ("task.batch=maybe", "`maybe` is neither `true` nor `false`"),
        ("team.mlops=matur", "did you mean `mature`?"),
        ("team.ml_engineers=1.5", "is not a whole number of people"),
        ("team.ml_engineers=-1", "is not a whole number"),
        ("task.latency_p95_ms=0", "is below 1"),
        ("data.residency=none", "lists no region"),
        ("data.residency=eu,anywhere", "beside other regions"),
        ("data.regulations=hippa", "did you mean `hipaa`?"),
        ("task.share=0.5", "the only task has all of the volume"),
        ("migration=maybe", "write `none`"),
        ("hardware.gpus=[{", "is no YAML"),
        ("proposal.model=a\x1bb", "cannot be printed"),
    ],
)
def test_a_wrong_answer_changes_nothing(policy: Policy, file: Path, setting: str, said: str) -> None:
    done = policy("new", "--complete", str(file), "--set", "budget.margin=tight", "--set", setting)
    assert (done.status, done.out) == (2, ""), done.err
    assert said in done.err
    assert "\x1b" not in done.err
    assert file.read_text(encoding="utf-8") == OPEN


def test_what_is_more_than_a_fact_is_answered_in_yaml(policy: Policy, file: Path) -> None:
    gpus = "hardware.gpus=[{name: NVIDIA L4, count: 2}]"
    moved = "migration={from: {deployment: proprietary_api, model: gpt-4o}}"
    assert policy("new", "--complete", str(file), "--set", gpus, "--set", moved).status == 0
    text = file.read_text(encoding="utf-8")
    assert '    gpus: [{name: "NVIDIA L4", count: 2}]\n' in text
    assert "  migration:\n    from: {deployment: proprietary_api, model: gpt-4o}\n" in text


def test_the_facts_of_one_of_several_tasks(policy: Policy, file: Path) -> None:
    file.write_text(TWO_TASKS, encoding="utf-8")
    refused = policy("new", "--complete", str(file), "--set", "task.batch=true")
    assert refused.status == 2
    assert "`task.other.batch` or `task.extraction.batch`" in refused.err
    answers = ("--set", "task.extraction.batch=true", "--set", "task.other.batch=false")
    assert policy("new", "--complete", str(file), *answers).status == 0
    text = file.read_text(encoding="utf-8")
    assert "batch: true # ask Ann" in text
    assert "{name: other, kind: coding, share: 0.5, batch: false}" in text
    assert policy("new", "--complete", str(file), "--set", "task.extraction.proposal.region=eu").status == 0
    assert "region: eu}" in file.read_text(encoding="utf-8")
    listed = policy("new", "--complete", str(file), "-o", "json").json["workloads"][0]["questions"]
    assert all(each["set"].startswith(f"task.{each['task']}.") for each in listed if each["task"])


def test_several_workloads_in_a_file(policy: Policy, file: Path) -> None:
    second = OPEN.replace("name: invoices", "name: receipts")
    file.write_text(f"{OPEN}---\n{second}", encoding="utf-8")
    both = policy("new", "--complete", str(file)).out
    assert both.index("default/invoices") < both.index("default/receipts")
    refused = policy("new", "--complete", str(file), "--set", "task.batch=true")
    assert refused.status == 2
    assert "give --workload: `default/invoices` or `default/receipts`" in refused.err
    named = policy("new", "--complete", str(file), "--workload", "recepts", "--set", "task.batch=true")
    assert "did you mean `receipts`?" in named.err
    done = policy("new", "--complete", str(file), "--workload", "default/receipts", "--set", "task.batch=true")
    assert done.status == 0
    assert file.read_text(encoding="utf-8") == f"{OPEN}---\n{second.replace('null # ask', 'true # ask')}"


def test_to_writes_elsewhere(policy: Policy, file: Path, tmp_path: Path) -> None:
    answer = ("--set", "task.batch=true")
    shown = policy("new", "--complete", str(file), *answer, "--to", "-")
    assert shown.status == 0
    assert shown.out == OPEN.replace("null # ask", "true # ask")
    other = tmp_path / "other.yaml"
    assert policy("new", "--complete", str(file), *answer, "--to", str(other)).status == 0
    assert other.read_text(encoding="utf-8") == shown.out
    again = policy("new", "--complete", str(file), *answer, "--to", str(other))
    assert again.status == 2
    assert "--force" in again.err
    assert policy("new", "--complete", str(file), *answer, "--to", str(other), "--force").status == 0
    assert file.read_text(encoding="utf-8") == OPEN


def test_standard_input(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    def given() -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(OPEN.encode())))

    given()
    refused = policy("new", "--complete", "-", "--set", "task.batch=true")
    assert refused.status == 2
    assert "give --to FILE" in refused.err
    given()
    shown = policy("new", "--complete", "-", "--to", "-", "--set", "task.batch=true")
    assert shown.out == OPEN.replace("null # ask", "true # ask")


def test_line_ends_and_links_stay(policy: Policy, file: Path, tmp_path: Path) -> None:
    file.write_bytes(OPEN.replace("\n", "\r\n").encode())
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    assert policy("new", "--complete", str(link), "--set", "data.may_leave_network=true").status == 0
    content = file.read_bytes()
    assert link.is_symlink()
    assert b"    may_leave_network: true\r\n" in content
    assert content.count(b"\n") == content.count(b"\r\n")


def test_what_cannot_be_edited_is_refused(policy: Policy, file: Path) -> None:
    text = OPEN.replace("batch: null # ask Ann\n", "batch: &b null # ask Ann\n      well_defined: *b\n")
    file.write_text(text, encoding="utf-8")
    done = policy("new", "--complete", str(file), "--set", "task.well_defined=true")
    assert done.status == 2
    assert "cannot be put in without touching something else" in done.err
    assert "write it in by hand" in done.err
    assert file.read_text(encoding="utf-8") == text


def test_files_that_cannot_be_completed(policy: Policy, file: Path, tmp_path: Path) -> None:
    for content, said in ((b"", "the file is empty"), (b"\xff", "is not UTF-8"), (b"kind: Pod\n", "only `Workload`")):
        file.write_bytes(content)
        done = policy("new", "--complete", str(file))
        assert done.status == 2
        assert said in done.err
    assert policy("new", "--complete", str(tmp_path / "none.yaml")).status == 2
    assert policy("new", "--complete", str(tmp_path)).status == 2


def test_a_file_that_changes_meanwhile_is_left_alone(
    policy: Policy, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import policy_engine.cli.new_complete as module

    before = module._apply

    def interfere(*arguments: Any) -> None:
        before(*arguments)
        file.write_text("theirs", encoding="utf-8")

    monkeypatch.setattr(module, "_apply", interfere)
    done = policy("new", "--complete", str(file), "--set", "task.batch=true")
    assert done.status == 2
    assert "has changed since it was read" in done.err
    assert file.read_text(encoding="utf-8") == "theirs"


def test_options_that_do_not_go_together(policy: Policy, file: Path) -> None:
    assert "is for a new file" in policy("new", "--complete", str(file), "--name", "x").err
    assert "--set goes with --complete FILE" in policy("new", "--set", "task.batch=true").err
    both = policy("new", "--complete", str(file), "--to", "-", "-o", "json")
    assert both.status == 2
    assert "cannot both go to standard output" in both.err
    assert policy("new", "--complete", str(file), "-o", "jsn").status == 2


def test_nothing_is_recorded(policy: Policy, file: Path) -> None:
    policy("new", "--complete", str(file), "--set", "task.batch=true")
    assert not list(Path(os.environ["XDG_DATA_HOME"]).rglob("*.db"))


def test_the_json_list_is_json(policy: Policy) -> None:
    done = policy("new", "--complete", str(EXAMPLES / "research-lab.yaml"), "-o", "json")
    assert json.loads(done.out)["kind"] == "Completion"
