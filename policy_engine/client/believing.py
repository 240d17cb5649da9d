"""When an answer is a decision: it is whole, it is what its id says, and its verdict follows from its parts.

A server that lies consistently is not found out here; `proving` holds it to a log that it cannot rewrite.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from policy_audit.canonical import document_bytes
from policy_audit.errors import AuditError

from policy_engine.client.documents import Decided, Place
from policy_engine.client.errors import untrusted
from policy_engine.combining import worst
from policy_engine.decide import parse_time
from policy_engine.model.rule import PROPOSAL, Enforcement
from policy_engine.model.task_case import VERDICTS, Status, Verdict
from policy_engine.model.vocabulary import OPTIONS

#: What stands beside a decision in its answer, and is none of its bytes.
_BESIDE = ("id", "ledger")
#: What stands on one line wherever it is shown: names, numbers of versions and the like.
_Line = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z")]
_Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")]
_HASH = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_BREAKING: tuple[Status, ...] = ("forbidden", "unavailable")


class _Workload(Struct):
    namespace: _Line
    name: _Line
    digest: _Line
    stage: _Line


class _Policy(Struct):
    digest: _Line
    version: _Line


class _Catalog(Struct):
    digest: _Line
    as_of: _Line
    stale: list[_Line]


class _Engine(Struct):
    version: _Line
    semantics: int | str


class _Route(Struct):
    task: _Line
    share: float
    deployment: _Line | None
    model: _Line | None
    monthly_usd: float | None


class _Plan(Struct):
    kind: Literal["single", "hybrid"]
    monthly_usd: float | None
    routes: list[_Route]


class _Lifted(Struct):
    rule: _Line
    waiver: _Line


class _Model(Struct):
    name: _Line
    qualifies: bool | None
    reasons: list[str]


class _Option(Struct):
    deployment: str
    status: Status
    rules: list[_Line]
    reasons: list[str]
    missing: list[_Line]
    models: list[_Model]
    waived: list[_Lifted] = []


class _Fact(Struct):
    value: Any
    grade: _Line


class _Rule(Struct):
    id: _Line
    title: str
    outcome: Literal["fired", "not_fired", "indeterminate"]
    criteria: list[_Line]
    forbid: list[_Line]
    facts: dict[str, _Fact]
    missing: list[_Line]
    message: str
    enforcement: Enforcement | None


class _Duty(Struct):
    evidence: _Line
    status: Literal["satisfied", "outstanding", "uncertain"]
    enforcement: Enforcement
    rules: list[_Line]
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


class _Advice(Struct):
    rule: _Line | None
    criteria: list[_Line]
    message: str


class _Waiver(Struct):
    id: _Line
    rule: _Line
    option: _Line
    applies: bool
    why: str | None
    on: Literal["judged", "option", "fallback"]


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
    advice: list[_Advice]
    waivers: list[_Waiver] = []


class _Evidence(Struct):
    grade: _Line | None
    problem: str | None
    valid_until: _Line | None


class _Decision(Struct):
    version: Literal["policy-engine/v1"] = msgspec.field(name="apiVersion")
    kind: Literal["Decision"]
    id: str
    decided_at: _Time
    valid_until: _Time | None
    verdict: Verdict
    workload: _Workload
    policy: _Policy
    catalog: _Catalog
    engine: _Engine
    plan: _Plan
    evidence: dict[str, _Evidence]
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
    place = found.ledger
    if not _HASH.fullmatch(place.leaf_hash) or not (place.recorded_at is None or _MOMENT.fullmatch(place.recorded_at)):
        raise untrusted("the decision's place in the ledger is none")
    if found.ledger.status != "recorded" or not 0 <= found.ledger.index < found.ledger.tree_size:
        raise untrusted("the decision is not on record", "server-unrecorded", "the server's ledger is none that lasts")
    _check_times(found)
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


def _check_times(found: _Decision) -> None:
    try:
        decided_at = parse_time(found.decided_at)
        ended = found.valid_until is not None and parse_time(found.valid_until) < decided_at
    except ValueError:
        raise untrusted("a time of the decision is none") from None
    if ended:
        raise untrusted("the decision was no longer valid when it was made")


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
    forbids = _forbids(task)
    if "fired" in forbids or status in _BREAKING or (proposal is not None and proposal.holds is False):
        bounds.append("deny")
    unsure = proposal.holds is None if proposal is not None else not (task.recommendation and task.recommendation.firm)
    duties = [each for each in task.obligations if each.status != "satisfied" and not each.waived]
    if (
        "indeterminate" in forbids
        or status == "uncertain"
        or unsure
        or any(each.enforcement != "advisory" for each in duties)
    ):
        bounds.append("review")
    if duties:
        bounds.append("allow_with_conditions")
    return worst([*bounds, "allow"])


def _forbids(task: _Task) -> set[str]:
    """Return the outcomes of rules that speak against the judged option or the proposal, and that nothing lifts."""
    judged = task.judged_option
    lifted = {each.rule for each in task.waivers if each.applies and each.option == judged}
    lifted |= {each.rule for option in task.options if option.deployment == judged for each in option.waived}
    against = {judged, PROPOSAL} if task.proposal is not None else {judged}
    return {
        rule.outcome
        for rule in task.rules
        if rule.enforcement != "advisory" and rule.id not in lifted and against & set(rule.forbid)
    }


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:200]
