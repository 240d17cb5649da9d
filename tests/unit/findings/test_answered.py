"""Findings of a decision's document alone, held to those that the rules give."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from policy_engine.decide import Decider
from policy_engine.findings import Collector, Finding
from policy_engine.findings.answered import findings_of
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "examples").glob("*.yaml"))
AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


@cache
def decider() -> Decider:
    return Decider(load_policy())


def both(file: Path) -> list[tuple[list[Finding], list[Finding]]]:
    """Return for each workload the findings by the rules, and those by the document as it is answered."""
    found = []
    for loaded in load_workloads(file, None, decider().policy.vocabulary):
        evidence = check_evidence(loaded.workload, AT.date(), file.parent)
        decision = decider().decide(loaded.workload, evidence, AT)
        answered = json.loads(json.dumps(decision.document))
        by_rules = Collector(decider().judge).of(decision, loaded.document)
        found.append((list(by_rules), list(findings_of(answered, loaded.workload, loaded.document))))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_they_are_the_findings_that_the_rules_give(file: Path) -> None:
    for by_rules, by_document in both(file):
        assert [told(each) for each in by_document] == [told(each) for each in by_rules]


def told(finding: Finding) -> dict[str, Any]:
    """Return what reports say of a finding, but the text of a fallback's, and the facts, which are fewer."""
    found = {**asdict(finding), "identity": finding.identity, "facts": None}
    return {**found, "message": finding.message if finding.kind != "fallback" else ""}
