"""`policy recheck`: what is due and why, what comes of it, and the exit statuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_audit.ledger import open_ledger

from tests.unit.cli import recheck_scene
from tests.unit.cli.conftest import DENIED
from tests.unit.cli.given import EXAMPLES
from tests.unit.cli.recheck_scene import AT, JSON, PROTOTYPE, ROUTER, Run, entry, kinds, layer, size


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One folder for all tests, so that its rules are compiled once."""
    return recheck_scene.strict(tmp_path_factory.mktemp("layers"))


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
    assert policy("evaluate", str(ROUTER), *given).status == 0
    return tmp_path / "expired.db"


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
    [((), 0), (("worse",), 1), (("changed", "deny"), 1)],
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
    assert (older["decisions"], older["problem"]) == (3, None)
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


def test_a_layer_with_another_comment_is_due_by_itself(policy: Run, ledger: Path, tmp_path: Path) -> None:
    strict = recheck_scene.strict(tmp_path)
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
    router = str(ROUTER)
    assert policy("evaluate", router, "--at", "2027-02-01T00:00:00Z", "-q").status == 0
    asked = ("recheck", "--at", "2027-02-01T00:00:00Z")
    everything = policy(*asked, *JSON).json
    assert (everything["rechecked"], everything["hidden_deploy"]) == (0, 1)
    two = ("--purpose", "deploy", "--purpose", "draft")
    for more in ((), two):
        assert "`--purpose deploy` alone looks at it" in " ".join(policy(*asked, *more).out.split())
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


def test_every_format_tells_what_changed(policy: Run, stock: Path, strict: str, tmp_path: Path) -> None:
    forms = ("text", "json", "yaml", "markdown")
    given = [word for form in forms for word in ("-o", f"{form}={tmp_path / form}")]
    assert policy("recheck", *AT, "--policy", strict, *given).status == 0
    for form in forms:
        text = (tmp_path / form).read_text(encoding="utf-8")
        for word in ("default/faq-bot", "house-says-no", "allow", "deny"):
            assert word in text, (form, word)
        assert "@acme.example" not in text


REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no ledger": (("--ledger", "sqlite:///none.db"), 6, "ledger-missing"),
    "in memory": (("--ledger", "sqlite:///:memory:"), 6, "ledger-missing"),
    "no rules": (("--policy", "empty"), 3, "empty-layer"),
    "another policy": (("--policy-digest", f"sha256:{'0' * 64}"), 3, "policy-digest"),
    "nobody of that name": (("--workload", "support/triagee"), 2, "decision-missing"),
    "no such namespace": (("--namespace", "suport", "--list"), 2, "decision-missing"),
    "no such purpose": (("--namespace", "support", "--purpose", "pull_request"), 2, "decision-missing"),
    "no such purpose, listed": (("--workload", "assistant", "--purpose", "deploy", "--list"), 2, "decision-missing"),
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
    for asked in (("--purpose", "deploy"), ("--purpose", "draft", "--list"), ("--namespace", "support")):
        found = policy("recheck", "--ledger", f"sqlite:///{tmp_path}/new.db", *asked)
        assert (found.status, found.out) == (2, "")
        assert "no decision on record is selected [decision-missing]" in found.err


def test_a_purpose_that_nothing_on_record_has_is_told_with_those_that_it_has(policy: Run, expired: Path) -> None:
    for purpose in ("draft", "pull_request"):
        found = policy("recheck", "--purpose", purpose)
        assert found.status == 2
        assert f"no decision on record was made for {purpose} [decision-missing]" in found.err
        assert "made for deploy: `--purpose deploy`" in found.err
    narrowed = policy("recheck", "--purpose", "draft", "--workload", "model-router")
    assert (narrowed.status, "no decision on record on these workloads was made for draft" in narrowed.err) == (2, True)
    assert policy("recheck", "--purpose", "draft", "--purpose", "deploy", "--list").status == 0


def test_a_report_that_cannot_be_written_is_no_success(policy: Run, ledger: Path, strict: str, tmp_path: Path) -> None:
    found = policy("recheck", *AT, "--policy", strict, "-o", f"json={tmp_path}/no/where.json")
    assert (found.status, found.out) == (2, "")
    assert policy("recheck", *AT, "--policy", strict, *JSON).json["rechecked"] == 2  # it was refused beforehand


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_what_got_worse_is_said_where_no_report_can_be_written(policy: Run, stock: Path, strict: str) -> None:
    found = policy("recheck", *AT, "--policy", strict, "-o", "json=/dev/full")
    assert (found.status, found.out) == (2, "")
    first, worst, *others, error = found.err.splitlines()
    assert first == "on record, though not reported: 3 decided again, 1 worse, 1 changed, 2 same"
    new = entry(stock, size(stock) - 1)
    assert (
        worst == f"  worse: default/faq-bot: allow -> deny, {new.document['view']['decision_id']} (entry {new.index})"
    )
    assert len(others) == 2
    assert "cannot write `/dev/full`: no space left" in error
    # where nothing was recorded, there is nothing to say but that
    again = policy("recheck", *AT, "--policy", strict, "-o", "json=/dev/full")
    assert (again.status, len(again.err.splitlines())) == (2, 1)
    assert policy("recheck", *AT, "--list", "-o", "json=/dev/full").err.count("\n") == 1


def test_two_workloads_of_one_name_in_two_namespaces_are_two(policy: Run, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(DENIED.replace("support", "drafts"), encoding="utf-8")
    assert policy("evaluate", str(tmp_path / "same.yaml"), *AT, "-q").status == 0
    assert policy("recheck", *AT, "--workload", "triage", "--all", *JSON).json["rechecked"] == 2
    assert policy("recheck", *AT, "--workload", "support/triage", "--all", *JSON).json["rechecked"] == 1
