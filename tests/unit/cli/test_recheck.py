"""`policy recheck`: what is due and why, what comes of it, and the exit statuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import StoredEntry, open_ledger

from policy_engine.rechecks import again, running
from tests.unit.cli.conftest import DENIED, OPEN, Outcome
from tests.unit.cli.given import EXAMPLES
from tests.unit.cli.ledgers import tamper

Run = Callable[..., Outcome]
AT = ("--at", "2026-11-22T09:00:00Z")
JSON = ("-o", "json")
PROTOTYPE = EXAMPLES / "open-model-prototype.yaml"
FORBIDDING = """\
id: house-says-no
title: Nothing runs in the default namespace
origin: the house
when: "workload.namespace == 'default'"
forbid: [proprietary_api, open_api, open_batch, self_hosted, edge]
enforcement: mandatory
message: The house says no.
"""


def entry(ledger: Path, index: int) -> StoredEntry:
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        return opened.entry(index)


def size(ledger: Path) -> int:
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        return len(list(opened.walk()))


def layer(folder: Path, name: str = "acme", **files: str) -> str:
    """Write a layer; `files` are texts by path, with `__` for the slash."""
    for path, text in files.items():
        file = folder / name / f"{path.replace('__', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.fixture
def strict(tmp_path: Path) -> str:
    """A layer that forbids everything in the namespace `default`."""
    return layer(tmp_path, "strict", **{"latency__house-says-no": FORBIDDING})


@pytest.fixture
def stock(policy: Run, ledger: Path) -> Path:
    """The ledger with a third workload, which is allowed, in the namespace `default`."""
    assert policy("evaluate", str(PROTOTYPE), *AT, "-q").out == "allow default/faq-bot\n"
    return ledger


@pytest.fixture
def expired(tmp_path: Path, policy: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger with one decision for a deployment, which was valid until 9 June 2026."""
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/expired.db")
    given = ("--at", "2026-01-15T00:00:00Z", "--purpose", "deploy", "-q")
    assert policy("evaluate", str(EXAMPLES / "model-router.yaml"), *given).status == 0
    return tmp_path / "expired.db"


def kinds(row: dict[str, Any]) -> list[str]:
    return [reason["kind"] for reason in row["reasons"]]


def test_what_stands_is_counted_and_not_decided(policy: Run, ledger: Path) -> None:
    before = size(ledger)
    found = policy("recheck", *AT, "--fail-on", "deny", "--fail-on", "changed", *JSON)
    assert (found.status, found.err) == (0, "")
    shown = found.json
    assert (shown["workloads"], shown["not_due"], shown["rechecked"], shown["decisions"]) == (2, 2, 0, [])
    assert size(ledger) == before


def test_an_expired_decision_is_decided_again_once(policy: Run, tmp_path: Path, ledger: Path) -> None:
    text = (EXAMPLES / "invoice-extraction.yaml").read_text(encoding="utf-8")
    (tmp_path / "invoices.yaml").write_text(text, encoding="utf-8")
    given = ("--at", "2026-01-15T00:00:00Z", "--purpose", "deploy")
    old = policy("evaluate", str(tmp_path / "invoices.yaml"), *given, *JSON).json
    assert old["valid_until"] == "2026-06-09T23:59:59Z"
    on_the_last_day = policy("recheck", "--at", "2026-06-09T23:59:59.9Z", "--purpose", "deploy", "--list", *JSON).json
    assert not any("expired" in kinds(row) for row in on_the_last_day["decisions"])

    shown = policy("recheck", "--at", "2026-06-10T00:00:00Z", "--purpose", "deploy", *JSON).json
    (row,) = [row for row in shown["decisions"] if row["workload"] == "finance-ops/invoice-extraction"]
    assert kinds(row)[0] == "expired"
    assert (row["decision_id"], row["purpose"], row["index"]) == (old["id"], "deploy", old["ledger"]["index"])
    # the new decision is that of the workload file at the same time, but for the bytes
    fresh = policy("evaluate", str(tmp_path / "invoices.yaml"), "--at", "2026-06-10T00:00:00Z", *JSON).json
    new = row["new"]
    assert (new["decision_id"], row["valid_until"]["after"]) == (fresh["id"], fresh["valid_until"])

    recorded = entry(ledger, new["index"]).document
    assert recorded["context"]["rechecks"] == old["id"]
    assert recorded["context"]["rechecks_entry"] == str(old["ledger"]["index"])
    assert recorded["view"]["purpose"] == "deploy"
    assert recorded["commitments"].keys() == {"owner", "champion", "actor"}
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        persons = [opened.personal(index) for index in (row["index"], new["index"])]
    assert persons[0] == persons[1]
    assert policy("recheck", "--at", "2026-06-10T00:00:00Z", "--purpose", "deploy", *JSON).json["rechecked"] == 0


def test_the_new_decision_is_found_as_any_other(policy: Run, expired: Path) -> None:
    (row,) = policy("recheck", "--at", "2027-06-01T00:00:00Z", *JSON).json["decisions"]
    identifier = row["new"]["decision_id"]
    listed = policy("audit", "list", *JSON).json["decisions"]
    assert listed[0]["decision_id"] == identifier
    assert listed[0]["owner"] == listed[1]["owner"] is not None
    shown = policy("explain", identifier[:12])
    assert shown.status == 0
    assert row["decision_id"] in shown.out
    assert policy("audit", "verify", "--recompute").status == 0
    assert policy("audit", "replay", identifier).status == 0


@pytest.mark.parametrize(
    ("fail_on", "status"),
    [((), 0), (("deny",), 1), (("review",), 1), (("worse",), 1), (("changed",), 1), (("deny", "worse"), 1)],
)
def test_a_new_rule_is_a_reason_and_a_condition(
    policy: Run, stock: Path, strict: str, fail_on: tuple[str, ...], status: int
) -> None:
    given = [word for each in fail_on for word in ("--fail-on", each)]
    found = policy("recheck", *AT, "--policy", strict, *given, *JSON)
    assert found.status == status
    shown = found.json
    assert (shown["rechecked"], shown["worse"], shown["met"]) == (3, 1, bool(fail_on))
    row = shown["decisions"][0]  # what got worse comes first, though it is the last on record
    assert (row["workload"], row["worse"]) == ("default/faq-bot", True)
    assert row["verdict"] == {"before": "allow", "after": "deny"}
    assert [other["worse"] for other in shown["decisions"][1:]] == [False, False]
    reasons = {reason["kind"]: reason for reason in row["reasons"]}
    assert (reasons["rules"]["names"], reasons["rules"]["why"]) == (["house-says-no"], "house-says-no is new")
    assert "strict is new" in reasons["layers"]["why"]
    (older,) = shown["policies"]
    assert (older["decisions"], older["told"]) == (3, True)
    assert [(each["section"], each["name"], each["kind"]) for each in older["differing"]] == [
        ("rules", "house-says-no", "added")
    ]
    # and back again, which is better
    back = policy("recheck", *AT, "--fail-on", "worse", *JSON)
    assert (back.status, back.json["worse"], back.json["verdicts"]["allow"]) == (0, 0, 1)


def test_the_condition_is_about_what_is_decided_now(policy: Run, ledger: Path) -> None:
    assert policy("recheck", *AT, "--fail-on", "deny").status == 0
    assert policy("recheck", *AT, "--all", "--fail-on", "deny").status == 1
    assert policy("recheck", *AT, "--all", "--namespace", "drafts", "--fail-on", "deny").status == 0
    assert policy("recheck", *AT, "--all", "--namespace", "drafts", "--fail-on", "review").status == 1
    assert policy("recheck", *AT, "--all", "--fail-on", "worse", "--fail-on", "changed").status == 0


def test_parameters_and_catalog_are_told_by_name(policy: Run, ledger: Path, tmp_path: Path) -> None:
    other = layer(
        tmp_path,
        parameters="parameters:\n  attestation_days: {value: 30}\n",
        catalog__gpus="gpus:\n  Frobnicator 9: {aliases: [], memory_gb: 80, bandwidth_gb_s: 2000, "
        "bf16_tflops: 300, source: own, as_of: 2026-11-01}\n",
        sources="sources:\n  own: {description: our own, as_of: 2026-11-01}\n",
    )
    shown = policy("recheck", *AT, "--list", "--policy", other, *JSON).json
    assert shown["kind"] == "RecheckList"
    assert (shown["due"], shown["because"]) == (2, {"catalog": 2, "layers": 2, "parameters": 2})
    reasons = {reason["kind"]: reason for reason in shown["decisions"][0]["reasons"]}
    assert reasons["parameters"]["names"] == ["attestation_days"]
    assert reasons["catalog"]["names"] == ["gpus Frobnicator 9", "sources own"]


def test_a_layer_with_another_comment_is_due_by_itself(policy: Run, ledger: Path, strict: str) -> None:
    policy("recheck", *AT, "--policy", strict)
    file = Path(strict) / "latency" / "house-says-no.yaml"
    file.write_text("# said twice\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    shown = policy("recheck", *AT, "--policy", strict, *JSON).json
    assert shown["because"] == {"layers": 2}
    assert (shown["same"], shown["changed"]) == (2, 0)
    assert "strict has another content" in shown["decisions"][0]["reasons"][0]["why"]


def test_what_will_expire_is_decided_once_a_day(policy: Run, expired: Path) -> None:
    asked = ("recheck", "--at", "2026-05-20T09:00:00Z")
    assert policy(*asked, *JSON).json["not_due"] == 1
    (row,) = policy(*asked, "--within", "400", "--list", *JSON).json["decisions"]
    assert "expiring" in kinds(row)
    assert policy(*asked, "--within", "400", *JSON).json["rechecked"] == 1
    again_today = policy(*asked, "--within", "400", *JSON).json
    assert (again_today["rechecked"], again_today["decided_today"]) == (0, 1)
    assert "decided today already" in policy(*asked, "--within", "400").out
    tomorrow = policy("recheck", "--at", "2026-05-21T09:00:00Z", "--within", "400", *JSON).json
    assert tomorrow["rechecked"] == 1
    assert policy(*asked, "--within", "1", *JSON).json["not_due"] == 1


def test_a_draft_stands_in_front_of_a_deployment_and_that_is_said(policy: Run, expired: Path) -> None:
    router = str(EXAMPLES / "model-router.yaml")
    assert policy("evaluate", router, "--at", "2027-02-01T00:00:00Z", "-q").status == 0
    asked = ("recheck", "--at", "2027-02-01T00:00:00Z")
    everything = policy(*asked, *JSON).json
    assert (everything["rechecked"], everything["hidden_deploy"]) == (0, 1)
    assert "--purpose deploy" in policy(*asked).out
    deployed = policy(*asked, "--purpose", "deploy", *JSON).json
    assert (deployed["rechecked"], deployed["hidden_deploy"], deployed["purposes"]) == (1, 0, ["deploy"])
    # what re-checks the deployment is no later decision than the draft
    assert policy(*asked, *JSON).json["workloads"] == 1
    assert policy(*asked, "--purpose", "deploy", *JSON).json["rechecked"] == 0


def test_a_list_decides_nothing_and_needs_no_key(policy: Run, ledger: Path, strict: str, tmp_path: Path) -> None:
    before = ledger.read_bytes()
    for name in ("ledger.db.key", "ledger.db.key.personal"):
        (tmp_path / name).unlink()
    shown = policy("recheck", *AT, "--list", "--policy", strict, *JSON)
    assert (shown.status, shown.json["due"], shown.json["rechecked"]) == (0, 2, 0)
    assert all(row["new"] is None and row["verdict"]["after"] is None for row in shown.json["decisions"])
    assert ledger.read_bytes() == before
    refused = policy("recheck", *AT, "--policy", strict)
    assert (refused.status, refused.out) == (6, "")


@pytest.mark.parametrize("form", ["text", "json", "yaml", "markdown"])
def test_every_format_tells_what_changed(policy: Run, stock: Path, strict: str, form: str) -> None:
    found = policy("recheck", *AT, "--policy", strict, "-o", form)
    assert found.status == 0
    for word in ("default/faq-bot", "house-says-no", "allow", "deny"):
        assert word in found.out
    assert "@acme.example" not in found.out


REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no ledger": (("--ledger", "sqlite:///none.db"), 6, "ledger-missing"),
    "in memory": (("--ledger", "sqlite:///:memory:"), 6, "ledger-missing"),
    "no rules": (("--policy", "empty"), 3, "empty-layer"),
    "another policy": (("--policy-digest", f"sha256:{'0' * 64}"), 3, "policy-digest"),
    "nobody of that name": (("--workload", "support/triagee"), 2, "decision-missing"),
    "no such namespace": (("--namespace", "suport", "--list"), 2, "decision-missing"),
    "two namespaces": (("--workload", "support/triage", "--namespace", "drafts"), 2, "usage"),
    "nothing decided": (("--list", "--fail-on", "deny"), 2, "usage"),
    "all of nothing": (("--list", "--all"), 2, "usage"),
    "over the ledger": (("-o", "json=ledger.db"), 2, "cannot-write"),
    "of another key": (("--ledger-vkey", "x+00000000+AQ=="), 2, "usage"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_and_records_nothing(name: str, policy: Run, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    given, status, code = REFUSED[name]
    before = ledger.read_bytes()
    found = policy("recheck", *AT, *given)
    assert (found.status, found.out) == (status, ""), found.err
    assert f"[{code}]" in found.err
    assert ledger.read_bytes() == before
    assert not (tmp_path / "none.db").exists()


def test_an_empty_ledger_has_nothing_to_recheck(policy: Run, tmp_path: Path) -> None:
    open_ledger(f"sqlite:///{tmp_path}/new.db").close()
    for more in ((), ("--list",), ("--all", "--fail-on", "changed")):
        found = policy("recheck", "--ledger", f"sqlite:///{tmp_path}/new.db", *more)
        assert found.status == 0
        assert "there is nothing to recheck" in found.out


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


@pytest.mark.parametrize("failure", ["refused", "interrupted", "broken"])
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
            if failure == "broken":
                raise ZeroDivisionError
            tamper(ledger, "UPDATE log_checkpoint SET note = 'x' WHERE size = (SELECT max(size) FROM log_checkpoint)")
        return decide(self, *given)

    monkeypatch.setattr(again.Rechecker, "decide", failing)
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert found.status == (6 if failure == "refused" else 7)
    assert "error:" in found.err
    shown = found.json
    assert (shown["complete"], shown["rechecked"], len(shown["decisions"])) == (False, 1, 1)
    if failure == "refused":
        return
    rest = policy("recheck", *AT, "--policy", strict, *JSON).json
    assert (rest["complete"], rest["rechecked"], rest["not_due"]) == (True, 1, 1)


def test_nothing_is_told_where_nothing_was_recorded(policy: Run, ledger: Path, strict: str) -> None:
    tamper(ledger, "UPDATE log_checkpoint SET root = zeroblob(32) WHERE size = (SELECT max(size) FROM log_checkpoint)")
    found = policy("recheck", *AT, "--policy", strict, *JSON)
    assert (found.status, found.out) == (6, "")


def test_a_report_that_cannot_be_written_is_no_success(policy: Run, ledger: Path, strict: str, tmp_path: Path) -> None:
    found = policy("recheck", *AT, "--policy", strict, "-o", f"json={tmp_path}/no/where.json")
    assert (found.status, found.out) == (2, "")
    assert policy("recheck", *AT, "--policy", strict, *JSON).json["rechecked"] == 2  # it was refused beforehand


def test_two_workloads_of_one_name_in_two_namespaces_are_two(policy: Run, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(DENIED.replace("support", "drafts"), encoding="utf-8")
    assert policy("evaluate", str(tmp_path / "same.yaml"), *AT, "-q").status == 0
    assert policy("recheck", *AT, "--workload", "triage", "--all", *JSON).json["rechecked"] == 2
    assert policy("recheck", *AT, "--workload", "support/triage", "--all", *JSON).json["rechecked"] == 1
