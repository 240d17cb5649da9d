"""`policy diff`: as it is written, on record, and its exit statuses; what Z3 says is in `test_diff_proof`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from policy_audit.ledger import open_ledger

from policy_engine.loading.policy import load_policy
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.ledgers import tamper
from tests.unit.impact.repositories import commit, git

Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer under which data may leave the network whatever the workload says."""
    folder = tmp_path_factory.mktemp("layers") / "lenient"
    for rule in load_policy().rules.rules:
        if rule.forbid and "data.may_leave_network" in rule.reads:
            path = folder / rule.topic / f"{rule.id}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump({"id": rule.id, "disabled": True}), encoding="utf-8")
    return folder


def diff(policy: Run, *words: str) -> Outcome:
    return policy("diff", *words, "--no-proof", "-o", "json")


def test_the_same_rules_differ_in_nothing(policy: Run, ledger: Path) -> None:
    found = policy("diff", "shipped", "shipped", "-o", "json", "--fail-on", "any")
    assert (found.status, found.err) == (0, "")
    shown = found.json
    assert (shown["written"], shown["met"], shown["recorded"]["same"]) == ([], False, 2)
    assert {each["status"] for each in shown["verdicts"]["changes"]} == {"impossible"}
    text = policy("diff", "shipped", "shipped", "--no-proof").out
    assert "the two policies are the same" in text
    assert "2 decided again: 2 same" in text


def test_a_removed_forbid_allows_what_was_denied_on_record(policy: Run, ledger: Path, lenient: Path) -> None:
    found = diff(policy, "shipped", str(lenient))
    assert found.status == 0
    assert {each["kind"] for each in found.json["written"]} == {"removed"}
    recorded = found.json["recorded"]
    # the latest decision of each of the two workloads; one of them was denied, and is not any more
    assert (recorded["decisions"], recorded["changed"]) == (2, 2)
    row, other = sorted(recorded["changes"], key=lambda each: each["workload"], reverse=True)
    assert (other["kinds"], other["verdict"]["before"]) == ([], other["verdict"]["after"])
    assert (row["index"], row["workload"], row["recorded_verdict"]) == (2, "support/triage", "deny")
    assert row["verdict"]["before"] == "deny"
    (kind,) = recorded["kinds"]
    assert kind == f"deny-to-{row['verdict']['after'].replace('allow_with_conditions', 'allow')}"
    assert diff(policy, "shipped", str(lenient), "--fail-on", kind).status == 1
    assert diff(policy, "shipped", str(lenient), "--fail-on", "any").status == 1
    assert diff(policy, "shipped", str(lenient), "--fail-on", "allow-to-deny").status == 0
    assert diff(policy, str(lenient), "shipped", "--fail-on", kind).status == 0


def test_what_was_not_asked_is_not_passed(policy: Run, tmp_path: Path, lenient: Path) -> None:
    for words in (("--no-record",), ("--ledger", f"sqlite:///{tmp_path}/none.db"), ()):
        found = diff(policy, "shipped", str(lenient), "--fail-on", "any", *words)
        assert found.status in (2, 6), found.err
        assert found.status == 6 or found.json["met"] is None
    assert diff(policy, "shipped", str(lenient), "--no-record").json["met"] is False
    told = policy("diff", "shipped", str(lenient), "--no-proof", "--no-record", "--fail-on", "any").out
    assert "not known, since nothing was asked" in " ".join(told.split())


def test_a_side_without_a_name_is_refused(policy: Run) -> None:
    for words in (("", "shipped"), ("shipped", "")):
        refused = diff(policy, *words)
        assert (refused.status, "is empty" in refused.err) == (2, True)


def test_all_decisions_where_they_are_asked_for(policy: Run, ledger: Path, lenient: Path) -> None:
    recorded = diff(policy, "shipped", str(lenient), "--all").json["recorded"]
    assert (recorded["decisions"], sum(recorded["kinds"].values())) == (4, 2)
    assert [row["index"] for row in recorded["changes"] if row["kinds"]] == [0, 2]


def test_what_is_decided_again_is_what_evaluate_says(policy: Run, ledger: Path, lenient: Path, recorded: Path) -> None:
    rows = diff(policy, "shipped", str(lenient)).json["recorded"]["changes"]
    (row,) = [each for each in rows if each["workload"] == "support/triage"]
    given = [
        str(recorded / "denied.yaml"),
        "--at",
        "2026-11-02T00:00:00Z",
        "--ledger",
        "sqlite:///:memory:",
        "-o",
        "json",
    ]
    before = policy("evaluate", *given).json
    after = policy("evaluate", *given, "--policy", str(lenient)).json
    assert (row["verdict"]["before"], row["verdict"]["after"]) == (before["verdict"], after["verdict"])


def test_a_digest_on_record_is_a_side(policy: Run, ledger: Path, lenient: Path) -> None:
    with open_ledger(f"sqlite:///{ledger}") as opened:
        digest = opened.entry(0).document["blobs"]["rules"]
    assert digest == load_policy().digest
    shown = diff(policy, digest, str(lenient)).json
    assert shown["old"]["digest"] == digest
    assert shown["written"] == diff(policy, "shipped", str(lenient)).json["written"]
    unknown = diff(policy, f"sha256:{'0' * 64}", "shipped")
    assert unknown.status == 2
    assert f"no decision on record was made under sha256:{'0' * 64}" in unknown.err


def test_two_revisions_of_a_repository(policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "id: own\ntitle: Ours\norigin: x\nwhen: '%s'\nforbid: [edge]\nenforcement: mandatory\nmessage: No.\n"
    commit(tmp_path / "repository", acme__latency__own=rule % "task.batch")
    git(tmp_path / "repository", "tag", "v1")
    commit(tmp_path / "repository", acme__latency__own=rule % "!task.batch")
    monkeypatch.chdir(tmp_path / "repository")
    shown = policy("diff", "git:v1:acme", "git:main:acme", "--no-proof", "-o", "json").json
    (only,) = shown["written"]
    (part,) = only["parts"]
    assert (only["name"], part["of"], part["before"], part["after"]) == (
        "own",
        "condition",
        "task.batch",
        "!task.batch",
    )
    assert policy("diff", "git:v1", "acme", "--no-proof", "-o", "json").json["written"] == shown["written"]
    # no ledger is named, and the default one is not there
    assert shown["recorded"]["asked"] is False
    text = policy("diff", "git:v1:acme", "git:main:acme", "--no-proof").out
    assert "changed own: condition, when: `task.batch` -> `!task.batch`" in text
    assert "no ledger is named, and none is there" in text
    nowhere = policy("diff", "git:v1", "shipped", "--no-proof")
    assert "write git:v1:PATH, with the folder of the rules" in " ".join(nowhere.err.split())
    # the folder's own repository, from wherever it is called
    commit(tmp_path / "elsewhere", other__note="a: 1")
    monkeypatch.chdir(tmp_path / "elsewhere")
    beside = str(tmp_path / "repository/acme")
    assert policy("diff", "git:v1", beside, "--no-proof", "-o", "json").json["written"] == shown["written"]
    (tmp_path / "loose").mkdir()
    foreign = policy("diff", "git:HEAD", str(tmp_path / "loose"), "--no-proof")
    assert (foreign.status, "lies in no git repository" in foreign.err) == (2, True)
    monkeypatch.chdir(tmp_path / "repository")
    missing = policy("diff", "git:v2:acme", "acme", "--no-proof")
    assert missing.status == 2
    assert "there is no revision `v2` [no-revision]" in missing.err


def test_a_layer_below_both(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "above").mkdir()
    (tmp_path / "below/parameters.yaml").write_text("parameters:\n  low_latency_ms: {value: 250}\n", encoding="utf-8")
    (tmp_path / "above/parameters.yaml").write_text("parameters:\n  low_latency_ms: {value: 200}\n", encoding="utf-8")
    shown = diff(policy, "shipped", "above", "--below", "below").json
    values = [part for each in shown["written"] for part in each["parts"] if part["name"] == "value"]
    assert [(part["before"], part["after"]) for part in values] == [(250, 200)]


def test_invalid_rules_are_3_and_what_is_not_there_is_told(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "bad/latency").mkdir(parents=True)
    (tmp_path / "bad/latency/own.yaml").write_text("id: own\n", encoding="utf-8")
    assert diff(policy, "shipped", "bad").status == 3
    assert diff(policy, "nowhere", "shipped").status == 3
    assert policy("diff", "shipped", "shipped", "--fail-on", "worse").status == 2


def test_a_decision_that_cannot_be_replayed_is_6(policy: Run, ledger: Path, lenient: Path) -> None:
    with open_ledger(f"sqlite:///{ledger}") as opened:
        digest = opened.entry(2).document["blobs"]["workload"]
    tamper(ledger, "DELETE FROM blob WHERE digest = ?", digest)
    found = diff(policy, "shipped", str(lenient), "--fail-on", "any")
    assert found.status == 6
    recorded = found.json["recorded"]
    assert recorded["not_replayable"] >= 1
    assert {each["why"] for each in recorded["changes"] if each["status"] == "not_replayable"} == {
        "its document `workload` is missing"
    }


def test_a_decision_that_one_side_cannot_decide_is_2(policy: Run, ledger: Path, lenient: Path, tmp_path: Path) -> None:
    """A workload that states a fact of a layer is unknown to the shipped rules."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/vocabulary.yaml").write_text(
        "facts:\n  custom.tier: {type: bool, meaning: A tier.}\n", encoding="utf-8"
    )
    workload = "apiVersion: policy-engine/v1\nkind: Workload\nmetadata: {name: own, owner: a@acme.example}\nspec:\n"
    workload += "  stage: pilot\n  tasks: [{name: t, kind: coding}]\n  custom: {tier: true}\n"
    (tmp_path / "w.yaml").write_text(workload, encoding="utf-8")
    assert policy("evaluate", "w.yaml", "--policy", "own", "-q").status == 0
    found = diff(policy, "own", "shipped")
    assert found.status == 2
    (row,) = [each for each in found.json["recorded"]["changes"] if each["workload"] == "default/own"]
    assert row["status"] == "undecidable"
    assert "custom" in row["why"]


def test_every_format_says_the_same(policy: Run, ledger: Path, lenient: Path) -> None:
    for form in ("text", "markdown", "yaml"):
        found = policy("diff", "shipped", str(lenient), "--no-proof", "-o", form)
        assert found.status == 0
        assert "data-stays-in-network" in found.out
        assert "triage" in found.out


def test_a_report_takes_the_place_of_nothing_that_is_read(policy: Run, ledger: Path, lenient: Path) -> None:
    kept = next(lenient.rglob("*.yaml"))
    for place in (kept, ledger):
        before = place.read_bytes()
        assert policy("diff", "shipped", str(lenient), "--no-proof", "-o", f"json={place}").status == 2
        assert place.read_bytes() == before
