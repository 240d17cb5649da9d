"""Replays in processes of their own: nothing on disk but the ledger is needed, and the key alone forges nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import yaml
from policy_audit.canonical import document_bytes
from policy_audit.entry import parse_entry
from policy_audit.ledger import Draft, EntryType, open_ledger

from tests.integration.place import Place

RULE = {
    "id": "own-rule",
    "title": "A rule of the house",
    "origin": "the house",
    "when": "custom.tier == 'gold' && data.sensitivity == 'public'",
    "prefer": {"edge": "strong"},
    "require": {"dpa": ["proprietary_api", "self_hosted"]},
    "grade": "attached",
    "enforcement": "waivable",
    "message": "gold stays at home",
}
FILES = {
    "vocabulary.yaml": {"facts": {"custom.tier": {"type": "string", "meaning": "Which tier.", "default": "gold"}}},
    "routing/own-rule.yaml": RULE,
    "catalog/prices.yaml": {
        "prices": {
            "own": {"model": "gpt-4o", "option": "proprietary_api", "unit": "USD/1M tokens", "input": 1, "output": 2}
            | {"source": "s1", "as_of": "2026-10-01"}
        }
    },
}


def write_layer(folder: Path) -> Path:
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def with_evidence(place: Place) -> None:
    (place.home / "dpa.pdf").write_bytes(b"signed")
    evidence = f"  evidence: {{dpa: {{file: dpa.pdf, sha256: {hashlib.sha256(b'signed').hexdigest()}}}}}\n"
    place.workload.write_text(place.workload.read_text(encoding="utf-8") + evidence, encoding="utf-8")


def statuses(place: Place, *arguments: str) -> list[str]:
    found = place.run("audit", "replay", *arguments, "-o", "json")
    return [row["status"] for row in json.loads(found.stdout)["decisions"]]


def test_a_decision_is_replayed_when_all_that_it_was_made_from_is_gone(either: Place) -> None:
    layer = write_layer(either.home / "house")
    with_evidence(either)
    made = either.decided("--policy", str(layer), "--at", "2026-11-22T09:00:00.25+01:00")
    (attached,) = [each for each in made["tasks"][0]["obligations"] if each["evidence"] == "dpa"]
    assert attached["status"] == "satisfied"
    shutil.rmtree(layer)
    either.workload.unlink()
    (either.home / "dpa.pdf").unlink()
    shutil.rmtree(either.home / "cache")
    found = either.run("audit", "replay", "0", "-o", "json")
    assert found.returncode == 0, (found.stdout, found.stderr)
    assert [row["status"] for row in json.loads(found.stdout)["decisions"]] == ["equal"]
    assert either.run("audit", "verify", "--recompute").returncode == 0
    # today's rules do not know the layer's rule, and its evidence is as it was found then
    found = either.run("audit", "replay", "0", "--current", "-o", "json")
    assert found.returncode == 0, found.stderr
    (row,) = json.loads(found.stdout)["decisions"]
    assert row["status"] == "changed"
    assert row["evidence_as_recorded"] == ["dpa"]
    assert {"name": "own-rule", "before": "fired", "after": None, "message": "gold stays at home"} in row["tasks"][0][
        "rules"
    ]


def test_a_decision_is_replayed_after_the_erasure_of_its_persons(either: Place) -> None:
    either.decided()
    with either.store.open() as ledger:
        persons = ledger.personal(0)
        for person in set(persons.values()):
            ledger.erase(person, reason="request")
        assert ledger.erased() == {(0, name) for name in persons}
    assert statuses(either, "0") == ["equal"]
    verified = either.run("audit", "verify", "--recompute", "-o", "json")
    assert verified.returncode == 0, verified.stdout
    assert persons.keys() == {"owner", "champion", "actor"}


def test_who_has_the_key_forges_a_decision_that_the_tree_covers_and_the_rules_do_not(place: Place) -> None:
    """An allowance for what was denied: every digest, column and signature is right, and it was never decided."""
    assert place.decided()["verdict"] == "deny"
    with open_ledger(place.url) as ledger:
        entry = parse_entry(ledger.entry(0).raw)
        blobs = {role: ledger.blob(digest) for role, digest in entry.blobs.items()}
        document = json.loads(blobs["decision"])
        document["verdict"] = "allow"
        for task in document["tasks"]:
            task["verdict"] = "allow"
            task["proposal"]["holds"] = True
        blobs["decision"] = document_bytes(document)
        identifier = hashlib.sha256(blobs["decision"]).hexdigest()
        verdicts = {"verdict": "allow", "tasks": [{"name": "t", "verdict": "allow"}]}
        body = entry.body | {"id": identifier} | verdicts
        view = entry.view | {"decision_id": identifier, "verdict": "allow"}
        ledger.append(Draft(EntryType.DECISION, body=body, context=entry.context, blobs=blobs, view=view))
    assert place.verified() == 2
    found = place.run("audit", "verify", "--recompute", "-o", "json")
    assert found.returncode == 6
    report = json.loads(found.stdout)
    assert report["first_failing_index"] == 1
    assert [step["name"] for step in report["steps"] if step["status"] == "failed"] == ["recompute"]
    assert statuses(place, "0", "1") == ["equal", "differs"]
    assert statuses(place, "--all") == ["differs"]


def test_what_many_decisions_share_is_stored_once(place: Place) -> None:
    names = [f"triage-{number}" for number in range(30)]
    place.workload = place.write(*names)
    made = place.run("evaluate", str(place.workload), "-q", "--at", "2026-11-22T09:00:00Z")
    assert made.returncode == 0, made.stderr
    assert place.evaluate("-q", "--at", "2026-11-23T09:00:00Z").returncode == 0
    with open_ledger(place.url) as ledger:
        entries = [parse_entry(each.raw).blobs for each in ledger.walk()]
    assert len(entries) == 60
    for role in ("rules", "layers", "catalog"):
        assert len({each[role] for each in entries}) == 1, role
    with closing(sqlite3.connect(place.path)) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM blob").fetchone()
    # 60 decisions, 30 workloads that were decided twice, and three documents of the policy
    assert stored == 60 + 30 + 3
    found = place.run("audit", "replay", "--all", "-o", "json")
    assert json.loads(found.stdout)["equal"] == 60


def test_progress_is_for_terminals_alone(place: Place) -> None:
    place.decided()
    for arguments in (("replay", "--all"), ("verify", "--recompute")):
        assert place.run("audit", *arguments).stderr == b""
