"""`flipped-facts`: what changed between a denial and the allow that followed it, on decisions of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import DENIED, Outcome, own_folders, policy

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
    assert decide(DENIED) == "deny"
    allowed = DENIED.replace("may_leave_network: false", "may_leave_network: true").replace("mature", "building")
    assert decide(allowed) in ("allow", "allow_with_conditions", "review")
    found: Any = policy("audit", "report", "flipped-facts", "-o", "json").json
    if decide(allowed) == "review":
        assert found["population"] == 0
        pytest.fail("the example has to be allowed for this test to say anything")
    facts = {row["fact"]: row for row in found["rows"]}
    assert facts.keys() == {"spec.data.may_leave_network", "spec.team.mlops"}
    row = facts["spec.data.may_leave_network"]
    assert (row["before"], row["after"], row["denied_entry"], row["allowed_entry"]) == ("false", "true", 0, 1)
    assert row["changed"] == ["facts"]
    assert "data-stays-in-network" in row["rules_that_read_it"]
    assert found["population"] == 1


def test_a_changed_policy_is_not_a_changed_fact(policy: Run, decide: Callable[..., str], tmp_path: Path) -> None:
    assert decide(DENIED) == "deny"
    assert decide(DENIED) == "deny"
    assert policy("audit", "report", "flipped-facts", "-o", "json").json["rows"] == []
