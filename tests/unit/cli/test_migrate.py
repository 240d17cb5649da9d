"""`policy migrate`: what it says of a workload, held to the decision, to arithmetic by hand, to the catalog."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.given import AT, EXAMPLES, INVOICES, MEMORY, ROOT
from tests.unit.cli.ledgers import tamper
from tests.unit.cli.migrate_scene import compared, ledger_with, report, rollout

TICKETS = EXAMPLES / "migration.yaml"
GOLDEN = ROOT / "tests" / "golden" / "migrate"
Run = Callable[..., Any]
#: What an obligation of the decision makes of an item.
STATES = {"satisfied": {"done"}, "outstanding": {"missing", "overdue"}, "uncertain": {"unknown"}}
IDS = {"owner_named": "champion"}


def playbook(policy: Run, file: Path, *arguments: str) -> Any:
    """Run it at the day of the prices, and return the JSON document."""
    found = policy("migrate", str(file), *AT, *arguments, "-o", "json")
    assert (found.status, found.err) == (0, ""), found.err
    return found.json


def items(document: Any) -> dict[tuple[str, str | None], Any]:
    return {(item["id"], item["task"]): item for step in document["steps"] for item in step["items"]}


def edited(folder: Path, edit: Callable[[Any], Any], source: Path = TICKETS, name: str = "edited.yaml") -> Path:
    """Write a workload with its `spec` changed."""
    value = yaml.safe_load(source.read_text(encoding="utf-8"))
    edit(value["spec"])
    path = folder / name
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
    return path


def test_the_text_is_golden(policy: Run, tmp_path: Path) -> None:
    """UPDATE_GOLDEN=1 writes it anew. A command that is shown is one word, and may be wider than the terminal."""
    drafts = [report(compared(verdict="worse")), report(compared()), rollout("sorting", "advance", 0, 10)]
    drafts.append(rollout("sorting", "hold", 10))
    ledger_with(tmp_path, drafts)
    (tmp_path / "tickets.yaml").write_bytes(TICKETS.read_bytes())
    found = policy("migrate", "tickets.yaml", *AT, "--ledger", "sqlite:///ledger.db")
    assert (found.status, found.err) == (0, "")
    path = GOLDEN / "tickets.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found.out, encoding="utf-8")
    assert found.out == path.read_text(encoding="utf-8")
    assert all(len(line) <= 80 or "`policy " in line for line in found.out.splitlines())


def test_the_readmes_sample_is_what_it_prints(policy: Run) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## The migration playbook") :]
    sample = re.search(r"```text\n(.*?)```", section, re.DOTALL)
    assert sample is not None
    out = policy("migrate", str(TICKETS), *AT).out
    for part in sample[1].split("...\n"):
        assert part.replace("examples/migration.yaml", str(TICKETS)) in out


@pytest.mark.parametrize("name", ["migration", "invoice-extraction"])
def test_every_obligation_of_the_decision_is_an_item_of_the_same_state(policy: Run, name: str) -> None:
    """The decision of `policy evaluate` is the oracle: who asks, how strictly, and whether what there is does."""
    file = EXAMPLES / f"{name}.yaml"
    decision = policy("evaluate", str(file), *AT, *MEMORY, "-o", "json").json
    found = items(playbook(policy, file))
    duties = {(task["name"], duty["evidence"]): duty for task in decision["tasks"] for duty in task["obligations"]}
    assert len(duties) > 4
    for (task, evidence), duty in duties.items():
        item = found.get((IDS.get(evidence, evidence), None)) or found[(evidence, task)]
        assert item["state"] in STATES[duty["status"]], (evidence, item)
        assert item["asked_by"]["enforcement"] == duty["enforcement"]
        assert set(duty["rules"]) <= set(item["asked_by"]["rules"])


def test_conditions_are_the_outcomes_of_the_decisions_rules(policy: Run) -> None:
    decision = policy("evaluate", str(TICKETS), *AT, *MEMORY, "--all-rules", "-o", "json").json
    document = playbook(policy, TICKETS)
    outcomes = {(task["name"], row["id"]): row["outcome"] for task in decision["tasks"] for row in task["rules"]}
    assert {each["side"] for each in document["conditions"]} == {"stay", "switch"}
    for each in document["conditions"]:
        said = {outcomes[each["task"], rule] for rule in each["rules"]}
        assert said == {{True: "fired", False: "not_fired", None: "indeterminate"}[each["holds"]]}
    holding = {(each["task"], each["criterion"]) for each in document["conditions"] if each["holds"]}
    assert holding == {("sorting", "COST-12"), ("summaries", "COST-12"), ("escalations", "TASK-02")}


def test_the_ranges_are_those_of_policy_cost(policy: Run) -> None:
    costs = policy("cost", str(TICKETS), *AT, "-o", "json").json["workloads"][0]["tasks"]
    for row, task in zip(playbook(policy, TICKETS)["money"]["tasks"], costs, strict=True):
        lines = {
            (option["deployment"], line["model"]): line["usd_per_month"]
            for option in task["options"]
            for line in option["lines"]
        }
        for side, place in (
            ("today", ("proprietary_api", "gpt-4o")),
            ("judged", (row["judged_deployment"], row["judged_model"])),
        ):
            found = [row[f"{side}_{end}_usd_per_month"] for end in ("low", "high")]
            assert found == pytest.approx([lines[place][end] for end in ("low", "high")]), (side, task["name"])


def test_the_money_is_worked_out_by_hand(policy: Run, tmp_path: Path) -> None:
    """400 million in at 10 and 60 million out at 30 USD a million; the open model is 0.61 both ways, of 90 percent."""
    money = playbook(policy, TICKETS)["money"]
    today, later = 400 * 10 + 60 * 30, 460 * 0.9 * 0.61 + 0.1 * (400 * 10 + 60 * 30)
    assert money["today_usd_per_month"] == pytest.approx(today)
    assert money["judged_usd_per_month"] == pytest.approx(later)
    assert money["saving_usd_per_month"] == pytest.approx(today - later)
    assert money["saving_percent"] == pytest.approx(100 * (today - later) / today)
    assert [row["today_usd_per_month"] for row in money["tasks"]] == pytest.approx([0.5 * today, 0.4 * today, 580])
    # the other side of DISPUTE-01 has 2.50 and 10; what stays on gpt-4o saves nothing on either side
    low, moved = 400 * 2.5 + 60 * 10, 460 * 0.9 * 0.61
    assert (money["disputes"], money["today_low_usd_per_month"]) == (["DISPUTE-01"], pytest.approx(low))
    assert money["today_high_usd_per_month"] == pytest.approx(today)
    ends = [money[f"saving_{end}_usd_per_month"] for end in ("low", "high")]
    assert ends == pytest.approx([0.9 * low - moved, 0.9 * today - moved])
    out = " ".join(policy("migrate", str(TICKETS), *AT).out.split())
    assert "today: 5,800 USD/month, 1,600 to 5,800 - with" in out
    assert "prices are disputed: DISPUTE-01" in out
    bill = edited(tmp_path, lambda spec: spec["budget"].update(api_spend_usd_per_month=1000))
    declared = playbook(policy, bill)["money"]
    assert declared["today_usd_per_month"] == 1000
    assert declared["today_computed_usd_per_month"] == pytest.approx(today)
    assert declared["saving_usd_per_month"] == pytest.approx(1000 - later)


def test_what_is_not_known_stays_unknown(policy: Run, tmp_path: Path) -> None:
    def forget(spec: Any) -> None:
        spec.pop("volume")
        spec["migration"].pop("weeks_planned")
        spec["tasks"][0].pop("quality")
        spec["tasks"][1].pop("latency_p95_ms")

    document = playbook(policy, edited(tmp_path, forget))
    money, found = document["money"], items(document)
    assert {money[key] for key in ("today_usd_per_month", "judged_usd_per_month", "saving_percent")} == {None}
    assert (found["spend", "sorting"]["state"], found["quality", "sorting"]["state"]) == ("unknown", "missing")
    assert found["quality", "sorting"]["action"].startswith("write `tasks[0].quality")
    assert (found["latency", "summaries"]["state"], found["latency", "sorting"]["state"]) == ("missing", "done")
    assert (found["weeks", None]["state"], document["timeline"]["planned_weeks"]) == ("missing", None)
    assert "difference: unknown" in policy("migrate", "edited.yaml", *AT).out


def test_the_short_list_is_of_open_models_that_the_decision_finds_to_qualify(policy: Run) -> None:
    decision = policy("evaluate", str(TICKETS), *AT, *MEMORY, "-o", "json").json
    document = playbook(policy, TICKETS)
    by_task = {each["task"]: each["candidates"] for each in document["shortlists"]}
    assert by_task.keys() == {"sorting", "summaries"}
    for task in decision["tasks"][:2]:
        candidates = by_task[task["name"]]
        options = {row["deployment"]: {m["name"]: m for m in row["models"]} for row in task["options"]}
        assert len(candidates) == 3
        assert candidates[0]["model"] == task["proposal"]["model"]
        assert candidates[1]["model"] == task["recommendation"]["model"]
        for each in candidates:
            assert each["deployment"] != "proprietary_api"
            row = options[each["deployment"]][each["model"]]
            assert row["qualifies"] is True
            assert row["monthly_usd"] == each["usd_per_month"]
    entries = yaml.safe_load((ROOT / "rules" / "catalog" / "models.yaml").read_text(encoding="utf-8"))["models"]
    assert all(entries[each["model"]]["weights"] == "open" for rows in by_task.values() for each in rows)


def test_fewer_than_two_candidates_are_said(policy: Run, tmp_path: Path) -> None:
    def demand(spec: Any) -> None:
        spec["tasks"][0]["min_scores"] = {"mmlu": 88.5}

    document = playbook(policy, edited(tmp_path, demand))
    (found,) = [each for each in document["shortlists"] if each["task"] == "sorting"]
    item = items(document)["shortlist", "sorting"]
    assert found["qualifying"] == len([each for each in found["candidates"] if each["qualifies"]]) < 2
    assert item["state"] in ("missing", "unknown")
    assert item["action"]
    assert items(document)["shortlist", "escalations"]["state"] == "not_needed"


def test_a_migration_that_is_none_or_not_known_is_said(policy: Run, tmp_path: Path) -> None:
    none = edited(tmp_path, lambda spec: spec.update(migration="none"), name="none.yaml")
    unknown = edited(tmp_path, lambda spec: spec.pop("migration"), name="unknown.yaml")
    for file, word, status in ((none, "none", 0), (unknown, None, 1)):
        document = playbook(policy, file)
        assert (document["migration"], document["steps"]) == (word, [])
        assert policy("migrate", str(file), *AT, "--fail-on", "missing").status == status
    assert "write `migration: none`, or `migration: {from:" in " ".join(
        policy("migrate", str(unknown), *AT).out.split()
    )


@pytest.mark.parametrize(("limit", "status"), [("missing", 1), ("mandatory", 0)])
def test_fail_on_is_status_1(policy: Run, tmp_path: Path, limit: str, status: int) -> None:
    assert policy("migrate", str(TICKETS), *AT, "--fail-on", limit).status == status
    bare = edited(tmp_path, lambda spec: spec["evidence"].pop("parallel_test"))
    assert policy("migrate", str(bare), *AT, "--fail-on", limit).status == 1
    assert policy("migrate", str(bare), *AT).status == 0


def test_the_formats_say_the_same(policy: Run) -> None:
    document = playbook(policy, TICKETS)
    assert yaml.safe_load(policy("migrate", str(TICKETS), *AT, "-o", "yaml").out) == document
    markdown = policy("migrate", str(TICKETS), *AT, "-o", "markdown").out
    states = [item["state"] for step in document["steps"] for item in step["items"]]
    assert markdown.count("\n- [x] ") == sum(state in ("done", "not_needed") for state in states)
    assert markdown.count("\n- [ ] ") == sum(state not in ("done", "not_needed") for state in states)
    assert document["progress"] == {
        "done": states.count("done"),
        "needed": len(states) - states.count("not_needed"),
    }
    assert len(document["next"]) == 3
    assert all(item["state"] in ("missing", "overdue", "unknown") for item in document["next"])


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_every_json_key_is_documented(policy: Run) -> None:
    said = re.findall(r"`(\w+)`", (ROOT / "policy_engine" / "migrating" / "README.md").read_text(encoding="utf-8"))
    found = keys(playbook(policy, TICKETS)) - {"apiVersion", "kind"}
    assert "weights_gib" in found
    plain = {"namespace", "name", "stage", "digest", "source"}
    assert found - plain <= set(said)


def test_several_documents_and_one_that_is_invalid(policy: Run, tmp_path: Path) -> None:
    text = TICKETS.read_text(encoding="utf-8")
    (tmp_path / "two.yaml").write_text(f"{text}---\n{INVOICES}", encoding="utf-8")
    both = policy("migrate", "two.yaml", *AT, "-o", "json")
    assert both.status == 0
    assert [each["workload"]["name"] for each in both.json] == ["tickets", "invoices"]
    (tmp_path / "bad.yaml").write_text(f"{text}---\n{INVOICES.replace('kind: extraction', 'kind: magic')}", "utf-8")
    bad = policy("migrate", "bad.yaml", *AT, "-o", "json")
    assert (bad.status, len(bad.json)) == (2, 1)
    assert "bad.yaml:" in bad.err


def test_it_records_nothing_and_writes_over_nothing(policy: Run, tmp_path: Path) -> None:
    url = ledger_with(tmp_path, [report(compared())])
    files = {path: sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir() if path.is_file()}
    assert policy("migrate", str(TICKETS), *AT, "--ledger", url, "-o", "json=out.json").status == 0
    assert json.loads((tmp_path / "out.json").read_text("utf-8"))["ledger"]["entries"] == 1
    assert {path: sha256(path.read_bytes()).hexdigest() for path in files} == files
    for place in ("ledger.db", "ledger.db.key"):
        refused = policy("migrate", str(TICKETS), *AT, "--ledger", url, "-o", f"json={place}")
        assert (refused.status, refused.out) == (2, "")
    assert {path: sha256(path.read_bytes()).hexdigest() for path in files} == files


def test_a_ledger_that_was_tampered_with_is_not_read(policy: Run, tmp_path: Path) -> None:
    url = ledger_with(tmp_path, [report(compared(verdict="worse"))])
    tamper(tmp_path / "ledger.db", "UPDATE log_entry SET entry = X'7B7D'")
    found = policy("migrate", str(TICKETS), *AT, "--ledger", url)
    assert (found.status, found.out) == (6, "")
    assert "changed]" in found.err


def test_a_ledger_that_is_named_is_there_or_the_status_is_6(policy: Run, tmp_path: Path) -> None:
    missing = policy("migrate", str(TICKETS), *AT, "--ledger", f"sqlite:///{tmp_path}/no.db")
    assert (missing.status, missing.out) == (6, "")
    assert not (tmp_path / "no.db").exists()
    out = policy("migrate", str(TICKETS), *AT).out
    assert "none is there: nothing on record was looked at" in out
    assert not list((tmp_path / "home").iterdir())


def test_what_strangers_wrote_moves_nothing(policy: Run, tmp_path: Path) -> None:
    def rename(spec: Any) -> None:
        spec["tasks"][0]["name"] = "sort`ing[x](y) <b>"

    file = edited(tmp_path, rename)
    drafts = [rollout("summaries", "hold", 0, reasons=[{"rule": "r", "says": "a\x1b[2J\n- [x] done"}])]
    url = ledger_with(tmp_path, drafts)
    for form in ("text", "markdown"):
        out = policy("migrate", str(file), *AT, "--ledger", url, "-o", form).out
        assert "\x1b" not in out
        assert "\n- [x] done" not in out
    assert "<b>" not in out.replace("\\<b\\>", "")
