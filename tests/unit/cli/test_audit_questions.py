"""The officer's questions: every one that is documented is asked, in every format, and gives the same answer twice."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType
from policy_audit.note import open_note

from policy_engine.reports.registry import REPORTS
from tests.unit.cli.ledgers import add, tamper, vkey

Run = Callable[..., Any]
OWNER, ACTOR = "olga.owner@acme.example", "anna.actor@acme.example"
README = Path(__file__).parents[3] / "audit" / "README.md"
SECTION = README.read_text(encoding="utf-8").partition("## The officer's questions")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| .+ \| `policy (.+)` \|$", SECTION, re.MULTILINE)


@pytest.fixture
def places(ledger: Path, tmp_path: Path) -> dict[str, str]:
    """What stands for the words in capitals of the documentation."""
    (tmp_path / "inventory.csv").write_text(
        "namespace,workload,deployment,model\nsupport,triage,proprietary_api,gpt-4o\n", encoding="utf-8"
    )
    (tmp_path / "counts.csv").write_text("run,decisions\n17,0\n", encoding="utf-8")
    return {"PERSON": OWNER, "KEY": vkey(ledger)}


@pytest.mark.parametrize("row", ROWS)
def test_every_documented_question_is_answered(policy: Run, places: dict[str, str], row: str) -> None:
    listed = policy("audit", "list", "-o", "json").json["decisions"][-1]
    words = {**places, "ID": listed["decision_id"][:12], "DIGEST": listed["policy_digest"]}
    command = [words.get(word, word) for word in shlex.split(row)]
    if command[0] == "audit":
        command += ["-o", "json"]
    found = policy(*command)
    assert found.status == 0, (command, found.err)
    assert found.out


def test_every_report_is_in_the_table_of_questions() -> None:
    named = {row.split()[2] for row in ROWS if row.startswith("audit report")}
    assert named == REPORTS.keys() - {"decisions", "missing-evidence"}, "these two are filters of `list`, too"


def arguments(name: str, places: dict[str, str], digest: str) -> list[str]:
    own = {
        "access": ["--subject", OWNER],
        "integrity": ["--vkey", places["KEY"]],
        "rule-impact": ["--before", digest, "--after", digest],
    }
    return ["audit", "report", name, *own.get(name, [])]


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_says_what_was_asked_and_what_the_count_is_bound_to(
    policy: Run, ledger: Path, places: dict[str, str], name: str
) -> None:
    digest = policy("audit", "list", "-o", "json").json["decisions"][0]["policy_digest"]
    command = arguments(name, places, digest)
    report = policy(*command, "-o", "json").json
    assert (report["kind"], report["name"], report["title"]) == ("Report", name, REPORTS[name].title)
    assert report["checkpoint"]["size"] == 4
    text, signed = open_note(report["checkpoint"]["note"], [places["KEY"]])
    assert signed
    assert f"\n{report['checkpoint']['size']}\n" in text
    assert report["remarks"]
    assert report["population"] >= 0
    assert report["counted"]
    names = [column["name"] for column in report["columns"]]
    assert all(list(row) == names for row in report["rows"])
    again = policy(*shlex.split(report["query"]["command"])[1:], "-o", "json").json
    assert {**again, "generated_at": None} == {**report, "generated_at": None}
    for format_ in ("text", "markdown", "yaml"):
        shown = policy(*command, "-o", format_)
        assert shown.status == 0
        assert report["checkpoint"]["root"] in shown.out


def test_a_report_refuses_what_it_does_not_take(policy: Run, ledger: Path) -> None:
    for given, code in (
        (["nope"], "unknown-report"),
        (["denial"], "did you mean `denials`?"),
        (["denials", "--verdict", "allow"], "does not take `--verdict`"),
        (["models", "--since", "2026-01-01"], "does not take `--since`"),
        (["soc2-population", "--sample", "3"], "go together"),
        (["access"], "--subject"),
        (["rule-impact"], "no-change"),
        (["integrity", "--vkey", "no key"], "verifier-key"),
        (["decisions", "--policy-digest", "abc"], "policy-digest"),
    ):
        found = policy("audit", "report", *given)
        assert (found.status, found.out) == (2, ""), (given, found)
        assert code in found.err


def test_the_list_of_reports_has_every_one(policy: Run) -> None:
    found = policy("audit", "report", "-o", "json", "--ledger", "sqlite:////no/such/ledger.db")
    assert [row["name"] for row in found.json["reports"]] == list(REPORTS)
    text = policy("audit", "report").out
    assert all(name in text for name in REPORTS)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("verdict", "allow"),
        ("namespace", "elsewhere"),
        ("valid_until", "2020-01-01T00:00:00.000000Z"),
        ("purpose", None),
        ("run", "17"),
        ("tag_set", None),
        ("tag_set", 1),
        ("recorded_at", "2020-01-01T00:00:00.000000Z"),
    ],
)
def test_a_forged_column_is_a_failure_and_not_an_answer(policy: Run, ledger: Path, column: str, value: Any) -> None:
    tamper(ledger, f"UPDATE decision SET {column} = ? WHERE leaf_index = 2", value)
    for command in (["list"], ["report", "decisions"], ["sample", "--size", "4", "--seed", "s"]):
        found = policy("audit", *command)
        assert (found.status, found.out) == (6, ""), command
        assert "the entry 2 are not those of its bytes" in found.err
        assert "[view-changed]" in found.err


def test_a_rule_that_was_taken_out_of_a_set_of_tags_is_a_failure(policy: Run, ledger: Path) -> None:
    tamper(ledger, "DELETE FROM tag WHERE tag_set = 0 AND kind = 'rule' AND value = 'data-stays-in-network'")
    assert policy("audit", "list", "--namespace", "support").status == 6
    tamper(ledger, "INSERT INTO tag VALUES (1, 'rule', 'made-up')")
    found = policy("audit", "list", "--rule", "made-up")
    assert (found.status, found.out) == (6, "")


def test_integrity_is_status_6_where_a_step_fails_and_is_reported(policy: Run, ledger: Path) -> None:
    key = vkey(ledger)
    tamper(ledger, "UPDATE decision SET verdict = 'allow' WHERE leaf_index = 1")
    found = policy("audit", "report", "integrity", "--vkey", key, "-o", "json")
    assert found.status == 6
    assert found.json["ok"] is False
    assert [row["name"] for row in found.json["rows"] if row["result"] == "failed"] == ["view"]


def test_a_question_is_on_record_before_its_answer(policy: Run, ledger: Path) -> None:
    found = policy("audit", "list", "--owner", OWNER, "--verdict", "deny", "--record-query", "-o", "json")
    assert [row["index"] for row in found.json["decisions"]] == [2, 0]
    raw = policy("audit", "show", "4", "--raw").out
    assert OWNER not in raw, "a name in an entry could never be erased"
    entry = json.loads(raw)
    assert (entry["type"], entry["body"]["count"], entry["body"]["query"]) == ("officer-query", 2, "audit list")
    assert entry["body"]["command"] == "policy audit list --owner PERSON --verdict deny"
    assert entry["body"]["checkpoint"]["size"] == 4
    assert policy("audit", "show", "4", "-o", "json").json["personal"] == {"actor": ACTOR, "subject": OWNER}
    report = policy("audit", "report", "hipaa-access", "-o", "json", "--record-query").json
    assert [(row["entry"], row["actor"], row["count"]) for row in report["rows"]] == [(4, ACTOR, 2)]
    assert policy("audit", "show", "0", "--record-query").status == 0
    assert policy("audit", "verify", "-o", "json").json["entries"] == 7
    (ledger.parent / "ledger.db.key").unlink()
    withheld = policy("audit", "list", "--record-query")
    assert (withheld.status, withheld.out) == (6, "")


def test_nobody_is_put_into_the_ledger_by_a_question_about_them(policy: Run, ledger: Path) -> None:
    assert policy("audit", "list", "--owner", "nobody@acme.example", "--record-query").status == 0
    assert policy("audit", "show", "4", "-o", "json").json["personal"] == {"actor": ACTOR}


def test_the_ledger_as_of_a_time_names_the_checkpoint_of_that_time(policy: Run, ledger: Path) -> None:
    times = [row["recorded_at"] for row in policy("audit", "list", "-o", "json").json["decisions"]]
    found = policy("audit", "list", "--as-of", times[1], "-o", "json").json
    assert [row["index"] for row in found["decisions"]] == [2, 1, 0]
    assert found["checkpoint"]["size"] == 3
    assert "3 entries of" in policy("audit", "list", "--as-of", times[1]).out
    before = policy("audit", "list", "--as-of", "2020-01-01", "-o", "json").json
    assert (before["decisions"], before["checkpoint"]["size"]) == ([], 0)
    in_force = policy("audit", "report", "policy-in-force", "--at", times[2], "-o", "json").json
    assert in_force["checkpoint"]["size"] == 2


def test_pages_and_counts(policy: Run, ledger: Path) -> None:
    found: list[int] = []
    more: list[str] = []
    while True:
        page = policy("audit", "list", "--limit", "1", "--oldest-first", "-o", "json", *more).json
        found += [row["index"] for row in page["decisions"]]
        if page["next"] is None:
            break
        more = ["--from", str(page["next"])]
        add(ledger, Draft(EntryType.HEARTBEAT, body={"state": "beat"}))
    assert found == [0, 1, 2, 3]
    assert policy("audit", "list", "--verdict", "deny", "--count", "-o", "json").json["count"] == 2
    assert "3 entries" in policy("audit", "list", "--type", "heartbeat", "--count").out
    every = policy("audit", "list", "--type", "all", "--limit", "2", "--from", "5", "-o", "json").json
    assert ([row["index"] for row in every["entries"]], every["next"]) == ([5, 4], 3)
