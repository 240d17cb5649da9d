"""`flipped-facts`: what changed between a denial and the allow that followed it, on decisions of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from policy_audit.canonical import document_bytes
from policy_audit.entry import Blob, Draft, EntryType
from policy_audit.ledger import open_ledger
from policy_audit.records import DecisionQuery
from policy_audit.snapshot import open_snapshot

from policy_engine.reports.asking import Asked
from policy_engine.reports.flipped import KINDS
from policy_engine.reports.registry import REPORTS
from policy_engine.reports.report import Report
from tests.integration.tampering import decision
from tests.unit.cli.conftest import Outcome, cache, own_folders, policy
from tests.unit.cli.given import EXAMPLES
from tests.unit.cli.waiver_scene import Scene
from tests.unit.waivers.making import OPTION, RULE

__all__ = ["cache", "own_folders", "policy"]
Run = Callable[..., Outcome]


@pytest.fixture
def decide(policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/ledger.db")

    def run(text: str, *more: str) -> str:
        (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
        found = policy("evaluate", "w.yaml", "-o", "json", *more)
        assert found.status == 0, found.err
        verdict: str = found.json["verdict"]
        return verdict

    return run


def asked(policy: Run, *more: str) -> Any:
    return policy("audit", "report", "flipped-facts", "-o", "json", *more).json


def test_a_changed_fact_is_named_with_the_rules_that_read_it(policy: Run, decide: Callable[..., str]) -> None:
    allowed = (EXAMPLES / "coding-assistant.yaml").read_text(encoding="utf-8")
    denied = allowed.replace("may_leave_network: true", "may_leave_network: false")
    assert denied != allowed
    assert decide(denied) == "deny"
    assert decide(denied) == "deny"
    assert decide(allowed) in ("allow", "allow_with_conditions")
    assert decide(allowed) in ("allow", "allow_with_conditions")
    found = asked(policy)
    facts = {row["fact"]: row for row in found["rows"]}
    assert "spec.data.may_leave_network" in facts
    row = facts["spec.data.may_leave_network"]
    assert (row["before"], row["after"], row["denied_entry"], row["allowed_entry"]) == ("false", "true", 1, 2)
    assert row["changed"] == ["facts"]
    assert "data-stays-in-network" in row["rules_that_read_it"]
    assert found["population"] == 1


def test_a_waiver_alone_is_not_blamed_on_a_fact(policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path, policy, monkeypatch.setenv)
    waiver = scene.granted()  # after a denial
    assert scene.decide()["verdict"] == "allow_with_conditions"
    (row,) = asked(policy)["rows"]
    assert (row["changed"], row["change"], row["fact"], row["before"]) == (["waiver"], "waiver", None, None)
    assert row["after"].startswith(f"{waiver[:16]} lifts {RULE} on {OPTION} until ")
    assert row["rules_that_read_it"] == [RULE]


def test_a_waiver_beside_a_changed_fact_and_a_changed_policy_is_told_with_them(
    policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, policy, monkeypatch.setenv)
    scene.granted()
    scene.rules("version: '9'\n")
    scene.change("stage: pilot\n", "stage: pilot\n  deploy_within_days: 9\n")
    assert scene.decide()["verdict"] == "allow_with_conditions"
    found = asked(policy)
    assert {tuple(row["changed"]) for row in found["rows"]} == {("facts", "waiver", "policy")}
    assert [(row["change"], row["fact"]) for row in found["rows"]] == [
        ("facts", "spec.deploy_within_days"),
        ("policy", None),
        ("waiver", None),
    ]
    assert (found["rows"][0]["before"], found["rows"][0]["after"]) == (None, "9")


def made(verdict: str, workload: dict[str, Any], policy_digest: str = "sha256:p", **decided: Any) -> Draft:
    document = Blob(document_bytes(workload))
    outcome = Blob(document_bytes({"verdict": verdict, **decided}))
    draft = decision(0)
    view = {**draft.view, "verdict": verdict, "policy_digest": policy_digest, "workload_digest": document.digest}
    view |= {"decision_id": sha256(outcome.content).hexdigest()}
    return replace(draft, view=view, blobs={"workload": document, "decision": outcome})


def flips(*drafts: Draft, gone: bool = False, disposed: bool = False, **period: Any) -> Report:
    with open_ledger("sqlite:///:memory:") as ledger:
        recorded = [ledger.append(draft) for draft in drafts]
        query = DecisionQuery(**{name: recorded[at].recorded_at for name, at in period.items()})
        if disposed:
            documents = [blob.digest for draft in drafts for blob in draft.blobs.values() if isinstance(blob, Blob)]
            ledger.append(Draft(EntryType.DISPOSAL, body={"disposed": [], "documents": documents}))
        if gone:
            with ledger._database.write() as connection:
                connection.exec_driver_sql("DROP TRIGGER blob_no_delete")
                connection.exec_driver_sql("DELETE FROM blob")
        with open_snapshot(ledger) as snapshot:
            name = "flipped-facts"
            return REPORTS[name].make(Asked(snapshot, name, "", "", datetime.now(UTC), query))


def told(found: Report) -> list[tuple[Any, ...]]:
    return [(row["changed"], row["change"], row["fact"], row["before"], row["after"]) for row in found.records()]


A = {"spec": {"tasks": [{"name": "t", "kind": "coding"}, {"name": "u"}], "stage": "pilot"}}
B = {"spec": {"tasks": [{"name": "u"}, {"name": "t", "kind": "chat"}], "stage": "pilot", "team": {"mlops": "none"}}}


def test_changed_facts_are_told_from_a_changed_policy() -> None:
    same = flips(made("deny", A), made("allow", A, "sha256:q"))
    assert told(same) == [(("policy",), "policy", None, "sha256:p", "sha256:q")]
    both = flips(made("deny", A), made("review", A), made("allow_with_conditions", B, "sha256:q"))
    assert told(both) == [
        (("facts", "policy"), "facts", "spec.tasks[t].kind", '"coding"', '"chat"'),
        (("facts", "policy"), "facts", "spec.team.mlops", None, '"none"'),
        (("facts", "policy"), "policy", None, "sha256:p", "sha256:q"),
    ]
    assert flips(made("allow", A), made("deny", B), made("review", A)).rows == ()


def test_where_nothing_changed_it_is_the_time() -> None:
    found = flips(made("deny", A), made("allow", A))
    assert told(found) == [(("nothing but the time",), "nothing but the time", None, None, None)]
    assert found.population == 1


def test_a_section_that_is_new_is_told_fact_by_fact_with_the_rules_that_read_it() -> None:
    rules = [{"id": "r", "outcome": "indeterminate", "facts": {}, "missing": ["team.mlops", "workload.stage"]}]
    for before in (None, "absent"):
        old = {"spec": {"stage": "pilot", **({"team": None} if before is None else {})}}
        new = {"spec": {"stage": "production", "team": {"mlops": "none"}}}
        found = flips(made("deny", old, tasks=[{"name": "t", "rules": rules}]), made("allow", new, tasks=[]))
        facts = {row["fact"]: row["rules_that_read_it"] for row in found.records()}
        assert facts == {"spec.stage": ("r",), "spec.team.mlops": ("r",)}


def test_evidence_that_was_found_otherwise_and_evidence_that_was_named_are_no_facts() -> None:
    known, expired = {"grade": "attached", "problem": None}, {"grade": None, "problem": "it expired"}
    found = flips(made("deny", A, evidence={"dpa": expired}), made("allow", A, evidence={"dpa": known}))
    assert [row[:3] for row in told(found)] == [(("evidence",), "evidence", "evidence.dpa")]
    named = {"spec": {**A["spec"], "evidence": {"dpa": {"file": "dpa.pdf"}}}}
    found = flips(made("deny", A), made("allow", named, evidence={"dpa": known}))
    assert [row[:3] for row in told(found)] == [(("evidence",), "evidence", "spec.evidence.dpa.file")]


def test_another_engine_and_labels_are_no_facts() -> None:
    labelled = {**A, "metadata": {"labels": {"tier": "2"}}}
    engines = ({"engine": {"version": "1"}}, {"engine": {"version": "2"}})
    found = flips(made("deny", A, **engines[0]), made("allow", labelled, **engines[1]))
    assert [row[:3] for row in told(found)] == [
        (("engine", "metadata"), "metadata", "metadata.labels.tier"),
        (("engine", "metadata"), "engine", None),
    ]


@pytest.mark.parametrize("disposed", [False, True])
def test_documents_that_are_gone_are_told_and_blamed_on_nothing(disposed: bool) -> None:
    first, second = made("deny", A), made("allow", B)
    found = flips(first, second, gone=True, disposed=disposed)
    assert dict(found.summary)["documents gone"] == 1
    digests = (first.view["workload_digest"], second.view["workload_digest"])
    assert told(found) == [(("documents gone",), "documents gone", None, *digests)]


def test_the_allow_lies_in_the_period_and_the_denial_may_lie_before_it() -> None:
    drafts = (made("deny", A), made("allow", B), made("deny", A), made("allow", B))
    assert [row[:2] for row in flips(*drafts, since=1).rows] == [(0, 1), (0, 1), (2, 3), (2, 3)]
    assert [row[:2] for row in flips(*drafts, since=2).rows] == [(2, 3), (2, 3)]
    assert [row[:2] for row in flips(*drafts, until=3).rows] == [(0, 1), (0, 1)]


def test_the_summary_counts_flips_and_not_rows() -> None:
    found = flips(made("deny", A), made("allow", B), made("deny", A), made("allow", A, "sha256:q"))
    counted = dict(found.summary)
    assert (found.population, counted["rows"]) == (2, len(found.rows)) == (2, 3)
    assert {kind: n for kind in KINDS if (n := counted.get(f"with {kind}"))} == {"facts": 1, "policy": 1}
