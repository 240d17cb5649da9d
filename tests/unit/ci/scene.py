"""Runs as the reports are told of them: real workloads, decided by the shipped rules, without a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.decide import Decider
from policy_engine.errors import InputError
from policy_engine.findings import Acceptance, Collector, Finding
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.model.waiver import Waiver
from policy_engine.recorder import shown
from tests.unit.cli.waiver_scene import WORKLOAD as WAIVABLE
from tests.unit.waivers.making import RULE, statement

AT = datetime(2026, 11, 29, 9, tzinfo=UTC)
DENIED = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: support, name: triage, owner: olga.owner@acme.example}
spec:
  stage: production
  tasks:
    - name: sort
      kind: classification
      complexity: simple
      batch: false
      proposal: {deployment: proprietary_api, model: gpt-4o}
  data: {sensitivity: public, may_leave_network: false}
  team: {mlops: mature, ml_engineers: 3, gpu_devops_engineers: 2, can_hire: true}
  migration: none
"""
OPEN = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: drafts, name: assistant, owner: otto.owner@acme.example}
spec:
  stage: pilot
  tasks: [{name: t, kind: summarisation}]
"""
INVALID = "apiVersion: policy-engine/v1\nkind: Pod\n"
ALLOWED = (Path(__file__).parents[3] / "examples" / "writing-assistant.yaml").read_text(encoding="utf-8")
ACCEPTED = Acceptance("known since the audit of May", date(2027, 3, 31))
HOSTILE = (
    "]]> <script>alert(1)</script> | **b** [x](https://evil.example) @octocat #1 %0A::error::x ::stop-commands::y {0}"
)


@cache
def engine() -> Decider:
    return Decider(load_policy())


def judge(*files: tuple[str, str], waivers: Sequence[Waiver] = (), evaluated: Judged | None = None) -> Judged:
    """Return the run over `files`, each a name and a text."""
    found = evaluated or Judged(policy=engine().policy)
    for name, text in files:
        for loaded in load_workload_documents(text, name, engine().policy.vocabulary):
            found.documents += 1
            if isinstance(loaded, InputError):
                found.problems += loaded.problems
                continue
            evidence = check_evidence(loaded.workload, AT.date(), Path.cwd())
            own = [each for each in waivers if each.statement.scope.name == loaded.workload.metadata.name]
            decision = engine().decide(loaded.workload, evidence, AT, tuple(own))
            findings = Collector(engine().judge).of(decision, loaded.document)
            part = {"index": len(found.workloads), "status": "recorded"}
            found.workloads.append(JudgedWorkload(name, decision, findings, 0.25, shown(decision, part)))
    return found


def waiver(problem: str | None = None, **more: Any) -> Waiver:
    """Return a waiver on the workload `claims/triage`, with why it lifts nothing."""
    rules = engine().policy.rules
    rule = rules.rule(RULE)
    assert rule is not None
    digest = waivable_digest(rule_document(rule), rules.values)
    made = statement(digest=digest, **more)
    return Waiver(made.id, made, ("0123abcd",), made.valid_until, problem)


def accepting(judged: Judged, *codes: str) -> Judged:
    """Have a baseline accept the findings of these codes."""
    for each in judged.workloads:
        each.findings = tuple(
            replace(finding, accepted=ACCEPTED) if finding.code in codes else finding for finding in each.findings
        )
    return judged


def everything() -> Judged:
    """Return a run with a bit of all: every verdict, waivers that count and that do not, a baseline, a bad file."""
    return accepting(
        judge(
            ("gate/denied.yaml", DENIED),
            ("gate/open.yaml", OPEN),
            ("gate/allowed.yaml", ALLOWED),
            ("gate/conditional.yaml", ALLOWED.replace("stage: pilot", "stage: production")),
            ("gate/waived.yaml", WAIVABLE),
            ("gate/expired.yaml", WAIVABLE.replace("name: triage", "name: expired")),
            ("gate/invalid.yaml", INVALID),
            waivers=[waiver(), waiver("it ended on 2026-11-20", scope={"name": "expired"})],
        ),
        "nothing-permitted",
        "recommendation-not-firm",
    )


def many(number: int) -> Judged:
    """Return a run of one workload with so many findings, no two alike."""
    judged = judge(("many.yaml", DENIED))
    (workload,) = judged.workloads
    first: Finding = workload.findings[0]
    workload.findings = tuple(
        replace(first, code=f"rule-{at}", message=f"{first.message} ({at})", grounds=(str(at),)) for at in range(number)
    )
    return judged
