"""`policy audit report NAME --export FOLDER`: the table, what is on record of it, and that it is checked without us."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.reports.registry import REPORTS
from tests.unit.cli.ledgers import tamper, vkey

Run = Callable[..., Any]
ACTOR, OWNER = "anna.actor@acme.example", "olga.owner@acme.example"
OWN = {"access": ["--subject", OWNER], "integrity": ["--vkey", "KEY"], "rule-impact": ["--before", "D", "--after", "D"]}


def asked(policy: Run, ledger: Path, name: str) -> list[str]:
    words = {"KEY": vkey(ledger), "D": policy("audit", "list", "-o", "json").json["decisions"][0]["policy_digest"]}
    return ["audit", "report", name, *(words.get(word, word) for word in OWN.get(name, []))]


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_exported_recorded_and_checked(policy: Run, ledger: Path, tmp_path: Path, name: str) -> None:
    out, command = tmp_path / "out", asked(policy, ledger, name)
    report = policy(*command, "-o", "json").json
    made = policy(*command, "--export", str(out), "-o", "json")
    assert made.status == 0, made.err
    value = made.json
    assert (value["kind"], value["report"], value["format"], value["entry"]) == ("Export", name, "csv", 4)
    assert (value["rows"], value["population"], value["size"]) == (len(report["rows"]), report["population"], 4)
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        entry, raw = opened.entry(4).document, opened.entry(4).raw
        persons = opened.personal(4)
    assert persons == {"actor": ACTOR, **({"subject": OWNER} if name == "access" else {})}
    assert entry["type"] == "export"
    assert entry["body"]["manifest"] == value["manifest"]
    assert entry["body"]["command"].startswith(f"policy audit report {name}")
    assert b"acme.example" not in raw
    for path in out.rglob("*"):
        assert path.is_dir() or b"acme.example" not in path.read_bytes(), path
    checked = policy("audit", "export-check", str(out), "--vkey", vkey(ledger), "-o", "json")
    assert checked.status == 0, checked.out
    assert {step["status"] for step in checked.json["steps"]} <= {"passed", "skipped"}
    assert [step["status"] for step in checked.json["steps"]][:3] == ["passed"] * 3
    assert policy("audit", "verify").status == 0


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet", "html"])
def test_every_format_comes_with_proofs(policy: Run, ledger: Path, tmp_path: Path, format_: str) -> None:
    out = tmp_path / "out"
    made = policy("audit", "report", "denials", "--export", str(out), "--format", format_, "-o", "json")
    assert made.status == 0, made.err
    assert sorted(path.name for path in (out / "proofs").iterdir()) == ["0.tlog-proof", "2.tlog-proof"]
    checked = policy("audit", "export-check", str(out), "--vkey", vkey(ledger), "-o", "json").json
    assert [step["status"] for step in checked["steps"]] == ["passed"] * 4 + ["skipped"]
    assert checked["counted"] == "denials"
    said = policy("audit", "export-check", str(out), "--vkey", vkey(ledger)).out
    assert f"Covered {checked['selected']} denials of" in said
    (out / f"denials.{format_}").write_bytes(b"")
    assert policy("audit", "export-check", str(out), "--vkey", vkey(ledger)).status == 6


def test_persons_are_there_only_where_asked_and_that_is_on_record(policy: Run, ledger: Path, tmp_path: Path) -> None:
    command = ("audit", "report", "denials", "--owner", OWNER, "--export")
    assert policy(*command, str(tmp_path / "without")).status == 0
    assert "owner" not in table(tmp_path / "without", "denials")[0]
    assert policy(*command, str(tmp_path / "with"), "--with-personal").status == 0
    assert [row["owner"] for row in table(tmp_path / "with", "denials")] == [OWNER, OWNER]
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        bodies = [opened.entry(index).document["body"] for index in (4, 5)]
        assert opened.personal(5) == {"actor": ACTOR, "subject": OWNER}
    assert [body["personal"] for body in bodies] == [False, True]
    # the question names nobody, whatever the columns hold
    assert {body["command"] for body in bodies} == {"policy audit report denials --owner PERSON"}
    manifest = json.loads((tmp_path / "with" / "manifest.json").read_bytes())
    assert manifest["query"]["command"] == "policy audit report denials --owner PERSON"
    report = policy("audit", "report", "hipaa-access", "-o", "json").json
    assert [(row["entry"], row["actor"], row["what"], row["count"], row["to_size"]) for row in report["rows"]] == [
        (4, ACTOR, "policy audit report denials --owner PERSON", 2, 4),
        (5, ACTOR, "policy audit report denials --owner PERSON", 2, 5),
    ]


def test_no_path_and_no_url_stands_in_the_entry(policy: Run, ledger: Path, tmp_path: Path) -> None:
    layer, kept = tmp_path / "anna" / "layer", tmp_path / "anna" / "kept"
    layer.mkdir(parents=True)
    (layer / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        kept.write_text(opened.checkpoint(), encoding="utf-8")
    for name, given in (("retention", ("--policy", str(layer))), ("integrity", ("--kept", str(kept)))):
        made = policy("audit", "report", name, *given, "--export", str(tmp_path / name))
        assert made.status == 0, made.err
        assert b"anna" not in (tmp_path / name / "manifest.json").read_bytes()
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        told = [opened.entry(index).document["body"]["command"] for index in (4, 5)]
        assert b"anna" not in opened.entry(4).raw + opened.entry(5).raw
    assert told == ["policy audit report retention --policy DIR", "policy audit report integrity --kept KEPT"]


def test_a_question_about_nobody_puts_nobody_into_the_ledger(policy: Run, ledger: Path, tmp_path: Path) -> None:
    found = policy("audit", "report", "access", "--subject", "no@acme.example", "--export", str(tmp_path / "out"))
    assert found.status == 0
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        assert opened.personal(4) == {"actor": ACTOR}


def test_a_report_of_an_earlier_time_is_exported_under_the_checkpoint_of_that_time(
    policy: Run, ledger: Path, tmp_path: Path
) -> None:
    times = [row["recorded_at"] for row in policy("audit", "list", "-o", "json").json["decisions"]]
    out = tmp_path / "out"
    command = ("audit", "report", "soc2-population", "--as-of", times[2], "--sample", "1", "--seed", "7")
    made = policy(*command, "--export", str(out), "-o", "json").json
    assert (made["size"], made["population"], made["rows"], made["entry"]) == (2, 2, 1, 4)
    assert policy("audit", "export-check", str(out), "--vkey", vkey(ledger)).status == 0


def test_an_export_is_one_entry_where_questions_are_recorded_too(
    policy: Run, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_RECORD_QUERY", "1")
    assert policy("audit", "report", "models", "--export", str(tmp_path / "out")).status == 0
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        assert [entry.type for entry in opened.list_entries(newest_first=False)][4:] == ["export"]


def test_without_the_key_it_is_unrecorded_and_says_so(policy: Run, ledger: Path, tmp_path: Path) -> None:
    pinned, out = vkey(ledger), str(tmp_path / "out")
    ledger.with_name("ledger.db.key").unlink()
    command = ("audit", "report", "models", "--export", out)
    assert (policy(*command).status, (tmp_path / "out").exists()) == (6, False)
    made = policy(*command, "--unrecorded")
    assert (made.status, "no entry of this export was made" in made.out) == (0, True)
    assert policy("audit", "export-check", out, "--vkey", pinned).status == 6
    assert policy("audit", "export-check", out, "--vkey", pinned, "--unrecorded").status == 0


def test_a_failed_certificate_is_status_6_and_says_so(policy: Run, ledger: Path, tmp_path: Path) -> None:
    key = vkey(ledger)
    tamper(ledger, "UPDATE decision SET verdict = 'allow' WHERE leaf_index = 1")
    made = policy("audit", "report", "integrity", "--vkey", key, "--export", str(tmp_path / "out"), "-o", "json")
    assert made.status == 6
    assert made.json["ok"] is False
    failed = [row["name"] for row in table(tmp_path / "out", "integrity") if row["result"] == "failed"]
    assert failed == ["view"]


def test_usage(policy: Run, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x", encoding="utf-8")
    for given, code in (
        (["--format", "csv"], "`--format` goes with `--export`"),
        (["--proofs", "all"], "`--proofs` goes with `--export`"),
        (["--with-personal"], "`--with-personal` goes with `--export`"),
        (["--unrecorded"], "`--unrecorded` goes with `--export`"),
        (["--export", str(tmp_path / "full")], "export-folder"),
        (["--export", str(tmp_path / "no" / "out")], "export-unwritable"),
        (["--export", str(tmp_path / "out"), "--verdict", "allow"], "does not take `--verdict`"),
    ):
        found = policy("audit", "report", "denials", *given)
        assert (found.status, found.out) == (2, ""), (given, found)
        assert code in found.err
    assert policy("audit", "verify", "-o", "json").json["entries"] == 4
