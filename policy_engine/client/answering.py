"""Holding a decision to the workload that it was asked for: it is on that one, made now, and for nobody else."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from policy_audit.canonical import document_bytes

from policy_engine.client.documents import Decided
from policy_engine.client.errors import untrusted
from policy_engine.decide import parse_time
from policy_engine.model.decision import Decision
from policy_engine.model.personal import redacted_document
from policy_engine.model.workload import Workload


def answered(answer: Decided, workload: Workload, now: datetime, tolerance: timedelta) -> Decision:
    """Return the decision that was answered on `workload`, as this program has decisions.

    Raises:
        UntrustedError: it is on another workload, or was made at another time than `now`.
    """
    content = document_bytes(redacted_document(workload))
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    said, sent = answer.document["workload"], workload.metadata
    names = (said["namespace"], said["name"], said["stage"], said.get("owner"))
    if names != (workload.namespace, sent.name, workload.spec.stage, sent.owner) or answer.workload_digest != digest:
        raise untrusted("the decision is on another workload than was sent")
    tasks = [task["name"] for task in answer.recorded["tasks"]]
    if tasks != [task.name for task in workload.spec.tasks]:
        raise untrusted("the decision has other tasks than the workload that was sent")
    try:
        decided_at = parse_time(answer.decided_at)
    except ValueError:
        raise untrusted("the decision's time is none") from None
    off = abs((decided_at - now).total_seconds())
    if off > tolerance.total_seconds():
        hint = "set the clock of this machine, or of the server: a decision of another time is not taken for this one"
        raise untrusted(f"the decision is {off:,.0f} seconds off the clock", "server-clock", hint)
    return Decision(dict(answer.recorded), content, workload, ())
