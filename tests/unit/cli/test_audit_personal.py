"""The commands on personal data: erase, subject, hold, retention, dispose, rekey."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

Run = Callable[..., Any]
OWNER, CHAMPION, ACTOR = "olga.owner@acme.example", "carl.champion@acme.example", "anna.actor@acme.example"
WHY = ("--reason", "request of 3 May")


def test_erase_says_what_went_and_the_ledger_verifies(policy: Run, ledger: Path) -> None:
    dry = policy("audit", "erase", OWNER, *WHY, "--dry-run", "-o", "json")
    assert dry.json["values"] == [{"index": 0, "name": "owner"}, {"index": 2, "name": "owner"}]
    assert dry.json["entries"] == []
    done = policy("audit", "erase", OWNER.upper(), *WHY, "--ticket", "GDPR-7")
    assert done.status == 0, done.err
    assert "ERASED 2 values of 2 entries; on record as entry 4" in " ".join(done.out.split())
    assert OWNER.upper() not in done.out
    shown = policy("audit", "show", "0")
    assert "erased" in shown.out
    assert "carl.champion" in shown.out
    entry = policy("audit", "show", "4", "-o", "json").json
    assert (entry["body"]["reason"], entry["body"]["ticket"]) == ("request of 3 May", "GDPR-7")
    assert entry["personal"] == {"actor": ACTOR}
    assert policy("audit", "verify").status == 0
    assert policy("audit", "list", "--type", "erasure").out.count("erasure") == 1


def test_erase_reads_the_person_from_standard_input(policy: Run, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{OWNER}\n"))
    assert len(policy("audit", "erase", "-", *WHY, "-o", "json").json["values"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("erase", "nobody@acme.example", *WHY), "subject-missing"),
        (("erase", OWNER, "--reason", f"{OWNER} asked"), "reason-names-subject"),
        (("erase", OWNER, "--reason", " "), "reason"),
        (("erase", OWNER), "usage"),
        (("erase", *WHY), "usage"),
        (("erase", OWNER, *WHY, "--unreadable"), "usage"),
        (("erase", "", *WHY), "usage"),
        (("erase", *WHY, "--unreadable"), "subject-missing"),
        (("hold", "place", *WHY), "usage"),
        (("hold", "place", "--all", "--namespace", "support", *WHY), "usage"),
        (("hold", "place", "--workload", "triage", *WHY), "usage"),
        (("hold", "place", "--workload", "a/b", "--namespace", "c", *WHY), "usage"),
        (("hold", "place", "--all", "--id", "Not An Id", *WHY), "hold-id"),
        (("hold", "place", "--all", "--id", "entry-7", *WHY), "hold-id"),
        (("hold", "place", "--first", "7", "--last", "3", *WHY), "hold-scope"),
        (("hold", "place", "--since", "2026-02-01", "--until", "2026-01-01", *WHY), "hold-scope"),
        (("hold", "place", "--subject", OWNER, "--reason", f"case of {OWNER}"), "reason-names-subject"),
        (("hold", "release", "none", *WHY), "hold-missing"),
    ],
)
def test_what_cannot_be_asked_is_an_error_of_usage(
    policy: Run, ledger: Path, arguments: tuple[str, ...], code: str
) -> None:
    done = policy("audit", *arguments)
    assert done.status == 2, (done.out, done.err)
    assert f"[{code}]" in done.err
    assert "Traceback" not in done.err
    with open_ledger(f"sqlite:///{ledger}") as opened:
        assert len(opened.list_entries()) == 4, "nothing was recorded"


COMMANDS = (
    ("erase", OWNER, *WHY),
    ("subject", OWNER),
    ("subject", OWNER, "--unrecorded"),
    ("hold", "place", "--all", *WHY),
    ("hold", "release", "x", *WHY),
    ("hold", "list"),
    ("retention",),
    ("dispose", *WHY),
    ("rekey", *WHY),
)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_no_command_makes_a_ledger(policy: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = policy("audit", *arguments, "--ledger", f"sqlite:///{tmp_path}/none.db")
    assert done.status == 6
    assert "[ledger-missing]" in done.err
    assert not list(tmp_path.glob("none.db*"))


def test_a_hold_refuses_with_the_ledgers_status(policy: Run, ledger: Path) -> None:
    placed = policy("audit", "hold", "place", "--namespace", "support", "--id", "case-12", *WHY)
    assert placed.out == (
        "hold case-12 is in place: the namespace support; on record as entry 4\n"
        "now it covers 2 entries, of which 2 are decisions\n"
    )
    assert placed.err == ""
    assert policy("audit", "hold", "place", "--all", "--id", "case-12", *WHY).status == 2
    refused = policy("audit", "erase", OWNER, *WHY)
    assert refused.status == 6
    assert "[legal-hold]" in refused.err
    assert "as entry 5" in refused.err
    assert "case-12" in refused.err
    dry = policy("audit", "erase", OWNER, *WHY, "--dry-run")
    assert "REFUSED" in dry.out
    listed = policy("audit", "hold", "list", "-o", "json").json["holds"]
    assert [(hold["id"], hold["scope"], hold["index"]) for hold in listed] == [
        ("case-12", {"kind": "namespace", "namespace": "support"}, 4)
    ]
    assert "case-12" in policy("audit", "retention").out
    assert "on record as entry 6" in policy("audit", "hold", "release", "case-12", *WHY).out
    assert "no legal hold" in policy("audit", "hold", "list").out
    assert "released by entry 6" in policy("audit", "hold", "list", "--released", "-o", "markdown").out
    assert policy("audit", "hold", "release", "case-12", *WHY).status == 2
    assert policy("audit", "erase", OWNER, *WHY).status == 0
    assert policy("audit", "verify").status == 0


def test_a_hold_on_a_person_shows_nobody(policy: Run, ledger: Path) -> None:
    placed = policy("audit", "hold", "place", "--subject", OWNER, *WHY)
    assert OWNER not in placed.out + policy("audit", "hold", "list").out
    assert policy("audit", "erase", CHAMPION, *WHY).status == 6


def test_subject_shows_all_and_puts_the_question_on_record(policy: Run, ledger: Path) -> None:
    shown = policy("audit", "subject", OWNER.upper())
    assert shown.status == 0, shown.err
    text = " ".join(shown.out.split())
    assert text.count(f"owner {OWNER}, support/triage, deny") == 2
    assert "2 values in 2 entries" in text
    assert "on record as entry 4" in text
    asked = policy("audit", "show", "4", "-o", "json").json
    assert asked["body"] == {"query": "subject-access", "values": 2}
    assert asked["personal"] == {"actor": ACTOR, "subject": OWNER.upper()}
    unrecorded = policy("audit", "subject", OWNER, "--unrecorded", "-o", "json").json
    assert unrecorded["recorded_as"] is None
    assert [(value["index"], value["name"]) for value in unrecorded["values"]] == [
        (0, "owner"),
        (2, "owner"),
        (4, "subject"),
    ]
    assert "no value of this person" in policy("audit", "subject", "nobody", "--unrecorded").out


def test_without_the_personal_key_values_are_sealed(policy: Run, ledger: Path) -> None:
    ledger.with_name("ledger.db.key.personal").unlink()
    shown = policy("audit", "show", "0")
    assert shown.status == 0, shown.err
    assert "sealed: only the personal key" in " ".join(shown.out.split())
    for word in ("missing", "erased", "altered", OWNER):
        assert word not in shown.out
    value = policy("audit", "show", "0", "-o", "json").json
    assert (value["sealed"], value["erased"], value["altered"]) == (["actor", "champion", "owner"], [], [])
    rows = policy("audit", "list", "-o", "json").json["decisions"]
    assert {(row["owner"], row["owner_status"]) for row in rows} == {(None, "sealed")}
    verified = policy("audit", "verify", "-o", "json")
    assert verified.status == 0
    (step,) = (step for step in verified.json["steps"] if step["name"] == "personal")
    assert step["checked"] == 0
    assert "10 sealed values were not opened" in step["note"]
    assert "not opened" in policy("audit", "verify").out
    refused = policy("audit", "subject", OWNER)
    assert refused.status == 6
    assert "[personal-key-missing]" in refused.err


def test_retention_and_dispose(policy: Run, ledger: Path, tmp_path: Path) -> None:
    shown = policy("audit", "retention", "-o", "json").json
    assert {period["id"] for period in shown["periods"]} >= {"hipaa-documentation", "eu-ai-act-logs"}
    assert shown["due"] == {"values": [], "documents": []}
    assert shown["entries"] == 4
    assert "45 CFR 164.316(b)(2)(i)" in " ".join(policy("audit", "retention").out.split())
    for more in ((), ("--dry-run",), ("--before", "2020-01-01")):
        assert "nothing is due" in policy("audit", "dispose", *WHY, *more).out
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "retention.yaml").write_text(
        "periods:\n  - {id: hipaa-documentation, years: 5, source: us}\n", encoding="utf-8"
    )
    refused = policy("audit", "retention", "--policy", str(layer))
    assert refused.status == 3
    assert "[locked]" in refused.err


def test_dispose_destroys_what_is_due(policy: Run, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime

    monkeypatch.setattr("policy_audit.ledger._now", lambda: datetime(2050, 1, 1, tzinfo=UTC))
    dry = policy("audit", "dispose", *WHY, "--dry-run", "-o", "json").json
    done = policy("audit", "dispose", *WHY, "-o", "json").json
    assert done["due"] == dry["due"]
    assert done["entries"] == [4]
    gone = {value["index"] for value in done["due"]["values"]}
    assert gone
    index = str(min(gone))
    shown = policy("audit", "show", index)
    assert shown.status == 0, shown.err
    assert "disposed of" in shown.out
    assert "disposed" in {row["owner_status"] for row in policy("audit", "list", "-o", "json").json["decisions"]}
    identifier = policy("audit", "show", index, "-o", "json").json["view"]["decision_id"]
    explained = policy("explain", identifier)
    assert explained.status == 6
    assert "[blob-disposed]" in explained.err
    assert policy("audit", "list", "--rule", "any-rule").status == 0
    assert policy("audit", "verify").status == 0


def test_rekey_changes_the_key(policy: Run, ledger: Path) -> None:
    key = ledger.with_name("ledger.db.key.personal")
    before = key.read_text(encoding="utf-8")
    done = policy("audit", "rekey", *WHY)
    assert done.status == 0, done.err
    assert "on record as entry 4" in done.out
    assert key.read_text(encoding="utf-8") != before
    assert policy("audit", "show", "0", "-o", "json").json["personal"]["owner"] == OWNER
    assert policy("audit", "verify").status == 0


@pytest.mark.parametrize("name", ["ledger.db.key.personal", "ledger.db.key.personal.next"])
def test_a_report_never_takes_the_place_of_the_personal_key(
    policy: Run, ledger: Path, workload: Callable[..., Path], name: str
) -> None:
    target = ledger.with_name(name)
    before = target.read_bytes() if target.exists() else None
    done = policy("evaluate", str(workload()), "-o", f"json={target}")
    assert done.status == 2
    assert (target.read_bytes() if target.exists() else None) == before


def test_json_names_every_part(policy: Run, ledger: Path) -> None:
    value = json.loads(policy("audit", "erase", OWNER, *WHY, "-o", "json").out)
    assert value.keys() == {"kind", "dry_run", "values", "entries", "refused_by", "overwritten"}
