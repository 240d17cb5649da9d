"""When an answer is a decision: it is whole, it is what its id says, and its verdict follows from its parts.

A server that lies consistently is not found out here; `proving` holds it to a log that it cannot rewrite.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct
from policy_audit.canonical import document_bytes
from policy_audit.errors import AuditError

from policy_engine.client.documents import Decided, Place
from policy_engine.client.errors import untrusted
from policy_engine.combining import worst
from policy_engine.model.task_case import VERDICTS, Status, Verdict
from policy_engine.model.vocabulary import OPTIONS

#: What stands beside a decision in its answer, and is none of its bytes.
_BESIDE = ("id", "ledger")
_BREAKING: tuple[Status, ...] = ("forbidden", "unavailable")


class _Workload(Struct):
    namespace: str
    name: str
    digest: str
    stage: str


class _Policy(Struct):
    digest: str
    version: str


class _Catalog(Struct):
    digest: str
    as_of: str
    stale: list[str]


class _Engine(Struct):
    version: str
    semantics: int | str


class _Plan(Struct):
    kind: Literal["single", "hybrid"]
    monthly_usd: float | None
    routes: list[dict[str, Any]]


class _Option(Struct):
    deployment: str
    status: Status
    rules: list[str]
    reasons: list[str]
    missing: list[str]
    waived: list[dict[str, str]] = []


class _Rule(Struct):
    id: str
    title: str
    outcome: Literal["fired", "not_fired", "indeterminate"]
    criteria: list[str]
    forbid: list[str]
    facts: dict[str, dict[str, Any]]
    missing: list[str]
    message: str
    enforcement: str | None


class _Duty(Struct):
    evidence: str
    status: Literal["satisfied", "outstanding", "uncertain"]
    enforcement: str
    rules: list[str]
    why: str | None
    waived: bool = False


class _Fallback(Struct):
    verdict: Verdict
    rules: list[str]
    reasons: list[str]
    missing: list[str]


class _Proposal(Struct):
    holds: bool | None
    rules: list[str]
    reasons: list[str]
    missing: list[str]
    fallback: _Fallback | None


class _Recommendation(Struct):
    deployment: str
    firm: bool
    open_facts: list[str]


class _Task(Struct):
    name: str
    verdict: Verdict
    judged: Literal["proposal", "recommendation"]
    judged_option: str | None
    recommendation: _Recommendation | None
    proposal: _Proposal | None
    options: list[_Option]
    rules: list[_Rule]
    obligations: list[_Duty]
    advice: list[dict[str, Any]]
    waivers: list[dict[str, Any]] = []


class _Decision(Struct):
    version: Literal["policy-engine/v1"] = msgspec.field(name="apiVersion")
    kind: Literal["Decision"]
    id: str
    decided_at: str
    valid_until: str | None
    verdict: Verdict
    workload: _Workload
    policy: _Policy
    catalog: _Catalog
    engine: _Engine
    plan: _Plan
    evidence: dict[str, dict[str, Any]]
    tasks: list[_Task]
    ledger: Place


def decided(answer: Any) -> Decided:
    """Return the decision that a server answered.

    Raises:
        UntrustedError: it is none, was changed, is not on record, or its verdict does not follow.
    """
    try:
        found = msgspec.convert(answer, _Decision)
    except msgspec.ValidationError as error:
        raise untrusted(f"the server's answer is no decision: {_plain(str(error))}") from None
    recorded = _recorded(answer)
    try:
        name = hashlib.sha256(document_bytes(recorded)).hexdigest()
    except (AuditError, ValueError, TypeError, RecursionError):
        raise untrusted("the server's answer is no decision: it cannot be digested") from None
    if name != found.id:
        raise untrusted("the decision is not the one that its id names: its content is another")
    if found.ledger.status != "recorded" or not 0 <= found.ledger.index < found.ledger.tree_size:
        raise untrusted("the decision is not on record", "server-unrecorded", "the server's ledger is none that lasts")
    _check_verdict(found)
    return Decided(
        id=found.id,
        verdict=found.verdict,
        decided_at=found.decided_at,
        valid_until=found.valid_until,
        namespace=found.workload.namespace,
        name=found.workload.name,
        workload_digest=found.workload.digest,
        policy_digest=found.policy.digest,
        place=found.ledger,
        recorded=recorded,
        document=answer,
    )


def _recorded(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document as it was recorded: names and place are beside it (`recorder.shown`)."""
    document = {name: value for name, value in answer.items() if name not in _BESIDE}
    return {**document, "workload": {**document["workload"], "owner": {"present": True}}}


def _check_verdict(found: _Decision) -> None:
    if not found.tasks or found.verdict != worst([task.verdict for task in found.tasks]):
        raise untrusted("the decision's verdict is not the worst of its tasks'")
    for task in found.tasks:
        if [each.deployment for each in task.options] != list(OPTIONS):
            raise untrusted(f"the options of the task `{_plain(task.name)}` are not the engine's")
        least = _least(task)
        if VERDICTS.index(task.verdict) < VERDICTS.index(least):
            message = f"the task `{_plain(task.name)}` is {task.verdict}, and what was found makes it {least} at least"
            raise untrusted(message)


def _least(task: _Task) -> Verdict:
    """Return the best verdict that what stands in the task allows (contract: rules, step 5)."""
    status = next((each.status for each in task.options if each.deployment == task.judged_option), None)
    if status is None:
        return "review"
    proposal, fallback = task.proposal, task.proposal.fallback if task.proposal is not None else None
    bounds: list[Verdict] = [fallback.verdict] if fallback is not None else []
    if status in _BREAKING or (proposal is not None and proposal.holds is False):
        bounds.append("deny")
    unsure = proposal.holds is None if proposal is not None else not (task.recommendation and task.recommendation.firm)
    duties = [each for each in task.obligations if each.status != "satisfied" and not each.waived]
    if status == "uncertain" or unsure or any(each.enforcement != "advisory" for each in duties):
        bounds.append("review")
    if duties:
        bounds.append("allow_with_conditions")
    return worst([*bounds, "allow"])


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:200]
