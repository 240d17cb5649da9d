"""What an administrator of the database can do about waivers, and what comes of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from policy_audit.canonical import canonical_bytes, parse_canonical
from policy_audit.merkle import leaf_hash

from policy_engine.loading.policy import load_policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.waivers.on_record import granted_draft
from tests.integration.place import Place
from tests.integration.tampering import administrator
from tests.unit.cli.waiver_scene import WORKLOAD
from tests.unit.waivers.making import ANN, EVE, REQUESTER, RULE, Person, asked_for, file_of, signed, statement

pytestmark = pytest.mark.slow


def grant(place: Place, *people: Person, revoke: bool = False, **more: object) -> None:
    """Record a waiver as somebody does who holds the ledger's key, past all commands."""
    policy = load_policy()
    rule = policy.rules.rule(RULE)
    assert rule is not None
    made = statement(digest=waivable_digest(rule_document(rule), policy.rules.values), **more)
    personal = {"requester": REQUESTER, "approver": ANN.identity}
    with place.store.open() as ledger:
        made = asked_for(ledger, made)
        ledger.append(granted_draft(made, signed(made, *people), {}, personal, {}))
    if revoke:
        assert place.run("waiver", "revoke", made.id, "--reason", "gone").returncode == 0


@pytest.fixture
def waived(place: Place) -> Place:
    return denied(place)


def denied(place: Place) -> Place:
    """Write a workload that is denied, and name ann as approver."""
    place.workload.write_text(WORKLOAD, encoding="utf-8")
    layer = place.home / "acme"
    layer.mkdir()
    (layer / "approvers.yaml").write_text(file_of(ANN.entry()), encoding="utf-8")
    assert decide(place)[0] == "deny"
    return place


def decide(place: Place, command: str = "evaluate") -> tuple[str, str]:
    """Return the verdict, and why the waiver that was looked at does not apply."""
    found = place.run(command, str(place.workload), "--policy", str(place.home / "acme"), "-o", "json")
    assert found.returncode in (0, 1), found.stderr
    document = json.loads(found.stdout)
    rows = document["tasks"][0].get("waivers", [])
    return document["verdict"], "; ".join(str(row["why"]) for row in rows)


def test_a_waiver_that_an_approver_signed_lifts_in_processes_of_their_own(either: Place) -> None:
    waived = denied(either)
    grant(waived, ANN)
    assert decide(waived) == ("allow_with_conditions", "None")
    assert decide(waived, "gate")[0] == "allow_with_conditions"
    assert waived.verified() == 7


def test_the_key_of_the_ledger_is_not_the_key_of_an_approver(waived: Place) -> None:
    """Whoever runs the ledger can write what they like into it, and waive nothing by that."""
    grant(waived, EVE)
    assert decide(waived) == ("deny", "it has 0 of 1 approval; no signature is by a key that the policy names")
    grant(waived)
    assert decide(waived)[0] == "deny"


def test_a_mandatory_rule_that_was_signed_away_stands(waived: Place) -> None:
    grant(waived, ANN)
    text = f"enforcement: [{{rule: {RULE}, enforcement: mandatory}}]\n"
    (waived.home / "acme" / "policy-set.yaml").write_text(text, encoding="utf-8")
    assert decide(waived) == ("deny", "the rule is mandatory here, and only waivable ones can be waived")


def test_a_waiver_of_another_workload_put_under_this_ones_name_lifts_nothing(waived: Place) -> None:
    grant(waived, ANN, scope={"name": "other"})
    with administrator(waived.path) as connection:
        _rewrite(connection, lambda value: value["context"].update(workload="triage"))
    assert decide(waived) == ("deny", "")


def _rewrite(connection: sqlite3.Connection, change: Callable[[dict], object], kind: str = "waiver-granted") -> None:
    """Change an entry and all that follows from it but the tree."""
    (index, entry) = connection.execute("SELECT leaf_index, entry FROM log_entry WHERE type = ?", (kind,)).fetchone()
    value = parse_canonical(entry)
    change(value)
    forged = canonical_bytes(value)
    connection.execute(
        "UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = ?", (forged, leaf_hash(forged), index)
    )


ATTACKS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "bytes of the entry": lambda c: c.execute(
        "UPDATE log_entry SET entry = replace(entry, 'claims', 'clajms') WHERE type = 'waiver-granted'"
    ),
    "another type's entry": lambda c: c.execute("UPDATE log_entry SET type = 'waiver-granted' WHERE leaf_index = 0"),
    "the note": lambda c: c.execute("UPDATE blob SET content = replace(content, '2026-12-31', '2028-12-31')"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_was_changed_in_the_database_withholds_the_decision(name: str, waived: Place) -> None:
    grant(waived, ANN)
    with administrator(waived.path) as connection:
        ATTACKS[name](connection)
    found = waived.run("evaluate", str(waived.workload), "--policy", str(waived.home / "acme"))
    assert found.returncode == 6, found.stdout
    assert found.stdout == b""
    assert b"Traceback" not in found.stderr


def test_a_revocation_that_is_hidden_is_found_by_verify(waived: Place) -> None:
    """A database's administrator can hide an entry from a query; the tree finds it, a decision cannot."""
    grant(waived, ANN, revoke=True)
    assert decide(waived) == ("deny", "it was revoked")
    with administrator(waived.path) as connection:
        connection.execute("UPDATE log_entry SET type = 'heartbeat' WHERE type = 'waiver-revoked'")
    assert waived.verify().returncode == 6


def test_a_file_is_not_believed_for_its_name(waived: Place, tmp_path: Path) -> None:
    hostile = tmp_path / "wv.yaml"
    hostile.write_bytes(b"a: &a [1]\n" * 100_000)
    key = tmp_path / "k.key"
    found = waived.run("waiver", "approve", str(hostile), "--key", str(key))
    assert found.returncode == 2
    assert b"Traceback" not in found.stderr
