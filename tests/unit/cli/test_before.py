"""What workloads were at a revision is decided for the comparison alone: nothing of it is on record or handed out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.ci.judged import Judged
from policy_engine.cli.deciding import decide_files
from policy_engine.cli.options import LedgerChoice
from policy_engine.cli.output import Target
from policy_engine.cli.reports import report
from policy_engine.cli.run_options import Run
from tests.unit.ci.scene import AT
from tests.unit.cli.conftest import DENIED, OPEN


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name, text in (("w.yaml", DENIED), ("new.yaml", OPEN), ("was-bad.yaml", OPEN.replace("assistant", "bad"))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    earlier = {
        "w.yaml": DENIED.replace("may_leave_network: false", "may_leave_network: true").encode(),
        "new.yaml": None,
        "was-bad.yaml": b"kind: [",
    }
    return Run(
        files=tuple(earlier),
        layers=(),
        policy_digest=None,
        ledger=LedgerChoice(f"sqlite:///{tmp_path}/l.db", None, True),
        at=AT,
        purpose="draft",
        cross_check=False,
        targets=(Target("markdown", tmp_path / "r.md"),),
        all_rules=False,
        verbose=0,
        quiet=False,
        comment="gate",
        revision="origin/main",
        earlier=earlier,
    )


def judged(run: Run) -> Judged:
    return decide_files(run, lambda error: pytest.fail(str(error)), collect=True)


def test_what_was_is_compared_and_not_recorded(run: Run, tmp_path: Path) -> None:
    found = judged(run)
    assert found.compared is not None
    assert {name: each.decision.verdict for name, each in found.compared.before.items()} == {"support/triage": "review"}
    assert found.compared.open == ("was-bad.yaml",)
    with open_ledger(f"sqlite:///{tmp_path}/l.db", read_only=True) as ledger:
        recorded = {entry.document["body"]["id"] for entry in ledger.list_entries()}
    assert recorded == {each.decision.id for each in found.workloads}
    assert not found.problems
    assert report(found, run, 1) == 0
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "| support/triage | changed | REVIEW → DENY |" in text
    assert "| drafts/assistant | new | REVIEW |" in text
    assert "| drafts/bad | what it was cannot be decided | REVIEW |" in text


@pytest.mark.parametrize("other", [{"revision": None}, {"targets": (Target("sarif", None),)}])
def test_nothing_is_decided_for_nobody(run: Run, other: dict[str, Any]) -> None:
    assert judged(replace(run, **other)).compared is None
