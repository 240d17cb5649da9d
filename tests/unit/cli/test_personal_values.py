"""A personal value that is not held any more: erased where an entry says so, and a finding where none does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger

from tests.integration.tampering import administrator

Run = Callable[..., Any]
NAMES = ("actor", "champion", "owner")
FINDING = "missing, and no entry erases it: run `policy audit verify`"
ALTERED = "altered: does not open its commitment; run `policy audit verify`"
FORGED = "evil@x.example"


def drop(path: Path, name: str = "%", index: int = 0) -> None:
    """Delete personal values, as an operator with the database could."""
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM personal WHERE leaf_index = ? AND name LIKE ?", (index, name))
    connection.execute("DELETE FROM subject_key WHERE subject NOT IN (SELECT subject FROM personal)")
    connection.commit()
    connection.close()


def forge(path: Path, change: str, *values: str) -> None:
    """Change personal values, as an administrator could."""
    with administrator(path) as connection:
        connection.execute(change, values)


def erase(path: Path, *names: str, index: int = 0, kind: EntryType = EntryType.ERASURE) -> None:
    record(path, [{"index": index, "name": name} for name in names], kind)


def record(path: Path, erased: Any, kind: EntryType = EntryType.ERASURE) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append(Draft(kind, body={"erased": erased}))


def flat(text: str) -> str:
    return " ".join(text.replace("\\", "").split())


def reports(policy: Run, format_: str = "text") -> Sequence[str]:
    """Return what `audit list`, `audit show` and `explain` say of the first entry."""
    identifier = policy("audit", "show", "0", "-o", "json").json["view"]["decision_id"]
    commands = (("audit", "list", "--workload", "triage"), ("audit", "show", "0"), ("explain", identifier))
    done = [policy(*command, "-o", format_) for command in commands]
    assert {each.status for each in done} == {0}, [each.err for each in done]
    return [flat(each.out) for each in done]


def test_what_an_entry_erases_is_erased(policy: Run, ledger: Path) -> None:
    drop(ledger)
    erase(ledger, *NAMES)
    listed, shown, explained = reports(policy)
    assert "owner erased" in listed
    for name in NAMES:
        assert f"{name} erased (commitment " in shown
        assert f"{name} erased" in explained
    for text in (listed, shown, explained):
        assert "missing" not in text
    assert policy("audit", "verify").status == 0


@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_what_no_entry_erases_is_a_finding(policy: Run, ledger: Path, format_: str) -> None:
    drop(ledger)
    listed, shown, explained = reports(policy, format_)
    assert f"owner {FINDING}" in listed
    assert shown.count(FINDING) == len(NAMES)
    assert explained.count(FINDING) == len(NAMES)
    for text in (listed, shown, explained):
        assert "erased" not in text
    assert policy("audit", "verify").status == 6


OWNER_ROW = "WHERE leaf_index = 0 AND name = 'owner'"
CHANGES = (
    (f"UPDATE personal SET subject = NULL, sealed = CAST('salt' || char(10) || ? AS BLOB) {OWNER_ROW}", FORGED),
    (f"UPDATE personal SET subject = NULL, sealed = CAST(? AS BLOB) {OWNER_ROW}", FORGED),
    (
        f"UPDATE personal SET sealed = (SELECT sealed FROM personal WHERE leaf_index = 0 AND name = ?) {OWNER_ROW}",
        "actor",
    ),
    (f"UPDATE personal SET subject = (SELECT subject FROM personal WHERE name = ? LIMIT 1) {OWNER_ROW}", "actor"),
    (f"UPDATE personal SET sealed = CAST(? AS BLOB) {OWNER_ROW}", FORGED),
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_what_does_not_open_its_commitment_is_never_shown(
    policy: Run, ledger: Path, change: tuple[str, str], format_: str
) -> None:
    forge(ledger, *change)
    listed, shown, explained = reports(policy, format_)
    for text in (listed, shown, explained):
        assert FORGED not in text
        assert text.count(ALTERED) == 1
        assert "missing" not in text
    assert "carl.champion" in shown
    assert policy("audit", "verify").status == 6


@pytest.mark.parametrize("change", CHANGES)
def test_json_says_which_values_were_altered(policy: Run, ledger: Path, change: tuple[str, str]) -> None:
    forge(ledger, *change)
    shown = policy("audit", "show", "0", "-o", "json").json
    explained = policy("explain", shown["view"]["decision_id"], "-o", "json").json
    for found in (shown, explained):
        assert found["personal"]["owner"] is None
        assert found["personal"]["actor"] == "anna.actor@acme.example"
        assert (found["altered"], found["erased"]) == (["owner"], [])
    assert "owner" not in explained["workload"]
    rows = policy("audit", "list", "-o", "json", "--workload", "triage").json["decisions"]
    assert [(row["owner"], row["owner_status"]) for row in rows] == [
        ("olga.owner@acme.example", "held"),
        (None, "altered"),
    ]


def test_a_value_that_the_entry_does_not_commit_to_is_altered(policy: Run, ledger: Path) -> None:
    view = dict.fromkeys(("namespace", "workload", "verdict", "policy_digest", "catalog_digest"), "x")
    view |= {"decided_at": "2026-11-01T00:00:00Z", "decision_id": "a" * 64}
    with open_ledger(f"sqlite:///{ledger}") as opened:
        opened.append(Draft(EntryType.DECISION, view=view))
    forge(ledger, "INSERT INTO personal VALUES (4, 'owner', NULL, CAST('salt' || char(10) || ? AS BLOB))", FORGED)
    (row,) = policy("audit", "list", "-o", "json", "--workload", "x").json["decisions"]
    assert (row["owner"], row["owner_status"]) == (None, "altered")
    shown = policy("audit", "show", "4").out
    assert FORGED not in shown
    assert f"owner {ALTERED} (commitment none)" in flat(shown)


def test_an_erasure_of_a_value_that_was_altered_does_not_hide_it(policy: Run, ledger: Path) -> None:
    forge(ledger, *CHANGES[0])
    erase(ledger, *NAMES)
    for text in reports(policy):
        assert ALTERED in text
        assert "erased" not in text


def test_each_value_is_told_for_itself(policy: Run, ledger: Path) -> None:
    drop(ledger, "owner")
    drop(ledger, "champion")
    erase(ledger, "champion", "actor")
    listed, shown, explained = reports(policy)
    assert f"owner {FINDING}" in listed
    for text in (shown, explained):
        assert "champion erased" in text
        assert f"owner {FINDING}" in text
        assert "actor anna.actor@acme.example" in text  # still held, whatever an entry says


@pytest.mark.parametrize(
    "erased",
    [
        [{"index": 2, "name": "owner"}],
        [{"index": "0", "name": "owner"}],
        [{"index": False, "name": "owner"}],
        [{"name": "owner"}, {"index": 0}, ["owner"], None],
        {"index": 0, "name": "owner"},
        None,
    ],
)
def test_an_entry_that_names_something_else_erases_nothing(policy: Run, ledger: Path, erased: Any) -> None:
    drop(ledger, "owner")
    record(ledger, erased)
    for text in reports(policy):
        assert f"owner {FINDING}" in text
    assert policy("audit", "verify").status == 6


def test_only_an_erasure_erases(policy: Run, ledger: Path) -> None:
    drop(ledger, "owner")
    erase(ledger, "owner", kind=EntryType.HOLD)
    for text in reports(policy):
        assert f"owner {FINDING}" in text
    # what the column says is not what the entry says
    connection = sqlite3.connect(ledger)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE log_entry SET type = 'erasure' WHERE leaf_index = 4")
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()
    for text in reports(policy):
        assert f"owner {FINDING}" in text


def test_json_tells_the_two_apart(policy: Run, ledger: Path) -> None:
    drop(ledger)
    erase(ledger, "owner", "actor")
    shown = policy("audit", "show", "0", "-o", "json").json
    assert shown["personal"] == dict.fromkeys(NAMES)
    assert shown["erased"] == ["actor", "owner"]
    explained = policy("explain", shown["view"]["decision_id"], "-o", "json").json
    assert explained["personal"] == dict.fromkeys(NAMES)
    assert explained["erased"] == ["actor", "owner"]
    assert "owner" not in explained["workload"]
    rows = policy("audit", "list", "-o", "json", "--workload", "triage").json["decisions"]
    owners = [(row["owner"], row["owner_status"]) for row in rows]
    assert owners == [("olga.owner@acme.example", "held"), (None, "erased")]


def test_what_was_never_committed_to_is_not_missing(policy: Run, ledger: Path) -> None:
    view = dict.fromkeys(("namespace", "workload", "verdict", "policy_digest", "catalog_digest"), "x")
    view |= {"decided_at": "2026-11-01T00:00:00Z", "decision_id": "a" * 64}
    with open_ledger(f"sqlite:///{ledger}") as opened:
        opened.append(Draft(EntryType.DECISION, view=view))
    found = flat(policy("audit", "list", "--workload", "x").out)
    assert "no owner" in found
    assert "missing" not in found
