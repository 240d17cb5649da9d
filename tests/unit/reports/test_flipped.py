"""`flipped-facts`: what changed between a denial and the allow that followed it, on decisions of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from policy_audit.canonical import canonical_bytes
from policy_audit.entry import Blob, Draft
from policy_audit.ledger import open_ledger
from policy_audit.records import DecisionQuery
from policy_audit.snapshot import open_snapshot

from policy_engine.reports.asking import Asked
from policy_engine.reports.registry import REPORTS
from policy_engine.reports.report import Report
from tests.integration.tampering import decision
from tests.unit.cli.conftest import Outcome, own_folders, policy
from tests.unit.cli.given import EXAMPLES

__all__ = ["own_folders", "policy"]
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


def test_a_changed_fact_is_named_with_the_rules_that_read_it(policy: Run, decide: Callable[..., str]) -> None:
    allowed = (EXAMPLES / "coding-assistant.yaml").read_text(encoding="utf-8")
    denied = allowed.replace("may_leave_network: true", "may_leave_network: false")
    assert denied != allowed
    assert decide(denied) == "deny"
    assert decide(denied) == "deny"
    assert decide(allowed) in ("allow", "allow_with_conditions")
    assert decide(allowed) in ("allow", "allow_with_conditions")
    found: Any = policy("audit", "report", "flipped-facts", "-o", "json").json
    facts = {row["fact"]: row for row in found["rows"]}
    assert "spec.data.may_leave_network" in facts
    row = facts["spec.data.may_leave_network"]
    assert (row["before"], row["after"], row["denied_entry"], row["allowed_entry"]) == ("false", "true", 1, 2)
    assert row["changed"] == ["facts"]
    assert "data-stays-in-network" in row["rules_that_read_it"]
    assert found["population"] == 1


def made(verdict: str, workload: dict[str, Any], policy_digest: str = "sha256:p") -> Draft:
    document = Blob(canonical_bytes(workload))
    draft = decision(0)
    view = {**draft.view, "verdict": verdict, "policy_digest": policy_digest, "workload_digest": document.digest}
    return replace(draft, view=view, blobs={"workload": document})


def flips(*drafts: Draft, gone: bool = False) -> Report:
    with open_ledger("sqlite:///:memory:") as ledger:
        ledger.append_many(drafts)
        if gone:
            with ledger._database.write() as connection:
                connection.exec_driver_sql("DROP TRIGGER blob_no_delete")
                connection.exec_driver_sql("DELETE FROM blob")
        with open_snapshot(ledger) as snapshot:
            name = "flipped-facts"
            return REPORTS[name].make(Asked(snapshot, name, "", "", datetime.now(UTC), DecisionQuery()))


A = {"spec": {"tasks": [{"name": "t", "kind": "coding"}, {"name": "u"}], "stage": "pilot"}}
B = {"spec": {"tasks": [{"name": "u"}, {"name": "t", "kind": "chat"}], "stage": "pilot", "team": {"mlops": "none"}}}


def test_changed_facts_are_told_from_a_changed_policy() -> None:
    same = flips(made("deny", A), made("allow", A, "sha256:q"))
    assert [(row["changed"], row["fact"]) for row in same.records()] == [(("policy",), None)]
    both = flips(made("deny", A), made("review", A), made("allow_with_conditions", B, "sha256:q"))
    assert [(row["changed"], row["fact"], row["before"], row["after"]) for row in both.records()] == [
        (("facts", "policy"), "spec.tasks[t].kind", '"coding"', '"chat"'),
        (("facts", "policy"), "spec.team", None, '{"mlops": "none"}'),
    ]
    neither = flips(made("deny", A), made("allow", A))
    assert "neither facts nor policy" in str(neither.rows[0][7])
    assert flips(made("allow", A), made("deny", B), made("review", A)).rows == ()


def test_documents_that_are_gone_are_told() -> None:
    found = flips(made("deny", A), made("allow", B), gone=True)
    assert dict(found.summary)["documents gone"] == 1
    assert found.rows[0][7] == ("facts", "documents gone")
