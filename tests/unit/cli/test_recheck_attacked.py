"""`policy recheck` on a ledger that was tampered with, that others write to, that refuses, and that erased people."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger

from policy_engine.rechecks import again, running, waived
from tests.unit.cli import recheck_scene
from tests.unit.cli.conftest import OPEN
from tests.unit.cli.ledgers import tamper
from tests.unit.cli.recheck_scene import AT, FORBIDDING, JSON, Run, entry, layer, size
from tests.unit.waivers.making import ANN, file_of


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One folder for all tests, so that its rules are compiled once."""
    return recheck_scene.strict(tmp_path_factory.mktemp("layers"))


def test_what_is_erased_is_not_rechecked_as_somebody_elses(policy: Run, ledger: Path, strict: str) -> None:
    erased = policy("audit", "erase", "olga.owner@acme.example", "--reason", "asked for")
    assert erased.status == 0, erased.err
    for more in ((), ("--list",)):
        found = policy("recheck", *AT, "--policy", strict, *more, *JSON)
        assert found.status == 2
        (row,) = [row for row in found.json["decisions"] if row["problem"]]
        assert (row["workload"], row["problem"]["reason"], row["new"]) == ("support/triage", "person-gone", None)
        assert "the owner was erased" in row["problem"]["why"]
        assert found.json["not_rechecked"] == 1
    assert policy("recheck", *AT, "--policy", strict, *JSON).json["rechecked"] == 0  # the other one was
    assert "cannot be decided: the owner was erased" in " ".join(policy("recheck", *AT, "--policy", strict).out.split())
    # what is not due needs no owner
    assert policy("recheck", *AT, "--list").status == 0


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("workload", "UPDATE blob SET content = X'7B7D' WHERE digest = ?"),
        ("workload", "DELETE FROM blob WHERE digest = ?"),
        ("decision", "DELETE FROM blob WHERE digest = ?"),
        ("decision", "UPDATE blob SET content = X'7B7D' WHERE digest = ?"),
    ],
)
def test_a_document_that_is_not_there_keeps_no_other(
    policy: Run, ledger: Path, strict: str, role: str, statement: str
) -> None:
    tamper(ledger, statement, entry(ledger, 3).document["blobs"][role])
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert found.status == 6
    good, bad = sorted(found.json["decisions"], key=lambda row: row["problem"] is not None)
    assert (good["workload"], good["new"] is not None) == ("support/triage", True)
    assert (bad["workload"], bad["index"], bad["problem"]["reason"][:9]) == ("drafts/assistant", 3, "document-")


def test_what_was_disposed_of_cannot_be_decided_and_that_is_no_tampering(
    policy: Run, ledger: Path, strict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = entry(ledger, 3).document["blobs"]["workload"]
    blob = Ledger.blob

    def disposed(self: Ledger, digest: str) -> bytes:
        if digest == gone:
            raise LedgerError("it was disposed of", code="blob-disposed")
        return blob(self, digest)

    monkeypatch.setattr(Ledger, "blob", disposed)
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert (found.status, found.json["rechecked"]) == (2, 1)
    (row,) = [row for row in found.json["decisions"] if row["problem"]]
    assert (row["workload"], row["problem"]["reason"]) == ("drafts/assistant", "document-disposed")


PERSONS = {
    "altered": ("UPDATE personal SET sealed = zeroblob(92) WHERE leaf_index = 2 AND name = 'owner'", "altered"),
    "deleted": ("DELETE FROM personal WHERE leaf_index = 2 AND name = 'champion'", "missing"),
    "another's": (
        "UPDATE personal SET sealed = (SELECT sealed FROM personal WHERE leaf_index = 3 AND name = 'owner') "
        "WHERE leaf_index = 2 AND name = 'owner'",
        "altered",
    ),
}


@pytest.mark.parametrize("name", PERSONS)
def test_a_name_that_was_meddled_with_is_nobodys(name: str, policy: Run, ledger: Path, strict: str) -> None:
    statement, reason = PERSONS[name]
    tamper(ledger, statement)
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert found.status == 6
    (row,) = [row for row in found.json["decisions"] if row["problem"]]
    assert (row["workload"], row["problem"]["reason"], row["new"]) == ("support/triage", reason, None)


def test_without_the_personal_key_nothing_is_decided(policy: Run, ledger: Path, strict: str) -> None:
    ledger.with_name("ledger.db.key.personal").unlink()
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert (found.status, found.out) == (6, "")
    assert "[personal-key-missing]" in found.err


def test_a_champion_who_was_erased_is_missed_too(policy: Run, ledger: Path, strict: str) -> None:
    assert policy("audit", "erase", "carl.champion@acme.example", "--reason", "asked for").status == 0
    found = policy("recheck", *AT, "--policy", strict, "--fail-on", "review", *JSON)
    assert found.status == 2  # and the other one is a review, which is status 1: the first of the two wins
    assert (found.json["rechecked"], found.json["met"]) == (1, True)
    (row,) = [row for row in found.json["decisions"] if row["problem"]]
    assert "the champion was erased" in row["problem"]["why"]


def test_names_are_opened_after_the_personal_key_was_changed(policy: Run, ledger: Path, strict: str) -> None:
    assert policy("audit", "rekey", "--reason", "r").status == 0
    assert policy("audit", "rotate-key", "--new-key", str(ledger.with_name("new.key"))).status == 0
    given = ("--ledger-key", str(ledger.with_name("new.key")))
    found = policy("recheck", *AT, "--policy", strict, *given, *JSON)
    assert (found.status, found.json["rechecked"]) == (0, 2), found.err


def test_waivers_that_were_looked_at_long_ago_decide_nothing(
    policy: Run, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "approvers.yaml").write_text(file_of(ANN.entry()), encoding="utf-8")
    monkeypatch.setattr(waived, "LONGEST", timedelta(0))
    found = policy("recheck", *AT, "--policy", str(tmp_path / "acme"))
    assert (found.status, found.out) == (6, "")
    assert "[waivers-outdated]" in found.err


@pytest.mark.parametrize("role", ["rules", "layers", "catalog"])
def test_an_older_policy_that_is_not_there_is_no_reason_to_let_a_decision_stand(
    policy: Run, ledger: Path, strict: str, role: str
) -> None:
    tamper(ledger, "DELETE FROM blob WHERE digest = ?", entry(ledger, 3).document["blobs"][role])
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert (found.status, found.json["rechecked"]) == (6, 2)
    assert found.json["policies"][0]["problem"] == f"its document `{role}` is missing"
    whys = [reason["why"] for reason in found.json["decisions"][0]["reasons"]]
    assert (
        f"the policy has another digest, and what is another cannot be told: its document `{role}` is missing" in whys
    )


FORGED: dict[str, tuple[dict[str, Any], str, int]] = {
    "another end": ({"view": {"valid_until": "2999-12-31T23:59:59Z"}}, "malformed", 6),
    "another verdict": ({"view": {"verdict": "allow"}}, "malformed", 6),
    "another decision": ({"view": {"decision_id": "0" * 64}}, "malformed", 6),
    "another workload": ({"view": {"workload": "other"}}, "malformed", 6),
    "no owner": ({"personal": {}}, "malformed", 6),
    "a layout of its own": ({"blobs": {"workload": b" "}}, "reads-otherwise", 2),
    "no decision": ({"blobs": {"decision": None}}, "document-not-named", 6),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_entry_that_says_another_thing_than_its_documents_is_refused(name: str, policy: Run, ledger: Path) -> None:
    """Written by whoever holds the key."""
    changed, reason, status = FORGED[name]
    with open_ledger(f"sqlite:///{ledger}") as opened:
        old = opened.entry(3).document
        blobs = {role: opened.blob(digest) for role, digest in old["blobs"].items()}
        for role, added in changed.get("blobs", {}).items():
            blobs[role] = blobs[role] + added if added is not None else b""
        blobs = {role: content for role, content in blobs.items() if content}
        view = {**old["view"], **changed.get("view", {})}
        personal = changed.get("personal", {"owner": "o"})
        opened.append(Draft(EntryType.DECISION, old["body"], old["context"], personal, blobs, view))
    found = policy("recheck", *AT, "--all", *JSON)
    assert found.status == status
    (row,) = [row for row in found.json["decisions"] if row["problem"]]
    assert (row["index"], row["problem"]["reason"]) == (4, reason)


def test_a_hidden_entry_is_found(policy: Run, ledger: Path) -> None:
    tamper(ledger, "DELETE FROM decision WHERE leaf_index = 3")  # hides nothing: the bytes are read
    assert policy("recheck", *AT, *JSON).json["workloads"] == 2
    tamper(ledger, "DELETE FROM log_entry WHERE leaf_index = 3")
    found = policy("recheck", *AT)
    assert (found.status, found.out) == (6, "")
    assert "the entry 3 is missing" in found.err


def test_the_rules_of_today_may_not_take_what_is_on_record(policy: Run, tmp_path: Path, ledger: Path) -> None:
    own = layer(
        tmp_path,
        vocabulary="regulations:\n  house: the house's own\n",
        latency__own=FORBIDDING.replace("default'", "nowhere'").replace("house-says-no", "own"),
    )
    file = tmp_path / "own.yaml"
    file.write_text(OPEN.replace("spec:\n", "spec:\n  data: {regulations: [house]}\n"), encoding="utf-8")
    assert policy("evaluate", str(file), "--policy", own, *AT, "-q").status == 0
    found = policy("recheck", *AT, *JSON)
    assert found.status == 2
    (bad,) = [row for row in found.json["decisions"] if row["problem"]]
    assert (bad["workload"], bad["problem"]["reason"]) == ("drafts/assistant", "undecidable")
    assert "unknown regulation" in bad["problem"]["why"]


def test_a_newer_decision_is_left_alone(
    policy: Run, ledger: Path, strict: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While a recheck decides, the gate records another version of the workload: that one stays the latest."""
    (tmp_path / "newer.yaml").write_text(OPEN.replace("pilot", "prototype"), encoding="utf-8")
    decide = again.Rechecker.decide
    done: list[int] = []

    def meanwhile(self: Any, found: Any, *more: Any) -> Any:
        if not done:
            done.append(policy("evaluate", str(tmp_path / "newer.yaml"), *AT, "-q").status)
        return decide(self, found, *more)

    monkeypatch.setattr(again.Rechecker, "decide", meanwhile)
    shown = policy("recheck", *AT, "--policy", strict, *JSON).json
    assert done == [0]
    assert (shown["rechecked"], shown["superseded"]) == (1, 1)
    rows = {row["workload"]: row for row in shown["decisions"]}
    assert (rows["drafts/assistant"]["status"], rows["drafts/assistant"]["new"]) == ("superseded", None)
    # the next run takes the newer version
    shown = policy("recheck", *AT, "--policy", strict, *JSON).json
    (row,) = shown["decisions"]
    recorded = entry(ledger, row["new"]["index"]).document
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        assert json.loads(opened.blob(recorded["blobs"]["workload"]))["spec"]["stage"] == "prototype"


def test_a_late_recheck_does_not_take_the_place_of_a_newer_decision(
    policy: Run, ledger: Path, strict: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The newer decision comes on record between the last look and the commit, which nothing can rule out."""
    (tmp_path / "newer.yaml").write_text(OPEN.replace("pilot", "prototype"), encoding="utf-8")
    record = running.Recorder.record_each

    def late(self: Any, pairs: Any) -> Any:
        monkeypatch.setattr(running.Recorder, "record_each", record)
        assert policy("evaluate", str(tmp_path / "newer.yaml"), *AT, "-q", "--policy", strict).status == 0
        return record(self, pairs)

    monkeypatch.setattr(running.Recorder, "record_each", late)
    assert policy("recheck", *AT, "--policy", strict, "--namespace", "drafts", *JSON).json["rechecked"] == 1
    shown = policy("recheck", *AT, "--policy", strict, "--namespace", "drafts", "--all", *JSON).json
    (row,) = shown["decisions"]
    recorded = entry(ledger, row["new"]["index"]).document
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        assert json.loads(opened.blob(recorded["blobs"]["workload"]))["spec"]["stage"] == "prototype"


@pytest.mark.parametrize("failure", ["refused", "interrupted", "terminated", "broken"])
def test_what_was_recorded_before_a_failure_is_told_and_stays(
    policy: Run, ledger: Path, strict: str, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.setattr(running, "IN_PART", 1)
    decide = again.Rechecker.decide
    calls: list[int] = []

    def failing(self: Any, *given: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            if failure == "interrupted":
                raise KeyboardInterrupt
            if failure == "terminated":
                signal.raise_signal(signal.SIGTERM)
            if failure == "broken":
                raise ZeroDivisionError
            tamper(ledger, "UPDATE log_checkpoint SET note = 'x' WHERE size = (SELECT max(size) FROM log_checkpoint)")
        return decide(self, *given)

    monkeypatch.setattr(again.Rechecker, "decide", failing)

    def mine(*_: object) -> None:
        """Stand where the program's own handler should, which is to be gone again afterwards."""

    before = signal.signal(signal.SIGTERM, mine)
    try:
        found = policy("recheck", *AT, "--policy", strict, *JSON)
    finally:
        kept = signal.signal(signal.SIGTERM, before)
    assert kept is mine
    assert found.status == (6 if failure == "refused" else 7)
    assert ("error: interrupted" if failure in ("interrupted", "terminated") else "error:") in found.err
    shown = found.json
    assert (shown["complete"], shown["rechecked"], len(shown["decisions"])) == (False, 1, 1)
    if failure == "refused":
        return
    rest = policy("recheck", *AT, "--policy", strict, *JSON).json
    assert (rest["complete"], rest["rechecked"], rest["not_due"]) == (True, 1, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_a_commit_waits_until_that_is_taken(
    policy: Run, ledger: Path, strict: str, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(running, "IN_PART", 1)
    record = running.Recorder.record_each

    def ended(self: Any, pairs: Any) -> Any:
        made = record(self, pairs)
        signal.raise_signal(number)
        return made

    before = size(ledger)
    with monkeypatch.context() as patched:
        patched.setattr(running.Recorder, "record_each", ended)
        found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert (found.status, size(ledger)) == (7, before + 1)
    assert "error: interrupted" in found.err
    shown = found.json
    assert (shown["complete"], shown["rechecked"], shown["decisions"][0]["new"]["index"]) == (False, 1, before)
    rest = policy("recheck", *AT, "--policy", strict, *JSON).json
    assert (rest["complete"], rest["rechecked"], rest["not_due"]) == (True, 1, 1)


def test_nothing_is_told_where_nothing_was_recorded(policy: Run, ledger: Path, strict: str) -> None:
    tamper(ledger, "UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = (SELECT max(size) FROM log_checkpoint)")
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert (found.status, found.out) == (6, "")


def test_what_is_collected_late_does_not_take_the_place_of_a_newer_decision(
    policy: Run, ledger: Path, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    for stage, more in (("production", ("--ledger", f"spool:{tmp_path}/spool")), ("prototype", ())):
        (tmp_path / "w.yaml").write_text(OPEN.replace("pilot", stage), encoding="utf-8")
        assert policy("evaluate", str(tmp_path / "w.yaml"), *AT, "-q", *more).status == 0
    assert policy("audit", "collect", str(tmp_path / "spool")).status == 0
    (row,) = policy("recheck", *AT, "--namespace", "drafts", "--all", *JSON).json["decisions"]
    assert entry(ledger, row["index"]).document["view"]["stage"] == "prototype"
    assert entry(ledger, row["new"]["index"]).document["view"]["stage"] == "prototype"
