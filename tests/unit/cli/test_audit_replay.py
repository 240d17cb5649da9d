"""`policy audit replay` and `policy audit verify --recompute` on a ledger of four decisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.canonical import document_bytes
from policy_audit.entry import parse_entry
from policy_audit.ledger import Draft, EntryType, StoredEntry, open_ledger

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import EXAMPLES
from tests.unit.cli.ledgers import add, tamper

Run = Callable[..., Outcome]
PROPOSED = EXAMPLES / "coding-assistant.yaml"


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Record the first decision again as another came out, by whoever has the key."""
    with open_ledger(f"sqlite:///{path}") as ledger:
        entry = parse_entry(ledger.entry(0).raw)
        blobs = {role: ledger.blob(digest) for role, digest in entry.blobs.items()}
        document = json.loads(blobs["decision"])
        change(document)
        blobs["decision"] = document_bytes(document)
        ledger.append(Draft(EntryType.DECISION, body=entry.body, context=entry.context, blobs=blobs, view=entry.view))


def allowed(document: dict[str, Any]) -> None:
    document["verdict"] = document["tasks"][0]["verdict"] = "allow"


def layer(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/').replace('_', '-')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def entry_of(path: Path, index: int) -> StoredEntry:
    with open_ledger(f"sqlite:///{path}") as ledger:
        return ledger.entry(index)


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    """A layer under which data may leave."""
    return layer(tmp_path / "lenient", parameters={"parameters": {}}, **_without_what_denies())


def _without_what_denies() -> dict[str, Any]:
    from policy_engine.loading.policy import load_policy

    rules = load_policy().rules.rules
    return {
        f"{rule.topic.replace('-', '_')}__{rule.id.replace('-', '_')}": {"id": rule.id, "disabled": True}
        for rule in rules
        if rule.forbid and "data.may_leave_network" in rule.reads and not rule.locked
    }


def test_every_decision_is_equal(ledger: Path, policy: Run) -> None:
    found = policy("audit", "replay", "--all", "-o", "json")
    assert found.status == 0, found.err
    report = found.json
    assert (report["kind"], report["ok"], report["equal"], report["decisions"]) == ("ReplayReport", True, 4, [])
    assert policy("audit", "replay", "--all").out == "EQUAL 4 decisions decided again: 4 equal\n"
    markdown = policy("audit", "replay", "0", "2", "-o", "markdown").out
    assert "| 2 | " in markdown
    assert "- EQUAL: 2 decisions decided again: 2 equal" in markdown
    assert yaml.safe_load(policy("audit", "replay", "1", "-o", "yaml").out)["decisions"][0]["status"] == "equal"


def test_a_decision_is_named_by_index_or_id(ledger: Path, policy: Run) -> None:
    identifier = parse_entry(entry_of(ledger, 1).raw).body["id"]
    (row,) = policy("audit", "replay", identifier[:10], "-o", "json").json["decisions"]
    assert (row["decision_id"], row["workload"], row["status"]) == (identifier, "drafts/assistant", "equal")


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--workload", "triage"), 2),
        (("--workload", "support/triage"), 2),
        (("--workload", "support/triage", "--namespace", "support"), 2),
        (("--namespace", "drafts"), 2),
        (("--since", "2020-01-01"), 4),
        (("--until", "2200-01-01T00:00:00Z"), 4),
    ],
)
def test_filters_select(ledger: Path, policy: Run, arguments: tuple[str, ...], count: int) -> None:
    assert policy("audit", "replay", "--all", *arguments, "-o", "json").json["equal"] == count


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "usage"),
        (("0", "--all"), "usage"),
        (("0", "--since", "2026-01-01"), "usage"),
        (("0", "--at", "2026-01-01T00:00:00Z"), "usage"),
        (("0", "--fail-on", "changed"), "usage"),
        (("0", "--current", "--policy", "."), "usage"),
        (("--all", "--workload", "nobody"), "decision-missing"),
        (("--all", "--workload", "support/triage", "--namespace", "drafts"), "decision-missing"),
        (("--all", "--since", "2200-01-01"), "decision-missing"),
        (("99",), "entry-missing"),
        (("0123456789abcdef",), "decision-missing"),
    ],
)
def test_what_selects_nothing_is_status_2(ledger: Path, policy: Run, arguments: tuple[str, ...], code: str) -> None:
    found = policy("audit", "replay", *arguments)
    assert found.status == 2
    assert found.out == ""
    assert f"[{code}]" in found.err


def test_another_entry_is_no_decision(ledger: Path, policy: Run) -> None:
    add(ledger, Draft(EntryType.HEARTBEAT))
    assert "[not-a-decision]" in policy("audit", "replay", "4").err
    assert policy("audit", "replay", "--all", "-o", "json").json["equal"] == 4


def test_what_does_not_follow_is_status_6_and_says_where(ledger: Path, policy: Run) -> None:
    forge(ledger, allowed)
    found = policy("audit", "replay", "--all")
    assert found.status == 6
    assert "tasks[0].verdict" in found.out
    assert '"allow"' in found.out
    assert "NOT EQUAL 5 decisions decided again: 4 equal, 1 differs" in found.out
    report = policy("audit", "replay", "4", "-o", "json").json
    (row,) = report["decisions"]
    assert {"path": "verdict", "recorded": '"allow"', "replayed": '"deny"'} in row["differences"]


def test_verify_finds_it_only_by_deciding_again(ledger: Path, policy: Run) -> None:
    forge(ledger, lambda document: document["tasks"][0].update(judged_option="edge"))
    assert policy("audit", "verify").status == 0
    found = policy("audit", "verify", "--recompute", "-o", "json")
    assert found.status == 6
    assert found.json["first_failing_index"] == 4
    step = found.json["steps"][-1]
    assert (step["name"], step["status"], step["checked"], step["problems"]) == ("recompute", "failed", 5, 1)
    assert "`tasks[0].judged_option`" in step["first_problem"]


def test_verify_counts_apart_what_nobody_can_derive_again(ledger: Path, policy: Run) -> None:
    def older(document: dict[str, Any]) -> None:
        document["engine"]["version"] = "0.0.9"
        document["tasks"][0]["rules"][0]["title"] = "As it was called then"

    forge(ledger, older)
    found = policy("audit", "verify", "--recompute", "-o", "json")
    assert found.status == 0, found.out
    apart = "same outcome in other bytes, made by engine 0.0.9"
    assert found.json["steps"][-1]["apart"] == {apart: 1}
    assert f"recompute: 1 set apart: {apart}" in " ".join(policy("audit", "verify", "--recompute").out.split())
    replayed = policy("audit", "replay", "--all")
    assert replayed.status == 6
    assert "engine-changed" in replayed.out


def test_other_semantics_never_pass(ledger: Path, policy: Run) -> None:
    forge(ledger, lambda document: document["engine"].update(semantics="0"))
    found = policy("audit", "verify", "--recompute", "-o", "json")
    assert found.status == 6
    assert "other-semantics" in found.json["steps"][-1]["first_problem"]
    assert policy("audit", "replay", "4", "-o", "json").json["decisions"][0]["reason"] == "other-semantics"


def test_a_lost_document_fails_and_one_disposed_of_is_set_apart(ledger: Path, policy: Run) -> None:
    digest = parse_entry(entry_of(ledger, 0).raw).blobs["decision"]
    tamper(ledger, "DELETE FROM blob WHERE digest = ?", digest)
    found = policy("audit", "replay", "0", "-o", "json")
    assert (found.status, found.json["decisions"][0]["reason"]) == (6, "document-missing")
    assert policy("audit", "verify", "--recompute", "-o", "json").json["steps"][-1]["problems"] == 1
    add(ledger, Draft(EntryType.DISPOSAL, body={"documents": [digest]}))
    found = policy("audit", "replay", "0", "-o", "json")
    assert (found.status, found.json["decisions"][0]["reason"]) == (6, "document-disposed")
    step = policy("audit", "verify", "--recompute", "-o", "json").json["steps"][-1]
    assert (step["status"], step["apart"]) == ("ok", {"disposed of": 1})


def test_a_changed_document_or_entry_is_a_failure(ledger: Path, policy: Run) -> None:
    digest = parse_entry(entry_of(ledger, 0).raw).blobs["workload"]
    tamper(ledger, "UPDATE blob SET content = ? WHERE digest = ?", b"{}", digest)
    assert policy("audit", "replay", "0", "-o", "json").json["decisions"][0]["reason"] == "document-changed"
    tamper(ledger, "UPDATE log_entry SET entry = ? WHERE leaf_index = 1", b"{}")
    found = policy("audit", "replay", "--all")
    assert (found.status, found.out) == (6, "")
    assert "[entry-changed]" in found.err
    step = policy("audit", "verify", "--recompute", "-o", "json").json["steps"][-1]
    assert (step["status"], step["first_index"]) == ("failed", 0)


def test_a_decision_whose_query_row_is_hidden_is_replayed_all_the_same(ledger: Path, policy: Run) -> None:
    forge(ledger, allowed)
    tamper(ledger, "DELETE FROM decision WHERE leaf_index = 4")
    assert policy("audit", "replay", "--all").status == 6


def test_the_shipped_rules_of_today_say_the_same(ledger: Path, policy: Run) -> None:
    found = policy("audit", "replay", "--all", "--current", "--fail-on", "changed", "-o", "json")
    assert found.status == 0
    assert (found.json["asked"], found.json["same"], found.json["decisions"]) == (4, 4, [])


def test_other_rules_show_what_they_change(ledger: Path, lenient: Path, policy: Run) -> None:
    found = policy("audit", "replay", "0", "--policy", str(lenient), "-o", "json")
    assert found.status == 0, found.err
    (row,) = found.json["decisions"]
    assert (row["status"], row["verdict"]["before"]) == ("changed", "deny")
    assert row["verdict"]["after"] != "deny"
    (task,) = row["tasks"]
    assert {each["name"] for each in task["rules"]} >= {name for name in _ids(lenient) if name in _fired(ledger)}
    options = {each["name"]: each for each in task["options"]}
    assert options["proprietary_api"]["before"]["status"] == "forbidden"
    text = policy("audit", "replay", "0", "--policy", str(lenient)).out
    assert "rule " in text
    assert "-> none" in text
    assert "CHANGED 1 decision under other rules: 1 changed" in text


def _ids(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*/*.yaml")}


def _fired(path: Path) -> set[str]:
    with open_ledger(f"sqlite:///{path}") as ledger:
        document = json.loads(ledger.blob(parse_entry(ledger.entry(0).raw).blobs["decision"]))
    return {row["id"] for row in document["tasks"][0]["rules"] if row["outcome"] == "fired"}


def test_fail_on_is_status_1_for_what_it_names(tmp_path: Path, policy: Run) -> None:
    rule = {"id": "no-third-party", "title": "No third party", "origin": "the house", "message": "it stays"}
    effect = {"when": "proposal.present", "forbid": ["proposal"], "enforcement": "mandatory"}
    strict = str(layer(tmp_path / "strict", routing__no_third_party=rule | effect))
    url = ("--ledger", f"sqlite:///{tmp_path}/own.db")
    at = "2026-11-22T09:00:00Z"
    assert policy("evaluate", str(PROPOSED), "-q", *url, "--at", at).out.startswith("allow ")
    assert policy("evaluate", str(PROPOSED), "-q", *url, "--at", at, "--policy", strict).out.startswith("deny ")
    on = ("--fail-on", "deny-to-allow")
    assert policy("audit", "replay", "1", "--current", *on, *url).status == 1
    assert policy("audit", "replay", "1", "--current", "--fail-on", "changed", *url).status == 1
    assert policy("audit", "replay", "0", "--policy", strict, *on, *url).status == 0
    assert policy("audit", "replay", "0", "--policy", strict, "--fail-on", "changed", *url).status == 1
    assert policy("audit", "replay", "0", "--current", "--fail-on", "changed", *url).status == 0
    found = policy("audit", "replay", "--all", "--current", *url)
    assert found.status == 0
    assert "1 same, 1 changed, 1 from deny to allow" in found.out


def test_a_workload_that_other_rules_cannot_read_is_told(tmp_path: Path, policy: Run, workload: Any) -> None:
    facts = {"facts": {"custom.tier": {"type": "string", "meaning": "Which tier."}}}
    own = layer(tmp_path / "own", vocabulary=facts)
    file = workload()
    file.write_text(f"{file.read_text(encoding='utf-8').rstrip()}\n  custom: {{tier: gold}}\n", encoding="utf-8")
    url = f"sqlite:///{tmp_path}/own.db"
    made = policy("evaluate", str(file), "--policy", str(own), "--ledger", url)
    assert made.status == 0, made.err
    assert policy("audit", "replay", "0", "--ledger", url).status == 0
    found = policy("audit", "replay", "0", "--current", "--ledger", url)
    assert found.status == 2
    assert "undecidable" in found.out
    assert "`tier`" in found.out


def test_settings_lay_nothing_over_a_replay(ledger: Path, lenient: Path, policy: Run, monkeypatch: Any) -> None:
    monkeypatch.setenv("POLICY_POLICY", str(lenient))
    monkeypatch.setenv("POLICY_AT", "2027-01-01T00:00:00Z")
    assert policy("audit", "replay", "--all", "-o", "json").json["kind"] == "ReplayReport"
