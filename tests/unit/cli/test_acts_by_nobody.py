"""Acts on the ledger by nobody who is named: they go on, are warned of, and stand in the report for good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
WHY = ("--reason", "yearly")
OWNER = "olga.owner@acme.example"
ACTS = {
    "erasure": ("audit", "erase", OWNER, *WHY),
    "hold": ("audit", "hold", "place", "--all", "--id", "one", *WHY),
    "personal-key-rotation": ("audit", "rekey", *WHY),
    "key-rotation": ("audit", "rotate-key", "--new-key", "new.key", *WHY),
    "restore": ("audit", "restored", "--from", "a backup", *WHY),
}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLICY_ACTOR", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)


def duties(policy: Run, *key: str) -> list[dict[str, Any]]:
    found = policy("audit", "report", "separation-of-duties", "-o", "json", *key).json
    count = {row["name"]: row["value"] for row in found["summary"]}["nobody named"]
    assert count == sum(row["asked"] == "(nobody named)" for row in found["rows"])
    rows: list[dict[str, Any]] = found["rows"]
    return rows


@pytest.mark.parametrize("kind", ACTS)
def test_an_act_by_nobody_goes_on_with_a_warning_and_is_reported(
    policy: Run, ledger: Path, nobody: None, kind: str
) -> None:
    done = policy(*ACTS[kind])
    assert done.status == 0, done.err
    assert "warning: nobody is named who does this" in done.err
    assert "POLICY_ACTOR" in done.err
    (row,) = duties(policy)
    assert (row["type"], row["finding"], row["asked"], row["entry"]) == (kind, "nobody named", "(nobody named)", 4)
    assert "yearly" in row["what"]
    assert OWNER not in str(row)
    assert policy("audit", "show", "4", "-o", "json").json["context"]["actor_known_by"] == "nobody"
    assert (
        policy("audit", "verify", "--ledger-key", "new.key" if kind == "key-rotation" else f"{ledger}.key").status == 0
    )


@pytest.mark.parametrize("kind", ACTS)
def test_an_act_by_somebody_is_on_record_with_them(policy: Run, ledger: Path, kind: str) -> None:
    done = policy(*ACTS[kind])
    assert (done.status, "nobody" in done.err) == (0, False), done.err
    assert duties(policy) == []
    shown = policy("audit", "show", "4", "-o", "json").json
    assert shown["personal"]["actor"] == "anna.actor@acme.example"
    assert shown["context"]["actor_known_by"] == "asserted"


def test_a_release_and_a_disposal_by_nobody(policy: Run, ledger: Path, nobody: None) -> None:
    assert policy(*ACTS["hold"]).status == 0
    assert "warning: nobody is named" in policy("audit", "hold", "release", "one", *WHY).err
    assert [(row["entry"], row["type"]) for row in duties(policy)] == [(4, "hold"), (5, "hold")]
    assert "warning: nobody is named" in policy("audit", "dispose", *WHY).err


def test_what_records_nothing_warns_of_nothing(policy: Run, ledger: Path, nobody: None) -> None:
    for dry in (("audit", "erase", OWNER, *WHY, "--dry-run"), ("audit", "dispose", *WHY, "--dry-run")):
        done = policy(*dry)
        assert (done.status, done.err) == (0, "")


def test_an_erasure_says_in_its_report_that_nobody_was_named(policy: Run, ledger: Path, nobody: None) -> None:
    assert policy(*ACTS["erasure"]).status == 0
    (row,) = policy("audit", "report", "erasures", "-o", "json").json["rows"]
    assert (row["actor"], row["actor_known_by"]) == ("(nobody named)", "nobody")


def test_whoever_erases_themselves_is_not_nobody(policy: Run, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_ACTOR", OWNER)
    assert policy(*ACTS["erasure"]).status == 0
    assert duties(policy) == []
    (row,) = policy("audit", "report", "erasures", "-o", "json").json["rows"]
    assert row["actor"] == "(the person who was erased)"


def test_without_the_personal_key_a_name_is_left_out_and_not_called_nobodys(policy: Run, ledger: Path) -> None:
    assert policy(*ACTS["hold"]).status == 0
    ledger.with_name("ledger.db.key.personal").unlink()
    released = policy("audit", "hold", "release", "one", *WHY)
    assert (released.status, "nobody" in released.err) == (0, False), released.err
    assert policy("audit", "show", "5", "-o", "json").json["context"]["actor_unsealed"] is True
    assert duties(policy) == []


def test_a_hold_is_placed_without_the_personal_key_unless_it_is_on_a_person(policy: Run, ledger: Path) -> None:
    ledger.with_name("ledger.db.key.personal").unlink()
    placed = policy("audit", "hold", "place", "--namespace", "support", "--id", "now", *WHY)
    assert placed.status == 0, placed.err
    assert policy("audit", "show", "4", "-o", "json").json["context"]["actor_unsealed"] is True
    refused = policy("audit", "hold", "place", "--subject", OWNER, *WHY)
    assert (refused.status, "[personal-key-missing]" in refused.err) == (6, True)
    assert policy("audit", "verify").status == 0


def test_a_policy_is_activated_by_nobody_with_the_same_words(
    policy: Run, ledger: Path, nobody: None, tmp_path: Path
) -> None:
    layer = tmp_path / "ours"
    layer.mkdir()
    (layer / "policy-set.yaml").write_text("version: '1'\n", encoding="utf-8")
    done = policy("rules", "activate", str(layer), *WHY)
    assert done.status == 0, done.err
    assert "warning: nobody is named who does this" in done.err
    (row,) = duties(policy)
    assert (row["type"], row["asked"], row["finding"]) == ("policy-activation", "(nobody named)", "cannot be told")
